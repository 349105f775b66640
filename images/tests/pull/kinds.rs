//! What is taken, whole: manifests and indexes of every kind, platforms, what cannot be taken.

use std::collections::BTreeSet;

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, PullRequest, RegistryFault, RegistryOptions};

use crate::server::{Content, Server};
use crate::{fault, layer, options, pull_one, request, store, stored};

#[test]
fn every_kind_is_kept_byte_for_byte_and_each_blob_is_fetched_once() {
    let mut content = Content::default();
    let base = layer(1, 300_000);
    let docker = content.image("a", "1", MediaKind::DockerManifest, &[&base, &layer(2, 10)]);
    let oci = content.image("a", "2", MediaKind::OciManifest, &[&base, &layer(3, 0)]);
    let other = content.image("a", "3", MediaKind::OciManifest, &[&base]);
    let index = content.index(
        "a",
        "4",
        MediaKind::OciIndex,
        &[(oci, MediaKind::OciManifest, "amd64"), (other, MediaKind::OciManifest, "arm64")],
    );
    let list =
        content.index("a", "5", MediaKind::DockerList, &[(docker, MediaKind::DockerManifest, "amd64")]);
    let expected: BTreeSet<Digest> = content.0.values().map(|(_, bytes)| Digest::of(bytes)).collect();
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let mut requests: Vec<PullRequest> =
        ["1", "2", "3", "4", "5"].map(|tag| request(&server, "a", tag)).into();
    let pulled = pull::pull(&requests, &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
    let found: Vec<(Digest, MediaKind)> = pulled.iter().map(|image| (image.digest, image.kind)).collect();
    assert_eq!(
        found,
        [
            (docker, MediaKind::DockerManifest),
            (oci, MediaKind::OciManifest),
            (other, MediaKind::OciManifest),
            (index, MediaKind::OciIndex),
            (list, MediaKind::DockerList),
        ]
    );
    assert_eq!(stored(&store), expected);
    let paths = server.paths();
    let blobs: BTreeSet<&String> = paths.iter().filter(|path| path.contains("/blobs/")).collect();
    assert_eq!(blobs.len(), paths.iter().filter(|path| path.contains("/blobs/")).count(), "{paths:?}");

    // With digests and a warm store, nothing is asked.
    for (request, image) in requests.iter_mut().zip(&pulled) {
        request.expected = Some(image.digest);
    }
    assert_eq!(
        pull::pull(&requests, &store, &RegistrySession::new(options(&[&server])), &()).unwrap(),
        pulled
    );
    assert_eq!(server.paths(), Vec::<String>::new());
    // Without digests, one question per tag and no blob.
    for request in &mut requests {
        request.expected = None;
    }
    pull::pull(&requests, &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
    assert_eq!(server.paths().iter().filter(|path| !path.contains("/manifests/")).count(), 0);
}

#[test]
fn chosen_platforms_only() {
    let mut content = Content::default();
    let amd = content.image("a", "x", MediaKind::OciManifest, &[&layer(1, 10)]);
    let arm = content.image("a", "y", MediaKind::OciManifest, &[&layer(2, 10)]);
    let index = content.index(
        "a",
        "1",
        MediaKind::OciIndex,
        &[(amd, MediaKind::OciManifest, "amd64"), (arm, MediaKind::OciManifest, "arm64")],
    );
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let mut one = request(&server, "a", "1");
    one.platforms = vec!["linux/arm64".parse().unwrap()];
    let pulled = pull::pull(&[one.clone()], &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
    assert_eq!(pulled[0].digest, index);
    let found = stored(&store);
    assert!(found.contains(&arm) && !found.contains(&amd));
    one.platforms = vec!["linux/s390x".parse().unwrap()];
    let error = pull::pull(&[one], &store, &RegistrySession::new(options(&[&server])), &()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "a:1: cannot fetch manifest {index}: no image for the platform linux/s390x; \
             the image is for linux/amd64, linux/arm64"
        )
    );
}

#[test]
fn an_image_is_for_the_platform_of_its_configuration() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let size = content.0[&format!("/v2/a/manifests/{image}")].1.len();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{image}","size":{size}}}]}}"#,
        MediaKind::OciManifest
    );
    content.manifest("b", "1", MediaKind::OciIndex, index.as_bytes());
    let own: Vec<_> =
        content.0.iter().map(|(path, found)| (path.replace("/a/", "/b/"), found.clone())).collect();
    content.0.extend(own.into_iter().filter(|(path, _)| !path.ends_with("/1")));
    let config = content.blob("c", b"{}");
    let chart = format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":2}}}}"#);
    content.manifest("c", "1", MediaKind::OciManifest, chart.as_bytes());
    let server = Server::start(move |asked| content.answer(asked));
    for (name, platforms, fine) in [
        ("a", &["linux/amd64"][..], true),
        ("a", &["linux/x86_64"], true),
        ("a", &["linux/arm64"], false),
        ("a", &["linux/amd64", "linux/arm64"], false),
        // An index that names no platform, and what is for none.
        ("b", &["linux/amd64"], true),
        ("b", &["linux/arm64"], false),
        ("c", &["linux/arm64"], true),
    ] {
        let (_folder, store) = store();
        let platforms = platforms.iter().map(|text| text.parse().unwrap()).collect();
        let result = pull::pull(
            &[PullRequest { platforms, ..request(&server, name, "1") }],
            &store,
            &RegistrySession::new(options(&[&server])),
            &(),
        );
        match result {
            Ok(_) => assert!(fine, "{name}"),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    !fine && text.contains("linux/arm64; the image is for linux/amd64"),
                    "{name}: {text}"
                );
            }
        }
    }
}

