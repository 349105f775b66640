//! Pushes to a registry that does what it should, and to all sorts that do not.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod registry;
#[path = "../wire/mod.rs"]
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use content::Digest;
use images::push::{self, BlobTotals, Error, PushReport, PushRequest, RegistryFault, RegistryOptions};
use images::{MediaKind, RegistrySession, Store};
use registry::{Asked, Instead, Registry};
use serde_json::{Value, json};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn described(store: &Store, media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": store.put(bytes).unwrap(), "size": bytes.len()})
}

/// An image of these layers; its descriptor.
fn image(store: &Store, layers: &[&[u8]]) -> Value {
    let config = described(store, "config", format!("{{\"of\":{}}}", layers.len()).as_bytes());
    let layers: Vec<Value> = layers.iter().map(|layer| described(store, "layer", layer)).collect();
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    described(store, MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes())
}

fn index(store: &Store, manifests: &[&Value]) -> Value {
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(), "manifests": manifests});
    described(store, MediaKind::OciIndex.media_type(), index.to_string().as_bytes())
}

fn digest(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

fn request(registry: &Registry, name: &str, descriptor: &Value) -> PushRequest {
    let reference = format!("{}/{name}", registry.host).parse().unwrap();
    PushRequest { reference, digest: digest(descriptor) }
}

/// Quick to give up, in small pieces.
fn options(registry: &Registry) -> RegistryOptions {
    RegistryOptions {
        plain_http: [registry.host.clone()].into(),
        chunk: 1000,
        attempts: 3,
        first_delay: Duration::from_millis(2),
        stall: Duration::from_secs(20),
        ..RegistryOptions::default()
    }
}

fn push_all(registry: &Registry, store: &Store, requests: &[PushRequest]) -> Result<PushReport, Error> {
    push::push(requests, store.clone(), &RegistrySession::new(options(registry)), &())
}

fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add((at % 251) as u8)).collect()
}

fn written(asked: &[Asked]) -> Vec<String> {
    let writes = asked.iter().filter(|asked| !matches!(asked.method.as_str(), "HEAD" | "GET"));
    writes.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
}

#[test]
fn every_kind_arrives_in_order_and_a_second_push_writes_nothing() {
    let (_folder, store) = store();
    let base = bytes(1, 5500);
    let one = image(&store, &[&base, b"one"]);
    let two = image(&store, &[&base]);
    let multi = index(&store, &[&one, &two]);
    let registry = Registry::honest();
    let requests = [
        request(&registry, "team/multi:1", &multi),
        request(&registry, "alone:2", &two),
        request(&registry, "alone:3", &two),
    ];
    let report = push_all(&registry, &store, &requests).unwrap();
    let distinct = [two.clone(), one.clone(), multi.clone()].map(|one| digest(&one));
    {
        let state = registry.state.lock().unwrap();
        for (name, of) in [("multi", &multi), ("multi", &one), ("multi", &two)] {
            let place = (format!("team/{name}"), digest(of).to_string());
            assert_eq!(state.manifests[&place].1, store.read(&digest(of), 1 << 20).unwrap());
        }
        assert_eq!(state.manifests[&("alone".into(), "3".into())].0, MediaKind::OciManifest.media_type());
        assert!(
            distinct
                .iter()
                .all(|digest| state.manifests.values().any(|(_, bytes)| Digest::of(bytes) == *digest))
        );
    }
    // Five blobs into two repositories: the two of `alone` are in the other already, whichever came first.
    assert_eq!(report.blobs, BlobTotals { present: 0, mounted: 2, uploaded: 4 });
    assert_eq!(report.images.iter().map(|image| image.changed).collect::<Vec<_>>(), [true; 3]);
    let writes = written(&registry.asked());
    let first = |start: &str| writes.iter().position(|line| line.starts_with(start)).unwrap();
    let last = |part: &str| writes.iter().rposition(|line| line.contains(part)).unwrap();
    assert!(last("/blobs/") < first("PUT /v2/team/multi/manifests/"), "{writes:#?}");
    let tags = first("PUT /v2/alone/manifests/2")
        .min(first("PUT /v2/alone/manifests/3"))
        .min(first("PUT /v2/team/multi/manifests/1"));
    assert!(last("manifests/sha256") < tags, "{writes:#?}");
    let child = first(&format!("PUT /v2/team/multi/manifests/{}", digest(&one)));
    assert!(child < first(&format!("PUT /v2/team/multi/manifests/{}", digest(&multi))), "{writes:#?}");

    let again = push_all(&registry, &store, &requests).unwrap();
    assert_eq!((again.bytes, again.manifests, again.blobs.present), (0, 0, 6));
    assert!(again.images.iter().all(|image| !image.changed));
    assert_eq!(written(&registry.asked()), Vec::<String>::new());
}

