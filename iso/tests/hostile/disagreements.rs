//! Images that say two things, of which one reader believes the one and another reader the other.

use std::fs;
use std::path::Path;

use iso::{IsoImage, IsoOptions, PlannedIso};

use super::exercise::exercise;
use super::{ROOT, SECTOR, image, place, record, root, set32};

fn disagreements(image: &[u8]) -> Vec<String> {
    let image = IsoImage::new(image.to_vec(), Path::new("a.iso"), None).unwrap();
    image.disagreements().unwrap().iter().map(ToString::to_string).collect()
}

/// Where the Joliet root's records begin.
fn joliet_root(image: &[u8]) -> usize {
    usize::from(image[ROOT + SECTOR + 2]) * SECTOR
}

/// Where the Joliet record of this name begins.
fn joliet_record(image: &[u8], name: &str) -> usize {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    place(image, &name, joliet_root(image)) - 33
}

/// Where an entry of Rock Ridge begins in the record of an identifier.
fn entry(image: &[u8], identifier: &str, signature: &[u8]) -> usize {
    place(image, signature, record(image, identifier))
}

/// Sets the mode in the record of an identifier.
fn set_mode(image: &mut [u8], identifier: &str, mode: u32) {
    let at = entry(image, identifier, b"PX");
    set32(image, at + 4, mode);
}

/// Puts other entries in the place of the times in the record of an identifier.
fn replace_times(image: &mut [u8], identifier: &str, entries: &[u8; 26]) {
    let at = entry(image, identifier, b"TF");
    image[at..at + entries.len()].copy_from_slice(entries);
}

/// Gives the entry at a place a signature that nobody knows.
fn hide(at: usize, image: &mut [u8]) {
    image[at..at + 2].copy_from_slice(b"XX");
}

