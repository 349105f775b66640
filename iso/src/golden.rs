//! The bytes of a small tree, pinned: a change of them changes every image.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::{ExtractedModes, IsoImage, IsoOptions, PlannedIso, dump, md5};

/// A tree with one of everything that has a form of its own.
fn tree(root: &Path) {
    for folder in ["images/pause/3.9", "empty", "salt/a/b/c/d/e/f/g/h/i"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let files: [(&str, &[u8]); 8] = [
        ("product.txt", b"NAME=MetalK8s\nVERSION=2.11.0\n"),
        ("images/pause/3.9/manifest.json", b"{}"),
        ("images/pause/3.9/version", b"Directory Transport Version: 1.1\n"),
        ("zero", b""),
        ("Case.txt", b"upper"),
        ("case.txt", b"lower"),
        ("salt/a/b/c/d/e/f/g/h/i/deep.sls", b"deep"),
        ("rocket_\u{1f680}.txt", b"beyond the basic plane"),
    ];
    for (name, content) in files {
        fs::write(root.join(name), content).unwrap();
    }
    fs::write(root.join("n".repeat(253)), "the longest name").unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"latin\xe9")), "not UTF-8").unwrap();
    fs::write(root.join("iso-manager.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("iso-manager.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::hard_link(root.join("product.txt"), root.join("empty/linked.txt")).unwrap();
    symlink("../images/./pause", root.join("salt/link")).unwrap();
    symlink(format!("/{}", vec!["component"; 60].join("/")), root.join("long-link")).unwrap();
}

fn options() -> IsoOptions {
    IsoOptions {
        volume_id: "MetalK8s 2.11.0-dev".to_owned(),
        source_date: 1_700_000_000,
        ..IsoOptions::default()
    }
}

#[test]
fn the_golden_image() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
    tree(&root);
    let plan = PlannedIso::from_dir(&root, &options()).unwrap();
    insta::assert_snapshot!("plan", plan.to_string());
    let sums = plan.write_file(&output, &()).unwrap();
    let image = fs::read(&output).unwrap();
    insta::assert_snapshot!("dump", dump(&image, &output).unwrap());
    assert_eq!(sums.sha256.hex(), "1edfe7eaccdd5ed2cfdc1255eb6bdd3b642dda1ad285f268b92ad10d23efa40a");
    assert_eq!(sums.sha256, content::Digest::of(&image));
    assert_eq!(md5::check(&output, &()).unwrap(), md5::Md5Check::Intact { md5: sums.md5 });
}

/// Another folder, other times, another owner, another order of creation: the same bytes.
#[test]
fn the_same_tree_gives_the_same_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut images = Vec::new();
    for name in ["one", "two"] {
        let (root, output) = (scratch.path().join(name), scratch.path().join(name).with_extension("iso"));
        tree(&root);
        if name == "two" {
            for (name, time) in [("product.txt", 5), ("zero", 3_000_000_000)] {
                let file = fs::OpenOptions::new().write(true).open(root.join(name)).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(time)).unwrap();
                fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        PlannedIso::from_dir(&root, &options()).unwrap().write_file(&output, &()).unwrap();
        images.push(fs::read(output).unwrap());
    }
    assert!(images[0] == images[1]);
}

#[test]
fn extraction_gives_the_tree_back() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, output, copy) =
        (scratch.path().join("tree"), scratch.path().join("a.iso"), scratch.path().join("copy"));
    tree(&root);
    PlannedIso::from_dir(&root, &options()).unwrap().write_file(&output, &()).unwrap();
    let image = IsoImage::open(&output).unwrap();
    image.extract(&copy, ExtractedModes::Permissions, &()).unwrap();
    let again = scratch.path().join("b.iso");
    PlannedIso::from_dir(&copy, &options()).unwrap().write_file(&again, &()).unwrap();
    assert!(
        fs::read(&output).unwrap() == fs::read(&again).unwrap(),
        "the copy of the tree gives another image"
    );
    let error = image.extract(&copy, ExtractedModes::Permissions, &()).unwrap_err().to_string();
    assert!(error.starts_with("cannot extract into "), "{error}");
}
