//! Everything that is built or indexed here parses with `oci-spec`, which others read images with, and says the same there.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use content::Digest;
use images::build::{DefinedImage, build};
use images::manifest::MANIFEST_MAX;
use images::source::{LocalImage, LocalLayout};
use images::{MediaKind, Store, dir_layout, oci_archive, pull, registry, source};
use oci_spec::image::{Arch, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout, Os};
use serde_json::json;

/// A store, and a folder beside it.
fn scratch() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

/// Builds a declared image, and another on it if there is a base.
fn built(folder: &Path, store: &Store, base: Option<&Digest>) -> Digest {
    fs::write(folder.join("tool"), "tool").unwrap();
    let mut definition = json!({
        "platform": "linux/arm64/v8",
        "files": [{ "from": "tool", "to": "/usr/bin/tool", "mode": "0755" }],
        "entrypoint": ["/usr/bin/tool"],
        "labels": { "b": "2", "a": "1" },
        "env": { "PATH": "/usr/bin" },
        "exposedPorts": ["8080/tcp"],
    });
    match base {
        Some(_) => definition["base"] = "registry.example/base:1".into(),
        None => definition["user"] = json!({ "name": "nobody", "uid": 65532 }),
    }
    let definition: DefinedImage = serde_json::from_value(definition).unwrap();
    build(&definition, folder, 1_700_000_000, base, store).unwrap()
}

fn read(store: &Store, digest: &oci_spec::image::Digest) -> Vec<u8> {
    store.read(&digest.to_string().parse().unwrap(), MANIFEST_MAX).unwrap()
}

/// The manifest and the configuration, whose layers are in the store as they say.
fn parsed(store: &Store, digest: &Digest) -> (ImageManifest, ImageConfiguration) {
    let bytes = store.read(digest, MANIFEST_MAX).unwrap();
    let manifest = ImageManifest::from_reader(bytes.as_slice()).unwrap();
    assert_eq!(manifest.schema_version(), 2);
    let config = read(store, manifest.config().digest());
    assert_eq!(config.len() as u64, manifest.config().size());
    let config = ImageConfiguration::from_reader(config.as_slice()).unwrap();
    assert_eq!(config.rootfs().diff_ids().len(), manifest.layers().len());
    for (layer, diff_id) in manifest.layers().iter().zip(config.rootfs().diff_ids()) {
        let bytes = read(store, layer.digest());
        assert_eq!(bytes.len() as u64, layer.size());
        let mut tar = Vec::new();
        match flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar) {
            Ok(_) => assert_eq!(Digest::of(&tar).to_string(), *diff_id),
            Err(_) => assert_eq!(Digest::of(&bytes).to_string(), *diff_id),
        }
    }
    (manifest, config)
}

#[test]
fn a_declared_image_is_one() {
    let (folder, store) = scratch();
    let base = built(folder.path(), &store, None);
    for (digest, layers) in [(base, 1), (built(folder.path(), &store, Some(&base)), 2)] {
        let (manifest, config) = parsed(&store, &digest);
        assert_eq!(*manifest.media_type(), Some(MediaType::ImageManifest));
        assert_eq!(*manifest.config().media_type(), MediaType::ImageConfig);
        assert_eq!(manifest.layers().len(), layers);
        assert!(manifest.layers().iter().all(|layer| *layer.media_type() == MediaType::ImageLayerGzip));
        assert_eq!((config.os(), config.architecture()), (&Os::Linux, &Arch::ARM64));
        assert_eq!(config.created().as_deref(), Some("2023-11-14T22:13:20Z"));
        let run = config.config().as_ref().unwrap();
        assert_eq!(run.user().as_deref(), Some("65532:65532"));
        assert_eq!(run.entrypoint().as_deref(), Some(&["/usr/bin/tool".to_owned()][..]));
        assert_eq!(run.exposed_ports().as_deref(), Some(&["8080/tcp".to_owned()][..]));
        let labels = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        assert_eq!(*run.labels(), Some(HashMap::from(labels)));
        assert_eq!(config.history().as_ref().unwrap().len(), layers);
    }
}

