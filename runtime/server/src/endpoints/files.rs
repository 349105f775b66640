//! The files of archives: package repositories at the paths that nodes use for them, and all files of an archive.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use archive::layout;
use archive::tree::{EntryKind, Location, TreeEntry};
use http::StatusCode;

use super::listing::{ListingEntry, page};
use super::request::EndpointRequest;
use crate::http::response::{self, FileSource, HTML, Response};
use crate::inventory::archive::{ItemIndex, ServedArchive};
use crate::inventory::verdict::FileStamp;
use crate::observe::metrics::Endpoint;

/// What is at a path in an archive.
enum Found {
    /// A file, and the item to check if `SHA256SUMS` lists it.
    File(Location, Option<ItemIndex>),
    Folder(Vec<TreeEntry>),
    Nothing,
    Refused(String),
}

/// Responds to a request for `path`, decoded and without its first slash.
pub(super) async fn respond(request: &EndpointRequest<'_>, path: &str) -> (Endpoint, Response) {
    let method = request.method;
    let ids = || request.inventory.ids().into_iter().map(|id| ListingEntry::new(format!("{id}/"), ""));
    match path {
        "archives" => return (Endpoint::Page, response::moved(method, "/archives/")),
        "archives/" => return (Endpoint::Page, page(method, "/archives/", ids())),
        _ => {}
    }
    let (id, rest, packages) = match path.strip_prefix("archives/") {
        Some(below) => {
            below.split_once('/').map_or((below, None, false), |(id, rest)| (id, Some(rest), false))
        }
        None => path.split_once('/').map_or((path, None, true), |(id, rest)| (id, Some(rest), true)),
    };
    let Some(archive) = request.inventory.archive(id) else {
        return (Endpoint::File, response::plain(method, StatusCode::NOT_FOUND, "not found"));
    };
    let Some(rest) = rest else { return (Endpoint::Page, response::moved(method, &format!("/{path}/"))) };
    let (inside, rest) = (Arc::clone(archive), rest.to_owned());
    // Folders of a mounted archive may have to be read from the disk.
    let found = tokio::task::spawn_blocking(move || look_up(&inside, &rest, packages)).await;
    match found.unwrap_or_else(|error| Found::Refused(error.to_string())) {
        Found::Folder(_) if !path.ends_with('/') => {
            (Endpoint::Page, response::moved(method, &format!("/{path}/")))
        }
        Found::Folder(entries) => {
            (Endpoint::Page, page(method, &format!("/{path}"), entries.iter().map(listed)))
        }
        Found::File(location, item) => {
            (Endpoint::File, file(request, archive, location, item, media_type(path)))
        }
        Found::Nothing => (Endpoint::File, response::plain(method, StatusCode::NOT_FOUND, "not found")),
        Found::Refused(problem) => {
            (Endpoint::File, response::plain(method, StatusCode::BAD_REQUEST, &problem))
        }
    }
}

/// Looks up a path: in the tree of the archive, or among its package repositories.
fn look_up(archive: &ServedArchive, path: &str, packages: bool) -> Found {
    let path = path.strip_suffix('/').unwrap_or(path);
    if !packages {
        return look_at(archive, path);
    }
    // `redhat/8/scality-el8/…` is `packages/redhat/8/<project>-scality-el8/…`.
    let parts: Vec<&str> = path.splitn(4, '/').collect();
    let project =
        archive.product.as_ref().map(|product| product.name.to_ascii_lowercase()).unwrap_or_default();
    if let [family, release, repository, rest @ ..] = parts.as_slice() {
        let mut real = format!("{}/{family}/{release}/{project}-{repository}", layout::PACKAGES);
        for part in rest {
            real.push('/');
            real.push_str(part);
        }
        match look_at(archive, &real) {
            Found::Nothing => {}
            found => return found,
        }
    }
    match look_at(archive, &format!("{}/{path}", layout::PACKAGES)) {
        // Below an archive ID there are only packages.
        Found::Folder(_) if path.is_empty() => look_at(archive, layout::PACKAGES),
        found => found,
    }
}