#[test]
fn whatever_lets_readers_disagree_is_found_with_its_place() {
    type Lie = fn(&mut Vec<u8>);
    let lies: [(&str, Lie, &str); 43] = [
        (
            "a mode of a folder in a file's record",
            |image| set_mode(image, "VICTIM", 0o040_555),
            "victim: it is a folder by its mode, but a file by its record",
        ),
        (
            "a mode of a file in a folder's record",
            |image| set_mode(image, "FOLDER", 0o100_444),
            "folder: it is a folder by its record, but not by its mode",
        ),
        (
            "a mode of a link without a target",
            |image| set_mode(image, "VICTIM", 0o120_444),
            "victim: a link without a target",
        ),
        (
            "a target of a file",
            |image| set_mode(image, "SECRET", 0o100_444),
            "secret: a target, but not a symbolic link",
        ),
        ("no mode", |image| hide(entry(image, "VICTIM", b"PX"), image), "victim: a record without a mode"),
        (
            "Rock Ridge declared and not named",
            |image| hide(place(image, b"ER\xED", root(image)), image),
            "the image: Rock Ridge is declared (SP) but not named (ER)",
        ),
        (
            "another extension named",
            |image| {
                let at = place(image, b"RRIP_1991A", root(image));
                image[at..at + 4].copy_from_slice(b"AAIP");
            },
            "the image: Rock Ridge is declared (SP) but not named (ER)",
        ),
        (
            "Rock Ridge named and not declared",
            |image| hide(place(image, b"SP\x07", root(image)), image),
            "the image: Rock Ridge is named (ER) but not declared (SP)",
        ),
        (
            "Rock Ridge neither declared nor named",
            |image| {
                for signature in [b"SP\x07", b"ER\xED"] {
                    hide(place(image, signature, root(image)), image);
                }
            },
            "Rock Ridge entries without a declaration",
        ),
        (
            "Rock Ridge behind other bytes",
            |image| {
                let at = place(image, b"SP\x07", root(image));
                image[at + 6] = 36;
            },
            "the image: Rock Ridge begins after other bytes",
        ),
        (
            "a second declaration",
            |image| replace_times(image, "VICTIM", b"SP\x07\x01\xBE\xEF\x20XX\x13\x01XXXXXXXXXXXXXXX"),
            "victim: a declaration (SP) outside of the root",
        ),
        (
            "no name, so that the identifier hides another entry",
            |image| hide(entry(image, "VICTIM", b"NM"), image),
            "a record without a name (NM)",
        ),
        (
            "a name with flags that Linux ignores",
            |image| {
                let at = entry(image, "VICTIM", b"NM");
                image[at + 4] = 0x20;
            },
            "victim: an NM entry has flags",
        ),
        (
            "a name that continues and does not end",
            |image| {
                let at = entry(image, "VICTIM", b"NM");
                image[at + 4] = 1;
            },
            "victim: a name or a target is continued but has no end",
        ),
        (
            "a name that the terminator hides",
            |image| replace_times(image, "VICTIM", b"ST\x04\x01XX\x16\x01XXXXXXXXXXXXXXXXXX"),
            "System Use entries follow their terminator",
        ),
        (
            "a name that RR hides",
            |image| replace_times(image, "VICTIM", b"RR\x05\x01\x81XX\x15\x01XXXXXXXXXXXXXXXXX"),
            "victim: an RR entry hides the name from Linux",
        ),
        (
            "an identifier of another name",
            |image| {
                let at = entry(image, "VICTIM", b"victim");
                image[at..at + 6].copy_from_slice(b"trojan");
            },
            "trojan: readers without Rock Ridge show it as `VICTIM.;1`",
        ),
        (
            "two entries of one name",
            |image| {
                let at = entry(image, "SECRET", b"secret");
                image[at..at + 6].copy_from_slice(b"victim");
            },
            "victim: two entries have this name",
        ),
        (
            "a hidden record",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 25] |= 1;
            },
            "victim: the record is hidden",
        ),
        (
            "an associated file",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 25] |= 4;
            },
            "victim: the record is of an associated file",
        ),
        (
            "an extended attribute record",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 1] = 1;
            },
            "victim: an extended attribute record",
        ),
        (
            "a link that continues",
            |image| {
                let at = record(image, "SECRET");
                image[at + 25] |= 0x80;
            },
            "secret: a folder or a link is marked as having more sections",
        ),
        (
            "a link with content",
            |image| {
                let (at, victim) = (record(image, "SECRET"), record(image, "VICTIM"));
                image.copy_within(victim + 2..victim + 18, at + 2);
            },
            "secret: a link has content",
        ),
        (
            "a file that is marked as moved",
            |image| replace_times(image, "VICTIM", b"RE\x04\x01XX\x16\x01XXXXXXXXXXXXXXXXXX"),
            "victim: a file is marked as moved",
        ),
        (
            "a folder that is marked as moved",
            |image| replace_times(image, "FOLDER", b"RE\x04\x01XX\x16\x01XXXXXXXXXXXXXXXXXX"),
            "folder: a moved folder to which no record points",
        ),
        (
            "a size in the other byte order",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 14..at + 18].copy_from_slice(&1_u32.to_be_bytes());
            },
            "victim: its place or its size differs between the two byte orders",
        ),
        (
            "a folder that lies elsewhere by its own record",
            |image| {
                let (folder, inner) = (record(image, "FOLDER"), root(image));
                let own = usize::from(image[folder + 2]) * SECTOR;
                image[own + 2] = (inner / SECTOR) as u8;
            },
            "folder: a folder's own record differs from the one in its parent",
        ),
        (
            "a folder whose own mode is a file's",
            |image| {
                let own = usize::from(image[record(image, "FOLDER") + 2]) * SECTOR;
                let at = place(image, b"PX", own);
                set32(image, at + 4, 0o100_444);
            },
            "folder: a folder's own mode is not that of a folder",
        ),
        (
            "a folder that ends inside a sector",
            |image| {
                let at = record(image, "FOLDER");
                set32(image, at + 10, 100);
            },
            "folder: a folder's size is not a multiple of 2048",
        ),
        (
            "other content in the Joliet tree",
            |image| {
                let (at, other) = (joliet_record(image, "victim"), record(image, "NNN"));
                image.copy_within(other + 2..other + 18, at + 2);
            },
            "victim: it has different content in the Joliet tree",
        ),
        (
            "another size in the Joliet tree",
            |image| {
                let at = joliet_record(image, "victim");
                set32(image, at + 10, 4_000);
            },
            "victim: it has different content in the Joliet tree",
        ),
        (
            "another name in the Joliet tree",
            |image| {
                let at = joliet_record(image, "victim") + 33;
                image[at + 1] = b'x';
            },
            "xictim: it is only in the Joliet tree",
        ),
        (
            "a volume that ends before its files",
            |image| {
                set32(image, 16 * SECTOR + 80, 30);
            },
            "it lies beyond the end of the volume",
        ),
        (
            "a name of another version, which libarchive ignores",
            |image| {
                let at = entry(image, "VICTIM", b"NM");
                image[at + 3] = 2;
            },
            "victim: a System Use entry has a version other than 1",
        ),
        (
            "an entry at which libarchive stops",
            |image| {
                let at = entry(image, "VICTIM", b"TF");
                image[at] = 0x14;
            },
            "victim: a System Use entry has no letters for a name",
        ),
        (
            "an identifier with a number that another short name has",
            |image| {
                let at = record(image, "VICTIM") + 33;
                image[at + 5] = b'1';
            },
            "victim: readers without Rock Ridge show it as `VICTI1.;1`",
        ),
        (
            "a Joliet name with a number for nothing",
            |image| {
                let at = joliet_record(image, "victim") + 33;
                image[at + 11] = b'1';
            },
            "victi1: it is only in the Joliet tree",
        ),
        (
            "bytes in the reserved part of the primary descriptor",
            |image| image[16 * SECTOR + 1_732] = 1,
            "the image: a descriptor deviates from the standard",
        ),
        (
            "bytes in the reserved part of the Joliet descriptor",
            |image| image[17 * SECTOR + 1_758] = 1,
            "the image: a descriptor deviates from the standard",
        ),
        (
            "bytes in the terminator",
            |image| image[18 * SECTOR + 132] = 1,
            "the image: a descriptor deviates from the standard",
        ),
        (
            "another length of the root's record",
            |image| image[16 * SECTOR + 156] = 35,
            "the image: a descriptor deviates from the standard",
        ),
        (
            "another version of the file structure",
            |image| image[17 * SECTOR + 881] = 3,
            "the image: a descriptor deviates from the standard",
        ),
        (
            "descriptors without an end",
            |image| {
                image[18 * SECTOR..18 * SECTOR + 6].fill(0);
            },
            "the image: the volume descriptors end without a terminator",
        ),
    ];
    for (what, lie, expected) in lies {
        let mut image = image();
        lie(&mut image);
        exercise(&image);
        let found = disagreements(&image);
        assert!(found.iter().any(|found| found.contains(expected)), "{what}: {found:#?}");
        assert!(found.iter().all(|found| found.contains("(byte ")), "{found:?}");
    }
}