#[test]
fn a_saved_image_is_a_layout() {
    let (folder, store) = scratch();
    let digest = built(folder.path(), &store, None);
    let (place, saved) = (folder.path().join("images/app/1"), folder.path().join("app.tar"));
    dir_layout::write(&store, &digest, &[], &place).unwrap();
    let name = "registry.example/app:1".parse().unwrap();
    oci_archive::write(&place, &name, &saved, 0).unwrap();
    let mut files = HashMap::new();
    for entry in tar::Archive::new(File::open(&saved).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    let layout = OciLayout::from_reader(files["oci-layout"].as_slice()).unwrap();
    assert_eq!(layout.image_layout_version(), "1.0.0");
    let index = ImageIndex::from_reader(files["index.json"].as_slice()).unwrap();
    let [listed] = index.manifests().as_slice() else { panic!("{index:?}") };
    assert_eq!(listed.digest().to_string(), digest.to_string());
    assert_eq!(listed.annotations().as_ref().unwrap()["org.opencontainers.image.ref.name"], "1");
    let manifest = &files[&format!("blobs/sha256/{}", digest.hex())];
    assert_eq!((manifest.len() as u64, Digest::of(manifest)), (listed.size(), digest));
}

#[test]
fn a_list_of_referrers_is_an_index() {
    let (folder, store) = scratch();
    let subject = built(folder.path(), &store, None);
    let size = store.size(&subject).unwrap().unwrap();
    let config = store.put(b"{}").unwrap();
    let signature = json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::OciManifest.media_type(),
        "artifactType": "application/vnd.example.signature",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2 },
        "layers": [],
        "subject": { "mediaType": MediaKind::OciManifest.media_type(), "digest": subject, "size": size },
        "annotations": { "key": "value" },
    });
    let signature = store.put(signature.to_string().as_bytes()).unwrap();
    let images = folder.path().join("images");
    for (digest, tag) in [(subject, "1"), (signature, "signature")] {
        dir_layout::write(&store, &digest, &[], &images.join("app").join(tag)).unwrap();
    }
    let tree = folder.path().join("registry");
    registry::index(&images, &tree).unwrap();
    let index = ImageIndex::from_file(tree.join(registry::RepositoryPaths::Named("app").referrers(&subject)))
        .unwrap();
    assert_eq!(*index.media_type(), Some(MediaType::ImageIndex));
    let [listed] = index.manifests().as_slice() else { panic!("{index:?}") };
    assert_eq!(listed.digest().to_string(), signature.to_string());
    assert_eq!(listed.artifact_type().as_ref().unwrap().to_string(), "application/vnd.example.signature");
    assert_eq!(listed.annotations().as_ref().unwrap()["key"], "value");

    let empty = ImageIndex::from_reader(pull::no_referrers().as_slice()).unwrap();
    assert!(empty.manifests().is_empty());
    assert_eq!(*empty.media_type(), Some(MediaType::ImageIndex));
}

#[test]
fn an_image_saved_by_docker_gets_a_manifest() {
    let (folder, store) = scratch();
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    layer.append_data(&mut header, "tool", &b"tool"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let saved = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"] }]);
    let path = folder.path().join("saved.tar");
    let mut archive = tar::Builder::new(File::create(&path).unwrap());
    for (name, bytes) in [
        ("config.json", config.to_string().into_bytes()),
        ("layer.tar", layer),
        ("manifest.json", saved.to_string().into_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.finish().unwrap();
    let local = LocalImage { layout: LocalLayout::DockerArchive, path, name: None };
    let digest = source::import(&local, &[], &store).unwrap();
    let (manifest, config) = parsed(&store, &digest);
    let docker = MediaType::Other(MediaKind::DockerManifest.media_type().to_owned());
    assert_eq!(*manifest.media_type(), Some(docker));
    assert_eq!((config.os(), config.architecture()), (&Os::Linux, &Arch::Amd64));
}
