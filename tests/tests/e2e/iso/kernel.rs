//! The isofs of the kernel, in a virtual machine. Clusters mount archives with it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use tests::peer;
use tests::qemu::Machine;

use super::{huge, write};

/// The commands that describe a tree; outside the machine, they return what is expected.
const REPORT: &str = r#"
find . | sort
find . -type f -size -4000000k | sort | while read -r f; do md5sum "$f"; done
find . ! -type l | sort | while read -r f; do stat -c '%F %s %h %a %u %g %Y %n' "$f" | sed 's/^directory [0-9]* [0-9]*/directory/'; done
find . -type l | sort | while read -r l; do echo "$l -> $(readlink "$l")"; done
for at in 0 4294965246 4294967294 5368709116; do
    echo "huge at $at: $(dd if=huge bs=1 skip=$at count=4 2>/dev/null)"
done
"#;

/// Everything that isofs had faults with: long names and targets, deep and large folders, links.
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
    let options = iso::IsoOptions { exclude: vec!["huge".to_owned()], ..super::options() };
    iso::PlannedIso::from_dir(source, &options).unwrap().write_file(&image, &()).unwrap();
    iso::IsoImage::open(&image).unwrap().extract(&copy, iso::ExtractedModes::Permissions, &()).unwrap();
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

    // The expected output: the same commands by the same busybox in a copy.
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

/// Changes bytes of an image.
type Lie = fn(&mut Vec<u8>);

/// The place of `what` after that of `after`.
fn place(image: &[u8], after: &[u8], what: &[u8]) -> usize {
    let find = |from: usize, what: &[u8]| {
        from + image[from..].windows(what.len()).position(|window| window == what).unwrap()
    };
    find(find(0, after), what)
}

/// Each is an ISO that Linux mounts with another tree than ours.
#[test]
fn what_linux_sees_otherwise_is_a_finding() {
    let Some(mut machine) = Machine::find() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    fs::create_dir(&source).unwrap();
    for name in ["good", "evil"] {
        fs::write(source.join(name), name).unwrap();
    }
    write(&source, &image);
    let sound = fs::read(&image).unwrap();
    let lies: [(&str, Lie, &str); 5] = [
        (
            "a mode of a folder",
            |image| {
                let at = place(image, b"GOOD.;1", b"PX") + 4;
                image[at..at + 4].copy_from_slice(&0o040_555_u32.to_le_bytes());
            },
            "[ -d good ]",
        ),
        (
            "Rock Ridge declared, not named, beside another Joliet tree",
            |image| {
                let at = place(image, b"RRIP_1991A", b"RRIP_1991A") - 8;
                image[at..at + 2].copy_from_slice(b"XX");
                let name = |name: &str| name.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
                let (good, evil) =
                    (place(image, &name("good"), &name("good")), place(image, &name("evil"), &name("evil")));
                let record = |at: usize| at - 33 + 2..at - 33 + 18;
                let (to, from) = (record(good).start, record(evil));
                image.copy_within(from, to);
            },
            "[ \"$(cat good)\" = evil ]",
        ),
        (
            "no name, so that the identifier hides another entry",
            |image| {
                let at = place(image, b"EVIL.;1", b"NM");
                image[at..at + 2].copy_from_slice(b"XX");
                // The first one of a folder is found, whatever its identifier.
                let at = place(image, b"EVIL.;1", b"EVIL.;1");
                image[at..at + 4].copy_from_slice(b"GOOD");
            },
            "[ \"$(cat good)\" = evil ]",
        ),
        (
            "a folder's own record that leads elsewhere",
            |image| {
                // The root's, to the Joliet root, whose records have no names of Rock Ridge.
                let primary = usize::from(image[16 * 2_048 + 158]) * 2_048;
                let joliet = image[17 * 2_048 + 158];
                image[primary + 2] = joliet;
            },
            "[ ! -e good ]",
        ),
        (
            "a second part of a name",
            |image| {
                let at = place(image, b"GOOD.;1", b"TF");
                image[at..at + 26].copy_from_slice(b"NM\x0C\x01\x00trojan-XX\x0E\x01XXXXXXXXXX");
            },
            "[ -e trojan-good ]",
        ),
    ];
    let mut script = String::new();
    for (number, (what, lie, seen)) in lies.iter().enumerate() {
        let mut lying = sound.clone();
        lie(&mut lying);
        let path = scratch.path().join(format!("{number}.iso"));
        fs::write(&path, lying).unwrap();
        let found = iso::IsoImage::open(&path).unwrap().disagreements().unwrap();
        assert!(!found.is_empty(), "{what}");
        machine = machine.disk(&path);
        let letter = char::from(b'a' + number as u8);
        script += &format!(
            "mount -t iso9660 -o ro /dev/vd{letter} /mnt\ncd /mnt\n{seen} || {{ echo '{number}'; ls -l; cat good; }}\n\
             cd /; umount /mnt\n"
        );
    }
    let printed = machine.module("isofs").run(&script);
    assert_eq!(printed, "", "Linux sees the tree that we see");
}