#[test]
fn damaged_content_is_fetched_again() {
    use std::os::unix::fs::PermissionsExt;
    let mut content = Content::default();
    let big = layer(1, 300_000);
    let digest = content.image("a", "1", MediaKind::OciManifest, &[&big]);
    let server = Server::start(move |asked| content.answer(asked));
    let (folder, store) = store();
    let images = folder.path().join("images");
    pull_one(&server, "a", &store).unwrap();
    images::dir_layout::write(&store, &digest, &[], &images.join("a/1")).unwrap();
    // A layer and a manifest are edited where they were saved, which is also where the store has them.
    for name in [Digest::of(&big).hex(), "manifest.json".into()] {
        let path = images.join("a/1").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, bytes).unwrap();
        server.asked();
        pull_one(&server, "a", &store).unwrap();
        images::dir_layout::write(&store, &digest, &[], &images.join("b/1")).unwrap();
        images::dir_layout::write(&store, &digest, &[], &images.join("a/1")).unwrap();
        let report = images::check::check(&images, std::num::NonZero::<usize>::MIN).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        stored(&store);
    }
}

#[test]
fn deep_and_circular_indexes_are_refused() {
    let mut content = Content::default();
    let image = content.image("a", "0", MediaKind::OciManifest, &[]);
    let mut inner = (image, MediaKind::OciManifest);
    for depth in 1..=5 {
        let digest =
            content.index("a", &depth.to_string(), MediaKind::OciIndex, &[(inner.0, inner.1, "amd64")]);
        inner = (digest, MediaKind::OciIndex);
    }
    let server = Server::start(move |asked| content.answer(asked));
    for (tag, fine) in [("1", true), ("2", true), ("3", false), ("5", false)] {
        let (_folder, store) = store();
        let result = pull::pull(
            &[request(&server, "a", tag)],
            &store,
            &RegistrySession::new(options(&[&server])),
            &(),
        );
        match result {
            Ok(_) => assert!(fine, "{tag}"),
            Err(error) => {
                assert!(!fine && matches!(fault(error), RegistryFault::TooDeep { limit: 2 }), "{tag}")
            }
        }
    }
}

#[test]
fn a_tag_that_moved_is_found_when_asked_for() {
    let mut content = Content::default();
    let old = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let new = content.image("a", "1", MediaKind::OciManifest, &[&layer(2, 10)]);
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let pinned = PullRequest { expected: Some(old), ..request(&server, "a", "1") };
    assert_eq!(
        pull::resolve(&pinned.reference, &RegistrySession::new(options(&[&server])), &()).unwrap().digest,
        new
    );
    let pulled =
        pull::pull(std::slice::from_ref(&pinned), &store, &RegistrySession::new(options(&[&server])), &())
            .unwrap();
    assert_eq!(pulled[0].digest, old);
    let checking = RegistryOptions { check_tags: true, ..options(&[&server]) };
    let error = pull::pull(&[pinned], &store, &RegistrySession::new(checking.clone()), &()).unwrap_err();
    assert!(
        matches!(fault(error), RegistryFault::TagMoved { expected, found, .. } if expected == old && found == new)
    );
}

#[test]
fn a_foreign_layer_and_a_disk_too_small_are_said_before_or_at_once() {
    let mut content = Content::default();
    let config = content.blob("a", b"{}");
    let digest = Digest::of(b"x");
    let make = |size: u64, media_type: &str| {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[{{"mediaType":"{media_type}","digest":"{digest}","size":{size},"urls":["https://example.com/l"]}}]}}"#
        )
    };
    content.manifest(
        "a",
        "1",
        MediaKind::OciManifest,
        make(5, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").as_bytes(),
    );
    content.manifest("b", "1", MediaKind::OciManifest, make(1 << 60, "x/y").as_bytes());
    let same = content.clone();
    let server = Server::start(move |asked| same.answer(asked));
    let (_folder, store) = store();
    let error = pull_one(&server, "a", &store).unwrap_err();
    assert!(error.to_string().contains(&digest.to_string()), "{error}");
    assert!(matches!(fault(error), RegistryFault::ForeignLayer { .. }));
    // Another server: a request of the first pull may still be on its way.
    let server = Server::start(move |asked| content.answer(asked));
    let error = pull_one(&server, "b", &store).unwrap_err();
    let RegistryFault::NoSpace { folder, needed, .. } = fault(error) else { panic!("another fault") };
    assert!(needed >= 1 << 60 && folder == store.root(), "{folder:?}");
    assert!(server.paths().iter().all(|path| path.contains("/manifests/")));
}
