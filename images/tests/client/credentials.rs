//! Who sees which credentials. The table in SECURITY.md is this one.

use std::sync::{Arc, OnceLock};

use images::MediaKind;
use images::RegistrySession;
use images::pull::RegistryOptions;
use images::push::{self, PushRequest};

use crate::server::{Answer, Asked, Content, Server};
use crate::{Login, content, options, pulled, store};

/// base64 of `u:p`.
const BASIC: &str = r#"{"auth": "dTpw"}"#;
const IDENTITY: &str = r#"{"identitytoken": "refresh"}"#;

/// The hosts of a play, each known to all others.
#[derive(Default)]
struct Hosts {
    storage: OnceLock<String>,
    evil: OnceLock<String>,
    tokens: OnceLock<String>,
    registry: OnceLock<String>,
}

/// How a host asks for credentials.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Nothing,
    Basic,
    /// For a token of the token server.
    Token,
    /// For a token of a host that nobody knows.
    EvilToken,
}

impl Asks {
    fn challenge(self, hosts: &Hosts) -> Answer {
        let token = |host: &OnceLock<String>| {
            Answer::challenge([format!(r#"Bearer realm="http://{}/token",service="s""#, host.get().unwrap())])
        };
        match self {
            Self::Nothing => Answer::empty(500),
            Self::Basic => Answer::challenge([r#"Basic realm="r""#]),
            Self::Token => token(&hosts.tokens),
            Self::EvilToken => token(&hosts.evil),
        }
    }
}

/// What a registry and those around it do.
#[derive(Clone, Copy)]
struct Play {
    secret: &'static str,
    registry: Asks,
    /// Which requests are redirected, by a part of their path, and where to: `HOST` is the storage host.
    redirects: Option<(&'static str, &'static str)>,
    storage: Asks,
    /// Where the storage host redirects to: `REGISTRY` is the registry.
    on: Option<&'static str>,
    /// Where the token server redirects to.
    token_on: Option<(u16, &'static str)>,
}

const PLAIN: Play = Play {
    secret: BASIC,
    registry: Asks::Basic,
    redirects: None,
    storage: Asks::Nothing,
    on: None,
    token_on: None,
};

/// Whether the pull succeeds, and what the registry, the token server, the storage host and the stranger see.
type Seen = (bool, Vec<String>, Vec<String>, Vec<String>, Vec<String>);

/// Fills in the hosts.
fn place(template: &str, hosts: &Hosts, path: &str) -> String {
    template
        .replace("STORAGE", hosts.storage.get().unwrap())
        .replace("REGISTRY", hosts.registry.get().unwrap())
        .replace("TOKENS", hosts.tokens.get().unwrap())
        .replace("EVIL", hosts.evil.get().unwrap())
        .replace("PATH", path)
}

fn perform(play: Play) -> Seen {
    let hosts = Arc::new(Hosts::default());
    let well = content();
    let known = hosts.clone();
    let storage = Server::start(move |asked| {
        if play.storage != Asks::Nothing && asked.header("authorization").is_empty() {
            return play.storage.challenge(&known);
        }
        match play.on {
            Some(on) => Answer::redirect(307, place(on, &known, &asked.path)),
            None => well.answer(asked),
        }
    });
    // Gives a token to everybody.
    let evil = Server::start(|_| Answer::json(200, r#"{"token":"evil"}"#));
    let known = hosts.clone();
    let tokens = Server::start(move |asked| match play.token_on {
        Some((status, on)) if !asked.path.contains("/moved") => {
            let query = asked.path.split_once('?').map_or("", |(_, query)| query);
            Answer::redirect(status, format!("{}?{query}", place(on, &known, "")))
        }
        _ => Answer::json(200, r#"{"token":"good"}"#),
    });
    let well = content();
    let known = hosts.clone();
    let registry = Server::start(move |asked| {
        if play.registry != Asks::Nothing && asked.header("authorization").is_empty() {
            return play.registry.challenge(&known);
        }
        match play.redirects {
            Some((part, to)) if asked.path.contains(part) && !asked.path.contains("again") => {
                Answer::redirect(307, place(to, &known, &asked.path))
            }
            _ => well.answer(&Asked { path: asked.path.replace("again", ""), ..asked.clone() }),
        }
    });
    hosts.storage.set(storage.host()).unwrap();
    hosts.evil.set(evil.host()).unwrap();
    hosts.tokens.set(tokens.host()).unwrap();
    hosts.registry.set(registry.host()).unwrap();
    let login = Login::of(&[(registry.host(), play.secret)]);
    let options = RegistryOptions { auth_files: login.files(), ..options([&registry]) };
    let answer = pulled(&registry.host(), &options);
    (answer.is_ok(), registry.secrets(), tokens.secrets(), storage.secrets(), evil.secrets())
}

#[test]
fn credentials_stay_with_the_registry_and_its_token_server() {
    const BASIC_HEADER: &[&str] = &["Basic dTpw"];
    const GOOD: &[&str] = &["Bearer good"];
    const NONE: &[&str] = &[];
    let to_storage = Some(("/blobs/", "http://STORAGEPATH"));
    let with_token = Play { registry: Asks::Token, ..PLAIN };
    let with_identity = Play { secret: IDENTITY, ..with_token };
    type Row = (
        &'static str,
        Play,
        (bool, &'static [&'static str], &'static [&'static str], &'static [&'static str]),
    );
    let table: [Row; 21] = [
        ("no redirection", PLAIN, (true, BASIC_HEADER, NONE, NONE)),
        ("blobs elsewhere", Play { redirects: to_storage, ..PLAIN }, (true, BASIC_HEADER, NONE, NONE)),
        (
            "manifests elsewhere",
            Play { redirects: Some(("/manifests/", "http://STORAGEPATH")), ..PLAIN },
            (true, BASIC_HEADER, NONE, NONE),
        ),
        (
            "nobody, by another name",
            Play { redirects: Some(("/blobs/", "http://localhost:1PATH")), ..PLAIN },
            (false, BASIC_HEADER, NONE, NONE),
        ),
        (
            "a user name in the location",
            Play { redirects: Some(("/blobs/", "http://x:y@STORAGEPATH")), ..PLAIN },
            (true, BASIC_HEADER, NONE, NONE),
        ),
        (
            "the registry itself again",
            Play { redirects: Some(("/blobs/", "http://REGISTRYPATHagain")), ..PLAIN },
            (true, BASIC_HEADER, NONE, NONE),
        ),
        (
            "storage asks for a password",
            Play { redirects: to_storage, storage: Asks::Basic, ..PLAIN },
            (false, BASIC_HEADER, NONE, NONE),
        ),
        (
            "storage asks for a token of its own",
            Play { redirects: to_storage, storage: Asks::EvilToken, ..PLAIN },
            (false, BASIC_HEADER, NONE, NONE),
        ),
        (
            "storage asks for a token of the token server",
            Play { redirects: to_storage, storage: Asks::Token, ..PLAIN },
            (false, BASIC_HEADER, NONE, NONE),
        ),
        (
            "storage of a public registry asks for a password",
            Play { registry: Asks::Nothing, redirects: to_storage, storage: Asks::Basic, ..PLAIN },
            (false, NONE, NONE, NONE),
        ),
        (
            "storage of a public registry asks for a token of its own",
            Play { registry: Asks::Nothing, redirects: to_storage, storage: Asks::EvilToken, ..PLAIN },
            (false, NONE, NONE, NONE),
        ),
        (
            "storage leads back to the registry",
            Play { redirects: to_storage, on: Some("http://REGISTRYPATHagain"), ..PLAIN },
            (false, BASIC_HEADER, NONE, NONE),
        ),
        ("token", with_token, (true, GOOD, BASIC_HEADER, NONE)),
        (
            "token, blobs elsewhere",
            Play { redirects: to_storage, ..with_token },
            (true, GOOD, BASIC_HEADER, NONE),
        ),
        (
            "token, storage asks for a token of its own",
            Play { redirects: to_storage, storage: Asks::EvilToken, ..with_token },
            (false, GOOD, BASIC_HEADER, NONE),
        ),
        (
            "token server moves within itself",
            Play { token_on: Some((302, "http://TOKENS/moved")), ..with_token },
            (true, GOOD, BASIC_HEADER, NONE),
        ),
        (
            "token server moves elsewhere",
            Play { token_on: Some((302, "http://EVIL/moved")), ..with_token },
            (true, &["Bearer evil"], BASIC_HEADER, NONE),
        ),
        ("identity token", with_identity, (true, GOOD, &["identity refresh"], NONE)),
        (
            "identity token, storage asks for a token of its own",
            Play { redirects: to_storage, storage: Asks::EvilToken, ..with_identity },
            (false, GOOD, &["identity refresh"], NONE),
        ),
        (
            "identity token, token server moves within itself",
            Play { token_on: Some((307, "http://TOKENS/moved")), ..with_identity },
            (true, GOOD, &["identity refresh"], NONE),
        ),
        (
            "identity token, token server moves elsewhere",
            Play { token_on: Some((307, "http://EVIL/moved")), ..with_identity },
            (false, NONE, &["identity refresh"], NONE),
        ),
    ];
    for (name, play, (succeeds, registry, tokens, storage)) in table {
        let seen = perform(play);
        let expected: Seen = (
            succeeds,
            registry.iter().map(ToString::to_string).collect(),
            tokens.iter().map(ToString::to_string).collect(),
            storage.iter().map(ToString::to_string).collect(),
            Vec::new(),
        );
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn each_mirror_gets_its_own_credentials_and_no_other() {
    let asks = |content: Content| {
        Server::start(move |asked| match asked.header("authorization") {
            "" => Answer::challenge([r#"Basic realm="r""#]),
            _ => content.answer(asked),
        })
    };
    let (mirror, stranger, registry) = (asks(Content::default()), asks(Content::default()), asks(content()));
    // `m:n`
    let login = Login::of(&[(registry.host(), BASIC), (mirror.host(), r#"{"auth": "bTpu"}"#)]);
    let mut options = RegistryOptions { auth_files: login.files(), ..options([&registry]) };
    let mirrors = [&mirror, &stranger].map(|mirror| format!("http://{}", mirror.host()));
    options.mirrors.insert(registry.host(), mirrors.to_vec());
    pulled(&registry.host(), &options).unwrap();
    assert_eq!(mirror.secrets(), ["Basic bTpu"]);
    assert_eq!(stranger.secrets(), Vec::<String>::new());
    assert_eq!(registry.secrets(), ["Basic dTpw"]);
}

/// What a registry does with a push.
#[derive(Clone, Copy)]
struct Taking {
    secret: &'static str,
    registry: Asks,
    /// Which requests are redirected, by method and a part of their path.
    redirects: Option<(&'static str, &'static str)>,
    /// Where uploads continue; `STORAGE` and `REGISTRY` are hosts, `PATH` is the path that was asked for.
    uploads: &'static str,
    storage: Asks,
}

const TAKING: Taking = Taking {
    secret: BASIC,
    registry: Asks::Basic,
    redirects: None,
    uploads: "PATH1",
    storage: Asks::Nothing,
};

/// Pushes one image to two repositories. As [`perform`], with the number of requests that the storage host saw.
fn push_into(taking: Taking) -> (Seen, usize) {
    let hosts = Arc::new(Hosts::default());
    let evil = Server::start(|_| Answer::json(200, r#"{"token":"evil"}"#));
    let tokens = Server::start(|_| Answer::json(200, r#"{"token":"good"}"#));
    let known = hosts.clone();
    let storage = Server::start(move |asked| match (taking.storage, &*asked.method) {
        (Asks::Nothing, "HEAD" | "GET") => Answer::empty(404),
        (Asks::Nothing, "PUT") => Answer::empty(201),
        (Asks::Nothing, _) => Answer::empty(202).with("Location", &asked.path),
        (asks, _) => asks.challenge(&known),
    });
    let known = hosts.clone();
    let registry = Server::start(move |asked| {
        if asked.header("authorization").is_empty() {
            return taking.registry.challenge(&known);
        }
        match (taking.redirects, &*asked.method) {
            (Some((method, part)), found) if method == found && asked.path.contains(part) => {
                Answer::redirect(307, place("http://x:y@STORAGEPATH", &known, &asked.path))
            }
            (_, "POST") => {
                let path = asked.path.split('?').next().unwrap();
                Answer::empty(202).with("Location", place(taking.uploads, &known, path))
            }
            (_, "PUT") => Answer::empty(201),
            _ => Answer::empty(404),
        }
    });
    hosts.storage.set(storage.host()).unwrap();
    hosts.evil.set(evil.host()).unwrap();
    hosts.tokens.set(tokens.host()).unwrap();
    hosts.registry.set(registry.host()).unwrap();
    let login = Login::of(&[(registry.host(), taking.secret)]);
    let options = RegistryOptions { auth_files: login.files(), ..options([&registry]) };
    let (_folder, store) = store();
    let config = store.put(b"{}").unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "layers": [],
        "config": {"mediaType": "c", "digest": config, "size": 2},
    });
    let subject = store.put(manifest.to_string().as_bytes()).unwrap();
    let list = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(), "manifests": [
            {"mediaType": MediaKind::OciManifest.media_type(), "digest": subject, "size": manifest.to_string().len()},
        ],
    });
    let list = store.put(list.to_string().as_bytes()).unwrap();
    // The second repository mounts the blob from the first; the list of what is attached is read before it is written.
    let requests =
        [("a:1".to_owned(), subject), ("b:1".into(), subject), (format!("a:sha256-{}", subject.hex()), list)];
    let requests = requests.map(|(name, digest)| PushRequest {
        reference: format!("{}/{name}", registry.host()).parse().unwrap(),
        digest,
    });
    let pushed = push::push(&requests, store, &RegistrySession::new(options.clone()), &());
    let storage_asked = storage.asked();
    let mut at_storage: Vec<String> = storage_asked.iter().flat_map(Asked::secrets).collect();
    at_storage.dedup();
    let seen = (pushed.is_ok(), registry.secrets(), tokens.secrets(), at_storage, evil.secrets());
    (seen, storage_asked.len())
}

#[test]
fn a_push_takes_credentials_nowhere_else() {
    const BASIC_HEADER: &[&str] = &["Basic dTpw"];
    const GOOD: &[&str] = &["Bearer good"];
    const NONE: &[&str] = &[];
    let with_token = Taking { registry: Asks::Token, ..TAKING };
    let to = |method, part| Taking { redirects: Some((method, part)), ..TAKING };
    let elsewhere = |uploads| Taking { uploads, ..TAKING };
    // Whether it succeeds, what the registry and the token server see, and whether the storage host is asked at all.
    for (name, taking, succeeds, registry, tokens, reached) in [
        ("nothing elsewhere", TAKING, true, BASIC_HEADER, NONE, false),
        ("token", with_token, true, GOOD, BASIC_HEADER, false),
        (
            "identity token",
            Taking { secret: IDENTITY, ..with_token },
            true,
            GOOD,
            &["identity refresh"][..],
            false,
        ),
        // What only asks may be redirected; what sends content may not.
        ("the look for blobs", to("HEAD", "/blobs/"), true, BASIC_HEADER, NONE, true),
        ("the look for manifests", to("HEAD", "/manifests/"), true, BASIC_HEADER, NONE, true),
        ("the list of referrers", to("GET", "/referrers/"), true, BASIC_HEADER, NONE, true),
        ("the list under the tag", to("GET", "/manifests/"), true, BASIC_HEADER, NONE, true),
        ("the start of an upload", to("POST", "/uploads/"), false, BASIC_HEADER, NONE, false),
        ("the content of an upload", to("PUT", "/uploads/"), false, BASIC_HEADER, NONE, false),
        ("a manifest", to("PUT", "/manifests/"), false, BASIC_HEADER, NONE, false),
        (
            "the look for blobs, where a password is asked for",
            Taking { storage: Asks::Basic, ..to("HEAD", "/blobs/") },
            false,
            BASIC_HEADER,
            NONE,
            true,
        ),
        (
            "the look for blobs, where a token is asked for",
            Taking { storage: Asks::EvilToken, ..to("HEAD", "/blobs/") },
            false,
            BASIC_HEADER,
            NONE,
            true,
        ),
        (
            "the list of referrers, where a token of the token server is asked for",
            Taking { registry: Asks::Token, storage: Asks::Token, ..to("GET", "/referrers/") },
            false,
            GOOD,
            BASIC_HEADER,
            true,
        ),
        ("uploads, relative", elsewhere("./1?state=x"), true, BASIC_HEADER, NONE, false),
        (
            "uploads, with the registry's name",
            elsewhere("http://REGISTRYPATH1"),
            true,
            BASIC_HEADER,
            NONE,
            false,
        ),
        ("uploads elsewhere", elsewhere("http://STORAGEPATH1"), true, BASIC_HEADER, NONE, true),
        (
            "uploads elsewhere, a user name",
            elsewhere("//x:y@STORAGEPATH1?state=x"),
            true,
            BASIC_HEADER,
            NONE,
            true,
        ),
        (
            "uploads elsewhere, token",
            Taking { uploads: "http://STORAGEPATH1", ..with_token },
            true,
            GOOD,
            BASIC_HEADER,
            true,
        ),
        (
            "uploads elsewhere, where a password is asked for",
            Taking { storage: Asks::Basic, ..elsewhere("http://STORAGEPATH1") },
            false,
            BASIC_HEADER,
            NONE,
            true,
        ),
        (
            "uploads elsewhere, where a token is asked for",
            Taking { storage: Asks::EvilToken, ..elsewhere("http://STORAGEPATH1") },
            false,
            BASIC_HEADER,
            NONE,
            true,
        ),
        (
            "uploads elsewhere, where a token of the token server is asked for",
            Taking { registry: Asks::Token, storage: Asks::Token, ..elsewhere("http://STORAGEPATH1") },
            false,
            GOOD,
            BASIC_HEADER,
            true,
        ),
    ] {
        let (seen, asked) = push_into(taking);
        let owned = |texts: &[&str]| -> Vec<String> { texts.iter().map(ToString::to_string).collect() };
        let expected: Seen = (succeeds, owned(registry), owned(tokens), Vec::new(), Vec::new());
        assert_eq!((seen, asked > 0), (expected, reached), "{name}");
    }
}
