//! Opening, creating below a root, and replacing files, with everything in the way that an attacker could put there.

#![allow(clippy::disallowed_methods, reason = "tests read and write folders of their own")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use content::{
    AtomicFile, Durability, FileKind, LinkPolicy, Root, check_folder, create_folder, open, open_device,
    open_or_create, open_read, open_to_write, write_output,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

fn fifo(path: &Path) {
    let made = mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0);
    assert_eq!(made, Ok(()), "{path:?}");
}

#[test]
fn only_regular_files_are_opened_and_nothing_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "content").unwrap();
    fifo(&at("fifo"));
    let _socket = UnixListener::bind(at("socket")).unwrap();
    symlink("file", at("link")).unwrap();
    symlink("fifo", at("link-to-fifo")).unwrap();
    symlink("loop", at("loop")).unwrap();
    let cases = [
        ("file", LinkPolicy::Follow, None),
        ("file", LinkPolicy::Refuse, None),
        ("link", LinkPolicy::Follow, None),
        ("link", LinkPolicy::Refuse, Some("a symbolic link")),
        ("fifo", LinkPolicy::Follow, Some("a named pipe")),
        ("fifo", LinkPolicy::Refuse, Some("a named pipe")),
        ("link-to-fifo", LinkPolicy::Follow, Some("a named pipe")),
        ("socket", LinkPolicy::Follow, Some("a socket")),
        (".", LinkPolicy::Follow, Some("a folder")),
        ("loop", LinkPolicy::Follow, Some("Too many levels of symbolic links")),
        ("missing", LinkPolicy::Follow, Some("No such file or directory")),
    ];
    for (name, links, refused) in cases {
        for opened in [open(&at(name), links), open_device(&at(name), links)] {
            match (opened, refused) {
                (Ok(mut file), None) => {
                    let mut content = String::new();
                    file.read_to_string(&mut content).unwrap();
                    assert_eq!(content, "content");
                }
                (Err(error), Some(reason)) => {
                    let text = error.to_string();
                    assert!(text.starts_with("cannot open ") && text.contains(reason), "{name}: {text}");
                }
                (opened, _) => panic!("{name}: {opened:?}"),
            }
        }
    }
    assert!(open(Path::new("/dev/null"), LinkPolicy::Follow).is_err());
}

#[test]
fn a_file_is_read_up_to_its_bound_and_not_a_byte_further() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "12345").unwrap();
    assert_eq!(open_read(&path, LinkPolicy::Refuse, 5).unwrap(), b"12345");
    let error = open_read(&path, LinkPolicy::Refuse, 4).unwrap_err().to_string();
    assert!(error.ends_with("larger than the limit of 4 bytes"), "{error}");
}

#[test]
fn no_path_leads_out_of_a_root() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("victim"), "mine").unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("victim"), folder.path().join("victim")).unwrap();
    symlink(outside.path().join("new"), folder.path().join("new")).unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    symlink("../out", folder.path().join("in/chain")).unwrap();
    let root = Root::open(folder.path()).unwrap();
    let absolute = outside.path().join("victim");
    for path in [
        "out/victim",
        "out/new",
        "victim",
        "new",
        "in/chain/victim",
        "in/../../x",
        "..",
        "../x",
        "",
        "/",
        "out",
        absolute.to_str().unwrap(),
    ] {
        let path = Path::new(path);
        assert!(root.create_file(path, 0o644).is_err(), "{path:?}");
        assert!(root.open_file(path).is_err(), "{path:?}");
        assert!(root.open_file_to_write(path).is_err(), "{path:?}");
        assert!(root.create_dir(path, 0o755).is_err(), "{path:?}");
        assert!(root.symlink(OsStr::new("x"), path).is_err(), "{path:?}");
        assert!(root.hard_link(&absolute, path).is_err(), "{path:?}");
        assert!(root.set_mode(path, 0o777).is_err(), "{path:?}");
        if !path.as_os_str().is_empty() {
            assert!(root.folder(path).is_err() && root.create_dir_all(path).is_err(), "{path:?}");
        }
    }
    let below_link = Path::new("out/victim");
    assert!(root.remove_file(below_link).is_err() && root.rename(Path::new("in"), below_link).is_err());
    assert_eq!(fs::read_to_string(outside.path().join("victim")).unwrap(), "mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn what_is_created_below_a_root_replaces_nothing_and_is_nobody_elses_program() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path()).unwrap();
    let path = Path::new("a/b/file");
    root.create_dir_all(Path::new("a/b")).unwrap();
    root.create_dir_all(Path::new("a/b")).unwrap();
    root.create_file(path, 0o6755).unwrap().write_all(b"x").unwrap();
    let found = root.metadata(path).unwrap();
    assert_eq!((found.kind, found.mode, found.len), (FileKind::File, 0o755, 1));
    for refused in [
        root.create_file(path, 0o644).map(drop),
        root.create_dir(path, 0o755),
        root.symlink(OsStr::new("x"), path),
        root.hard_link(&folder.path().join("a/b/file"), path),
        root.create_dir_all(Path::new("a/b/file/c")),
    ] {
        assert!(refused.is_err());
    }
    root.set_mode(path, 0o4711).unwrap();
    assert_eq!(root.metadata(path).unwrap().mode, 0o711);
    root.set_special_mode(path, 0o4711).unwrap();
    assert_eq!(root.metadata(path).unwrap().mode, 0o4711);
    root.create_dir(Path::new("shut"), 0o7000).unwrap();
    assert_eq!(root.metadata(Path::new("shut")).unwrap().mode, 0);
}

