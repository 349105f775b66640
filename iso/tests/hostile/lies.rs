//! Structures that contradict each other: each is found, told by its place, and nothing of the image is used.

use std::fs;
use std::path::Path;

use iso::{ExtractedModes, IsoEntryKind, IsoImage};

use super::exercise::exercise;
use super::{ROOT, SECTOR, image, place, record, root, set32, sound, walk};

#[test]
fn each_lie_is_found() {
    type Lie = fn(&mut Vec<u8>);
    let lies: [(&str, Lie, &str); 16] = [
        (
            "a folder that is its own parent",
            |image| {
                let (root, at) = (u32::from(image[ROOT + 2]), record(image, "FOLDER"));
                set32(image, at + 2, root);
            },
            "overlaps another one",
        ),
        (
            "a folder behind the image",
            |image| {
                let at = record(image, "FOLDER");
                set32(image, at + 2, u32::MAX)
            },
            "a record's content ends at byte",
        ),
        (
            "a file behind the image",
            |image| {
                let at = record(image, "VICTIM");
                set32(image, at + 2, 350)
            },
            "a record's content ends at byte",
        ),
        (
            "a file of 4 GiB",
            |image| {
                let at = record(image, "VICTIM");
                set32(image, at + 10, u32::MAX)
            },
            "a record's content ends at byte",
        ),
        ("a root of 4 GiB", |image| set32(image, ROOT + 10, u32::MAX), "the root folder ends at byte"),
        (
            "a root behind the image",
            |image| set32(image, ROOT + 2, 9_999),
            "the image ends before the root folder",
        ),
        (
            "a record shorter than its name",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 32] = 250
            },
            "a record is shorter than its own parts",
        ),
        (
            "a record without a name",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 32] = 0
            },
            "a record is shorter than its own parts",
        ),
        (
            "a record across the end of a sector",
            |image| {
                // More records of the folder itself, which are skipped, up to the end.
                let start = root(image);
                let dot = image[start..start + usize::from(image[start])].to_vec();
                let mut at = record(image, "VICTIM");
                while at % SECTOR + dot.len() < SECTOR {
                    image[at..at + dot.len()].copy_from_slice(&dot);
                    at += dot.len();
                }
                image[at] = 254;
            },
            "a record crosses the end of its sector",
        ),
        (
            "a name that leads out",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"victim", at);
                image[nm..nm + 6].copy_from_slice(b"../etc")
            },
            "`../etc` is not a valid name",
        ),
        (
            "a name that is a parent",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 7;
                image[nm + 5..nm + 7].copy_from_slice(b"..");
                image[nm + 7..nm + 11].fill(0)
            },
            "`..` is not a valid name",
        ),
        (
            "a name with a zero",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"victim", at);
                image[nm] = 0
            },
            "is not a valid name",
        ),
        (
            "an entry longer than its area",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 200
            },
            "a system use entry lies outside its area",
        ),
        (
            "an entry of no length",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 0
            },
            "a system use entry lies outside its area",
        ),
        (
            "a continuation behind the image",
            |image| {
                let at = record(image, "LONG_LINK");
                let ce = place(image, b"CE", at);
                set32(image, ce + 4, 100_000);
            },
            "a system use entry lies outside its area",
        ),
        (
            "a continuation that leads to itself",
            |image| {
                let at = record(image, "LONG_LINK");
                let ce = place(image, b"CE", at);
                let (sector, offset) = (ce / SECTOR, ce % SECTOR);
                set32(image, ce + 4, sector as u32);
                set32(image, ce + 12, offset as u32);
                set32(image, ce + 20, 28);
            },
            "a record has more than 31 continuation areas",
        ),
    ];
    for (what, lie, expected) in lies {
        let mut image = image();
        lie(&mut image);
        exercise(&image);
        let read = sound(&image);
        let error = walk(image).expect_err(what);
        assert!(error.starts_with("a.iso: damaged at byte ") && error.contains(expected), "{what}: {error}");
        // Of the seven entries a lie about a folder takes what is in it, and that of a sector's end one record more.
        assert!(what.contains("root") || read >= 4, "{what}: only {read} entries can be read");
    }
}

