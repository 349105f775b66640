use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn partial(slot: BlobSlot) -> Box<PartialBlob> {
    match slot {
        BlobSlot::Partial(partial) => partial,
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_is_stored_once_read_only_and_read_back_checked() {
    let (_folder, store) = store();
    let digest = store.put(b"abc").unwrap();
    assert_eq!(store.put(b"abc").unwrap(), digest);
    assert_eq!(store.read(&digest, 3).unwrap(), b"abc");
    assert!(matches!(store.read(&digest, 2), Err(Error::TooLarge { limit: 2, .. })));
    assert!(matches!(store.read(&Digest::of(b"x"), 9), Err(Error::NotInStore { .. })));
    let path = store.blob_path(&digest);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::read_dir(store.root().join("new")).unwrap().count(), 0);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "abd").unwrap();
    assert!(matches!(store.read(&digest, 3), Err(Error::DigestMismatch { .. })));
}

#[test]
fn a_broken_download_is_resumed_and_only_one_process_writes_it() {
    let (_folder, store) = store();
    let digest = Digest::of(b"hello world");
    let mut first = partial(store.slot(&digest, 11).unwrap());
    first.write(b"hello").unwrap();
    assert!(matches!(store.slot(&digest, 11).unwrap(), BlobSlot::Busy));
    drop(first);
    assert!(store.size(&digest).unwrap().is_none());
    let mut second = partial(store.slot(&digest, 11).unwrap());
    assert_eq!(second.written(), 5);
    second.write(b" world").unwrap();
    second.finish().unwrap();
    assert!(matches!(store.slot(&digest, 11).unwrap(), BlobSlot::Present));
    assert_eq!(store.read(&digest, 11).unwrap(), b"hello world");
}

#[test]
fn content_that_comes_while_a_process_takes_its_slot_is_not_fetched_again() {
    let (_folder, store) = store();
    let digest = store.put(b"hello world").unwrap();
    assert!(matches!(store.take(&digest, 11, true).unwrap(), BlobSlot::Present));
    assert!(matches!(store.take(&digest, 99, false).unwrap(), BlobSlot::Present));
    assert_eq!(fs::read_dir(store.root().join("partial/sha256")).unwrap().count(), 0);
}

#[test]
fn wrong_content_never_gets_the_name() {
    let (_folder, store) = store();
    let digest = Digest::of(b"right");
    let mut wrong = partial(store.slot(&digest, 5).unwrap());
    assert!(matches!(wrong.write(b"wrong!"), Err(Error::SizeMismatch { expected: 5, found: 6, .. })));
    wrong.write(b"wrong").unwrap();
    let error = wrong.finish().unwrap_err();
    assert!(
        matches!(&error, Error::DigestMismatch { expected, found, .. } if *expected == digest && *found == Digest::of(b"wrong"))
    );
    assert!(store.size(&digest).unwrap().is_none());
    assert_eq!(partial(store.slot(&digest, 5).unwrap()).written(), 0);
    let mut short = partial(store.slot(&digest, 5).unwrap());
    short.write(b"rig").unwrap();
    assert!(matches!(short.finish(), Err(Error::SizeMismatch { expected: 5, found: 3, .. })));
}

type Harm = fn(&Path);

/// What may happen to a file of the store, or to one that a tree shares with it.
const DAMAGES: [(&str, Harm); 7] = [
    ("cut to nothing", |path| fs::write(writable(path), "").unwrap()),
    ("edited in place", |path| fs::write(writable(path), "abd").unwrap()),
    ("edited, its time set back", |path| {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(writable(path), "abd").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    }),
    ("replaced by another file", |path| {
        fs::remove_file(path).unwrap();
        fs::write(path, "abd").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    }),
    ("replaced by a link", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
    }),
    ("replaced by a FIFO", |path| {
        fs::remove_file(path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    }),
    ("replaced by a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir_all(path.join("inner")).unwrap();
        fs::write(path.join("inner/file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", path.join("link")).unwrap();
    }),
];

