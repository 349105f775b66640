use super::*;
use std::fs;

/// A folder and the files of a first run in it, whose clock is in the folder.
fn first(folder: &Path) -> KnownFiles {
    next(folder, HashMap::new())
}

fn next(folder: &Path, earlier: HashMap<Inode, FileDigest>) -> KnownFiles {
    let clock = File::options().write(true).create(true).truncate(false).open(folder.join("clock")).unwrap();
    KnownFiles::new(folder, Some(clock), earlier, 2).unwrap()
}

/// The files of the run after `files`.
fn after(folder: &Path, files: KnownFiles) -> KnownFiles {
    // What was racy in the last run is not in this one.
    thread::sleep(Duration::from_millis(20));
    next(folder, files.into_recorded())
}

fn reads(files: &KnownFiles) -> usize {
    files.reads.swap(0, Ordering::Relaxed)
}

fn write_and_wait(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_file_is_read_once_however_many_ask() {
    let folder = tempfile::tempdir().unwrap();
    write_and_wait(&folder.path().join("a"), "x");
    let files = first(folder.path());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x")));
        }
    });
    assert_eq!(reads(&files), 1);
    let files = after(folder.path(), files);
    files.digest(Path::new("a")).unwrap();
    assert_eq!(reads(&files), 0);
}

#[test]
fn a_touched_file_is_read_once_more_and_then_recorded() {
    let folder = tempfile::tempdir().unwrap();
    write_and_wait(&folder.path().join("a"), "x");
    let files = first(folder.path());
    files.digest(Path::new("a")).unwrap();
    write_and_wait(&folder.path().join("a"), "x");
    let mut files = after(folder.path(), files);
    for expected in [1, 0] {
        files.digest(Path::new("a")).unwrap();
        assert_eq!(reads(&files), expected);
        files = after(folder.path(), files);
    }
}

#[test]
fn hard_links_share_one_record_and_creating_one_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_and_wait(&folder.path().join("a"), "x");
    let files = first(folder.path());
    files.digest(Path::new("a")).unwrap();
    for name in ["b", "c"] {
        files.link(Path::new("a"), Path::new(name)).unwrap();
    }
    assert!(files.link(Path::new("a"), Path::new("c")).is_err(), "the path exists");
    for name in ["a", "b", "c"] {
        assert_eq!(files.digest(Path::new(name)).unwrap(), Digest::of(b"x"));
    }
    assert_eq!(reads(&files), 1);
}

/// Builds set modification times, and file systems reuse inodes: neither distinguishes two contents.
#[test]
fn another_content_of_the_same_size_and_time_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (path, time) = (folder.path().join("a"), std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let write = |text: &str, replace: bool| {
        if replace {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        thread::sleep(Duration::from_millis(20));
    };
    write("1.0", false);
    fs::hard_link(&path, folder.path().join("b")).unwrap();
    let mut files = first(folder.path());
    for (text, replace) in [("1.0", false), ("1.1", false), ("1.2", true), ("1.3", true)] {
        write(text, replace);
        assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(text.as_bytes()));
        files = after(folder.path(), files);
    }
}

#[test]
fn the_digest_of_a_racy_file_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let files = first(folder.path());
    let identity = files.identity(Path::new("a")).unwrap();
    let found = FileDigest { identity, digest: Digest::of(b"x") };
    assert!(!files.keep(found, identity.changed));
    assert_eq!(files.recorded(&identity), Some(Digest::of(b"x")), "it is valid in this run");
    assert!(files.take_unsaved().is_empty());
    assert!(files.into_recorded().is_empty());
    let files = first(folder.path());
    assert!(files.keep(found, identity.changed + 1));
    assert_eq!(files.take_unsaved().len(), 1);
}

#[test]
fn a_file_with_a_recorded_digest_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    fs::write(folder.path().join("b"), "x").unwrap();
    let files = first(folder.path());
    files.record(Path::new("a"), Digest::of(b"x")).unwrap();
    files.record(Path::new("b"), Digest::of(b"x")).unwrap();
    fs::write(folder.path().join("b"), "edited").unwrap();
    files.persist();
    let files = after(folder.path(), files);
    assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x"));
    assert_eq!(reads(&files), 0);
    assert_eq!(files.digest(Path::new("b")).unwrap(), Digest::of(b"edited"));
    assert!(files.record(folder.path(), Digest::of(b"")).is_err());
}

#[test]
fn a_reading_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // Sparse, and far too large to be read in the meantime.
    for name in ["a", "b", "c"] {
        File::create(folder.path().join(name)).unwrap().set_len(64 << 30).unwrap();
    }
    let (files, stop) = (first(folder.path()), AtomicBool::new(false));
    let paths = ["a", "b", "c"].map(Path::new);
    let entries = thread::scope(|scope| {
        let reading = scope.spawn(|| files.entries(&paths, true, &stop));
        while files.reads.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    assert!(entries.iter().all(|entry| matches!(entry, Err(FileError::Stopped { .. }))), "{entries:?}");
}

#[test]
fn a_file_that_changed_since_it_was_read_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let files = first(folder.path());
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), "x").unwrap();
        assert_eq!(files.digest(Path::new(name)).unwrap(), Digest::of(b"x"));
    }
    fs::write(folder.path().join("b"), "edited").unwrap();
    for name in ["a", "b"] {
        files.trust(Path::new(name), Digest::of(b"x")).unwrap();
    }
    files.persist();
    let files = after(folder.path(), files);
    assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x"));
    assert_eq!(reads(&files), 0);
    assert_eq!(files.digest(Path::new("b")).unwrap(), Digest::of(b"edited"));
}
