//! Pulls from registries that deviate from the specification: right answers are accepted, wrong ones are reported.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, RegistryFault, RegistryOptions};

use crate::server::{Answer, Asked, Body, Content, Server};
use crate::{content, options, pulled, request, store};

/// What a registry does with a request and the honest answer to it.
type Manner = fn(&Asked, Answer) -> Answer;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(mut answer: Answer) -> Answer {
    answer.bytes = gzip(&answer.bytes);
    answer.with("Content-Encoding", "gzip")
}

fn of_blob(asked: &Asked) -> bool {
    asked.path.contains("/blobs/")
}

fn typed(mut answer: Answer, media_type: &str) -> Answer {
    answer.headers.retain(|(name, _)| name != "Content-Type");
    if media_type.is_empty() { answer } else { answer.with("Content-Type", media_type) }
}

#[test]
fn answers_are_read_as_registries_and_proxies_write_them() {
    let table: [(&str, Manner, Option<&str>); 21] = [
        ("chunks without a length", |_, answer| answer.body(Body::Chunked), None),
        ("an end of the connection for a length", |_, answer| answer.body(Body::Unannounced), None),
        ("a manifest in gzip", |asked, answer| if of_blob(asked) { answer } else { encoded(answer) }, None),
        ("a blob in gzip", |asked, answer| if of_blob(asked) { encoded(answer) } else { answer }, None),
        (
            "a blob in gzip, in chunks",
            |asked, answer| if of_blob(asked) { encoded(answer).body(Body::Chunked) } else { answer },
            None,
        ),
        // Storage whose objects were labeled like that when they were uploaded.
        ("invalid gzip", |_, answer| answer.with("Content-Encoding", "gzip"), None),
        ("identity", |_, answer| answer.with("Content-Encoding", "identity"), None),
        (
            "a blob in another encoding",
            |asked, mut answer| {
                if of_blob(asked) {
                    answer.bytes.truncate(3);
                    return answer.with("Content-Encoding", "br");
                }
                answer
            },
            Some("expected no content encoding, found br"),
        ),
        (
            "a blob in broken gzip",
            |asked, answer| {
                if !of_blob(asked) {
                    return answer;
                }
                let mut answer = encoded(answer);
                answer.bytes.truncate(answer.bytes.len() / 2);
                answer
            },
            Some("it ended after"),
        ),
        ("no type", |_, answer| typed(answer, ""), None),
        ("plain text", |_, answer| typed(answer, "text/plain"), None),
        (
            "a type with parameters, in capitals",
            |asked, answer| {
                let kind = MediaKind::OciManifest.media_type().to_uppercase();
                if of_blob(asked) { answer } else { typed(answer, &format!("{kind} ; charset=utf-8")) }
            },
            None,
        ),
        (
            "a digest of another kind",
            |_, answer| answer.with("Docker-Content-Digest", format!("sha512:{}", "0".repeat(128))),
            None,
        ),
        ("an invalid digest", |_, answer| answer.with("Docker-Content-Digest", "\"x\""), None),
        (
            "a length that is too short",
            |asked, answer| if of_blob(asked) { answer.with("Content-Length", 2) } else { answer },
            Some("bytes, found 2"),
        ),
        ("a part that is all", |_, answer| Answer { status: 206, ..answer }, None),
        (
            "HTTPS at this port, as Go says it",
            |_, _| Answer::empty(400).content(b"Client sent an HTTP request to an HTTPS server.\n"),
            Some("this port requires HTTPS"),
        ),
        (
            "HTTPS at this port, as nginx says it",
            |_, _| {
                let page = b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>";
                Answer::new(400, "text/html", page)
            },
            Some("this port requires HTTPS"),
        ),
        (
            "a challenge without a realm",
            |_, _| Answer::challenge(["Bearer service=\"s\""]),
            Some("asks for no supported kind of credentials"),
        ),
        (
            "a tag that is gone",
            |asked, answer| if of_blob(asked) { answer } else { Answer { status: 410, ..answer } },
            Some("the registry returned 410"),
        ),
        ("403 without a word", |_, _| Answer::empty(403), Some("the registry returned 403")),
    ];
    for (name, manner, expected) in table {
        let content = content();
        let server = Server::start(move |asked| manner(asked, content.answer(asked)));
        let answer = pulled(&server.host(), &options([&server]));
        match (answer, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{name}: {error}");
            }
            (answer, _) => panic!("{name}: {answer:?}"),
        }
    }
}

