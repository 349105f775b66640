//! Large blobs into registries that take no pieces, and those that do.

use content::Digest;
use images::push::{self, PushRequest, RegistryOptions};
use images::{MediaKind, RegistrySession, Store};

use crate::play;
use crate::registry::Registry;
use crate::store;

/// Two large layers and their manifest.
fn image(store: &Store) -> (Vec<Digest>, Digest) {
    let layers =
        [1_u8, 2].map(|seed| (0..4500).map(|at| seed.wrapping_add((at % 251) as u8)).collect::<Vec<u8>>());
    let digests: Vec<Digest> = layers.iter().map(|layer| store.put(layer).unwrap()).collect();
    let config = store.put(b"{}").unwrap();
    let described: Vec<_> = digests
        .iter()
        .map(|digest| serde_json::json!({"mediaType": "l", "digest": digest, "size": 4500}))
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "layers": described,
        "config": {"mediaType": "c", "digest": config, "size": 2},
    });
    (digests, store.put(manifest.to_string().as_bytes()).unwrap())
}

fn options(registry: &Registry) -> RegistryOptions {
    RegistryOptions {
        plain_http: [registry.host.clone()].into(),
        chunk: 1000,
        attempts: 2,
        first_delay: std::time::Duration::from_millis(1),
        // One at a time: the second profits from what was learnt of the first.
        limits: images::pull::RequestLimits::new(1, 1),
        ..RegistryOptions::default()
    }
}

#[test]
fn a_large_blob_goes_in_one_request_where_pieces_are_not_taken() {
    for kind in play::Kind::ALL {
        let (_folder, store) = store();
        let (layers, digest) = image(&store);
        let registry = kind.start();
        let reference = format!("{}/a:1", registry.host).parse().unwrap();
        push::push(
            &[PushRequest { reference, digest }],
            store,
            &RegistrySession::new(options(&registry)),
            &(),
        )
        .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let asked = registry.asked();
        let uploads = |method: &'static str| {
            asked.iter().filter(move |asked| asked.method == method && asked.path.contains("/uploads/"))
        };
        let whole = uploads("PUT").filter(|asked| asked.body.len() == 4500).count();
        let state = registry.state.lock().unwrap();
        for layer in &layers {
            assert_eq!(state.blobs.get(&("a".into(), *layer)), Some(&4500), "{kind:?}");
        }
        if let Some(pieces) = kind.pieces() {
            assert_eq!((whole, uploads("PATCH").count()), (0, 2 * pieces), "{kind:?}");
        } else {
            // The second blob is not tried in pieces any more.
            assert_eq!(whole, 2, "{kind:?}");
            let tried = uploads("PATCH")
                .filter(|asked| {
                    asked.headers.get("content-range").is_some_and(|range| range.starts_with("0-"))
                })
                .count();
            assert_eq!(tried, 1, "{kind:?}");
        }
    }
}

#[test]
fn a_blob_that_is_refused_whole_as_well_is_an_error_and_no_loop() {
    let (_folder, store) = store();
    let (_, digest) = image(&store);
    let registry = Registry::start(|asked| {
        let upload = matches!(asked.method.as_str(), "PATCH" | "PUT") && asked.path.contains("/uploads/");
        let body = br#"{"errors":[{"code":"SIZE_INVALID","message":"too large"}]}"#.to_vec();
        (upload && !asked.body.is_empty() && asked.body.len() > 2)
            .then(|| crate::registry::Instead::Answer(413, vec![], body))
    });
    let reference = format!("{}/a:1", registry.host).parse().unwrap();
    let error = push::push(
        &[PushRequest { reference, digest }],
        store,
        &RegistrySession::new(options(&registry)),
        &(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("413: SIZE_INVALID too large"), "{error}");
    let sent = registry.asked().iter().filter(|asked| asked.body.len() > 2).count();
    assert!(sent <= 4, "{sent} requests");
}
