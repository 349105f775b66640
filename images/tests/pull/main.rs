//! Pulls against a registry that tells the truth, and against all sorts that do not.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod accounts;
mod download;
mod kinds;
mod lies;
mod referrers;
mod resume;
mod server;
mod tags;
mod together;
#[path = "../wire/mod.rs"]
mod wire;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use content::Digest;
use images::RegistrySession;
use images::Store;
use images::pull::{self, Error, PullRequest, PulledImage, RegistryFault, RegistryOptions};
use server::Server;

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
fn options(servers: &[&Server]) -> RegistryOptions {
    RegistryOptions {
        plain_http: servers.iter().map(|server| server.host()).collect(),
        attempts: 3,
        first_delay: Duration::from_millis(2),
        stall: Duration::from_secs(60),
        ..RegistryOptions::default()
    }
}

fn request(server: &Server, name: &str, tag: &str) -> PullRequest {
    PullRequest {
        name: name.into(),
        tag: tag.into(),
        reference: format!("{}/{name}:{tag}", server.host()).parse().unwrap(),
        platforms: Vec::new(),
        expected: None,
        referrers: false,
    }
}

fn pull_one(server: &Server, name: &str, store: &Store) -> Result<PulledImage, Error> {
    let mut pulled =
        pull::pull(&[request(server, name, "1")], store, &RegistrySession::new(options(&[server])), &())?;
    Ok(pulled.remove(0))
}

/// The one fault of a pull that had one endpoint.
fn fault(error: Error) -> RegistryFault {
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
