//! Trees at the limits of what an image holds.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]

use std::fs::{self, File};
use std::path::Path;

use iso::{IsoImage, IsoOptions, PlannedIso, View};

fn plan(tree: &Path) -> iso::Result<PlannedIso> {
    PlannedIso::from_dir(tree, &IsoOptions::default())
}

/// A folder whose names all fall together in the primary tree, and nearly all in Joliet's.
#[test]
fn a_hundred_thousand_files_in_one_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let (tree, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
    fs::create_dir(&tree).unwrap();
    let name = |number: u32| format!("{}-{number}", "x".repeat(100));
    for number in 0..100_000 {
        let file = tree.join(name(number));
        if number % 1_000 == 0 { fs::write(file, number.to_string()) } else { File::create(file).map(drop) }
            .unwrap();
    }
    plan(&tree).unwrap().write_file(&output, &()).unwrap();
    assert!(matches!(iso::md5::check(&output, &()).unwrap(), iso::md5::Md5Check::Intact { .. }));
    for view in [View::RockRidge, View::Joliet, View::Plain] {
        let image = IsoImage::new(File::open(&output).unwrap(), &output, Some(view)).unwrap();
        let mut entries = image.read_dir(&image.root()).unwrap();
        assert_eq!(entries.len(), 100_000);
        assert_eq!(entries.iter().filter(|entry| entry.size > 0).count(), 100, "{view:?}");
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        assert_eq!(entries.len(), 100_000, "every name of {view:?} is another one");
    }
    let image = IsoImage::open(&output).unwrap();
    for number in [0, 1_000, 99_000] {
        let entry = image.find(&name(number)).unwrap().unwrap();
        let mut content = [0; 8];
        let length = image.read_at(&entry, 0, &mut content).unwrap();
        assert_eq!(content[..length], *number.to_string().as_bytes());
    }
}

/// Path tables number the parents of folders in 16 bits.
#[test]
fn as_many_folders_as_a_path_table_can_number() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path();
    // With the root 65,537.
    for outer in 0..256 {
        fs::create_dir(tree.join(format!("{outer:03}"))).unwrap();
        for inner in 0..255 {
            fs::create_dir(tree.join(format!("{outer:03}/{inner:03}"))).unwrap();
        }
    }
    let error = plan(tree).unwrap_err().to_string();
    let last = tree.join("255");
    assert_eq!(error, format!("{}: 65537 folders in one image; the maximum is 65535", last.display()));
    for gone in ["007/000", "007/001"] {
        fs::remove_dir(tree.join(gone)).unwrap();
    }
    let output = tree.join("255.iso");
    plan(tree).unwrap().write_file(&output, &()).unwrap();
    let folders = IsoImage::open(&output).unwrap().walk().unwrap();
    assert_eq!(folders.len(), 65_534);
    assert_eq!(folders.last().map(|(path, _)| path.as_str()), Some("255/254"));
}
