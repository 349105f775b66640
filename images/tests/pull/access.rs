//! Credentials, tokens, redirections and mirrors.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, PullRequest, RegistryOptions, RequestLimits};

use crate::server::{Answer, Asked, Body, Content, Server, nobody};
use crate::{fault, layer, options, pull_one, request, store, stored};

#[test]
fn credentials_do_not_follow_a_redirection_to_another_host() {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 100)]);
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
    let options = RegistryOptions { auth_files: vec![auth], ..options(&[&server]) };
    pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &()).unwrap();
    let there = storage.asked();
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|asked| asked.header("authorization").is_empty()), "{there:?}");
}

#[test]
fn tokens_are_fetched_and_renewed_when_they_run_out() {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 100)]);
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
fn a_token_that_runs_out_in_the_middle_of_a_blob_is_renewed_and_the_blob_resumed() {
    let mut content = Content::default();
    let big = layer(1, 300_000);
    content.image("a", "1", MediaKind::OciManifest, &[&big]);
    let issued = Arc::new(AtomicUsize::new(0));
    let counter = issued.clone();
    let tokens = Server::start(move |_| {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        Answer::new(200, "application/json", format!(r#"{{"access_token":"t{number}"}}"#).as_bytes())
    });
    let realm = tokens.host();
    // Each transfer of the large blob breaks, and takes all tokens issued until then with it.
    let expired = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let token = asked.header("authorization").strip_prefix("Bearer t").and_then(|n| n.parse().ok());
        if token.is_none_or(|number: usize| number <= expired.load(Ordering::SeqCst)) {
            let challenge = format!(r#"Bearer realm="http://{realm}/token",service="s""#);
            return Answer::new(401, "application/json", b"").with("WWW-Authenticate", challenge);
        }
        let answer = content.answer(asked);
        if answer.bytes.len() <= 100_000 {
            return answer;
        }
        expired.store(issued.load(Ordering::SeqCst), Ordering::SeqCst);
        answer.body(Body::CutAfter(100_000))
    });
    let (_folder, store) = store();
    // One transfer at a time: the token that another has just been given does not run out under it.
    let options = RegistryOptions { limits: RequestLimits::new(1, 1), ..options(&[&server]) };
    pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &()).unwrap();
    assert!(stored(&store).contains(&Digest::of(&big)));
    let sent: Vec<(String, bool)> = server
        .asked()
        .iter()
        .filter(|asked| asked.path.ends_with(&Digest::of(&big).to_string()))
        .map(|asked| (asked.header("range").to_owned(), asked.header("authorization").is_empty()))
        .collect();
    let ranges: BTreeSet<&str> = sent.iter().map(|(range, _)| range.as_str()).collect();
    assert_eq!(ranges, BTreeSet::from(["", "bytes=100000-", "bytes=200000-"]), "{sent:?}");
    assert!(tokens.paths().len() >= 3);
}

#[test]
fn mirrors_are_tried_in_order_and_a_lying_one_is_passed_over() {
    let mut content = Content::default();
    let digest = content.image("team/a", "1", MediaKind::OciManifest, &[&layer(1, 2000)]);
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
    let nobody = nobody();
    let mut options = options(&[&origin]);
    options
        .mirrors
        .insert(origin.host(), vec![format!("http://{nobody}"), format!("http://{}/hub", mirror.host())]);
    let (_folder, store) = store();
    let request = PullRequest {
        reference: format!("{}/team/a:1", origin.host()).parse().unwrap(),
        ..request(&origin, "a", "1")
    };
    assert_eq!(
        pull::pull(&[request], &store, &RegistrySession::new(options.clone()), &()).unwrap()[0].digest,
        digest
    );
    assert!(stored(&store).contains(&digest));
    assert!(mirror.paths().iter().any(|path| path == "/v2/hub/team/a/manifests/1"));
    assert!(origin.paths().iter().all(|path| path.contains("/blobs/")));
}

#[test]
fn a_file_of_credentials_that_is_none_is_named_before_anything_is_asked() {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[]);
    let server = Server::start(move |asked| content.answer(asked));
    let (folder, store) = store();
    let file = folder.path().join("config.json");
    let options = RegistryOptions { auth_files: vec![file.clone()], ..options(&[&server]) };
    for (text, expected) in [
        (Vec::new(), "ends too early"),
        (b"hunter2".to_vec(), "not JSON"),
        (vec![0xff; 100], "not JSON"),
        (br#"{"auths":"hunter2"}"#.to_vec(), "does not have the expected form"),
        ([b"{\"auths\":".to_vec(), b"[".repeat(100_000)].concat(), "does not have the expected form"),
        ([b"{\"unknown\":".to_vec(), b"[".repeat(100_000)].concat(), "ends too early"),
        ([b"{}".to_vec(), b" ".repeat(2 << 20)].concat(), "larger than 1048576 bytes"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error =
            pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &())
                .unwrap_err()
                .to_string();
        assert!(error.contains(expected) && error.contains(file.to_str().unwrap()), "{expected}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
    for folder in [false, true] {
        if folder {
            std::fs::create_dir(&file).unwrap();
        }
        let error =
            pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &())
                .unwrap_err()
                .to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
    assert_eq!(server.paths(), Vec::<String>::new());
}

#[test]
fn a_helper_that_cannot_be_asked_is_an_error_that_names_it() {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[]);
    let server = Server::start(move |asked| match asked.header("authorization") {
        "" => Answer::new(401, "text/plain", b"").with("WWW-Authenticate", r#"Basic realm="r""#),
        _ => content.answer(asked),
    });
    let (folder, store) = store();
    let file = folder.path().join("config.json");
    let options = RegistryOptions { auth_files: vec![file.clone()], ..options(&[&server]) };
    for helper in ["../../bin/sh", "there-is-none-of-this-name", ""] {
        let text = format!(r#"{{"credHelpers":{{"{}":"{helper}"}}}}"#, server.host());
        std::fs::write(&file, text).unwrap();
        let error =
            pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(options.clone()), &())
                .unwrap_err();
        assert!(error.to_string().contains(&format!("credential helper `{helper}`")), "{error}");
        assert!(matches!(fault(error), pull::RegistryFault::Unauthorized(_)));
    }
}
