//! Tests of documents: their form, and that equal content gives equal bytes.

use std::collections::BTreeSet;

use super::*;
use crate::fixture::{image, put, sample};
use crate::sbom::{Ecosystem, ImageContents, ManifestContents};
use crate::{Error, Product, Tree, layout};

fn manifest(content: &[u8], platform: &str, components: Vec<Component>) -> ManifestContents {
    ManifestContents {
        digest: Digest::of(content),
        platform: Some(platform.into()),
        vendor: None,
        created: Some(86_400),
        distribution: None,
        components,
        notes: Vec::new(),
        upstream: None,
    }
}

fn contents(manifests: Vec<ManifestContents>) -> ImageContents {
    let digest = manifests.first().map_or(Digest::of(b"index"), |first| first.digest);
    ImageContents {
        name: "library/app_x".into(),
        tag: "1.0".into(),
        digest: if manifests.len() > 1 { Digest::of(b"index") } else { digest },
        repository: Some("docker.io/library/app".into()),
        manifests,
    }
}

/// Checks what every document has: identifiers with allowed characters, each once, and no relationship that leads nowhere.
fn check(document: &Document) {
    let ids: Vec<&str> = document.packages.iter().map(|package| package.id.as_str()).collect();
    let known: BTreeSet<&str> = ids.iter().copied().chain([DOCUMENT]).collect();
    assert_eq!(known.len(), ids.len() + 1);
    for id in &ids {
        let name = id.strip_prefix("SPDXRef-").unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{id}");
    }
    for Relationship { spdx_element_id, related_spdx_element, .. } in &document.relationships {
        assert!(known.contains(spdx_element_id.as_str()), "{spdx_element_id}");
        let is_external = related_spdx_element.starts_with("DocumentRef-");
        assert!(is_external || known.contains(related_spdx_element.as_str()), "{related_spdx_element}");
    }
    assert!(document.packages.iter().all(|package| package.supplier.starts_with("Organization: ")));
    assert!(document.packages.is_sorted_by(|one, other| one.id < other.id));
    assert_eq!(Document::read(document.write().as_bytes()).as_ref(), Ok(document));
}

#[test]
fn an_image_contains_its_packages() {
    let component =
        Component { supplier: "A (b) <c@d>".into(), ..Component::new(Ecosystem::Npm, "@s/a_b", "1") };
    let image = contents(vec![manifest(b"one", "linux/amd64", vec![component.clone()])]);
    let document = image_document(&image, None, "Site");
    check(&document);
    assert_eq!(document.creation_info.created, "1970-01-02T00:00:00Z");
    let [container, package] = &document.packages[..] else { panic!("{document:?}") };
    assert_eq!(
        (container.name.as_str(), container.supplier.as_str()),
        ("library/app_x", "Organization: docker.io/library")
    );
    assert_eq!(package.supplier, "Organization: A b (c@d)");
    let digest = Digest::of(b"one").hex();
    let expected = format!(
        "pkg:oci/app_x@sha256%3A{digest}?arch=amd64&repository_url=docker.io%2Flibrary%2Fapp&tag=1.0"
    );
    assert_eq!(container.purl(), Some(expected.as_str()));
    let listed: Vec<Component> = document.components().map(|(_, component)| component).collect();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["@s/a_b"]);
    // Equal content has equal bytes, and other content another namespace.
    assert_eq!(image_document(&image, None, "Site").write(), document.write());
    let other = contents(vec![manifest(b"one", "linux/amd64", vec![component.clone(), component])]);
    assert_eq!(image_document(&other, None, "Site"), document);
    let later = image_document(&image, Some(1), "Site");
    assert_ne!(later.document_namespace, document.document_namespace);
    assert_eq!(later.creation_info.created, "1970-01-01T00:00:01Z");
}

#[test]
fn an_index_contains_its_manifests() {
    let component = Component::new(Ecosystem::Generic, "a", "1");
    let manifests = vec![
        manifest(b"one", "linux/amd64", vec![component.clone()]),
        manifest(b"two", "linux/arm64", vec![component]),
    ];
    let document = image_document(&contents(manifests), None, "Site");
    check(&document);
    assert_eq!(document.packages.len(), 4);
    assert_eq!(document.relationships.len(), 5);
}

#[test]
fn an_image_without_packages_says_so() {
    let mut empty = manifest(b"one", "linux/amd64", Vec::new());
    empty.notes.push("a: b".into());
    let document = image_document(&contents(vec![empty]), None, "Site");
    check(&document);
    let expected =
        "linux/amd64: not read: a: b; linux/amd64: it has no package database, so its content is not known";
    assert_eq!(document.comment.as_deref(), Some(expected));
}