fn writable(path: &Path) -> &Path {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

#[test]
fn damaged_content_never_leaves_the_store_and_is_fetched_again() {
    for (damage, harm) in DAMAGES {
        let (folder, store) = store();
        let digest = store.put(b"abc").unwrap();
        assert!(store.has(&digest, 3).unwrap(), "{damage}");
        let tree = folder.path().join("tree");
        store.give(&digest, &tree).unwrap();
        harm(&store.blob_path(&digest));
        assert!(store.give(&digest, &folder.path().join("other")).is_err(), "{damage}");
        assert!(!folder.path().join("other").exists(), "{damage}");
        assert!(!store.has(&digest, 3).unwrap(), "{damage}");
        assert!(matches!(store.slot(&digest, 3).unwrap(), BlobSlot::Partial(_)), "{damage}");
        assert_eq!(store.put(b"abc").unwrap(), digest);
        store.give(&digest, &folder.path().join("healed")).unwrap();
        assert_eq!(fs::read(folder.path().join("healed")).unwrap(), b"abc", "{damage}");
    }
}

#[test]
fn what_is_no_file_is_replaced_wherever_the_store_meets_it() {
    for (damage, harm) in DAMAGES.iter().skip(4) {
        let content = b"abc";
        // Where the content belongs, where a part of it does, and where its record does.
        for place in ["blobs", "partial", "verified"] {
            let (folder, store) = store();
            let digest = store.put(content).unwrap();
            let path = store.root().join(place).join("sha256").join(digest.hex());
            if place == "partial" {
                fs::remove_file(store.blob_path(&digest)).unwrap();
                fs::write(&path, "").unwrap();
            }
            harm(&path);
            let here = format!("{place} {damage}");
            match place {
                "blobs" => {
                    let write = || {
                        let mut new = store.create().unwrap();
                        new.write_all(content).unwrap();
                        new.finish().unwrap();
                    };
                    assert_eq!(store.size(&digest).unwrap(), None, "{here}");
                    write();
                    harm(&path);
                    assert!(matches!(store.read(&digest, 3), Err(Error::NotInStore { .. })), "{here}");
                    write();
                    harm(&path);
                    let checked = store.check(std::num::NonZero::<usize>::MIN).unwrap();
                    assert_eq!(checked.damaged.len(), 1, "{here}");
                    write();
                }
                "partial" => {
                    let mut slot = partial(store.slot(&digest, 3).unwrap());
                    assert_eq!(slot.written(), 0, "{here}");
                    slot.write(content).unwrap();
                    slot.finish().unwrap();
                }
                _ => assert!(store.has(&digest, 3).unwrap(), "{here}"),
            }
            store.give(&digest, &folder.path().join("tree")).unwrap();
            assert_eq!(fs::read(folder.path().join("tree")).unwrap(), content, "{here}");
            let record = store.root().join("verified/sha256").join(digest.hex());
            assert!(fs::symlink_metadata(record).unwrap().is_file(), "{here}");
        }
    }
    // What a link leads to stays.
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn an_edited_file_of_a_tree_does_not_change_what_the_store_gives_next() {
    let (folder, store) = store();
    let digest = store.put(b"abc").unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    store.give(&digest, &one).unwrap();
    assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o444);
    fs::write(writable(&one), "abd").unwrap();
    assert!(matches!(store.give(&digest, &two), Err(Error::DigestMismatch { .. })));
    store.put(b"abc").unwrap();
    store.give(&digest, &two).unwrap();
    assert_eq!((fs::read(&one).unwrap(), fs::read(&two).unwrap()), (b"abd".into(), b"abc".into()));
}

#[test]
fn unchanged_content_is_hashed_once() {
    let (folder, store) = store();
    let digest = store.put(b"abc").unwrap();
    store.read_state(&digest).unwrap();
    // A record that names this very file counts, whatever its bytes are: nobody read them.
    let (path, record) = (store.blob_path(&digest), store.root().join("verified/sha256").join(digest.hex()));
    fs::write(writable(&path), "abd").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let found = fs::metadata(&path).unwrap();
    let text = format!(
        "{digest} {} {} 3 {}.{:09} {}.{:09}\n",
        found.dev(),
        found.ino(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec()
    );
    let forge = |seconds: i64| {
        fs::write(&record, &text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.try_into().unwrap());
        File::options().write(true).open(&record).unwrap().set_modified(time).unwrap();
    };
    forge(found.mtime() + 1);
    assert!(store.has(&digest, 3).unwrap());
    // One that others can write does not, nor one that may be as old as the last change.
    fs::set_permissions(&record, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(!store.has(&digest, 3).unwrap());
    fs::write(&path, "abd").unwrap();
    forge(found.mtime());
    assert!(!store.has(&digest, 3).unwrap());
    drop(folder);
}

#[test]
fn content_that_others_can_write_is_hashed_each_time_and_copied() {
    let (folder, store) = store();
    let digest = store.put(b"abc").unwrap();
    let path = store.blob_path(&digest);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(store.has(&digest, 3).unwrap());
    let tree = folder.path().join("tree");
    store.give(&digest, &tree).unwrap();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_ne!(inode(&tree), inode(&path));
    assert_eq!(fs::metadata(&tree).unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn a_partial_download_that_somebody_else_placed_is_thrown_away() {
    let (folder, store) = store();
    let digest = Digest::of(b"abc");
    let path = store.root().join("partial/sha256").join(digest.hex());
    let victim = folder.path().join("victim");
    fs::write(&victim, "ab").unwrap();
    for place in [
        |victim: &Path, path: &Path| std::os::unix::fs::symlink(victim, path).unwrap(),
        |victim: &Path, path: &Path| fs::hard_link(victim, path).unwrap(),
        |_: &Path, path: &Path| {
            fs::write(path, "ab").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        },
    ] {
        place(&victim, &path);
        let mut slot = partial(store.slot(&digest, 3).unwrap());
        assert_eq!(slot.written(), 0);
        slot.write(b"x").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"ab");
        drop(slot);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_check_reads_everything_and_removes_what_is_damaged() {
    let (folder, store) = store();
    let (good, bad) = (store.put(b"good").unwrap(), store.put(b"bad").unwrap());
    store.give(&bad, &folder.path().join("tree")).unwrap();
    let threads = std::num::NonZero::<usize>::MIN;
    assert_eq!(store.check(threads).unwrap(), StoreCheck { files: 2, bytes: 7, damaged: Vec::new() });
    fs::write(writable(&store.blob_path(&bad)), "bat").unwrap();
    let stray = store.root().join("blobs/sha256/stray");
    fs::write(&stray, "").unwrap();
    let damage = |path: PathBuf, found, linked| DamagedBlob { path, found, linked };
    let mut damaged =
        vec![damage(store.blob_path(&bad), Some(Digest::of(b"bat")), 1), damage(stray, None, 0)];
    damaged.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(store.check(threads).unwrap(), StoreCheck { files: 3, bytes: 7, damaged });
    assert_eq!(store.check(threads).unwrap(), StoreCheck { files: 1, bytes: 4, damaged: Vec::new() });
    assert!(store.has(&good, 4).unwrap());
}

/// link(2) fails for a file whose last name is taken away at that moment, as by a rename over it.
#[test]
fn content_can_be_given_while_another_process_publishes_it_again() {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(&scratch.path().join("store")).unwrap();
    let digest = store.put(b"content").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let mut new = store.create().unwrap();
                new.write_all(b"content").unwrap();
                new.finish().unwrap();
            }
        });
        let given =
            (0..2000).try_for_each(|number| store.give(&digest, &scratch.path().join(number.to_string())));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        given.unwrap();
    });
}