#[test]
fn a_second_descriptor_of_another_tree_is_found() {
    for (kind, escapes, expected) in [
        (1, &b""[..], "a second primary volume descriptor has another root"),
        (2, b"%/E", "a second Joliet volume descriptor"),
        (2, b"%/X", "a Joliet volume descriptor of an unknown level"),
        (2, b"", "a supplementary volume descriptor has a tree of its own"),
    ] {
        let mut image = image();
        let terminator = image[18 * SECTOR..19 * SECTOR].to_vec();
        // The path tables are read by nobody here.
        image[19 * SECTOR..20 * SECTOR].copy_from_slice(&terminator);
        image.copy_within(17 * SECTOR..18 * SECTOR, 18 * SECTOR);
        image[18 * SECTOR] = kind;
        image[18 * SECTOR + 88..18 * SECTOR + 120].fill(0);
        image[18 * SECTOR + 88..18 * SECTOR + 88 + escapes.len()].copy_from_slice(escapes);
        let found = disagreements(&image);
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn entries_that_cannot_be_read_are_among_the_findings() {
    let mut damaged = image();
    let at = record(&damaged, "VICTIM");
    set32(&mut damaged, at + 2, 350);
    let found = disagreements(&damaged);
    assert!(
        found.iter().any(|found| found.starts_with("victim: a record's content ends at byte")),
        "{found:?}"
    );
}

/// Names that the primary tree and Joliet change, cut and number.
#[test]
fn our_own_images_give_no_finding() {
    let scratch = tempfile::tempdir().unwrap();
    let (tree, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
    fs::create_dir_all(tree.join("x.d/y.d")).unwrap();
    fs::create_dir_all(tree.join("d".repeat(200)).join("inner")).unwrap();
    for folder in ["e.d", "E.d", "e.d.", "f.", "f", "F"] {
        fs::create_dir(tree.join(folder)).unwrap();
    }
    let mut names = [
        "README", "readme", "Readme", "a-b.md", "a_b.md", "a+b.md", ".hidden", "q;1", "a*b", "a:b", "t.",
        "t..", "t",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(
        ["été", "emoji_\u{1f680}.txt", "trailing.", "\u{65e5}\u{672c}", "1", "10", "100"].map(str::to_owned),
    );
    for number in 0..120 {
        names.push(format!("{}-{number}.x86_64.rpm", "long-name".repeat(14)));
        names.push(format!("{}{number:03}", "f".repeat(64)));
        names.push(format!("x{number}.{}", "e".repeat(40)));
    }
    for (number, name) in names.iter().enumerate() {
        fs::write(tree.join(name), number.to_string()).unwrap();
    }
    PlannedIso::from_dir(&tree, &IsoOptions::default()).unwrap().write_file(&output, &()).unwrap();
    assert_eq!(disagreements(&fs::read(&output).unwrap()), Vec::<String>::new());
}

#[test]
fn findings_are_bounded() {
    let scratch = tempfile::tempdir().unwrap();
    let (tree, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
    fs::create_dir(&tree).unwrap();
    for number in 0..300 {
        fs::write(tree.join(format!("file{number:03}")), "x").unwrap();
    }
    PlannedIso::from_dir(&tree, &IsoOptions::default()).unwrap().write_file(&output, &()).unwrap();
    let mut image = fs::read(&output).unwrap();
    for at in 0..image.len() - 2 {
        if &image[at..at + 3] == b"PX\x24" {
            image[at] = b'X';
        }
    }
    assert_eq!(disagreements(&image).len(), iso::DISAGREEMENTS_MAX);
}
