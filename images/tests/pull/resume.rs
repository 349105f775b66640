//! Transfers that break, and registries that are busy.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, RegistryOptions};

use crate::server::{Answer, Asked, Body, Content, Server};
use crate::{layer, options, partials, pull_one, request, store, stored};

#[test]
fn a_transfer_that_breaks_is_resumed_where_it_stopped() {
    let mut content = Content::default();
    let big = layer(1, 400_000);
    content.image("a", "1", MediaKind::OciManifest, &[&big]);
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
    content.image("a", "1", MediaKind::OciManifest, &[&big]);
    let dying = content.clone();
    let server = Server::start(move |asked| {
        let answer = dying.answer(asked);
        if answer.bytes.len() > 50_000 { answer.body(Body::CutAfter(40_000)) } else { answer }
    });
    for damage in [false, true] {
        let (_folder, store) = store();
        let once = RegistryOptions { attempts: 1, ..options(&[&server]) };
        pull::pull(&[request(&server, "a", "1")], &store, &RegistrySession::new(once.clone()), &())
            .unwrap_err();
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
    content.image("a", "1", MediaKind::OciManifest, &[&big]);
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
fn what_may_pass_is_tried_again_and_retry_after_is_honored() {
    for (status, tries, fine) in
        [(503, 2, true), (429, 2, true), (500, 3, false), (404, 1, false), (403, 1, false)]
    {
        let mut content = Content::default();
        content.image("a", "1", MediaKind::OciManifest, &[]);
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
