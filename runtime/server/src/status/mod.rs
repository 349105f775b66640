//! The status page at `/`, the pages of archives below `/_status/`, and the document `/status.json`.
//!
//! The status is collected at most once every two seconds, and a page is rendered once for each status. A response only puts the address
//! into it that the client used.

mod board;
mod collect;
mod images;
mod model;
mod packages;
mod render;
mod space;

use std::sync::Arc;

use content::Digest;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;

use crate::http::range;
use crate::http::response::{self, HTML, JSON, Response, TEXT};
use crate::state::ServerState;
pub(crate) use board::StatusBoard;
use board::{PageKey, Snapshot};
pub use model::{
    Agreement, ArchiveStatus, ArchiveVerdict, Checks, ContentFinding, ContentProblem, FileSystem,
    NodeAgreement, NodeHealth, NodeStatus, NotServed, OtherNode,
};
pub use packages::{PackageFile, PackageFiles};
use render::RenderedPage;
pub use render::STYLE;

/// The folder of the pages of archives. No archive ID begins with an underscore.
const FOLDER: &str = "/_status/";
/// The path of the document.
const DOCUMENT: &str = "status.json";
/// The version and kind of the document.
const API_VERSION: &str = "sealift.dev/v1";
const KIND: &str = "NodeStatus";
/// The pages load only the style sheet and the icon, and only from this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The document with its version and kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusDocument<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    status: &'a NodeStatus,
}

/// Whether a path, decoded and without its first slash, is one of the status.
pub(crate) fn is_status(path: &str) -> bool {
    path.is_empty() || path == DOCUMENT || path.starts_with(below())
}

fn below() -> &'static str {
    FOLDER.trim_start_matches('/')
}

/// Responds to a request for a path that [`is_status`].
pub(crate) async fn respond(
    state: &ServerState,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> Response {
    let html = accepts_html(headers);
    let key = match path {
        "" if html => PageKey::Top,
        "" => PageKey::Text,
        DOCUMENT => PageKey::Json,
        _ => {
            return match path.strip_prefix(below()).unwrap_or_default() {
                "style.css" => asset(method, headers, "text/css; charset=utf-8", render::STYLE),
                "icon.svg" => asset(method, headers, "image/svg+xml", render::ICON),
                below => below_archive(state, method, headers, below).await,
            };
        }
    };
    let snapshot = state.status.snapshot(state).await;
    let media_type = match key {
        PageKey::Json => JSON,
        PageKey::Text => TEXT,
        PageKey::Top | PageKey::Archive(..) => HTML,
    };
    let mut response = page(state, method, headers, &snapshot, key, media_type).await;
    if path.is_empty() {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, host"));
    }
    response
}

/// Responds to a request for `path`, below [`FOLDER`].
async fn below_archive(state: &ServerState, method: &Method, headers: &HeaderMap, path: &str) -> Response {
    let missing = || response::plain(method, StatusCode::NOT_FOUND, "not found");
    let snapshot = state.status.snapshot(state).await;
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(index) = snapshot.archive(name) else { return missing() };
    let Some(rest) = rest else { return response::moved(method, &format!("{FOLDER}{name}/")) };
    if let Some(file) = rest.strip_prefix("packages/") {
        return package_file(state, method, headers, &snapshot, index, file).await;
    }
    let number = match rest {
        "" => Some(0),
        _ => rest
            .strip_prefix("images/")
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|number| !number.starts_with(['0', '+']))
            .and_then(|number| number.parse::<usize>().ok()?.checked_sub(1))
            .filter(|number| *number > 0),
    };
    let count = snapshot.status.archives.get(index).map_or(0, |archive| archive.images);
    match number.filter(|number| *number == 0 || *number < count.div_ceil(images::PAGE)) {
        Some(number) => page(state, method, headers, &snapshot, PageKey::Archive(index, number), HTML).await,
        None => missing(),
    }
}