#[test]
fn redirections_are_followed_in_every_form_within_a_bound() {
    for (what, location, works) in [
        ("/manifests/", "/moved/PATH", true),
        ("/blobs/", "/moved/PATH", true),
        ("/blobs/", "http://HOST/moved/PATH", true),
        ("/blobs/", "//HOST/moved/PATH", true),
        ("/blobs/", "?moved=1", true),
        ("/blobs/", "../blobs/LAST?moved=%20#fragment", true),
        ("/blobs/", "", false),
        ("/blobs/", "/v2/loop/blobs/x", false),
        ("/blobs/", "http://", false),
        ("/blobs/", "data:,x", false),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let content = content();
            let server = Server::start(move |asked| {
                let moved = asked.path.contains("moved");
                let path = asked.path.replace("/moved/", "");
                let path = path.split('?').next().unwrap().to_owned();
                if !moved && path.contains(what) {
                    let last = path.rsplit('/').next().unwrap();
                    let host = asked.header("host");
                    let to = location.replace("PATH", &path).replace("HOST", host).replace("LAST", last);
                    return Answer::redirect(status, to);
                }
                content.answer(&Asked { path, ..asked.clone() })
            });
            let answer = pulled(&server.host(), &options([&server]));
            assert_eq!(answer.is_ok(), works, "{what} {status} {location}: {answer:?}");
            if let Err(error) = answer {
                assert!(error.to_string().contains("the redirection is refused"), "{error}");
                assert!(server.paths().len() < 20);
            }
        }
    }
}

#[test]
fn a_transfer_that_cannot_be_resumed_starts_again() {
    let layer: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let manners: [(&str, Manner); 6] = [
        ("nothing after that byte", |_, _| Answer::empty(416)),
        ("a part from elsewhere", |_, answer| {
            let headers =
                answer.headers.iter().filter(|(name, _)| name != "Content-Range").cloned().collect();
            Answer { headers, ..answer }.with("Content-Range", "bytes 7-199999/200000")
        }),
        ("a part that does not say where it begins", |_, answer| {
            let headers =
                answer.headers.iter().filter(|(name, _)| name != "Content-Range").cloned().collect();
            Answer { headers, ..answer }
        }),
        ("a part of something else", |_, mut answer| {
            answer.bytes.fill(0);
            answer
        }),
        ("a part in gzip", |_, answer| encoded(answer)),
        ("a failure", |_, _| Answer::empty(500)),
    ];
    for (name, manner) in manners {
        let mut content = Content::default();
        content.image("a", "1", MediaKind::OciManifest, &[&layer]);
        let tries = Arc::new(AtomicUsize::new(0));
        let count = tries.clone();
        let server = Server::start(move |asked| {
            let answer = content.answer(asked);
            match asked.header("range") {
                "" if answer.bytes.len() > 100_000 && count.fetch_add(1, Ordering::SeqCst) == 0 => {
                    answer.body(Body::CutAfter(70_000))
                }
                "" => answer,
                _ => manner(asked, answer),
            }
        });
        let (_folder, store) = store();
        let many = RegistryOptions { attempts: 2, ..options([&server]) };
        let answer = pull::pull(&[request(&server.host())], &store, &RegistrySession::new(many.clone()), &());
        if name == "a failure" {
            // What is there stays for the next time.
            assert!(answer.is_err());
            continue;
        }
        answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(store.read(&Digest::of(&layer), 1 << 20).unwrap(), layer, "{name}");
        assert_eq!(tries.load(Ordering::SeqCst), 2, "{name}");
    }
}