#[test]
fn a_large_blob_goes_in_pieces_and_goes_on_where_it_broke() {
    let (_folder, store) = store();
    let large = bytes(7, 4500);
    let one = image(&store, &[&large]);
    let cuts = AtomicUsize::new(0);
    let registry = Registry::start(move |asked| {
        let third = asked.headers.get("content-range").is_some_and(|range| range.starts_with("2000-"));
        (third && cuts.fetch_add(1, Ordering::Relaxed) == 0).then_some(Instead::Cut(300))
    });
    push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap();
    let asked = registry.asked();
    let ranges: Vec<&str> =
        asked.iter().filter_map(|asked| asked.headers.get("content-range").map(String::as_str)).collect();
    assert_eq!(ranges, ["0-999", "1000-1999", "2000-2999", "2300-3299", "3300-4299", "4300-4499"]);
}

#[test]
fn failures_that_pass_are_repeated_and_the_rest_is_said() {
    let (_folder, store) = store();
    let one = image(&store, &[b"layer"]);
    let busy = |status: u16| {
        let count = AtomicUsize::new(0);
        Registry::start(move |asked| {
            let put = asked.method == "PUT" && asked.path.contains("/blobs/");
            (put && count.fetch_add(1, Ordering::Relaxed) < 2)
                .then(|| Instead::Answer(status, vec![], vec![]))
        })
    };
    let registry = busy(503);
    push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap();
    let registry = busy(403);
    let error = push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap_err();
    assert!(matches!(*error.fault, RegistryFault::Unauthorized(_)), "{error}");
}

#[test]
fn registries_that_answer_in_a_way_of_their_own_are_pushed_to() {
    let (_folder, store) = store();
    let one = image(&store, &[b"layer"]);
    for (method, part, status) in [
        ("HEAD", "/blobs/", 405),
        ("HEAD", "/manifests/", 405),
        ("HEAD", "/manifests/", 501),
        ("PUT", "/manifests/", 202),
    ] {
        let registry = Registry::start(move |asked| {
            let here = asked.method == method && asked.path.contains(part);
            here.then(|| Instead::Answer(status, vec![], vec![]))
        });
        push_all(&registry, &store, &[request(&registry, "a:1", &one)])
            .unwrap_or_else(|error| panic!("{method} {part} {status}: {error}"));
        assert_eq!(registry.state.lock().unwrap().blobs.len(), 2, "{method} {part} {status}");
    }
}

