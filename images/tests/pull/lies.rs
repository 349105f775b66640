//! Registries that lie.

use std::time::Duration;

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, RegistryFault, RegistryOptions};

use crate::server::{Answer, Asked, Body, Content, Server};
use crate::{fault, layer, options, pull_one, request, store, stored};

/// What a registry does wrong, and what is said of it.
#[test]
fn lies_are_found_and_nothing_false_is_stored() {
    type Lie = fn(&Asked, Answer) -> Answer;
    type Check = fn(&RegistryFault) -> bool;
    let cases: [(&str, Lie, Check); 13] = [
        (
            "a blob with other bytes",
            |asked, mut answer| {
                if asked.path.contains("/blobs/") && answer.bytes.len() > 1000 {
                    answer.bytes[500] ^= 1;
                }
                answer
            },
            |fault| matches!(fault, RegistryFault::DigestMismatch { .. }),
        ),
        (
            "a blob that is announced longer",
            |asked, answer| {
                if asked.path.contains("/blobs/") { answer.with("Content-Length", 9_000_000) } else { answer }
            },
            |fault| matches!(fault, RegistryFault::SizeMismatch { expected: _, found: 9_000_000 }),
        ),
        (
            "a blob that is longer, unannounced",
            |asked, mut answer| {
                if asked.path.contains("/blobs/") {
                    answer.bytes.push(0);
                    return answer.body(Body::Unannounced);
                }
                answer
            },
            |fault| matches!(fault, RegistryFault::SizeMismatch { .. }),
        ),
        (
            "an endless blob",
            |asked, answer| if asked.path.contains("/blobs/") { answer.body(Body::Endless) } else { answer },
            |fault| matches!(fault, RegistryFault::SizeMismatch { .. }),
        ),
        (
            "a blob that always ends early",
            |asked, answer| {
                if asked.path.contains("/blobs/") { answer.body(Body::CutAfter(3)) } else { answer }
            },
            |fault| matches!(fault, RegistryFault::Broken(_)),
        ),
        (
            "a page of a proxy for a blob",
            |asked, answer| {
                if asked.path.contains("/blobs/") { Answer::new(200, "text/html", b"<html>") } else { answer }
            },
            |fault| matches!(fault, RegistryFault::ContentType { found, .. } if found == "text/html"),
        ),
        (
            "a page of a proxy for a manifest",
            |_, _| Answer::new(200, "text/html; charset=utf-8", b"<html>log in</html>"),
            |fault| matches!(fault, RegistryFault::ContentType { found, .. } if found == "text/html"),
        ),
        (
            "a manifest of 100 MB",
            |_, answer| answer.with("Content-Length", 100 << 20),
            |fault| matches!(fault, RegistryFault::TooLarge { limit: 4_194_304 }),
        ),
        (
            "an endless manifest",
            |_, answer| answer.body(Body::Endless),
            |fault| matches!(fault, RegistryFault::TooLarge { limit: 4_194_304 }),
        ),
        (
            "a manifest that is not what its header says",
            |_, answer| answer.with("Docker-Content-Digest", Digest::of(b"other")),
            |fault| matches!(fault, RegistryFault::DigestMismatch { expected, .. } if *expected == Digest::of(b"other")),
        ),
        (
            "a manifest of another type than announced",
            |_, mut answer| {
                answer.headers[0].1 = MediaKind::OciIndex.media_type().into();
                answer
            },
            |fault| matches!(fault, RegistryFault::ContentType { .. }),
        ),
        (
            "Docker schema 1",
            |_, _| {
                let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
                Answer::new(200, media_type, br#"{"schemaVersion":1,"fsLayers":[]}"#)
            },
            |fault| matches!(fault, RegistryFault::ContentType { .. } | RegistryFault::Manifest(_)),
        ),
        (
            "nothing",
            |_, answer| answer.body(Body::StallAfter(0)),
            |fault| matches!(fault, RegistryFault::Stalled(_)),
        ),
    ];
    for (name, lie, check) in cases {
        let mut content = Content::default();
        content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 5000)]);
        let server = Server::start(move |asked| lie(asked, content.answer(asked)));
        let (_folder, store) = store();
        // Only what comes too late is not waited for.
        let stall = Duration::from_millis(if name == "nothing" { 50 } else { 60_000 });
        let options = RegistryOptions { stall, ..options(&[&server]) };
        let error =
            pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &())
                .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("a:1: cannot fetch ")
                && text.contains(&format!("http://{}/v2/a/", server.host())),
            "{text}"
        );
        let found = fault(error);
        assert!(check(&found), "{name}: {found:?}");
        stored(&store);
    }
}

#[test]
fn a_wrong_digest_is_said_with_image_blob_address_expected_and_found() {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 5000)]);
    let right = Digest::of(&layer(1, 5000));
    let mut wrong = layer(1, 5000);
    wrong[7] ^= 0x20;
    let path = format!("/v2/a/blobs/{right}");
    content.0.get_mut(&path).unwrap().1.clone_from(&wrong);
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    assert_eq!(
        pull_one(&server, "a", &store).unwrap_err().to_string(),
        format!(
            "a:1: cannot fetch blob {right}: http://{}{path}: the content does not match its digest: \
             expected {right}, found {}",
            server.host(),
            Digest::of(&wrong)
        )
    );
    assert!(!stored(&store).contains(&right));
    assert!(!store.root().join("partial/sha256").join(right.hex()).exists());
}