#[test]
fn sections_of_a_file_must_go_together() {
    let mut followed = image();
    let at = record(&followed, "VICTIM");
    followed[at + 25] |= 0x80;
    exercise(&followed);
    // The victim is the last of its folder.
    assert!(walk(followed).unwrap_err().contains("the last section of a file is missing"));
    let mut between = image();
    let at = record(&between, "NNNN");
    between[at + 25] |= 0x80;
    exercise(&between);
    assert!(walk(between).unwrap_err().contains("a section of a file is followed by another file"));
}

/// What other systems write and this reader does not read is not taken for something else.
#[test]
fn what_is_not_read_is_said() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 3] = [
        (
            |image| {
                let at = record(image, "VICTIM");
                image[at + 26] = 1;
            },
            "an interleaved file",
        ),
        (
            |image| {
                let at = record(image, "VICTIM");
                let tf = place(image, b"TF", at);
                image[tf..tf + 2].copy_from_slice(b"ZF");
            },
            "compressed content (zisofs)",
        ),
        (
            |image| image[16 * SECTOR + 128..][..2].copy_from_slice(&512_u16.to_le_bytes()),
            "a logical block size",
        ),
    ];
    for (change, what) in changes {
        let mut image = image();
        change(&mut image);
        exercise(&image);
        let error = walk(image).expect_err(what);
        assert!(error.contains(what) && error.ends_with("is not supported"), "{error}");
    }
    let mut associated = image();
    let at = record(&associated, "VICTIM");
    associated[at + 25] |= 4;
    assert_eq!(walk(associated), Ok(6), "a resource fork is no file of its own");
}

/// Two files of one name: both are listed, the first is found, and none is made the other.
#[test]
fn two_files_of_one_name() {
    let mut lying = image();
    let (victim, secret) = (record(&lying, "VICTIM"), record(&lying, "SECRET"));
    let name = place(&lying, b"victim", victim);
    lying[name..name + 6].copy_from_slice(b"secret");
    assert!(secret < victim);
    exercise(&lying);
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.iso");
    fs::write(&path, &lying).unwrap();
    let image = IsoImage::open(&path).unwrap();
    let listed = image.read_dir(&image.root()).unwrap();
    assert_eq!(listed.iter().filter(|entry| entry.name == "secret").count(), 2);
    assert!(matches!(image.find("secret").unwrap().unwrap().kind, IsoEntryKind::Symlink(_)));
    let out = scratch.path().join("out");
    let extracted = image.extract(&out, ExtractedModes::Permissions, &()).unwrap();
    let skipped: Vec<_> =
        extracted.skipped.iter().map(|one| (one.path.as_str(), one.reason.as_str())).collect();
    assert_eq!(skipped, [("secret", "another entry has the same name, and comes first")]);
    assert!(fs::symlink_metadata(out.join("secret")).unwrap().is_symlink(), "the first one is copied");
    assert_eq!(fs::read(out.join("folder/inner/file")).unwrap(), b"content", "and so is the rest");
}

/// Two entries of one name, a link and a folder: nothing is written through the link.
#[test]
fn extraction_stays_inside() {
    let mut lying = image();
    let at = record(&lying, "SECRET");
    let name = place(&lying, b"secret", at);
    lying[name..name + 6].copy_from_slice(b"folder");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.iso");
    fs::write(&path, &lying).unwrap();
    let target = scratch.path().join("out");
    let extracted =
        IsoImage::open(&path).unwrap().extract(&target, ExtractedModes::Permissions, &()).unwrap();
    assert_eq!(
        extracted.skipped.len(),
        1,
        "of two entries of one name one is skipped, with all that is in it"
    );
    assert!(!Path::new("/etc/inner").exists());
}
