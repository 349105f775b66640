use super::*;

fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    std::fs::create_dir_all(root.join("a/b")).expect("folders");
    std::fs::write(root.join("a/b/file"), "content").expect("a file");
    std::fs::write(root.join("z"), "").expect("a file");
    for (link, target) in [
        ("inside", "a/b"),
        ("a/up", "../z"),
        ("a/b/through", "../../inside/./file"),
        ("out", "../.."),
        ("a/out", "../../etc/passwd"),
        ("absolute", "/etc/passwd"),
        ("round", "round"),
        ("nothing", "a/none"),
    ] {
        std::os::unix::fs::symlink(target, root.join(link)).expect(link);
    }
    folder
}

#[test]
fn links_are_followed_inside_only() {
    let folder = sample();
    let tree = Tree::open(folder.path()).expect("opened");
    let cases = [
        ("", Ok(Some(""))),
        ("a/b/file", Ok(Some("a/b/file"))),
        ("inside/file", Ok(Some("a/b/file"))),
        ("a/up", Ok(Some("z"))),
        ("a/b/through", Ok(Some("a/b/file"))),
        ("nothing", Ok(None)),
        ("z/below", Ok(None)),
        ("out", Err("a symbolic link on it leads out of the archive")),
        ("a/out", Err("a symbolic link on it leads out of the archive")),
        ("absolute", Err("a symbolic link on it leads out of the archive")),
        ("round", Err("too many symbolic links are on it")),
        ("../x", Err("a part of it is `.` or `..`")),
        ("a//b", Err("a part of it is empty")),
        ("/a", Err("it is absolute")),
        ("a\0", Err("it has a NUL")),
    ];
    for (path, expected) in cases {
        let found = tree.resolve(path);
        match expected {
            Ok(expected) => assert_eq!(found.expect(path).as_deref(), expected, "{path}"),
            Err(reason) => match found.expect_err(path) {
                Error::Path { problem, .. } => assert_eq!(problem, reason, "{path}"),
                other => panic!("{path}: {other}"),
            },
        }
    }
}

#[test]
fn reads_what_is_there() {
    let folder = sample();
    let tree = Tree::open(folder.path()).expect("opened");
    assert_eq!(tree.read("inside/file", 7).expect("read"), b"content");
    assert!(matches!(tree.read("inside/file", 6), Err(Error::Limit { limit: 6, found: 7, .. })));
    assert!(matches!(tree.read("a", 6), Err(Error::Kind { found: "a folder", .. })));
    assert!(matches!(tree.read("none", 6), Err(Error::NotFound { .. })));
    assert!(matches!(tree.read_dir("z"), Err(Error::Kind { expected: "a folder", .. })));
    assert_eq!(
        tree.entry("absolute").expect("found").map(|e| e.kind),
        Some(EntryKind::Symlink("/etc/passwd".into()))
    );
    assert_eq!(tree.entry("inside/file").expect("found").map(|e| e.size), Some(7));
    assert_eq!(tree.entry("z/below").expect("not found"), None);
    let paths: Vec<_> = tree.walk().expect("walked").into_iter().map(|(path, _)| path).collect();
    let expected = "a a/b a/b/file a/b/through a/out a/up absolute inside nothing out round z"
        .split(' ')
        .collect::<Vec<_>>();
    assert_eq!(paths, expected);
}

#[test]
fn opening_at_once_leads_nowhere_else() {
    let folder = sample();
    let Tree::Folder(tree) = Tree::open(folder.path()).expect("opened") else { panic!("a folder") };
    for path in ["a/out", "absolute", "out", "round", "nothing", "a", "", "none", "out/etc/passwd"] {
        assert!(tree.locate_at_once(path).is_none(), "{path}");
    }
    // Where the kernel cannot do it, all goes the other way.
    if let Some(location) = tree.locate_at_once("inside/file") {
        assert_eq!(location.read_all().expect("read"), b"content");
    }
}

#[test]
fn a_shrunk_file_is_an_error() {
    let folder = sample();
    let tree = Tree::open(folder.path()).expect("opened");
    let location = tree.locate("a/b/file").expect("located");
    std::fs::write(folder.path().join("a/b/file"), "con").expect("shrunk");
    assert_eq!(location.read_all().expect_err("shrunk").kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn pieces_follow_one_another() {
    let folder = sample();
    let file = std::fs::File::open(folder.path().join("a/b/file")).expect("opened");
    let pieces = [(4, 3), (0, 2)].map(|(offset, len)| LocationPiece { offset, len });
    let location = Location { file: std::sync::Arc::new(file), pieces: pieces.into(), size: 5, mtime: 0 };
    assert_eq!(location.read_all().expect("read"), b"entco");
    assert_eq!(location.at(4), Some(LocationPiece { offset: 1, len: 1 }));
    assert_eq!(location.at(5), None);
}

#[test]
fn a_pipe_is_not_opened() {
    let folder = sample();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a pipe");
    let tree = Tree::open(folder.path()).expect("opened");
    assert!(matches!(tree.locate("pipe"), Err(Error::Kind { found: "a device, socket or pipe", .. })));
}
