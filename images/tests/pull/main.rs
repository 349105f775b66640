//! Pulls against a registry that tells the truth, and against all sorts that do not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use images::pull::{self, Error, Fault, Options, Pulled, Request};
use images::{Digest, Kind, Store};
use server::{Answer, Asked, Body, Content, Server};

/// Bytes that no other layer has.
fn layer(seed: u8, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// Quick to give up.
fn options(servers: &[&Server]) -> Options {
    Options {
        plain_http: servers.iter().map(|server| server.host()).collect(),
        system_proxy: false,
        attempts: 3,
        first_delay: Duration::from_millis(2),
        stall: Duration::from_millis(400),
        ..Options::default()
    }
}

fn request(server: &Server, name: &str, tag: &str) -> Request {
    Request {
        name: name.into(),
        tag: tag.into(),
        reference: format!("{}/{name}:{tag}", server.host()).parse().unwrap(),
        platforms: Vec::new(),
        expected: None,
    }
}

fn pull_one(server: &Server, name: &str, store: &Store) -> Result<Pulled, Error> {
    let mut pulled = pull::pull(&[request(server, name, "1")], store, &options(&[server]), &())?;
    Ok(pulled.remove(0))
}

/// The one fault of a pull that had one endpoint.
fn fault(error: Error) -> Fault {
    let Error { mut failures, .. } = error;
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.remove(0).fault
}

/// Everything in the store, each file checked against its name.
fn stored(store: &Store) -> BTreeSet<Digest> {
    std::fs::read_dir(store.root().join("blobs/sha256"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let digest = Digest::from_hex(entry.file_name().to_str().unwrap()).unwrap();
            assert_eq!(Digest::of(&std::fs::read(entry.path()).unwrap()), digest);
            digest
        })
        .collect()
}

fn partials(store: &Store) -> Vec<u64> {
    let folder: &Path = &store.root().join("partial/sha256");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect()
}

#[test]
fn every_kind_is_kept_byte_for_byte_and_each_blob_is_fetched_once() {
    let mut content = Content::default();
    let base = layer(1, 300_000);
    let docker = content.image("a", "1", Kind::DockerManifest, &[&base, &layer(2, 10)]);
    let oci = content.image("a", "2", Kind::OciManifest, &[&base, &layer(3, 0)]);
    let other = content.image("a", "3", Kind::OciManifest, &[&base]);
    let index = content.index(
        "a",
        "4",
        Kind::OciIndex,
        &[(oci, Kind::OciManifest, "amd64"), (other, Kind::OciManifest, "arm64")],
    );
    let list = content.index("a", "5", Kind::DockerList, &[(docker, Kind::DockerManifest, "amd64")]);
    let expected: BTreeSet<Digest> = content.0.values().map(|(_, bytes)| Digest::of(bytes)).collect();
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let mut requests: Vec<Request> = ["1", "2", "3", "4", "5"].map(|tag| request(&server, "a", tag)).into();
    let pulled = pull::pull(&requests, &store, &options(&[&server]), &()).unwrap();
    let found: Vec<(Digest, Kind)> = pulled.iter().map(|image| (image.digest, image.kind)).collect();
    assert_eq!(
        found,
        [
            (docker, Kind::DockerManifest),
            (oci, Kind::OciManifest),
            (other, Kind::OciManifest),
            (index, Kind::OciIndex),
            (list, Kind::DockerList),
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
    assert_eq!(pull::pull(&requests, &store, &options(&[&server]), &()).unwrap(), pulled);
    assert_eq!(server.paths(), Vec::<String>::new());
    // Without digests, one question per tag and no blob.
    for request in &mut requests {
        request.expected = None;
    }
    pull::pull(&requests, &store, &options(&[&server]), &()).unwrap();
    assert_eq!(server.paths().iter().filter(|path| !path.contains("/manifests/")).count(), 0);
}

#[test]
fn chosen_platforms_only() {
    let mut content = Content::default();
    let amd = content.image("a", "x", Kind::OciManifest, &[&layer(1, 10)]);
    let arm = content.image("a", "y", Kind::OciManifest, &[&layer(2, 10)]);
    let index = content.index(
        "a",
        "1",
        Kind::OciIndex,
        &[(amd, Kind::OciManifest, "amd64"), (arm, Kind::OciManifest, "arm64")],
    );
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let mut one = request(&server, "a", "1");
    one.platforms = vec!["linux/arm64".parse().unwrap()];
    let pulled = pull::pull(&[one.clone()], &store, &options(&[&server]), &()).unwrap();
    assert_eq!(pulled[0].digest, index);
    let found = stored(&store);
    assert!(found.contains(&arm) && !found.contains(&amd));
    one.platforms = vec!["linux/s390x".parse().unwrap()];
    let error = pull::pull(&[one], &store, &options(&[&server]), &()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("a:1: cannot fetch manifest {index}: no image for the platform linux/s390x in the index")
    );
}

/// What a registry does wrong, and what is said of it.
#[test]
fn lies_are_found_and_nothing_false_is_stored() {
    type Lie = fn(&Asked, Answer) -> Answer;
    type Check = fn(&Fault) -> bool;
    let cases: [(&str, Lie, Check); 13] = [
        (
            "a blob with other bytes",
            |asked, mut answer| {
                if asked.path.contains("/blobs/") && answer.bytes.len() > 1000 {
                    answer.bytes[500] ^= 1;
                }
                answer
            },
            |fault| matches!(fault, Fault::DigestMismatch { .. }),
        ),
        (
            "a blob that is announced longer",
            |asked, answer| {
                if asked.path.contains("/blobs/") { answer.with("Content-Length", 9_000_000) } else { answer }
            },
            |fault| matches!(fault, Fault::SizeMismatch { expected: _, found: 9_000_000 }),
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
            |fault| matches!(fault, Fault::SizeMismatch { .. }),
        ),
        (
            "an endless blob",
            |asked, answer| if asked.path.contains("/blobs/") { answer.body(Body::Endless) } else { answer },
            |fault| matches!(fault, Fault::SizeMismatch { .. }),
        ),
        (
            "a blob that always ends early",
            |asked, answer| {
                if asked.path.contains("/blobs/") { answer.body(Body::CutAfter(3)) } else { answer }
            },
            |fault| matches!(fault, Fault::Broken(_)),
        ),
        (
            "a page of a proxy for a blob",
            |asked, answer| {
                if asked.path.contains("/blobs/") { Answer::new(200, "text/html", b"<html>") } else { answer }
            },
            |fault| matches!(fault, Fault::ContentType { found, .. } if found == "text/html"),
        ),
        (
            "a page of a proxy for a manifest",
            |_, _| Answer::new(200, "text/html; charset=utf-8", b"<html>log in</html>"),
            |fault| matches!(fault, Fault::ContentType { found, .. } if found == "text/html"),
        ),
        (
            "a manifest of 100 MB",
            |_, answer| answer.with("Content-Length", 100 << 20),
            |fault| matches!(fault, Fault::TooLarge { limit: 4_194_304 }),
        ),
        (
            "an endless manifest",
            |_, answer| answer.body(Body::Endless),
            |fault| matches!(fault, Fault::TooLarge { limit: 4_194_304 }),
        ),
        (
            "a manifest that is not what its header says",
            |_, answer| answer.with("Docker-Content-Digest", Digest::of(b"other")),
            |fault| matches!(fault, Fault::DigestMismatch { expected, .. } if *expected == Digest::of(b"other")),
        ),
        (
            "a manifest of another type than announced",
            |_, mut answer| {
                answer.headers[0].1 = Kind::OciIndex.media_type().into();
                answer
            },
            |fault| matches!(fault, Fault::ContentType { .. }),
        ),
        (
            "Docker schema 1",
            |_, _| {
                let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
                Answer::new(200, media_type, br#"{"schemaVersion":1,"fsLayers":[]}"#)
            },
            |fault| matches!(fault, Fault::ContentType { .. } | Fault::Manifest(_)),
        ),
        ("nothing", |_, answer| answer.body(Body::StallAfter(0)), |fault| matches!(fault, Fault::Stalled(_))),
    ];
    for (name, lie, check) in cases {
        let mut content = Content::default();
        content.image("a", "1", Kind::OciManifest, &[&layer(1, 5000)]);
        let server = Server::start(move |asked| lie(asked, content.answer(asked)));
        let (_folder, store) = store();
        let error = pull_one(&server, "a", &store).unwrap_err();
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
    content.image("a", "1", Kind::OciManifest, &[&layer(1, 5000)]);
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

#[test]
fn a_transfer_that_breaks_is_resumed_where_it_stopped() {
    let mut content = Content::default();
    let big = layer(1, 400_000);
    content.image("a", "1", Kind::OciManifest, &[&big]);
    // 150,000 bytes per connection.
    let server = Server::start(move |asked| {
        let answer = content.answer(asked);
        if answer.bytes.len() > 150_000 { answer.body(Body::CutAfter(150_000)) } else { answer }
    });
    let (_folder, store) = store();
    pull_one(&server, "a", &store).unwrap();
    assert!(stored(&store).contains(&Digest::of(&big)));
    let ranges: Vec<String> = server
        .asked()
        .iter()
        .filter(|asked| asked.path.ends_with(&Digest::of(&big).to_string()))
        .map(|asked| asked.header("range").into())
        .collect();
    assert_eq!(ranges, ["", "bytes=150000-", "bytes=300000-"]);
}

#[test]
fn a_later_run_carries_on_and_a_damaged_part_is_fetched_again() {
    let mut content = Content::default();
    let big = layer(1, 100_000);
    content.image("a", "1", Kind::OciManifest, &[&big]);
    let dying = content.clone();
    let server = Server::start(move |asked| {
        let answer = dying.answer(asked);
        if answer.bytes.len() > 50_000 { answer.body(Body::CutAfter(40_000)) } else { answer }
    });
    for damage in [false, true] {
        let (_folder, store) = store();
        let once = Options { attempts: 1, ..options(&[&server]) };
        pull::pull(&[request(&server, "a", "1")], &store, &once, &()).unwrap_err();
        let partial = store.root().join("partial/sha256").join(Digest::of(&big).hex());
        assert_eq!(std::fs::metadata(&partial).unwrap().len(), 40_000);
        if damage {
            let mut bytes = std::fs::read(&partial).unwrap();
            bytes[17] ^= 1;
            std::fs::write(&partial, bytes).unwrap();
        }
        let well = content.clone();
        let healed = Server::start(move |asked| well.answer(asked));
        pull_one(&healed, "a", &store).unwrap();
        assert!(stored(&store).contains(&Digest::of(&big)));
        let ranges: Vec<String> = healed
            .asked()
            .iter()
            .filter(|asked| asked.path.ends_with(&Digest::of(&big).to_string()))
            .map(|asked| asked.header("range").into())
            .collect();
        assert_eq!(ranges, if damage { vec!["bytes=40000-", ""] } else { vec!["bytes=40000-"] });
        assert_eq!(partials(&store), Vec::<u64>::new());
    }
}

#[test]
fn a_registry_that_ignores_ranges_is_read_from_the_start() {
    let mut content = Content::default();
    let big = layer(1, 200_000);
    content.image("a", "1", Kind::OciManifest, &[&big]);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let whole = Asked { headers: Default::default(), ..asked.clone() };
        let answer = content.answer(&whole);
        let first = answer.bytes.len() > 100_000 && tries.fetch_add(1, Ordering::SeqCst) == 0;
        if first { answer.body(Body::CutAfter(90_000)) } else { answer }
    });
    let (_folder, store) = store();
    pull_one(&server, "a", &store).unwrap();
    assert!(stored(&store).contains(&Digest::of(&big)));
}

#[test]
fn what_may_pass_is_tried_again_and_retry_after_is_honoured() {
    for (status, tries, fine) in
        [(503, 2, true), (429, 2, true), (500, 3, false), (404, 1, false), (403, 1, false)]
    {
        let mut content = Content::default();
        content.image("a", "1", Kind::OciManifest, &[]);
        let count = AtomicUsize::new(0);
        let server = Server::start(move |asked| {
            if count.fetch_add(1, Ordering::SeqCst) == 0 || !fine {
                let answer =
                    Answer::new(status, "application/json", br#"{"errors":[{"code":"C","message":"m"}]}"#);
                return if status == 429 { answer.with("Retry-After", 1) } else { answer };
            }
            content.answer(asked)
        });
        let (_folder, store) = store();
        let began = Instant::now();
        let result = pull_one(&server, "a", &store);
        assert_eq!(result.is_ok(), fine, "{status}");
        if status == 429 {
            assert!(began.elapsed() >= Duration::from_secs(1));
        }
        let manifests = server.paths().iter().filter(|path| path.contains("/manifests/")).count();
        assert_eq!(manifests, tries, "{status}");
        if let Err(error) = result {
            assert!(error.to_string().contains("C m"), "{error}");
        }
    }
}

#[test]
fn credentials_do_not_follow_a_redirection_to_another_host() {
    let mut content = Content::default();
    content.image("a", "1", Kind::OciManifest, &[&layer(1, 100)]);
    let well = content.clone();
    let storage = Server::start(move |asked| {
        let path = asked.path.split('?').next().unwrap().to_owned();
        well.answer(&Asked { path, ..asked.clone() })
    });
    let elsewhere = storage.host();
    let server = Server::start(move |asked| {
        // dTpw is `u:p`.
        if asked.header("authorization") != "Basic dTpw" {
            return Answer::new(401, "text/plain", b"").with("WWW-Authenticate", r#"Basic realm="r""#);
        }
        if asked.path.contains("/blobs/") {
            let target = format!("http://{elsewhere}{}?signature=secret", asked.path);
            return Answer::new(307, "text/plain", b"").with("Location", target);
        }
        content.answer(asked)
    });
    let (folder, store) = store();
    let auth = folder.path().join("config.json");
    std::fs::write(&auth, format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, server.host())).unwrap();
    let options = Options { auth_file: Some(auth), ..options(&[&server]) };
    pull::pull(&[request(&server, "a", "1")], &store, &options, &()).unwrap();
    let there = storage.asked();
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|asked| asked.header("authorization").is_empty()), "{there:?}");
}

#[test]
fn tokens_are_fetched_and_renewed_when_they_run_out() {
    let mut content = Content::default();
    content.image("a", "1", Kind::OciManifest, &[&layer(1, 100)]);
    let issued = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = issued.clone();
    let tokens = Server::start(move |asked| {
        assert!(asked.path.starts_with("/token?"), "{}", asked.path);
        assert!(
            asked.path.contains("scope=repository%3Aa%3Apull") && asked.path.contains("service=s"),
            "{}",
            asked.path
        );
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        Answer::new(200, "application/json", format!(r#"{{"token":"t{number}","expires_in":1}}"#).as_bytes())
    });
    let realm = tokens.host();
    let now = issued.clone();
    // The first token is good for the manifest only.
    let server = Server::start(move |asked| {
        let wanted = if asked.path.contains("/manifests/") { 1 } else { 2 };
        let good = (wanted..=now.load(Ordering::SeqCst))
            .any(|n| asked.header("authorization") == format!("Bearer t{n}"));
        if good {
            return content.answer(asked);
        }
        let challenge =
            format!(r#"Bearer realm="http://{realm}/token",service="s",scope="repository:a:pull""#);
        Answer::new(401, "application/json", b"").with("WWW-Authenticate", challenge)
    });
    let (_folder, store) = store();
    pull_one(&server, "a", &store).unwrap();
    assert!(issued.load(Ordering::SeqCst) >= 2);
}

#[test]
fn a_token_that_is_refused_is_an_error_and_no_loop() {
    let tokens = Server::start(|_| Answer::new(200, "application/json", br#"{"token":"t"}"#));
    let realm = tokens.host();
    let server = Server::start(move |_| {
        let challenge = format!(r#"Bearer realm="http://{realm}/token""#);
        Answer::new(401, "application/json", br#"{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}"#)
            .with("WWW-Authenticate", challenge)
    });
    let (_folder, store) = store();
    let error = pull_one(&server, "a", &store).unwrap_err();
    assert!(error.to_string().contains("UNAUTHORIZED no"), "{error}");
    assert!(server.paths().len() <= 2);
}

#[test]
fn deep_and_circular_indexes_are_refused() {
    let mut content = Content::default();
    let image = content.image("a", "0", Kind::OciManifest, &[]);
    let mut inner = (image, Kind::OciManifest);
    for depth in 1..=5 {
        let digest = content.index("a", &depth.to_string(), Kind::OciIndex, &[(inner.0, inner.1, "amd64")]);
        inner = (digest, Kind::OciIndex);
    }
    let server = Server::start(move |asked| content.answer(asked));
    for (tag, fine) in [("1", true), ("2", true), ("3", false), ("5", false)] {
        let (_folder, store) = store();
        let result = pull::pull(&[request(&server, "a", tag)], &store, &options(&[&server]), &());
        match result {
            Ok(_) => assert!(fine, "{tag}"),
            Err(error) => assert!(!fine && matches!(fault(error), Fault::TooDeep { limit: 2 }), "{tag}"),
        }
    }
}

#[test]
fn a_tag_that_moved_is_found_when_asked_for() {
    let mut content = Content::default();
    let old = content.image("a", "1", Kind::OciManifest, &[&layer(1, 10)]);
    let new = content.image("a", "1", Kind::OciManifest, &[&layer(2, 10)]);
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let pinned = Request { expected: Some(old), ..request(&server, "a", "1") };
    assert_eq!(pull::resolve(&pinned.reference, &options(&[&server])).unwrap(), new);
    let pulled = pull::pull(std::slice::from_ref(&pinned), &store, &options(&[&server]), &()).unwrap();
    assert_eq!(pulled[0].digest, old);
    let checking = Options { check_tags: true, ..options(&[&server]) };
    let error = pull::pull(&[pinned], &store, &checking, &()).unwrap_err();
    assert!(
        matches!(fault(error), Fault::TagMoved { expected, found, .. } if expected == old && found == new)
    );
}

#[test]
fn mirrors_are_tried_in_order_and_a_lying_one_is_passed_over() {
    let mut content = Content::default();
    let digest = content.image("team/a", "1", Kind::OciManifest, &[&layer(1, 2000)]);
    let mut lies = Content::default();
    for (path, (media_type, bytes)) in &content.0 {
        let mut bytes = bytes.clone();
        if path.contains("/blobs/") {
            bytes[1] ^= 1;
        }
        lies.0.insert(path.replace("/v2/", "/v2/hub/"), (media_type.clone(), bytes));
    }
    let origin = Server::start(move |asked| content.answer(asked));
    let mirror = Server::start(move |asked| lies.answer(asked));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = options(&[&origin]);
    options
        .mirrors
        .insert(origin.host(), vec![format!("http://{nobody}"), format!("http://{}/hub", mirror.host())]);
    let (_folder, store) = store();
    let request = Request {
        reference: format!("{}/team/a:1", origin.host()).parse().unwrap(),
        ..request(&origin, "a", "1")
    };
    assert_eq!(pull::pull(&[request], &store, &options, &()).unwrap()[0].digest, digest);
    assert!(stored(&store).contains(&digest));
    assert!(mirror.paths().iter().any(|path| path == "/v2/hub/team/a/manifests/1"));
    assert!(origin.paths().iter().all(|path| path.contains("/blobs/")));
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
        Kind::OciManifest,
        make(5, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").as_bytes(),
    );
    content.manifest("b", "1", Kind::OciManifest, make(1 << 60, "x/y").as_bytes());
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let error = pull_one(&server, "a", &store).unwrap_err();
    assert!(error.to_string().contains(&digest.to_string()), "{error}");
    assert!(matches!(fault(error), Fault::ForeignLayer { .. }));
    server.asked();
    let error = pull_one(&server, "b", &store).unwrap_err();
    assert!(matches!(fault(error), Fault::NoSpace { needed, .. } if needed >= 1 << 60));
    assert!(server.paths().iter().all(|path| path.contains("/manifests/")));
}

#[test]
fn referrers_come_by_the_interface_or_by_the_tag() {
    let mut content = Content::default();
    let image = content.image("a", "1", Kind::OciManifest, &[&layer(1, 10)]);
    let signature = content.image("a", "sig", Kind::OciManifest, &[&layer(2, 10)]);
    let sbom = content.image("a", "sbom", Kind::OciManifest, &[&layer(3, 10)]);
    let list = content.index(
        "a",
        "list",
        Kind::OciIndex,
        &[(signature, Kind::OciManifest, "unknown"), (sbom, Kind::OciManifest, "unknown")],
    );
    let (media_type, bytes) = content.0[&format!("/v2/a/manifests/{list}")].clone();
    let tag = format!("sha256-{}", image.hex());
    let mut digests = Vec::new();
    for path in [format!("/v2/a/referrers/{image}"), format!("/v2/a/manifests/{tag}")] {
        let mut content = content.clone();
        content.0.insert(path, (media_type.clone(), bytes.clone()));
        let server = Server::start(move |asked| content.answer(asked));
        let (_folder, store) = store();
        let wanted = Options { referrers: true, ..options(&[&server]) };
        let pulled = pull::pull(&[request(&server, "a", "1")], &store, &wanted, &()).unwrap();
        let [found] = pulled[0].referrers.as_slice() else { panic!("{pulled:?}") };
        assert_eq!(found.tag, tag);
        digests.push(found.digest);
        for part in
            [image, signature, sbom, found.digest, Digest::of(&layer(2, 10)), Digest::of(&layer(3, 10))]
        {
            assert!(stored(&store).contains(&part));
        }
    }
    assert_eq!(digests[0], digests[1]);

    // None at all, a registry in trouble, and one that gives them in pages.
    let (none, paged) = (content.clone(), content.clone());
    let server = Server::start(move |asked| none.answer(asked));
    let (_folder, store) = store();
    let wanted = |server: &Server| Options { referrers: true, ..options(&[server]) };
    let pulled = pull::pull(&[request(&server, "a", "1")], &store, &wanted(&server), &()).unwrap();
    assert_eq!(pulled[0].referrers, []);
    for (answer, expected) in [
        (Answer::new(200, &media_type, &bytes).with("Link", "</v2/next>; rel=\"next\""), "several pages"),
        (Answer::new(500, "text/plain", b""), "the registry answered 500"),
    ] {
        let content = paged.clone();
        let server = Server::start(move |asked| {
            if asked.path.contains("/referrers/") { answer.clone() } else { content.answer(asked) }
        });
        let error = pull::pull(&[request(&server, "a", "1")], &store, &wanted(&server), &()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn two_pulls_into_one_store_fetch_a_blob_once() {
    let mut content = Content::default();
    let big = layer(1, 2_000_000);
    content.image("a", "1", Kind::OciManifest, &[&big]);
    let server = Server::start(move |asked| {
        std::thread::sleep(Duration::from_millis(20));
        content.answer(asked)
    });
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| pull_one(&server, "a", &store).unwrap());
        }
    });
    let fetched = server.paths().iter().filter(|path| path.ends_with(&Digest::of(&big).to_string())).count();
    assert_eq!(fetched, 1);
    stored(&store);
}
