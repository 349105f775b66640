//! Everything that is read of what others wrote, with what must hold whatever the bytes are. The fuzz targets and the tests share
//! it.
#![allow(dead_code, reason = "each fuzz target uses one of these")]

use std::collections::BTreeMap;
use std::fs;

use content::Digest;
use images::build::containerfile;
use images::manifest::Manifest;
use images::original_names::{self, OriginalNames};
use images::reference::{is_repository, is_tag};
use images::source::{LocalImage, LocalLayout, import};
use images::{ImageLocation, Platform, Reference, Store};

/// A text taken for everything that it might be.
pub(crate) fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert!(is_repository(reference.repository()));
        assert!(reference.tag().is_none_or(is_tag));
        let full = reference.to_string();
        let again: Reference = full.parse().expect("a reference in full is a reference");
        assert_eq!(again.to_string(), full);
    }
    if let Ok(ImageLocation::Local(local)) = text.parse::<ImageLocation>() {
        assert_eq!(local.to_string().trim_end_matches(':'), text.trim_end_matches(':'));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform.clone()));
        let arguments = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let _ = containerfile::bases(text, &arguments, &platform);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    let platform = "linux/amd64".parse().expect("a platform");
    for base in containerfile::bases(text, &BTreeMap::new(), &platform).unwrap_or_default() {
        assert!(is_repository(base.reference.repository()));
        // What is written may lack quotes and ends of lines that stand in the text.
        let mut characters = text.chars();
        assert!(base.written.chars().all(|one| characters.any(|other| other == one)));
    }
}

/// Bytes taken for a manifest.
pub(crate) fn manifests(input: &[u8]) {
    let Ok(manifest) = Manifest::parse(input) else { return };
    assert_eq!(manifest.kind.is_index(), manifest.config.is_none());
    let platforms: Vec<Platform> =
        manifest.manifests.iter().filter_map(|found| found.platform.clone()).collect();
    let kept = manifest.select(&platforms).expect("what an index offers can be chosen").kept;
    assert!(kept.len() <= manifest.manifests.len());
    assert!(!manifest.kind.is_index() || manifest.blobs().next().is_none());
}

/// Bytes taken for a tar of an image, of either kind.
pub(crate) fn archives(input: &[u8]) {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("image.tar");
    fs::write(&path, input).expect("a file");
    let store = Store::open(&scratch.path().join("store")).expect("a store");
    for layout in [LocalLayout::DockerArchive, LocalLayout::OciArchive] {
        let local = LocalImage { layout, path: path.clone(), name: None };
        let taken = import(&local, &[], &store);
        for entry in fs::read_dir(scratch.path().join("store/blobs/sha256")).expect("the blobs") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a blob");
            assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(&*Digest::of(&bytes).hex()));
        }
        if let Ok(digest) = taken {
            images::dir_layout::write(&store, &digest, &[], &scratch.path().join(digest.hex()))
                .expect("it is whole");
        }
    }
}

/// A file that is searched for images.
pub(crate) fn find(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for name in ["x.yaml", "x.txt"] {
        let found = images::find::find_in(std::path::Path::new(name), text);
        for image in &found.images {
            let full = image.reference.to_string();
            assert_eq!(full.parse::<Reference>().as_ref().map(ToString::to_string), Ok(full.clone()));
            assert!(image.line.is_some_and(|line| line > 0), "{full}");
        }
    }
}

/// Bytes taken for the file of original references, or for one of its hosts.
pub(crate) fn original_names(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        if let Some(host) = original_names::canonical_host(text) {
            assert_eq!(original_names::canonical_host(&host).as_ref(), Some(&host));
            if let Some(part) = original_names::host_part(&host) {
                assert!(!part.contains([':', '/']) && original_names::host_of_part(&part) == Some(host));
            }
        }
        if let Some(host) = original_names::host_of_part(text) {
            assert_eq!(original_names::host_part(&host).as_deref(), Some(text));
        }
    }
    let Ok(names) = OriginalNames::read(input) else { return };
    for (place, references) in names.images() {
        assert!(is_repository(&place.name) && is_tag(&place.tag) && !references.is_empty());
        for reference in references {
            let found = names.places(reference.host(), reference.repository());
            assert!(found.contains(place));
        }
    }
    assert_eq!(OriginalNames::read(&names.write()).as_ref(), Ok(&names));
}
