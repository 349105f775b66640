//! The kernel's own isofs, in a virtual machine: it is the reader that clusters mount archives with.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use tests::peer;
use tests::qemu::Machine;

use super::{huge, write};

/// What the machine says about a tree; the same commands tell what is expected.
const REPORT: &str = r#"
find . | sort
find . -type f -size -4000000k | sort | while read -r f; do md5sum "$f"; done
find . ! -type l | sort | while read -r f; do stat -c '%F %s %h %a %u %g %Y %n' "$f" | sed 's/^directory [0-9]* [0-9]*/directory/'; done
find . -type l | sort | while read -r l; do echo "$l -> $(readlink "$l")"; done
for at in 0 4294965246 4294967294 5368709116; do
    echo "huge at $at: $(dd if=huge bs=1 skip=$at count=4 2>/dev/null)"
done
"#;

/// Everything that isofs has had trouble with: long names and targets, deep and large folders, links.
fn make_tree(source: &Path) {
    let long_folder = "d".repeat(200);
    fs::create_dir_all(source.join("1/2/3/4/5/6/7/8/9/10/11/12")).unwrap();
    fs::create_dir_all(source.join(&long_folder).join("sub")).unwrap();
    fs::create_dir_all(source.join("many")).unwrap();
    for name in [
        "1/2/3/4/5/6/7/8/9/10/11/12/deep".to_owned(),
        "n".repeat(253),
        "\u{e9}t\u{e9}\u{1f680}.txt".to_owned(),
        format!("{long_folder}/sub/file"),
    ] {
        fs::write(source.join(&name), &name).unwrap();
    }
    for number in 0..500 {
        fs::write(source.join(format!("many/{}-{number}", "m".repeat(140))), number.to_string()).unwrap();
    }
    fs::write(source.join("zero"), "").unwrap();
    fs::write(source.join("shared"), super::tree::content(1, 3_000_000)).unwrap();
    fs::set_permissions(source.join("shared"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(source.join("shared"), source.join("1/linked")).unwrap();
    for (name, target) in [
        ("up", "../".repeat(300) + "end"),
        ("down", "/abcdefghi".repeat(101)),
        ("long", ["x".repeat(200), "y".repeat(255), "z".repeat(255)].join("/")),
        ("1/short", "../a".to_owned()),
    ] {
        symlink(target, source.join(name)).unwrap();
    }
}

/// A copy of the tree with the image's permissions and times: that of a smaller image, and the huge file beside it.
fn make_copy(source: &Path, scratch: &Path) -> PathBuf {
    let (image, copy) = (scratch.join("small.iso"), scratch.join("copy"));
    let options = iso::Options { exclude: vec!["huge".to_owned()], ..super::options() };
    iso::Plan::from_dir(source, &options).unwrap().write_file(&image, &()).unwrap();
    iso::Image::open(&image).unwrap().extract(&copy, &()).unwrap();
    let path = copy.join("huge");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    huge::make(&path);
    for (path, mode) in [(&path, 0o444), (&copy, 0o555)] {
        let time = UNIX_EPOCH + Duration::from_secs(options.source_date.unsigned_abs());
        File::open(path).unwrap().set_modified(time).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    copy
}

#[test]
fn linux_mounts_our_images() {
    let Some(machine) = Machine::find() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    make_tree(&source);
    huge::make(&source.join("huge"));
    write(&source, &image);
    assert!(fs::metadata(&image).unwrap().blocks() * 512 < 100_000_000, "the zeros are holes");

    // What is to be seen: the same commands by the same busybox in a copy.
    let copy = make_copy(&source, scratch.path());
    let mut local = Command::new(machine.busybox());
    let expected = peer::run(local.args(["sh", "-c", REPORT]).current_dir(&copy).env("LC_ALL", "C"));
    let expected = String::from_utf8(expected.stdout).unwrap();

    let machine = machine.module("isofs").disk(&image);
    let found = machine.run(&format!("mount -t iso9660 -o ro /dev/vda /mnt\ncd /mnt\n{REPORT}"));
    let missing = lines_without(&expected, &found);
    let other = lines_without(&found, &expected);
    assert!(found == expected, "Linux sees another tree\nmissing {missing:#?}\ninstead {other:#?}");

    huge::every_reader(&image);
}

fn lines_without<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    let other: HashSet<&str> = other.lines().collect();
    text.lines().filter(|line| !other.contains(line)).collect()
}
