//! ISOs compared with the tools that read and write them.

mod command;
mod differences;
mod huge;
mod kernel;
mod killed;
mod peers;
mod places;
mod system;
mod tree;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use differences::{
    empty_files_apart, fragments_agree, isovfy_survives, without_hard_links, without_modes,
    without_moved_folder, without_root_targets, without_trailing_dots,
};
use iso::md5::Md5Check;
use iso::{ExtractedModes, IsoImage, IsoOptions, PlannedIso, View};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tree::{as_archived, assert_same, snapshot};

fn options() -> IsoOptions {
    IsoOptions { volume_id: "MetalK8s 0.1.0".to_owned(), source_date: 1_700_000_000, ..IsoOptions::default() }
}

fn write(tree: &Path, image: &Path) -> iso::WrittenIso {
    PlannedIso::from_dir(tree, &options()).unwrap().write_file(image, &()).unwrap()
}

/// The tree that our reader extracts through one of the views.
fn extracted(image: &Path, into: &Path, view: View) -> tree::Snapshot {
    let opened = IsoImage::new(fs::File::open(image).unwrap(), image, Some(view)).unwrap();
    let extracted = opened.extract(into, ExtractedModes::Permissions, &()).unwrap();
    assert_eq!(extracted.skipped, []);
    snapshot(into)
}

/// Reads the ISO of a tree with every installed reader, and compares.
fn every_reader(source: &Path, scratch: &Path) {
    let image = scratch.join("a.iso");
    let sums = write(source, &image);
    assert_eq!(iso::md5::check(&image, &()).unwrap(), Md5Check::Intact { md5: sums.md5 });
    assert!(peers::checkisomd5(&image).unwrap_or(true), "checkisomd5");
    let expected = empty_files_apart(as_archived(snapshot(source)));
    if isovfy_survives(&expected) {
        peers::isovfy(&image);
    }
    let ours = extracted(&image, &scratch.join("ours"), View::RockRidge);
    assert_same("our reader", &expected, &empty_files_apart(ours));
    if let Some(found) = peers::bsdtar(&image, &scratch.join("bsdtar")) {
        assert_same("bsdtar", &expected, &empty_files_apart(found));
    }
    let expected = without_hard_links(expected);
    if let Some(found) = peers::xorriso(&image, &scratch.join("xorriso")) {
        assert_same("xorriso", &expected, &without_hard_links(found));
    }
    if let Some(found) = peers::pycdlib(&image) {
        let expected = without_root_targets(expected.clone());
        assert_same("pycdlib", &expected, &found);
    }
    let joliet = without_modes(without_hard_links(extracted(&image, &scratch.join("joliet"), View::Joliet)));
    if let Some(found) = peers::seven_zip(&image, &scratch.join("7z")) {
        assert_same("7z", &without_trailing_dots(&joliet), &without_trailing_dots(&without_modes(found)));
    }
    // The Joliet tree has the same content under shortened names.
    let contents = |tree: &tree::Snapshot| {
        let mut sums: Vec<String> = tree
            .values()
            .filter_map(|item| match item {
                tree::Item::File { sha256, .. } => Some(sha256.clone()),
                _ => None,
            })
            .collect();
        sums.sort();
        sums
    };
    assert_eq!(contents(&joliet), contents(&expected));
}

proptest! {
    #![proptest_config(Config { cases: 12, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_reader_reads_random_trees(nodes in tree::random()) {
        let scratch = tempfile::tempdir().unwrap();
        let source = scratch.path().join("source");
        tree::create(&source, &nodes);
        every_reader(&source, scratch.path());
    }
}

#[test]
fn every_reader_reads_awkward_trees() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source");
    fs::create_dir_all(source.join("1/2/3/4/5/6/7/8/9/10/11/12")).unwrap();
    fs::write(source.join("1/2/3/4/5/6/7/8/9/10/11/12/deep"), "deep").unwrap();
    fs::create_dir(source.join("empty")).unwrap();
    for name in ["n".repeat(253), "é".repeat(126), "🚀".repeat(63), "case".to_owned(), "CASE".to_owned()] {
        fs::write(source.join(&name), name.as_bytes()).unwrap();
    }
    // Names whose first 31 and 103 characters are the same.
    fs::create_dir(source.join("alike")).unwrap();
    for number in 0..1_200 {
        fs::write(source.join(format!("alike/{}-{number:04}.txt", "x".repeat(120))), number.to_string())
            .unwrap();
    }
    for (number, target) in [
        "x".repeat(200) + "/" + &"y".repeat(255) + "/" + &"z".repeat(255),
        "../".repeat(300) + "end",
        vec!["ab"; 341].join("/"),
        "/".to_owned(),
        "./.".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        symlink(target, source.join(format!("link-{number}"))).unwrap();
    }
    fs::write(source.join("shared"), tree::content(1, 100_000)).unwrap();
    fs::hard_link(source.join("shared"), source.join("1/2/shared-too")).unwrap();
    every_reader(&source, scratch.path());
}