#[test]
fn an_archive_contains_images_packages_and_files() {
    let folder = sample();
    let root = folder.path();
    std::fs::remove_dir_all(root.join("packages")).unwrap();
    put(root, "pillar/secret.sls", b"secret");
    // Another task may write the registry meanwhile, so nothing there may be read: this is too deep to be.
    put(root, &format!("registry/{}x", "v2/".repeat(crate::tree::DEPTH_MAX + 1)), b"x");
    let component = Component::new(Ecosystem::Generic, "a", "1");
    for tag in ["1", "2"] {
        let image = ImageContents {
            tag: tag.into(),
            ..contents(vec![manifest(tag.as_bytes(), "linux/amd64", vec![component.clone()])])
        };
        put(
            root,
            &layout::image_sbom("library/app_x", tag),
            image_document(&image, None, "S").write().as_bytes(),
        );
    }
    let tree = Tree::open(root).unwrap();
    let product = Product { name: "Sample".into(), version: "1.0".into(), ..Product::default() };
    let document = archive_document(&tree, &product, 0, &mut |path| Ok(Digest::of(path.as_bytes()))).unwrap();
    check(&document);
    let files: Vec<&str> = document
        .packages
        .iter()
        .map(|one| one.package_file_name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let files: BTreeSet<&str> = files.into_iter().collect();
    assert_eq!(files, BTreeSet::from(["./product.txt", "./salt/top.sls"]));
    // Both images have the same package.
    assert_eq!(document.packages.iter().filter(|package| package.name == "a").count(), 1);
    let contains = |id: &str| {
        document
            .relationships
            .iter()
            .filter(|one| one.spdx_element_id == id && one.relationship_type == "CONTAINS")
            .count()
    };
    assert_eq!(contains("SPDXRef-Archive-Sample"), 4);

    put(root, "packages/redhat/8/x/a.rpm", b"no package");
    let error =
        archive_document(&tree, &product, 0, &mut |path| Ok(Digest::of(path.as_bytes()))).unwrap_err();
    assert!(matches!(&error, Error::Content { file, .. } if file == "packages/redhat/8/x/a.rpm"), "{error}");
    std::fs::remove_dir_all(root.join("packages")).unwrap();
    put(root, &layout::image_sbom("broken", "1"), b"{}");
    let error =
        archive_document(&tree, &product, 0, &mut |path| Ok(Digest::of(path.as_bytes()))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "attestations/images/broken/1.spdx.json: expected a document of SPDX 2, found the version ``"
    );
}

#[test]
fn an_image_of_an_archive_is_read() {
    let folder = sample();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let metadata = b"Name: a\nVersion: 1\n";
    header.set_size(metadata.len() as u64);
    builder.append_data(&mut header, "a-1.dist-info/METADATA", &metadata[..]).unwrap();
    let layer = builder.into_inner().unwrap();
    let config = br#"{"created":"1970-01-03T00:00:00Z","os":"linux","architecture":"arm","variant":"v7",
        "config":{"Labels":{"org.opencontainers.image.vendor":"Vendor"}}}"#;
    image(folder.path(), "app", "1", config, &layer);
    let tree = Tree::open(folder.path()).unwrap();
    let found = crate::image::find(&tree, "app", "1", "images/app/1").unwrap().unwrap();
    let reader = crate::sbom::ImageReader::new(&tree, folder.path()).unwrap();
    let contents = reader.read(&found, &()).unwrap().unwrap();
    let [manifest] = &contents.manifests[..] else { panic!("{contents:?}") };
    assert_eq!(manifest.platform.as_deref(), Some("linux/arm/v7"));
    assert_eq!((manifest.vendor.as_deref(), manifest.created), (Some("Vendor"), Some(172_800)));
    assert_eq!(manifest.components.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(manifest.notes, [""; 0]);
    // Bytes that are no layer are noted; the archive is not damaged.
    let found = crate::image::find(&tree, "library/app", "1.0", "images/library/app/1.0").unwrap().unwrap();
    let contents = reader.read(&found, &()).unwrap().unwrap();
    assert!(contents.manifests[0].notes[0].starts_with("the layer sha256:"), "{contents:?}");
    assert!(crate::image::find(&tree, "no", "1", "images/no/1").unwrap().is_none());
}
