use std::path::Path;

use super::*;
use crate::fixture::{LAYER, image, put};

/// The ISO of a folder, in which files of equal content share their place, and its tree.
fn iso_of(root: &Path) -> Tree {
    let options = iso::IsoOptions { volume_id: "Sample 1.0".into(), ..iso::IsoOptions::default() };
    let path = root.join("../shared.iso");
    iso::PlannedIso::from_dir(root, &options).expect("planned").write_file(&path, &()).expect("written");
    Tree::open(&path).expect("opened")
}

fn all(tree: &Tree, limit: u64) -> Result<Vec<ArchiveImage>> {
    let mut images = Vec::new();
    each_within(tree, layout::IMAGES, limit, &mut |image| images.push(image), &mut |_, error| Err(error))?;
    Ok(images)
}

#[test]
fn manifests_that_share_a_place_cost_as_much_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    image(&root, "app", "0", b"{}", LAYER);
    let manifest = root.join("images/app/0/manifest.json");
    let mut document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&manifest).expect("read")).expect("JSON");
    document["annotations"] = serde_json::json!({"a": "x".repeat(20_000)});
    put(&root, "images/app/0/manifest.json", document.to_string().as_bytes());
    for tag in 1..50 {
        let copy = root.join(format!("images/app/{tag}"));
        std::fs::create_dir(&copy).expect("a folder");
        for file in std::fs::read_dir(root.join("images/app/0")).expect("listed") {
            let file = file.expect("listed").path();
            std::fs::hard_link(&file, copy.join(file.file_name().expect("a name"))).expect("a link");
        }
    }
    let images = all(&iso_of(&root), 30_000).expect("read within the limit");
    assert_eq!(images.len(), 50);
    assert!(images.iter().all(|image| image.whole() == Ok(())));
    let manifests: HashSet<*const ManifestSummary> =
        images.iter().flat_map(ArchiveImage::stored).map(|stored| Arc::as_ptr(&stored.manifest)).collect();
    assert_eq!(manifests.len(), 1, "one summary for all");
    // Without a sign that they are the same, all are read, but their content is kept once.
    let tree = Tree::open(&root).expect("opened");
    let error = all(&tree, 30_000).expect_err("above the limit").to_string();
    assert!(
        error.starts_with("the bytes of all manifests in ") && error.ends_with("limit of 30000"),
        "{error}"
    );
    let images = all(&tree, MANIFESTS_MAX).expect("read within the limit");
    let manifests: HashSet<*const ManifestSummary> =
        images.iter().flat_map(ArchiveImage::stored).map(|stored| Arc::as_ptr(&stored.manifest)).collect();
    assert_eq!(manifests.len(), 1, "one summary for all");
}

#[test]
fn a_reason_does_not_repeat_a_whole_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let forged = format!("{{\"schemaVersion\":2,\"mediaType\":\"{}\"}}", "x".repeat(1_000_000));
    put(folder.path(), "images/app/1/manifest.json", forged.as_bytes());
    let images = list(&Tree::open(folder.path()).expect("opened"), layout::IMAGES).expect("read");
    let problem = images[0].whole().expect_err("no manifest").to_string();
    assert!(problem.len() <= REASON_MAX && problem.contains("unsupported type xxx"), "{problem}");
}

#[test]
fn blobs_that_are_listed_again_and_again_are_looked_for_once() {
    let folder = tempfile::tempdir().expect("a folder");
    image(folder.path(), "app", "1", b"{}", LAYER);
    let path = folder.path().join("images/app/1/manifest.json");
    let mut document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    let layer = document["layers"][0].clone();
    document["layers"] = vec![layer; 1000].into();
    put(folder.path(), "images/app/1/manifest.json", document.to_string().as_bytes());
    let images = list(&Tree::open(folder.path()).expect("opened"), layout::IMAGES).expect("read");
    assert_eq!(images[0].whole(), Ok(()));
    assert_eq!(images[0].manifest.as_ref().map(|stored| stored.manifest.blobs.len()), Ok(2));
}