/// Every byte that a name may have, for the readers that accept all of them.
#[test]
fn names_of_every_legal_byte() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    fs::create_dir(&source).unwrap();
    // Without a letter in front: bsdtar reads `a:` as a drive and drops it.
    for byte in (1..=255_u8).filter(|byte| *byte != b'/') {
        fs::write(source.join(OsStr::from_bytes(&[b'_', byte, b'z'])), [byte]).unwrap();
    }
    write(&source, &image);
    let expected = as_archived(snapshot(&source));
    assert_same("our reader", &expected, &extracted(&image, &scratch.path().join("ours"), View::RockRidge));
    if let Some(found) = peers::xorriso(&image, &scratch.path().join("xorriso")) {
        assert_same("xorriso", &expected, &found);
    }
    if let Some(found) = peers::bsdtar(&image, &scratch.path().join("bsdtar")) {
        assert_same("bsdtar", &expected, &found);
    }
}

#[test]
fn deployed_clusters_read_product_txt() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    fs::create_dir(&source).unwrap();
    let product = "NAME=MetalK8s\nVERSION=0.1.0\n";
    fs::write(source.join("product.txt"), product).unwrap();
    write(&source, &image);
    if let Some(found) = peers::isoinfo(&image, &["-x", "/PRODUCT.TXT;1"]) {
        assert_eq!(found, product);
    }
    if let Some(found) = peers::isoinfo(&image, &["-d"]) {
        for line in [
            "Volume id: MetalK8s 0.1.0",
            "Volume size is: 351",
            "Joliet with UCS level 3 found",
            "Rock Ridge signatures version 1 found",
        ] {
            assert!(found.lines().any(|found| found == line), "{line}\n{found}");
        }
    }
}

/// A tree that all peers can write: they cannot write the longest links, and cut names.
fn plain_tree(source: &Path) {
    fs::create_dir_all(source.join("a/b/c/d/e/f/g/h/i/j/k")).unwrap();
    fs::create_dir_all(source.join("empty")).unwrap();
    for (number, name) in
        ["product.txt", "a/b/file", "a/b/c/d/e/f/g/h/i/j/k/deep", "zero", "été"].iter().enumerate()
    {
        fs::write(source.join(name), tree::content(number, number * 3_000 % 12_000)).unwrap();
    }
    fs::write(source.join("l".repeat(180)), "a long name").unwrap();
    fs::hard_link(source.join("a/b/file"), source.join("linked")).unwrap();
    symlink("../b/file", source.join("a/b/link")).unwrap();
    symlink("/absolute/link", source.join("absolute")).unwrap();
}

#[test]
fn our_reader_reads_the_peers_images() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source");
    plain_tree(&source);
    let expected = without_modes(without_hard_links(snapshot(&source)));
    for (peer, image) in peers::images(&source, scratch.path()) {
        let into = scratch.path().join(format!("from-{peer}"));
        let found = without_modes(without_hard_links(extracted(&image, &into, View::RockRidge)));
        assert_same(peer, &expected, &without_moved_folder(found));
    }
}

/// Deep folders, long names that Joliet cuts, names that differ in their case or in one letter that a tree cannot hold.
#[test]
fn the_peers_images_give_no_finding() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, into) = (scratch.path().join("source"), scratch.path().join("images"));
    fs::create_dir(&into).unwrap();
    plain_tree(&source);
    let long = "D".repeat(120);
    fs::create_dir_all(source.join(&long).join("sub")).unwrap();
    fs::create_dir_all(source.join("x.d/y.d")).unwrap();
    for name in [
        "README",
        "readme",
        "a-b.md",
        "a_b.md",
        "a.b.c",
        ".hidden",
        "name with space",
        "x.d/y.d/z",
        "libfoo-something-long-1.0.1-1.el8.x86_64.rpm",
        "libfoo-something-long-1.0.2-1.el8.x86_64.rpm",
        "longext.abcdefghijklmnopqrstuvwxyz0123",
    ] {
        fs::write(source.join(name), name).unwrap();
    }
    fs::write(source.join(long).join("sub/file"), "deep").unwrap();
    for (what, image) in peers::usual_images(&source, &into) {
        let found = IsoImage::open(&image).unwrap().disagreements().unwrap();
        assert!(found.is_empty(), "{what}: {found:#?}");
    }
}

