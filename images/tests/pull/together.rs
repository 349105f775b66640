//! Pulls beside each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, RegistryOptions, RequestLimits};

use crate::server::{Content, Server};
use crate::{layer, options, pull_one, request, store, stored};

#[test]
fn two_pulls_into_one_store_fetch_a_blob_once() {
    let mut content = Content::default();
    let big = layer(1, 2_000_000);
    content.image("a", "1", MediaKind::OciManifest, &[&big]);
    let server = Server::start(move |asked| {
        std::thread::sleep(Duration::from_millis(20));
        content.answer(asked)
    });
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                pull_one(&server, "a", &store).unwrap();
                // Whoever waited for another's blob waited until it was there.
                assert_eq!(store.size(&Digest::of(&big)).unwrap(), Some(2_000_000));
            });
        }
    });
    let fetched = server.paths().iter().filter(|path| path.ends_with(&Digest::of(&big).to_string())).count();
    assert_eq!(fetched, 1);
    stored(&store);
}

#[test]
fn pulls_beside_each_other_keep_to_the_limits_together() {
    let mut content = Content::default();
    let shared = layer(0, 5000);
    for number in 1..=6 {
        content.image("a", &number.to_string(), MediaKind::OciManifest, &[&shared, &layer(number, 3000)]);
    }
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let server = Server::start(move |asked| {
        if asked.path.contains("/blobs/") {
            let others = now.fetch_add(1, Ordering::SeqCst);
            seen.fetch_max(others + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            now.fetch_sub(1, Ordering::SeqCst);
        }
        content.answer(asked)
    });
    let (_folder, store) = store();
    let options = RegistryOptions { limits: RequestLimits::new(3, 2), ..options(&[&server]) };
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let (server, store, options) = (&server, &store, options.clone());
            scope.spawn(move || {
                pull::pull(
                    &[request(server, "a", &number.to_string())],
                    store,
                    &RegistrySession::new(options.clone()),
                    &(),
                )
                .unwrap()
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    let mut blobs: Vec<String> = server.paths().into_iter().filter(|path| path.contains("/blobs/")).collect();
    let count = blobs.len();
    blobs.sort();
    blobs.dedup();
    assert_eq!((blobs.len(), count), (13, 13));
}