#[test]
fn a_registry_that_names_a_time_is_waited_for_or_given_up() {
    let now = "Fri, 20 Nov 2026 10:00:00 GMT";
    for (retry_after, works) in [
        ("Fri, 20 Nov 2026 10:00:00 GMT", true),
        ("Thu, 19 Nov 2026 10:00:00 GMT", true),
        ("0", true),
        ("soon", true),
        ("Fri, 20 Nov 2026 11:00:00 GMT", false),
    ] {
        let (content, tries) = (content(), AtomicUsize::new(0));
        let server = Server::start(move |asked| match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::empty(429).with("Date", now).with("Retry-After", retry_after),
            _ => content.answer(asked),
        });
        let answer = pulled(&server.host(), &options([&server]));
        assert_eq!(answer.is_ok(), works, "{retry_after}: {answer:?}");
        if let Err(error) = answer {
            assert!(error.to_string().contains("try again in 3600 seconds"), "{error}");
        }
    }
}

#[test]
fn names_digests_and_platforms_are_taken_as_they_are_defined() {
    // A tag of 128 characters, and an index with two images for one platform, told apart by the version of the system.
    let tag = "T".repeat(128);
    let mut content = Content::default();
    let one = content.image("a", "one", MediaKind::OciManifest, &[b"one"]);
    let two = content.image("a", "two", MediaKind::OciManifest, &[b"two"]);
    let entry = |digest: &Digest, version: &str| {
        let size = content.0[&format!("/v2/a/manifests/{digest}")].1.len();
        serde_json::json!({
            "mediaType": MediaKind::OciManifest.media_type(), "digest": digest, "size": size,
            "platform": {"os": "windows", "architecture": "amd64", "os.version": version, "os.features": ["win32k"]},
        })
    };
    let index = serde_json::json!({
        "schemaVersion": 2, "manifests": [entry(&one, "10.0.17763.1"), entry(&two, "10.0.20348.2")],
    });
    content.manifest("a", &tag, MediaKind::OciIndex, index.to_string().as_bytes());
    // Layers that are named by SHA-512.
    let named = |digest: String| {
        serde_json::json!({
            "schemaVersion": 2, "config": {"mediaType": "c", "digest": digest, "size": 2}, "layers": [],
        })
    };
    let other = named(format!("sha512:{}", "0".repeat(128))).to_string();
    content.manifest("a", "512", MediaKind::OciManifest, other.as_bytes());
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let wanted = |tag: &str| pull::PullRequest {
        reference: format!("{}/a:{tag}", server.host()).parse().unwrap(),
        tag: tag.into(),
        platforms: vec!["windows/amd64".parse().unwrap()],
        ..request(&server.host())
    };
    pull::pull(&[wanted(&tag)], &store, &RegistrySession::new(options([&server])), &()).unwrap();
    for layer in [b"one", b"two"] {
        assert!(store.size(&Digest::of(layer)).unwrap().is_some());
    }
    let error =
        pull::pull(&[wanted("512")], &store, &RegistrySession::new(options([&server])), &()).unwrap_err();
    assert!(matches!(error.failures[0].fault, RegistryFault::Manifest(_)), "{error}");
    assert!(error.to_string().contains("expected `sha256:` and 64 lower-case"), "{error}");
    for (text, reason) in [
        (format!("{}/A:1", server.host()), "the repository must be lower-case"),
        (format!("{}/a:{}", server.host(), "T".repeat(129)), "the tag has 129 characters"),
        (format!("{}/a@sha512:{}", server.host(), "0".repeat(128)), "the digest must be `sha256:`"),
    ] {
        let error = text.parse::<images::Reference>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