#[test]
fn both_sides_agree_about_implanted_sums() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source");
    plain_tree(&source);
    let ours = scratch.path().join("ours.iso");
    write(&source, &ours);
    let mut images: Vec<(&str, PathBuf)> = peers::images(&source, scratch.path());
    images.push(("sealift", ours));
    for (writer, image) in images {
        let field = |image: &Path| {
            let mut field = [0; 512];
            fs::File::open(image).unwrap().read_exact_at(&mut field, 33_651).unwrap();
            field
        };
        let theirs = image.with_extension("theirs");
        fs::copy(&image, &theirs).unwrap();
        let md5 = iso::md5::implant(&image, true, &()).unwrap();
        assert_eq!(iso::md5::check(&image, &()).unwrap(), Md5Check::Intact { md5 }, "{writer}");
        assert!(peers::checkisomd5(&image).unwrap_or(true), "checkisomd5 on {writer}'s image with our sum");
        if peers::implantisomd5(&theirs).is_some() {
            assert_eq!(iso::md5::check(&theirs, &()).unwrap(), Md5Check::Intact { md5 }, "{writer}");
            if fragments_agree(fs::metadata(&image).unwrap().len()) {
                assert!(field(&image) == field(&theirs), "{writer}: the fields differ");
            }
        }
        // Both find a flipped bit anywhere in the covered part, and none after it.
        let size = fs::metadata(&image).unwrap().len();
        for (at, found) in
            [(0, true), (33_000, true), (size / 2, true), (size - 16 * 2_048, true), (size - 1, false)]
        {
            let file = fs::OpenOptions::new().read(true).write(true).open(&image).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            match iso::md5::check(&image, &()).unwrap() {
                Md5Check::Damaged { range } => {
                    assert!(found && range.contains(&at), "{writer}: {at} in {range:?}")
                }
                Md5Check::Intact { .. } => assert!(!found, "{writer}: {at}"),
                other => panic!("{writer}: {other:?}"),
            }
            assert_eq!(peers::checkisomd5(&image).unwrap_or(!found), !found, "checkisomd5: {at}");
            file.write_all_at(&byte, at).unwrap();
        }
    }
}

/// A volume of this many sectors with only a descriptor, in a file that is large enough for it.
fn bare_volume(path: &Path, sectors: u32) {
    let mut bytes: Vec<u8> = (0..sectors.max(17) * 2_048).map(|at| (at % 251) as u8).collect();
    let descriptor = &mut bytes[16 * 2_048..17 * 2_048];
    descriptor.fill(0);
    descriptor[..7].copy_from_slice(b"\x01CD001\x01");
    descriptor[80..84].copy_from_slice(&sectors.to_le_bytes());
    descriptor[84..88].copy_from_slice(&sectors.to_be_bytes());
    descriptor[883..883 + 512].fill(b' ');
    fs::write(path, bytes).unwrap();
}

/// From volumes smaller than the bytes before their descriptor to those whose fragments the peers find correctly.
#[test]
fn both_sides_agree_about_sums_of_every_size() {
    let scratch = tempfile::tempdir().unwrap();
    let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    for sectors in (12..=36).chain((40..330).step_by(29)).chain(331..=352).chain([500, 2_000]) {
        bare_volume(&ours, sectors);
        bare_volume(&theirs, sectors);
        let md5 = iso::md5::implant(&ours, false, &()).unwrap();
        assert_eq!(iso::md5::check(&ours, &()).unwrap(), Md5Check::Intact { md5 }, "{sectors} sectors");
        if peers::implantisomd5(&theirs).is_none() {
            return;
        }
        assert_eq!(
            iso::md5::check(&theirs, &()).unwrap(),
            Md5Check::Intact { md5 },
            "{sectors} sectors, theirs"
        );
        assert_eq!(peers::checkisomd5(&ours), Some(true), "{sectors} sectors, checked by them");
        if fragments_agree(u64::from(sectors) * 2_048) {
            assert!(fs::read(&ours).unwrap() == fs::read(&theirs).unwrap(), "{sectors} sectors");
        }
    }
}
