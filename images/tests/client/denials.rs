//! What a user is told whose credentials are missing or refused.

use std::path::PathBuf;

use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, Login, RegistryOptions};
use images::push::{self, PushRequest};

use crate::server::{Answer, Server, nobody};
use crate::{Login as File, Told, options, pulled, store};

/// base64 of `u:hunter2`.
const BASIC: &str = r#"{"auth": "dTpodW50ZXIy"}"#;
const IDENTITY: &str = r#"{"identitytoken": "hunter2"}"#;

/// How a registry deals with those who ask.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// It refuses every password.
    Password,
    /// Its token server refuses everybody.
    TokenServer(u16),
    /// It gives tokens, and allows nothing with them.
    Token(u16),
    /// It knows the user and forbids the request.
    Forbids,
}

/// A registry and its token server.
fn start(manner: Manner) -> (Server, Server) {
    let said = |status| {
        Answer::json(status, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
    };
    let tokens = Server::start(move |_| match manner {
        Manner::TokenServer(status) => {
            Answer::json(status, r#"{"details":"incorrect username or password"}"#)
        }
        _ => Answer::json(200, r#"{"token":"t"}"#),
    });
    let challenge = match manner {
        Manner::Password | Manner::Forbids => r#"Basic realm="r""#.to_owned(),
        _ => format!(r#"Bearer realm="http://{}/token",service="s""#, tokens.host()),
    };
    let registry = Server::start(move |asked| {
        let status = match (manner, asked.header("authorization")) {
            (_, "") => 401,
            (Manner::Token(status), _) => status,
            (Manner::Forbids, _) => 403,
            _ => 401,
        };
        said(status).with("WWW-Authenticate", &challenge)
    });
    (registry, tokens)
}

#[test]
fn credentials_that_are_missing_or_refused_are_named_with_their_place() {
    const SAID: &str = "UNAUTHORIZED authentication required";
    for (manner, entry, expected) in [
        (Manner::Password, Some(BASIC), format!("HOST refuses the user name or password from FILE: {SAID}")),
        (
            Manner::Password,
            None,
            "HOST asks for a user name and a password; no credentials for HOST were found in FILE".into(),
        ),
        (
            Manner::Password,
            Some(IDENTITY),
            "HOST asks for a user name and a password, and FILE has only an identity token".into(),
        ),
        (
            Manner::TokenServer(401),
            Some(BASIC),
            "TOKENS refuses the user name or password from FILE: 401 incorrect username or password".into(),
        ),
        (
            Manner::TokenServer(403),
            Some(IDENTITY),
            "TOKENS refuses the identity token from FILE: 403 incorrect username or password".into(),
        ),
        (
            Manner::TokenServer(401),
            None,
            "TOKENS: 401 incorrect username or password; no credentials for HOST were found in FILE".into(),
        ),
        (
            Manner::Token(401),
            Some(BASIC),
            format!("HOST refuses access with the credentials from FILE: {SAID}"),
        ),
        (
            Manner::Token(403),
            None,
            format!(
                "HOST refuses access without credentials: {SAID}; no credentials for HOST were found in FILE"
            ),
        ),
        (Manner::Forbids, Some(BASIC), format!("HOST refuses access with the credentials from FILE: {SAID}")),
    ] {
        let (registry, tokens) = start(manner);
        let host = registry.host();
        let entries: Vec<_> = entry.map(|entry| (host.clone(), entry)).into_iter().collect();
        let login = File::of(&entries);
        let file = login.files().remove(0);
        let options = RegistryOptions { auth_files: vec![file.clone()], ..options([&registry]) };
        let error = pulled(&host, &options).unwrap_err();
        let fault = &error.failures[0].fault;
        let expected = expected
            .replace("HOST", &host)
            .replace("FILE", &file.display().to_string())
            .replace("TOKENS", &format!("token server http://{}/token", tokens.host()));
        assert_eq!(fault.to_string(), format!("not authorized: {expected}"), "{manner:?}");
        assert_eq!(fault.login(), Some(&Login { host, file: Some(file), plain_http: true }), "{manner:?}");
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn the_places_where_no_credentials_were_are_all_named() {
    let (registry, _tokens) = start(Manner::Password);
    let host = registry.host();
    let there = File::of(&[("other.example".into(), BASIC)]);
    let (missing, there) = (PathBuf::from("/nonexistent/auth.json"), there.files().remove(0));
    let text = |files: &[&PathBuf], places: &[&PathBuf]| {
        let list = |paths: &[&PathBuf]| paths.iter().map(|path| (*path).clone()).collect();
        let options =
            RegistryOptions { auth_files: list(files), auth_places: list(places), ..options([&registry]) };
        let mut error = pulled(&host, &options).unwrap_err();
        let fault = error.failures.remove(0).fault;
        (fault.login().and_then(|login| login.file.clone()), fault.to_string())
    };
    // A place that is not there is no error.
    let (file, found) = text(&[], &[&there, &missing]);
    let listed = format!("were found in {}, {}", there.display(), missing.display());
    assert!(found.ends_with(&listed) && file == Some(missing.clone()), "{found}");
    let (file, found) = text(&[], &[]);
    assert!(found.contains("no credentials file") && file.is_none(), "{found}");
    // A file that the user names must be there.
    let (_, found) = text(&[&missing], &[]);
    assert!(found.contains("cannot open /nonexistent/auth.json"), "{found}");
}

#[test]
fn a_host_that_cannot_be_reached_is_told_of_once_and_not_for_each_blob() {
    let nobody = nobody();
    let busy = Server::start(|_| Answer::empty(503));
    for (host, expected) in [
        (nobody.to_string(), &["cannot connect: Connection refused (os error 111); retrying twice"][..]),
        (
            busy.host(),
            &["the registry returned 503; retrying now", "the registry returned 503; retrying now"],
        ),
    ] {
        let (_folder, store) = store();
        let blob = |bytes: &[u8]| serde_json::json!({"mediaType": "x", "digest": store.put(bytes).unwrap(), "size": bytes.len()});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "config": blob(b"{}"),
            "layers": [blob(b"1"), blob(b"2"), blob(b"3")],
        });
        let digest = store.put(manifest.to_string().as_bytes()).unwrap();
        let options = RegistryOptions { plain_http: [host.clone()].into(), ..options([]) };
        let expected: Vec<String> = expected.iter().map(|text| format!("{host}: {text}")).collect();
        let told = Told::default();
        let requests: Vec<_> = ["a", "b"]
            .iter()
            .map(|name| PushRequest { reference: format!("{host}/{name}:1").parse().unwrap(), digest })
            .collect();
        push::push(&requests, store.clone(), &RegistrySession::new(options.clone()), &told).unwrap_err();
        assert_eq!(told.retries.take(), expected);
        let requests: Vec<_> =
            ["1", "2", "3"].map(|tag| pull::PullRequest { tag: tag.into(), ..crate::request(&host) }).into();
        pull::pull(&requests, &store, &RegistrySession::new(options.clone()), &told).unwrap_err();
        assert_eq!(told.retries.take(), expected);
    }
}