fn look_at(archive: &ServedArchive, path: &str) -> Found {
    let path = path.trim_end_matches('/');
    match archive.tree.resolve(path) {
        Ok(Some(real)) if layout::is_hidden(&real) => Found::Nothing,
        Ok(Some(real)) => match archive.tree.entry(&real) {
            Ok(Some(entry)) if entry.kind == EntryKind::Directory || real.is_empty() => {
                match archive.tree.read_dir(&real) {
                    Ok(mut entries) => {
                        entries.retain(|entry| !real.is_empty() || !layout::is_hidden(&entry.name));
                        Found::Folder(entries)
                    }
                    Err(error) => Found::Refused(error.to_string()),
                }
            }
            Ok(Some(entry)) if entry.kind == EntryKind::File => {
                match archive.tree.locate_entry(&real, &entry) {
                    Ok(location) => Found::File(location, archive.file(&real)),
                    Err(error) => Found::Refused(error.to_string()),
                }
            }
            Ok(_) => Found::Nothing,
            Err(error) => Found::Refused(error.to_string()),
        },
        Ok(None) => Found::Nothing,
        Err(archive::Error::Path { problem, .. }) => {
            Found::Refused(format!("not a path inside an archive: {problem}"))
        }
        Err(error) => Found::Refused(error.to_string()),
    }
}

/// A file; its last bytes are sent only once it was found to match `SHA256SUMS`. A file that is not listed there is served
/// without a check.
fn file(
    request: &EndpointRequest<'_>,
    archive: &Arc<ServedArchive>,
    location: Location,
    item: Option<ItemIndex>,
    media_type: &'static str,
) -> Response {
    let EndpointRequest { state, method, headers, .. } = *request;
    let refused = |problem: &str| response::plain(method, StatusCode::NOT_FOUND, problem);
    if let Some(problem) = &archive.sums_problem {
        return refused(&format!("no file can be checked: {problem}"));
    }
    if item.is_some_and(|item| !state.checker.is_servable(archive, item, &location)) {
        return refused("the file is damaged");
    }
    let Ok(data) = location.file.metadata() else { return refused("the file cannot be read") };
    // Size and date are the same in all builds of a commit, even if the content is not.
    let etag = match item.and_then(|item| archive.checked(item)) {
        Some(checked) => format!("\"{}\"", checked.digest.hex()),
        None => format!("\"{:x}-{:x}-{:x}\"", FileStamp::of(&data).number(), location.mtime, location.size),
    };
    // For the same reason the date is not only that of the file, but also of its arrival on this node.
    let changed = u64::try_from(location.mtime.max(data.ctime()));
    let date = changed.ok().and_then(|changed| {
        // HTTP cannot express dates from the year 10000 on.
        let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed))?;
        (changed < 253_402_300_800).then(|| httpdate::fmt_http_date(date))
    });
    let gate = item.and_then(|item| state.checker.gate(method, archive, item, &location));
    let source = FileSource { location, etag: &etag, modified: date.as_deref(), media_type, gate };
    response::file(&state.buffers, method, headers, source)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "asc" | "cfg" | "conf" | "csv" | "log" | "md" | "pem" | "repo" | "sh" | "sls" | "txt" => {
            response::TEXT
        }
        "gz" => "application/gzip",
        "html" => HTML,
        "j2" | "yaml" | "yml" => response::TEXT,
        "json" => response::JSON,
        "rpm" => "application/x-rpm",
        "deb" => "application/vnd.debian.binary-package",
        "xml" => "application/xml",
        "zst" => "application/zstd",
        _ => "application/octet-stream",
    }
}

fn listed(entry: &TreeEntry) -> ListingEntry {
    match &entry.kind {
        EntryKind::Directory => ListingEntry::new(format!("{}/", entry.name), ""),
        EntryKind::Symlink(target) => ListingEntry::new(entry.name.as_str(), format!("→ {target}")),
        _ => ListingEntry::new(entry.name.as_str(), entry.size.to_string()),
    }
}
