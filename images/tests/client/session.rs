//! What all transfers of a session share.

use std::collections::BTreeMap;

use images::pull::{self, RegistryOptions};
use images::push::{self, PushRequest};
use images::{MediaKind, RegistrySession, Store};

use crate::server::{Answer, Content, Server};
use crate::{Login, options, request, store};

/// How many images are pulled, as in a build of the platform.
const IMAGES: usize = 13;

/// A registry of `a:0` to `a:12` and `b:1` that wants a token, and its token server.
fn registry() -> (Server, Server) {
    let tokens = Server::start(|_| Answer::json(200, r#"{"token":"good"}"#));
    let realm = format!("http://{}/token", tokens.host());
    let mut content = Content::default();
    for number in 0..IMAGES {
        content.image(
            "a",
            &number.to_string(),
            MediaKind::OciManifest,
            &[format!("layer {number}").as_bytes()],
        );
    }
    content.image("b", "1", MediaKind::OciManifest, &[b"layer"]);
    let registry = Server::start(move |asked| match asked.header("authorization") {
        "Bearer good" if asked.method == "PUT" => Answer::empty(201),
        "Bearer good" => content.answer(asked),
        _ => Answer::challenge([format!(r#"Bearer realm="{realm}",service="s""#)]),
    });
    (registry, tokens)
}

/// How often a token was fetched for each scope.
fn exchanges(tokens: &Server) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for path in tokens.paths() {
        let scope = path.split("scope=").nth(1).unwrap().replace("%3A", ":").replace("%2C", ",");
        *found.entry(scope).or_default() += 1;
    }
    found
}

/// Pulls an image into a store of its own.
fn pull_one(session: &RegistrySession, host: &str, image: &str) -> Result<(), pull::Error> {
    let (_folder, store) = store();
    let reference = format!("{host}/{image}").parse().unwrap();
    pull::pull(&[pull::PullRequest { reference, ..request(host) }], &store, session, &()).map(drop)
}

#[test]
fn a_session_fetches_one_token_for_each_scope() {
    let (registry, tokens) = registry();
    let (session, host) = (RegistrySession::new(options([&registry])), registry.host());
    // As the tasks of a build do: side by side, each with a call of its own.
    std::thread::scope(|scope| {
        for number in 0..IMAGES {
            let (session, host) = (session.clone(), &host);
            scope.spawn(move || pull_one(&session, host, &format!("a:{number}")).unwrap());
        }
    });
    pull_one(&session.with_patience(1, std::time::Duration::from_secs(5)), &host, "b:1").unwrap();
    let expected = [("repository:a:pull".to_owned(), 1), ("repository:b:pull".to_owned(), 1)];
    assert_eq!(exchanges(&tokens), BTreeMap::from(expected));

    // Sessions of their own share nothing.
    for number in 0..IMAGES {
        pull_one(&RegistrySession::new(options([&registry])), &host, &format!("a:{number}")).unwrap();
    }
    assert_eq!(exchanges(&tokens)["repository:a:pull"], IMAGES);
}

#[test]
fn a_push_needs_a_token_of_its_own_and_only_one() {
    let (registry, tokens) = registry();
    let (session, host) = (RegistrySession::new(options([&registry])), registry.host());
    pull_one(&session, &host, "a:1").unwrap();
    let (_folder, store): (_, Store) = store();
    let mut content = Content::default();
    let digest = content.image("a", "1", MediaKind::OciManifest, &[b"layer 1"]);
    for (_, bytes) in content.0.values() {
        store.put(bytes).unwrap();
    }
    for tag in ["one", "two"] {
        let reference = format!("{host}/a:{tag}").parse().unwrap();
        push::push(&[PushRequest { reference, digest }], store.clone(), &session, &()).unwrap();
    }
    let expected = [("repository:a:pull".to_owned(), 1), ("repository:a:pull,push".to_owned(), 1)];
    assert_eq!(exchanges(&tokens), BTreeMap::from(expected));
}

#[test]
fn credentials_and_certificates_are_read_once() {
    let (registry, _tokens) = registry();
    let login = Login::of(&[(registry.host(), r#"{"auth":"dXNlcjpwYXNz"}"#)]);
    let authority = login.folder.path().join("authority.pem");
    std::fs::copy(crate::tls::file("authority.pem"), &authority).unwrap();
    let options = RegistryOptions {
        auth_files: login.files(),
        certificate_authorities: vec![authority],
        ..options([&registry])
    };
    let session = RegistrySession::new(options.clone());
    pull_one(&session, &registry.host(), "a:1").unwrap();
    drop(login);
    pull_one(&session, &registry.host(), "b:1").unwrap();
    let error = pull_one(&RegistrySession::new(options), &registry.host(), "b:1").unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn a_pull_that_needs_no_registry_reads_nothing() {
    let (_folder, store) = store();
    let missing =
        RegistryOptions { auth_files: vec!["/nonexistent/auth.json".into()], ..RegistryOptions::default() };
    assert_eq!(pull::pull(&[], &store, &RegistrySession::new(missing), &()).unwrap(), []);
}
