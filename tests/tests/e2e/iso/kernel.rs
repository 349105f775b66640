//! The kernel's own isofs, in a virtual machine: it is the reader that clusters mount archives with. And the readers that can
//! read a file beyond 4 GiB; most of the old tools cannot.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use tests::peer;
use tests::qemu::Machine;

use super::write;

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

/// Marks in a file of 5 GiB that is sparse but for them: at both ends, and around the ends of its first section
/// (4294965248) and of 32 bits.
const MARKS: [(u64, &[u8; 4]); 4] =
    [(0, b"zero"), (4_294_965_246, b"over"), (4_294_967_294, b"32nd"), ((5 << 30) - 4, b"last")];

fn make_huge(path: &Path) {
    let huge = File::create(path).unwrap();
    huge.set_len(5 << 30).unwrap();
    for (at, mark) in MARKS {
        huge.write_all_at(mark, at).unwrap();
    }
}

/// A copy of the tree with the image's permissions and times: that of a smaller image, and the huge file beside it.
fn make_copy(source: &Path, scratch: &Path) -> PathBuf {
    let (image, copy) = (scratch.join("small.iso"), scratch.join("copy"));
    let options = iso::Options { exclude: vec!["huge".to_owned()], ..super::options() };
    iso::Plan::from_dir(source, &options).unwrap().write_file(&image, &()).unwrap();
    iso::Image::open(&image).unwrap().extract(&copy, &()).unwrap();
    let huge = copy.join("huge");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    make_huge(&huge);
    for (path, mode) in [(&huge, 0o444), (&copy, 0o555)] {
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
    make_huge(&source.join("huge"));
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

    let ours = iso::Image::open(&image).unwrap();
    let huge = ours.find("huge").unwrap().unwrap();
    assert_eq!((huge.size, huge.extents.len()), (5 << 30, 2));
    for (at, mark) in MARKS {
        let mut found = Vec::new();
        while found.len() < mark.len() {
            let mut rest = vec![0; mark.len() - found.len()];
            let length = ours.read_at(&huge, at + found.len() as u64, &mut rest).unwrap();
            found.extend_from_slice(&rest[..length]);
        }
        assert_eq!(found, mark, "our reader at {at}");
    }
    if let Some(bsdtar) = peer::find("bsdtar") {
        assert_huge(Command::new(bsdtar).arg("-xOf").arg(&image).arg("huge"));
    }
    if let Some(seven_zip) = peer::find("7z") {
        assert_huge(Command::new(seven_zip).args(["x", "-so"]).arg(&image).arg("huge"));
    }
    if let Some(xorriso) = peer::find("xorriso") {
        let mut command = Command::new(xorriso);
        command.arg("-indev").arg(&image).args(["-find", "/huge", "-exec", "report_sections"]);
        let said = String::from_utf8(peer::run(&mut command).stdout).unwrap();
        let sections = said.lines().filter(|line| line.starts_with("File data lba:"));
        let bytes: Vec<&str> = sections.filter_map(|line| line.split(',').nth(3)).map(str::trim).collect();
        assert_eq!(bytes, ["4294965248", "1073743872"], "xorriso: {said}");
    }
}

/// Makes sure that a command prints the huge file.
fn assert_huge(command: &mut Command) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = child.stdout.take().unwrap();
    let (zeros, mut buffer) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let (mut position, mut found) = (0, Vec::new());
    loop {
        let length = printed.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        if buffer[..length] != zeros[..length] {
            let bytes = buffer[..length].iter().enumerate().filter(|(_, byte)| **byte != 0);
            found.extend(bytes.map(|(at, byte)| (position + at as u64, *byte)));
        }
        position += length as u64;
    }
    assert!(child.wait().unwrap().success(), "{command:?}");
    let marks = MARKS.iter().flat_map(|(at, mark)| (*at..).zip(mark.iter().copied()));
    assert_eq!((position, found), (5 << 30, marks.collect()), "{command:?}");
}

fn lines_without<'a>(text: &'a str, other: &str) -> Vec<&'a str> {
    let other: HashSet<&str> = other.lines().collect();
    text.lines().filter(|line| !other.contains(line)).collect()
}
