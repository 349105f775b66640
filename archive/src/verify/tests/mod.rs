mod files;
mod isos;
mod lists;
mod registry;
mod reports;

use std::fs;
use std::path::Path;

use content::Digest;

use super::*;
use crate::fixture::{LAYER, image, put, sample};
use crate::tree::LocationPiece;

fn check(root: &Path) -> VerifyReport {
    verify(root, &VerifyOptions::default(), &()).expect("verified")
}

fn findings(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

/// An ISO of the sample, and where in it a file lies.
fn iso_of(root: &Path) -> tempfile::NamedTempFile {
    let options =
        iso::IsoOptions { volume_id: "Sample 1.0".into(), source_date: 1, ..iso::IsoOptions::default() };
    let image = tempfile::NamedTempFile::new().expect("a file");
    iso::PlannedIso::from_dir(root, &options)
        .and_then(|plan| plan.write_file(image.path(), &()))
        .expect("written");
    image
}

fn place(image: &Path, path: &str) -> LocationPiece {
    Tree::open(image).and_then(|tree| tree.locate(path)).expect("located").pieces[0]
}

/// Adds `registry/`, as a build does, and writes the lists again.
fn index(root: &Path) {
    images::registry::index(&root.join("images"), &root.join("registry")).expect("indexed");
    crate::sums::write(root, &crate::sums::digest_file).expect("written");
}

/// A signature of the image `library/app:1.0`.
fn sign(root: &Path) {
    let manifest = fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read");
    image(root, "library/app", "sha256-sig", b"{\"signature\":1}", b"a signature");
    let path = root.join("images/library/app/sha256-sig/manifest.json");
    let mut signature: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    signature["subject"] = serde_json::json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": Digest::of(&manifest).to_string(),
        "size": manifest.len(),
    });
    signature["annotations"] = serde_json::json!({"signed by": "somebody"});
    fs::write(path, signature.to_string()).expect("written");
}