#[test]
fn a_pipe_below_a_root_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fifo(&folder.path().join("pipe"));
    let root = Root::open(folder.path()).unwrap();
    assert!(root.open_file(Path::new("pipe")).is_err());
    assert!(root.open_file_to_write(Path::new("pipe")).is_err());
}

#[test]
fn links_and_names_below_a_root_are_moved_linked_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path()).unwrap();
    let [a, b, link] = ["a", "b", "link"].map(Path::new);
    root.create_file(a, 0o644).unwrap();
    root.symlink(OsStr::new("/nowhere"), link).unwrap();
    assert_eq!(root.read_link(link).unwrap(), "/nowhere");
    assert_eq!(root.metadata(link).unwrap().kind, FileKind::Link);
    assert!(root.set_mode(link, 0o600).is_err());
    root.hard_link(&folder.path().join("a"), b).unwrap();
    assert_eq!(root.metadata(a).unwrap().identity, root.metadata(b).unwrap().identity);
    assert!(root.rename_new(b, link).is_err());
    root.rename(b, link).unwrap();
    assert_eq!(root.metadata(link).unwrap().kind, FileKind::File);
    root.remove_file(link).unwrap();
    root.link(a, link).unwrap();
    root.sync().unwrap();
    root.remove_file(a).unwrap();
    assert_eq!(fs::metadata(folder.path().join("link")).unwrap().nlink(), 1);
}

#[test]
fn a_file_appears_whole_or_not_at_all_however_long_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for length in [1, 246, 247, 250, 255] {
        let path = folder.path().join("n".repeat(length));
        let file = AtomicFile::create(&path, 0o640, Durability::Durable).unwrap();
        file.file().write_all(b"new").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        AtomicFile::write(&path, b"newer", 0o604, Durability::Cache).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o604);
        drop(AtomicFile::create(&path, 0o600, Durability::Durable).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"newer");
    }
    // Nothing else is left there.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn a_new_file_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let new = || {
        let file = AtomicFile::create(&path, 0o644, Durability::Durable).unwrap();
        file.file().write_all(b"new").unwrap();
        file
    };
    let (first, second) = (new(), new());
    first.commit_new().unwrap();
    fs::write(&path, "changed").unwrap();
    let error = second.commit_new().unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"changed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn writing_to_a_link_replaces_what_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("disk")).unwrap();
    fs::write(at("disk/real"), "old").unwrap();
    symlink("disk/real", at("latest")).unwrap();
    symlink("latest", at("chain")).unwrap();
    symlink("disk/new", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    AtomicFile::write(&at("chain"), b"content", 0o644, Durability::Durable).unwrap();
    AtomicFile::write(&at("dangling"), b"created", 0o644, Durability::Durable).unwrap();
    assert_eq!(fs::read_to_string(at("disk/real")).unwrap(), "content");
    assert_eq!(fs::read_to_string(at("disk/new")).unwrap(), "created");
    for link in ["latest", "chain", "dangling"] {
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
    }
    assert!(AtomicFile::write(&at("loop"), b"", 0o644, Durability::Cache).is_err());
    assert!(AtomicFile::write(&at("disk"), b"", 0o644, Durability::Cache).is_err());
    assert!(AtomicFile::write(&at("missing/x"), b"", 0o644, Durability::Cache).is_err());
}

