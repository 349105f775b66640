//! Token servers as they are, and credentials that cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use images::RegistrySession;
use images::pull::{self, RegistryFault, RegistryOptions};

use crate::server::{Answer, Server, nobody};
use crate::{Login, Told, content, options, pulled, request, store};

/// A registry that wants `Bearer good` and sends these challenges, `HERE` being the URL of the token server.
fn registry(tokens: &Server, challenges: &'static [&'static str]) -> Server {
    let (realm, content) = (format!("http://{}/token", tokens.host()), content());
    Server::start(move |asked| match asked.header("authorization") {
        "Bearer good" => content.answer(asked),
        _ => Answer::challenge(challenges.iter().map(|text| text.replace("HERE", &realm))),
    })
}

#[test]
fn tokens_are_taken_in_every_form_that_servers_give_them() {
    for (body, works) in [
        (r#"{"token":"good"}"#, true),
        (r#"{"access_token":"good"}"#, true),
        (r#"{"token":"","access_token":"good"}"#, true),
        (r#"{"token":null,"access_token":"good"}"#, true),
        (r#"{"token":"good","access_token":"other","expires_in":0,"issued_at":"x"}"#, true),
        (r#"{"token":"","access_token":""}"#, false),
        ("{}", false),
        ("<html>", false),
    ] {
        let tokens = Server::start(move |_| Answer::json(200, body));
        let registry = registry(&tokens, &[r#"Bearer realm="HERE",service="s""#]);
        let answer = pulled(&registry.host(), &options([&registry]));
        assert_eq!(answer.is_ok(), works, "{body}: {answer:?}");
        if let Err(error) = answer {
            assert!(error.to_string().contains("no token in the response"), "{error}");
            assert_eq!(tokens.paths().len(), 1, "{body}");
        }
    }
}

#[test]
fn challenges_are_met_in_every_form_that_registries_send_them() {
    for (challenges, works) in [
        (&[r#"Bearer realm="HERE",service="s",scope="repository:a:pull""#][..], true),
        (&[r#"bearer REALM="HERE""#], true),
        (&[r#"BEARER Realm = "HERE", Scope="""#], true),
        (&[r#"Basic realm="r""#, r#"Bearer realm="HERE""#], true),
        (&[r#"Bearer realm="HERE""#, r#"Basic realm="r""#], true),
        (&[r#"Negotiate, Basic realm="r", Bearer realm="HERE""#], true),
        (&["Negotiate"], false),
        (&[], false),
    ] {
        let tokens = Server::start(|_| Answer::json(200, r#"{"token":"good"}"#));
        let registry = registry(&tokens, challenges);
        let answer = pulled(&registry.host(), &options([&registry]));
        assert_eq!(answer.is_ok(), works, "{challenges:?}: {answer:?}");
        if works {
            let asked = tokens.paths();
            assert!(asked.iter().all(|path| path.contains("scope=repository%3Aa%3Apull")), "{asked:?}");
        }
    }
}

#[test]
fn a_token_server_that_fails_is_named_and_not_the_registry() {
    let nobody = nobody();
    let registry = Server::start(move |_| {
        Answer::challenge([format!(r#"Bearer realm="http://{nobody}/token?secret=1",service="s""#)])
    });
    let error = pulled(&registry.host(), &options([&registry])).unwrap_err().to_string();
    let expected = format!("token server http://{nobody}/token: cannot connect: Connection refused");
    assert!(error.contains(&expected), "{error}");
    assert!(!error.contains("secret"), "{error}");

    for (status, body, expected) in [
        (503, "", "it returned 503"),
        (401, r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
        (400, r#"{"error":"invalid_scope"}"#, "invalid_scope"),
    ] {
        let tokens = Server::start(move |_| Answer::json(status, body));
        let registry = registry_of(&tokens);
        let error = pulled(&registry.host(), &options([&registry])).unwrap_err().to_string();
        let place = format!("token server http://{}/token: ", tokens.host());
        assert!(error.contains(&place) && error.contains(expected), "{error}");
    }
}

fn registry_of(tokens: &Server) -> Server {
    registry(tokens, &[r#"Bearer realm="HERE",service="s""#])
}

#[test]
fn credentials_that_cannot_be_read_are_missed_only_where_they_are_needed() {
    let open = AtomicBool::new(true);
    let open = Arc::new(open);
    let gate = open.clone();
    let tokens = Server::start(move |_| match gate.load(Ordering::SeqCst) {
        true => Answer::json(200, r#"{"token":"good"}"#),
        false => Answer::json(401, "{}"),
    });
    let registry = registry_of(&tokens);
    let host = registry.host();
    for (file, warning) in [
        (
            format!(r#"{{"credHelpers":{{"{host}":"there-is-none-of-this-name"}}}}"#),
            "credential helper `there-is-none",
        ),
        (r#"{"credsStore":"there-is-none-of-this-name"}"#.to_owned(), "credential helper `there-is-none"),
        (format!(r#"{{"auths":{{"{host}":{{"auth":"hunter2"}}}}}}"#), "`auth` is not base64"),
        (format!(r#"{{"auths":{{"{host}":["hunter2"]}}}}"#), "does not have the expected form"),
        (r#"{"auths":{"other.example":{"auth":"hunter2"},"third.example":7}}"#.to_owned(), ""),
        (r#"{"credHelpers":{"other.example":"there-is-none-of-this-name"}}"#.to_owned(), ""),
        (r#"{"auths":null,"credHelpers":null,"credsStore":null}"#.to_owned(), ""),
    ] {
        let login = Login::file(&file);
        let options = RegistryOptions { auth_files: login.files(), ..options([&registry]) };
        open.store(true, Ordering::SeqCst);
        let (_folder, store) = store();
        let told = Told::default();
        pull::pull(&[request(&host)], &store, &RegistrySession::new(options.clone()), &told).unwrap();
        let warnings = told.warnings.borrow().join("\n");
        assert!(
            warnings.contains(warning) && warnings.is_empty() == warning.is_empty(),
            "{file}: {warnings}"
        );
        assert!(!warnings.contains("hunter2"), "{warnings}");
        // Where the registry is not content without, that is why.
        open.store(false, Ordering::SeqCst);
        let error = pulled(&host, &options).unwrap_err().to_string();
        assert!(error.contains(warning) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_registry_that_asks_for_patience_is_waited_for_within_a_bound() {
    let server = Server::start(|_| {
        Answer::json(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#)
            .with("Retry-After", "3600")
    });
    let error = pulled(&server.host(), &options([&server])).unwrap_err();
    assert!(
        error.to_string().contains("429: TOOMANYREQUESTS slow down (try again in 3600 seconds)"),
        "{error}"
    );
    assert_eq!(server.paths().len(), 1);
    assert!(matches!(error.failures[0].fault, RegistryFault::Status { status: 429, .. }));
}

#[test]
fn a_tag_that_is_gone_counts_less_than_its_digest() {
    let mut content = content();
    let digest = content.image("b", "1", images::MediaKind::OciManifest, &[b"other"]);
    content.0.remove("/v2/b/manifests/1");
    let server = Server::start(move |asked| content.answer(asked));
    let options = RegistryOptions { check_tags: true, ..options([&server]) };
    let reference = format!("{}/b:1@{digest}", server.host()).parse().unwrap();
    let (_folder, store) = store();
    let told = Told::default();
    let wanted = pull::PullRequest { reference, ..request(&server.host()) };
    let pulled = pull::pull(&[wanted], &store, &RegistrySession::new(options.clone()), &told).unwrap();
    assert_eq!(pulled[0].digest, digest);
    assert!(told.warnings.borrow().join("\n").contains("b:1@sha256:"), "{:?}", told.warnings);
    assert_eq!(told.retries.borrow().len(), 0);
}

#[test]
fn a_document_of_an_absent_server_is_reported_in_the_words_of_the_system() {
    let time = std::time::Duration::from_secs(10);
    let client = images::DocumentClient::new(Vec::new(), 1 << 20, time).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fetched = runtime.block_on(client.fetch(&format!("http://{}/status.json", nobody())));
    assert_eq!(fetched.unwrap_err().to_string(), "cannot connect: Connection refused (os error 111)");
}