/// CNCF distribution rewrites its link to a blob when another client uploads the same blob, and can read the empty link.
#[test]
fn a_registry_that_misses_a_blob_for_a_moment_is_asked_again() {
    let (_folder, store) = store();
    let one = image(&store, &[b"layer"]);
    let error =
        br#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"},
        {"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
    for (refusals, taken) in [(1, true), (3, true), (4, false)] {
        let count = AtomicUsize::new(0);
        let registry = Registry::start(move |asked| {
            let put = asked.method == "PUT" && asked.path.contains("/manifests/sha256");
            (put && count.fetch_add(1, Ordering::Relaxed) < refusals)
                .then(|| Instead::Answer(400, vec![], error.to_vec()))
        });
        let pushed = push_all(&registry, &store, &[request(&registry, "a:1", &one)]);
        assert_eq!(pushed.is_ok(), taken, "{refusals}: {pushed:?}");
    }
}

#[test]
fn registries_that_lie_are_caught() {
    let (_folder, store) = store();
    let one = image(&store, &[b"layer"]);
    let other = Digest::of(b"other").to_string();
    type Lie = (&'static str, &'static str, fn(&str) -> Instead, &'static str);
    let lies: [Lie; 7] = [
        // It has the blobs, it says, and then does not.
        (
            "HEAD",
            "/blobs/",
            |_| Instead::Answer(200, vec![], vec![]),
            "MANIFEST_BLOB_UNKNOWN what it names is not here",
        ),
        ("HEAD", "/blobs/", |_| Instead::Answer(200, vec![], vec![0; 3]), " bytes, found 3"),
        (
            "PUT",
            "/blobs/",
            |d| Instead::Answer(201, vec![("Docker-Content-Digest", d.into())], vec![]),
            "found sha256:",
        ),
        ("PUT", "/blobs/", |_| Instead::Answer(200, vec![], vec![]), "expected 201"),
        ("POST", "/blobs/", |_| Instead::Answer(202, vec![], vec![]), "no usable Location"),
        (
            "PUT",
            "/manifests/",
            |d| Instead::Answer(201, vec![("Docker-Content-Digest", d.into())], vec![]),
            "found sha256:",
        ),
        (
            "PUT",
            "/manifests/",
            |_| Instead::Answer(302, vec![("Location", "http://else/".into())], vec![]),
            "redirection is refused",
        ),
    ];
    for (method, part, lie, expected) in lies {
        let other = other.clone();
        let registry = Registry::start(move |asked| {
            (asked.method == method && asked.path.contains(part)).then(|| lie(&other))
        });
        let error = push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{method} {part}: {error}");
        assert!(error.contains(&format!("http://{}/v2/a/", registry.host)), "{error}");
    }
}

#[test]
fn what_is_damaged_here_goes_nowhere() {
    let (folder, store) = store();
    let layer = bytes(3, 2500);
    let one = image(&store, &[&layer]);
    let path = store.blob_path(&Digest::of(&layer));
    let mut wrong = layer.clone();
    wrong[2400] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &wrong).unwrap();
    let registry = Registry::honest();
    let error = push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap_err();
    assert!(matches!(*error.fault, RegistryFault::Damaged(_)), "{error}");
    assert!(registry.state.lock().unwrap().manifests.is_empty());
    std::fs::remove_file(&path).unwrap();
    let error = push_all(&registry, &store, &[request(&registry, "a:1", &one)]).unwrap_err().to_string();
    assert!(error.contains(&format!("{} is missing", Digest::of(&layer))), "{error}");
    drop(folder);
}

#[test]
fn an_index_with_platforms_left_out_is_refused_by_its_registry_and_explained() {
    let (_folder, store) = store();
    let one = image(&store, &[b"one"]);
    let gone =
        json!({"mediaType": MediaKind::OciManifest.media_type(), "digest": Digest::of(b"gone"), "size": 4});
    let multi = index(&store, &[&one, &gone]);
    let registry = Registry::honest();
    let error = push_all(&registry, &store, &[request(&registry, "a:1", &multi)]).unwrap_err();
    assert!(matches!(*error.fault, RegistryFault::Sparse { left_out: 1, .. }), "{error}");
}

#[test]
fn lists_of_referrers_are_left_to_the_registry_or_added_to() {
    let (_folder, store) = store();
    let subject = image(&store, &[b"layer"]);
    let (ours, theirs) = (image(&store, &[b"our signature"]), image(&store, &[b"their signature", b"2"]));
    let tag = format!("a:sha256-{}", digest(&subject).hex());
    let listed = |registry: &Registry| -> Option<Vec<Digest>> {
        let state = registry.state.lock().unwrap();
        let (_, bytes) = state.manifests.get(&("a".to_owned(), tag[2..].to_owned()))?;
        let list: Value = serde_json::from_slice(bytes).unwrap();
        Some(list["manifests"].as_array().unwrap().iter().map(digest).collect())
    };
    let list = index(&store, &[&ours]);
    let registry = Registry::honest();
    let other = index(&store, &[&theirs]);
    push_all(&registry, &store, &[request(&registry, &tag, &other)]).unwrap();
    push_all(&registry, &store, &[request(&registry, &tag, &list)]).unwrap();
    let mut both = vec![digest(&ours), digest(&theirs)];
    both.sort();
    assert_eq!(listed(&registry), Some(both));
    let again = push_all(&registry, &store, &[request(&registry, &tag, &list)]).unwrap();
    assert_eq!((again.manifests, again.bytes), (0, 0));

    let registry = Registry::honest();
    registry.state.lock().unwrap().referrers = true;
    push_all(&registry, &store, &[request(&registry, &tag, &list)]).unwrap();
    assert_eq!(listed(&registry), None);
    assert!(registry.state.lock().unwrap().manifests.contains_key(&("a".into(), digest(&ours).to_string())));
}

/// Whether a token, which is the scopes that it is for, allows an action.
fn allows(token: &str, resource: &str, action: &str) -> bool {
    let mut scopes = token.split(';').filter_map(|scope| scope.rsplit_once(':'));
    scopes.any(|(found, actions)| found == resource && actions.split(',').any(|one| one == action))
}

#[test]
fn a_token_is_asked_for_with_all_rights_of_a_push_and_of_a_mount() {
    let (_folder, store) = store();
    let one = image(&store, &[b"layer"]);
    // Whether the challenge names a scope; without one, what lacks rights is forbidden at once, as at GitHub.
    for scoped in [true, false] {
        let (host, seen) = (Arc::new(OnceLock::<String>::new()), Arc::new(Mutex::<Vec<String>>::default()));
        let (known, tokens) = (host.clone(), seen.clone());
        let registry = Registry::start(move |asked| {
            if asked.path == "/token" {
                let scopes = asked.query.split('&').filter_map(|field| field.strip_prefix("scope="));
                let token = scopes.collect::<Vec<_>>().join(";").replace("%2C", ",");
                tokens.lock().unwrap().push(token.clone());
                let body = format!(r#"{{"token":"{token}"}}"#);
                return Some(Instead::Answer(200, vec![], body.into_bytes()));
            }
            let action = if matches!(asked.method.as_str(), "HEAD" | "GET") { "pull" } else { "push" };
            let token = asked.headers.get("authorization").map_or("", |value| &value["Bearer ".len()..]);
            let name = format!("repository:{}", asked.path.split('/').nth(2).unwrap());
            let from = asked.query.split_once("from=").map(|(_, from)| format!("repository:{from}"));
            let mounts = from.as_ref().is_none_or(|from| allows(token, from, "pull"));
            if allows(token, &name, action) && mounts {
                return None;
            }
            if !scoped && !token.is_empty() && mounts {
                return Some(Instead::Answer(403, vec![], vec![]));
            }
            let scope = match (scoped, from) {
                (false, _) => String::new(),
                (true, None) => format!(r#",scope="{name}:{action}""#),
                (true, Some(from)) => format!(r#",scope="{name}:{action} {from}:pull""#),
            };
            let challenge =
                format!(r#"Bearer realm="http://{}/token",service="s"{scope}"#, known.get().unwrap());
            Some(Instead::Answer(401, vec![("WWW-Authenticate", challenge)], vec![]))
        });
        host.set(registry.host.clone()).unwrap();
        let requests = [request(&registry, "a:1", &one), request(&registry, "b:1", &one)];
        let report = push_all(&registry, &store, &requests).unwrap();
        assert_eq!(report.blobs, BlobTotals { present: 0, mounted: 2, uploaded: 2 }, "{scoped}");
        let seen = seen.lock().unwrap();
        let pushes = |token: &String| {
            ["a", "b"].iter().any(|name| allows(token, &format!("repository:{name}"), "push"))
        };
        assert!(seen.iter().all(pushes), "{scoped}: {seen:?}");
        assert!(seen.iter().any(|token| token.split(';').count() == 2), "{scoped}: {seen:?}");
    }
}