#[test]
fn output_goes_where_the_user_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "old").unwrap();
    symlink("file", at("link")).unwrap();
    symlink("behind", at("dangling")).unwrap();
    for (name, file) in [("file", "file"), ("new", "new"), ("link", "file"), ("dangling", "behind")] {
        write_output(&at(name), name.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(at(file)).unwrap(), name);
    }
    assert!(at("link").is_symlink() && at("dangling").is_symlink());

    fifo(&at("fifo"));
    let reader = std::thread::spawn({
        let fifo = at("fifo");
        move || fs::read_to_string(fifo).unwrap()
    });
    write_output(&at("fifo"), b"through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert!(fs::symlink_metadata(at("fifo")).unwrap().file_type().is_fifo());

    write_output(Path::new("/dev/null"), b"away").unwrap();
    let full = write_output(Path::new("/dev/full"), b"x").unwrap_err().to_string();
    assert!(full.starts_with("cannot write /dev/full: No space left"), "{full}");

    let _socket = UnixListener::bind(at("socket")).unwrap();
    for (name, reason) in [("socket", "a socket"), (".", "directory"), ("no/folder", "No such file")] {
        let error = write_output(&at(name), b"x").unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7, "nothing but what was named is left");
}

#[test]
fn a_lock_or_journal_is_a_regular_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    open_or_create(&at("lock"), 0o600).unwrap().write_all(b"held").unwrap();
    let mut text = String::new();
    open_or_create(&at("lock"), 0o600).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "held");
    fifo(&at("fifo"));
    symlink("lock", at("link")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    for name in ["fifo", "link", "dangling", "."] {
        open_or_create(&at(name), 0o600).unwrap_err();
    }
    assert!(!at("nothing").exists());
    open_to_write(&at("link"), LinkPolicy::Follow).unwrap();
    for (name, links) in
        [("fifo", LinkPolicy::Follow), ("link", LinkPolicy::Refuse), ("missing", LinkPolicy::Follow)]
    {
        open_to_write(&at(name), links).unwrap_err();
    }
}

#[test]
fn a_file_below_a_root_has_its_name_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path()).unwrap();
    let path = Path::new("file");
    let names =
        || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let fill = |mut file: &File| {
        assert!(!names().iter().any(|name| name == "file"), "it has its name before it is whole");
        file.write_all(b"content")
    };
    assert!(root.create_whole(path, 0o640, |_| Err(std::io::ErrorKind::StorageFull.into())).is_err());
    assert!(names().is_empty());
    root.create_whole(path, 0o4640, fill).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"content");
    assert_eq!(root.metadata(path).unwrap().mode, 0o640);
    // Nothing is replaced.
    assert!(root.create_whole(path, 0o600, |_| Ok(())).is_err());
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"content");
}

#[test]
fn what_is_in_the_way_of_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").unwrap();
    fifo(&at("fifo"));
    fs::create_dir(at("folder")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("folder", at("link")).unwrap();
    let dangling = "is a symbolic link whose target does not exist";
    for (name, expected) in [
        ("folder", None),
        ("link", None),
        ("link/new/deeper", None),
        ("new/", None),
        ("file", Some("it is not a folder".to_owned())),
        ("file/", Some("it is not a folder".to_owned())),
        ("fifo", Some("it is not a folder".to_owned())),
        ("dangling", Some(format!("it {dangling}"))),
        ("dangling/", Some(format!("it {dangling}"))),
        ("dangling/x/y", Some(format!("{} {dangling}", at("dangling").display()))),
        ("file/x/y", Some(format!("{} is not a folder", at("file").display()))),
    ] {
        let path = at(name);
        let text =
            |operation: &str| Some(format!("cannot {operation} {}: {}", path.display(), expected.clone()?));
        assert_eq!(check_folder(&path).err().map(|error| error.to_string()), text("write to"), "{name}");
        assert_eq!(create_folder(&path).err().map(|error| error.to_string()), text("create"), "{name}");
    }
}