/// A page, rendered now or before.
async fn page(
    state: &ServerState,
    method: &Method,
    headers: &HeaderMap,
    snapshot: &Arc<Snapshot>,
    key: PageKey,
    media_type: &'static str,
) -> Response {
    let page = match snapshot.page(key) {
        Some(page) => Ok(page),
        None => rendered(state, snapshot, key).await,
    };
    match page {
        Ok(page) => finished(method, headers, &page, address(headers), media_type),
        Err(problem) => response::plain(method, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

async fn rendered(
    state: &ServerState,
    snapshot: &Arc<Snapshot>,
    key: PageKey,
) -> Result<Arc<RenderedPage>, String> {
    let tls = state.is_tls();
    let text = match key {
        PageKey::Text => render::top(snapshot, tls, "status.txt"),
        PageKey::Top => render::top(snapshot, tls, "status.html"),
        PageKey::Json => {
            let document = StatusDocument { api_version: API_VERSION, kind: KIND, status: &snapshot.status };
            let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
            Ok(content::printable_json(&text) + "\n")
        }
        PageKey::Archive(index, number) => {
            let files = package_files(state, snapshot, index).await;
            let snapshot = Arc::clone(snapshot);
            let render = move || render::archive_page(&snapshot, index, number, tls, &files);
            tokio::task::spawn_blocking(render).await.map_err(|error| error.to_string())?
        }
    };
    let text = text.map_err(|error| error.to_string())?;
    let page =
        Arc::new(if key == PageKey::Json { RenderedPage::fixed(text) } else { RenderedPage::new(text) });
    snapshot.keep(key, &page);
    Ok(page)
}

/// The files for package managers of an archive, written once.
async fn package_files(
    state: &ServerState,
    snapshot: &Snapshot,
    index: usize,
) -> Arc<Result<Vec<PackageFile>, String>> {
    let archive = snapshot.inventory.archives.get(index).filter(|archive| archive.facts.packages);
    let Some(archive) = archive.map(Arc::clone) else { return Arc::new(Ok(Vec::new())) };
    let writer = Arc::clone(&state.status.package_files);
    let node = format!("{}://{}", if state.is_tls() { "https" } else { "http" }, render::ADDRESS);
    let write = move || {
        let files = || Arc::new(writer.files(&archive.path, &node));
        Arc::clone(archive.facts.package_files.get_or_init(files))
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Arc::new(Err(error.to_string())))
}

/// A file for a package manager.
async fn package_file(
    state: &ServerState,
    method: &Method,
    headers: &HeaderMap,
    snapshot: &Snapshot,
    index: usize,
    name: &str,
) -> Response {
    let files = package_files(state, snapshot, index).await;
    let found = files.iter().flatten().find(|file| file.name() == name);
    match found {
        Some(file) => {
            let page = RenderedPage::new(file.content.clone());
            finished(method, headers, &page, address(headers), TEXT)
        }
        None => response::plain(method, StatusCode::NOT_FOUND, "not found"),
    }
}

/// The response with a page, or 304 if the client has it.
fn finished(
    method: &Method,
    headers: &HeaderMap,
    page: &RenderedPage,
    address: &str,
    media_type: &'static str,
) -> Response {
    let etag = page.etag(address);
    let mut response = if range::not_modified(headers, &etag, None) {
        response::not_modified()
    } else {
        response::full(method, StatusCode::OK, media_type, page.body(address))
    };
    let fields = response.headers_mut();
    response::set(fields, header::ETAG, &etag);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    protect(fields);
    response
}

/// A file of the pages themselves.
fn asset(method: &Method, headers: &HeaderMap, media_type: &'static str, content: &'static str) -> Response {
    let etag = format!("\"{}\"", Digest::of(content.as_bytes()).hex());
    let mut response = if range::not_modified(headers, &etag, None) {
        response::not_modified()
    } else {
        response::full(method, StatusCode::OK, media_type, content)
    };
    let fields = response.headers_mut();
    response::set(fields, header::ETAG, &etag);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    protect(fields);
    response
}

/// Header fields that keep a browser from doing more with a page than to show it.
fn protect(fields: &mut HeaderMap) {
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    fields.insert(opener, HeaderValue::from_static("same-origin"));
}

/// The address of the server as the client wrote it: the value of `Host`, if it has only characters of host names and ports.
fn address(headers: &HeaderMap) -> &str {
    let is_plain = |host: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        !host.is_empty() && host.len() <= 255 && host.bytes().all(plain)
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.filter(is_plain).unwrap_or("localhost")
}

/// Whether a client names HTML among the media types that it accepts. Browsers do; curl accepts anything.
fn accepts_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let html = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("text/html"));
        html && !parts
            .any(|part| part.to_ascii_lowercase().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0f32)))
    })
}
