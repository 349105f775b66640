//! What pulls and pushes have in common: who sees which credentials, TLS, token servers, and registries with manners of their own.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod credentials;
mod denials;
mod manners;
mod play;
mod pushes;
#[path = "../push/registry.rs"]
mod registry;
#[path = "../pull/server.rs"]
mod server;
mod session;
mod tls;
mod tokens;
#[path = "../wire/mod.rs"]
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use images::pull::{self, Error, PullRequest, RegistryOptions, TransferProgress};
use images::{MediaKind, RegistrySession, Store};
use server::{Content, Server};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// What the image `a:1` consists of.
fn content() -> Content {
    let mut content = Content::default();
    content.image("a", "1", MediaKind::OciManifest, &[b"layer"]);
    content
}

/// Quick to give up.
fn options<'a>(plain: impl IntoIterator<Item = &'a Server>) -> RegistryOptions {
    RegistryOptions {
        plain_http: plain.into_iter().map(Server::host).collect(),
        attempts: 3,
        first_delay: Duration::from_millis(1),
        stall: Duration::from_secs(30),
        ..RegistryOptions::default()
    }
}

fn request(host: &str) -> PullRequest {
    PullRequest {
        name: "a".into(),
        tag: "1".into(),
        reference: format!("{host}/a:1").parse().unwrap(),
        platforms: Vec::new(),
        expected: None,
        referrers: false,
    }
}

/// Pulls `a:1` from `host` into a store of its own.
fn pulled(host: &str, options: &RegistryOptions) -> Result<(), Error> {
    let (_folder, store) = store();
    pull::pull(&[request(host)], &store, &RegistrySession::new(options.clone()), &()).map(drop)
}

/// A file of credentials.
struct Login {
    folder: tempfile::TempDir,
}

impl Login {
    /// `entries` are JSON by host.
    fn of(entries: &[(String, &str)]) -> Self {
        let entries: BTreeMap<&String, serde_json::Value> =
            entries.iter().map(|(host, entry)| (host, serde_json::from_str(entry).unwrap())).collect();
        Self::file(&serde_json::json!({"auths": entries}).to_string())
    }

    fn file(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        Self { folder }
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.folder.path().join("config.json")]
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Told {
    warnings: std::cell::RefCell<Vec<String>>,
    retries: std::cell::RefCell<Vec<String>>,
}

impl TransferProgress for Told {
    fn warn(&self, text: &str) {
        self.warnings.borrow_mut().push(text.to_owned());
    }

    fn retry(&self, text: &str) {
        self.retries.borrow_mut().push(text.to_owned());
    }
}
