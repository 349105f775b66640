//! Files and names that somebody else chose: nothing hangs, nothing is replaced that should stay, and nothing acts on the
//! terminal.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{peer, sealift};

fn pipe(path: &Path) {
    peer::run(Command::new("mkfifo").arg(path));
}

/// An image with names that act on terminals, beside a second one that is equal.
fn image(scratch: &Path) {
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("product.txt"), "NAME=Example\nVERSION=1.0\n").unwrap();
    for name in ["a\u{1b}[2J", "b\nhelp: c", "d\r", "e\u{7}", "f\u{202e}gpj", "g\t", "h\u{9b}2J"] {
        fs::write(tree.join(name), "x").unwrap();
        symlink("/nowhere\n\u{1b}[0m", tree.join(format!("link {name}"))).unwrap();
    }
    let created = sealift::run(scratch, &["iso", "create", "tree", "--file", "a.iso", "--volume-id", "A"]);
    assert_eq!(created.0, 0, "{created:?}");
    fs::remove_file(tree.join("e\u{7}")).unwrap();
    let created = sealift::run(scratch, &["iso", "create", "tree", "--file", "b.iso", "--volume-id", "A"]);
    assert_eq!(created.0, 0, "{created:?}");
}

#[test]
fn no_name_in_an_archive_acts_on_the_terminal() {
    let scratch = tempfile::tempdir().unwrap();
    image(scratch.path());
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for form in ["text", "json"] {
        for command in [
            &["archive", "verify", "a.iso"][..],
            &["archive", "verify", "tree"],
            &["archive", "inspect", "a.iso"],
            &["iso", "ls", "a.iso"],
            &["iso", "ls", "--recursive", "a.iso"],
            &["iso", "info", "a.iso"],
            &["iso", "check", "a.iso"],
            &["iso", "diff", "a.iso", "b.iso"],
        ] {
            commands.push([command, &["--output", form]].concat());
        }
    }
    commands.push(vec!["iso", "extract", "a.iso", "--into", "out"]);
    commands.push(vec!["iso", "cat", "a.iso", "b\nhelp: c\u{1b}"]);
    commands.push(vec!["iso", "ls", "tree/b\nhelp: c"]);
    for command in commands {
        let (_, out, err) = sealift::run(scratch.path(), &command);
        for text in [&out, &err] {
            let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(acts), "{command:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("help: c")), "{command:?}: {text}");
        }
    }
}

#[test]
fn a_named_pipe_in_the_place_of_a_file_is_refused_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    pipe(&scratch.path().join("pipe"));
    symlink("pipe", scratch.path().join("link")).unwrap();
    for name in ["pipe", "link"] {
        for command in [
            &["archive", "verify", name][..],
            &["archive", "inspect", name],
            &["iso", "ls", name],
            &["iso", "info", name],
            &["iso", "check", name],
            &["iso", "implant", name],
            &["iso", "cat", name, "product.txt"],
            &["iso", "diff", name, name],
            &["iso", "extract", name, "--into", "out"],
            &["package", "build", name, "--into", "out"],
        ] {
            // Nobody writes to the pipe: a command that opens it waits forever, and `timeout` ends it.
            let mut limited = Command::new("timeout");
            limited.arg("60").arg(sealift::binary()).args(command);
            let output = limited.current_dir(scratch.path()).stdin(Stdio::null()).output().unwrap();
            let (code, _, err) = sealift::told(&output);
            assert_eq!(code, 2, "{command:?}: {err}");
            assert!(err.contains(&format!("cannot open {name}: it is a named pipe")), "{command:?}: {err}");
        }
    }
}

#[test]
fn an_image_behind_a_link_gets_its_sum_and_the_link_stays() {
    let scratch = tempfile::tempdir().unwrap();
    image(scratch.path());
    symlink("a.iso", scratch.path().join("link.iso")).unwrap();
    let done = sealift::run(scratch.path(), &["iso", "implant", "--force", "link.iso"]);
    assert_eq!(done.0, 0, "{done:?}");
    assert!(scratch.path().join("link.iso").is_symlink());
    assert_eq!(sealift::run(scratch.path(), &["iso", "check", "a.iso"]).0, 0);
}

#[test]
fn output_goes_where_the_user_said() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/file"), "x").unwrap();
    fs::write(
        at("package.yaml"),
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, license: MIT,\n\
         files: [{from: tree/file, to: /usr/share/file}]}\n",
    )
    .unwrap();
    fs::create_dir(at("images")).unwrap();
    let commands = [
        &["schema", "--file"][..],
        &["iso", "create", "tree", "--volume-id", "A", "--file"],
        &["package", "build", "package.yaml", "--file"],
        &["registry", "nginx-config", "images", "--repository", "example-1.0", "--file"],
        &["registry", "nginx-config", "images", "--repository", "example-1.0", "--with-common", "--file"],
    ];
    for command in commands {
        let run = |place: &str| sealift::command(scratch.path()).args(command).arg(place).output().unwrap();
        assert!(run("plain").status.success(), "{command:?}");
        let expected = fs::read(at("plain")).unwrap();
        fs::write(at("target"), "old").unwrap();
        symlink("target", at("link")).unwrap();
        symlink("later", at("dangling")).unwrap();
        for (place, target) in [("link", "target"), ("dangling", "later")] {
            assert!(run(place).status.success(), "{command:?} {place}");
            assert!(at(place).is_symlink(), "{command:?} {place}");
            assert!(fs::read(at(target)).unwrap() == expected, "{command:?} {place}");
        }
        assert!(run("-").stdout == expected, "{command:?}");
        assert!(run("/dev/stdout").stdout == expected, "{command:?}");
        assert!(run("/dev/null").status.success(), "{command:?}");
        pipe(&at("pipe"));
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        assert!(run("pipe").status.success(), "{command:?}");
        assert!(reader.join().unwrap() == expected, "{command:?}");
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo(), "{command:?}");
        for name in ["plain", "target", "link", "later", "dangling", "pipe"] {
            fs::remove_file(at(name)).unwrap();
        }
    }
}
