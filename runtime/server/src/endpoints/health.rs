//! Whether the server is alive and ready, and its counters.

use std::path::Path;
use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use serde::Serialize;

use crate::http::response::{self, JSON, Response, TEXT};
use crate::inventory::Inventory;
use crate::inventory::archive::ServedArchive;
use crate::state::ServerState;

/// The body of `/readyz`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness<'a> {
    status: &'static str,
    archives: Vec<ArchiveState<'a>>,
    left_out: Vec<LeftOut<'a>>,
}

/// A served archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArchiveState<'a> {
    path: String,
    id: Option<archive::ArchiveId>,
    /// The number of image names.
    images: usize,
    /// What is not served, each with the reason.
    not_served: &'a [String],
    /// The digests of damaged contents.
    damaged: Vec<String>,
    damaged_files: Vec<&'a str>,
}

/// An archive that is not served.
#[derive(Serialize)]
struct LeftOut<'a> {
    path: String,
    problem: &'a str,
}

/// `/healthz`: 200 while the server responds at all.
pub(super) fn alive(method: &Method) -> Response {
    response::full(method, StatusCode::OK, TEXT, "ok\n")
}

/// `/metrics`: counters for Prometheus.
pub(super) fn metrics(state: &ServerState, method: &Method) -> Response {
    let page = state.metrics.render(&state.inventory(), state.log.dropped());
    response::full(method, StatusCode::OK, "text/plain; version=0.0.4", page)
}

/// `/readyz`: 200 with everything that is wrong while the server responds; 503 while it drains or has no archive.
pub(super) fn ready(state: &ServerState, method: &Method) -> Response {
    let inventory = state.inventory();
    let draining = state.draining.load(Ordering::Relaxed);
    let readiness = readiness(&inventory, draining);
    let code = match readiness.status {
        "draining" | "empty" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    match serde_json::to_string(&readiness) {
        Ok(body) => response::full(method, code, JSON, format!("{body}\n")),
        Err(error) => response::plain(method, StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn readiness(inventory: &Inventory, draining: bool) -> Readiness<'_> {
    let shown = |path: &Path| path.display().to_string();
    let archives: Vec<ArchiveState<'_>> =
        inventory.archives.iter().map(|archive| state_of(archive)).collect();
    let left_out = inventory.left_out.iter().map(|(path, problem)| LeftOut { path: shown(path), problem });
    let left_out: Vec<LeftOut<'_>> = left_out.collect();
    let is_whole = |archive: &ArchiveState<'_>| {
        archive.not_served.is_empty() && archive.damaged.is_empty() && archive.damaged_files.is_empty()
    };
    let status = if draining {
        "draining"
    } else if archives.is_empty() {
        "empty"
    } else if left_out.is_empty() && archives.iter().all(is_whole) {
        "ready"
    } else {
        "degraded"
    };
    Readiness { status, archives, left_out }
}

fn state_of(archive: &ServedArchive) -> ArchiveState<'_> {
    let contents = archive.contents.iter().filter(|content| content.checked.is_damaged());
    let files = archive.files.iter().filter(|listed| listed.checked.is_damaged());
    ArchiveState {
        path: archive.path.display().to_string(),
        id: archive.product.as_ref().map(archive::Product::id),
        images: archive.repositories.len(),
        not_served: &archive.problems,
        damaged: contents.map(|content| content.digest().to_string()).collect(),
        damaged_files: files.map(|listed| &*listed.path).collect(),
    }
}
