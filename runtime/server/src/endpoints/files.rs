//! The rest of the archives: package repositories at the addresses nodes have for them, and the trees as they are.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use archive::layout;
use archive::tree::{Entry, Kind, Location};
use http::{HeaderMap, Method, StatusCode, header};

use crate::State;
use crate::http::answer::{self, Answer, HTML, Source};
use crate::http::route::encode;
use crate::integrity::checker::gate;
use crate::inventory::verdict::Stamp;
use crate::inventory::{Archive, Catalogue, Part};
use crate::observe::metrics::Endpoint;

/// The most entries of a folder that are listed: a page is in memory for as long as its client takes to take it.
const LISTED_MAX: usize = 10_000;

/// What a path in an archive turned out to be.
enum Found {
    /// And what can be checked of it, if `SHA256SUMS` lists it.
    File(Location, Option<Part>),
    Folder(Vec<Entry>),
    Nothing,
    Refused(String),
}

/// Answers a request for `path`, decoded and without its first slash.
pub(crate) async fn answer(
    state: &Arc<State>,
    catalogue: &Catalogue,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> (Endpoint, Answer) {
    let ids = || catalogue.ids().into_iter().map(|id| (format!("{id}/"), String::new()));
    match path {
        "" => {
            let links = [("archives/".to_owned(), String::new()), ("v2/_catalog".to_owned(), String::new())];
            return (Endpoint::Page, page(method, "/", links.into_iter()));
        }
        "archives" => return (Endpoint::Page, moved(method, "/archives/")),
        "archives/" => return (Endpoint::Page, page(method, "/archives/", ids())),
        _ => {}
    }
    let (id, rest, packages) = match path.strip_prefix("archives/") {
        Some(below) => {
            below.split_once('/').map_or((below, None, false), |(id, rest)| (id, Some(rest), false))
        }
        None => path.split_once('/').map_or((path, None, true), |(id, rest)| (id, Some(rest), true)),
    };
    let Some(archive) = catalogue.archive(id) else {
        return (Endpoint::File, answer::plain(method, StatusCode::NOT_FOUND, "not found"));
    };
    let Some(rest) = rest else { return (Endpoint::Page, moved(method, &format!("/{path}/"))) };
    let (inside, rest) = (Arc::clone(archive), rest.to_owned());
    // Folders of a mounted archive may have to come from the disk.
    let found = tokio::task::spawn_blocking(move || look(&inside, &rest, packages)).await;
    match found.unwrap_or_else(|error| Found::Refused(error.to_string())) {
        Found::Folder(_) if !path.ends_with('/') => (Endpoint::Page, moved(method, &format!("/{path}/"))),
        Found::Folder(entries) => {
            (Endpoint::Page, page(method, &format!("/{path}"), entries.iter().map(link)))
        }
        Found::File(location, part) => {
            let request = Request { method, headers, media_type: media_type(path) };
            (Endpoint::File, file(state, &request, archive, location, part))
        }
        Found::Nothing => (Endpoint::File, answer::plain(method, StatusCode::NOT_FOUND, "not found")),
        Found::Refused(problem) => (Endpoint::File, answer::plain(method, StatusCode::BAD_REQUEST, &problem)),
    }
}

/// Looks a path up: in the tree of the archive, or among its package repositories.
fn look(archive: &Archive, path: &str, packages: bool) -> Found {
    let path = path.strip_suffix('/').unwrap_or(path);
    if !packages {
        return look_at(archive, path);
    }
    // `redhat/8/scality-el8/…` lies at `packages/redhat/8/<project>-scality-el8/…`.
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
        // Below the name of an archive there are only packages.
        Found::Folder(_) if path.is_empty() => look_at(archive, layout::PACKAGES),
        found => found,
    }
}

fn look_at(archive: &Archive, path: &str) -> Found {
    let path = path.trim_end_matches('/');
    match archive.tree.resolve(path) {
        Ok(Some(real)) if layout::is_hidden(&real) => Found::Nothing,
        Ok(Some(real)) => match archive.tree.entry(&real) {
            Ok(Some(entry)) if entry.kind == Kind::Directory || real.is_empty() => {
                match archive.tree.read_dir(&real) {
                    Ok(mut entries) => {
                        entries.retain(|entry| !real.is_empty() || !layout::is_hidden(&entry.name));
                        Found::Folder(entries)
                    }
                    Err(error) => Found::Refused(error.to_string()),
                }
            }
            Ok(Some(entry)) if entry.kind == Kind::File => match archive.tree.locate_entry(&real, &entry) {
                Ok(location) => Found::File(location, archive.file(&real)),
                Err(error) => Found::Refused(error.to_string()),
            },
            Ok(_) => Found::Nothing,
            Err(error) => Found::Refused(error.to_string()),
        },
        Ok(None) => Found::Nothing,
        Err(archive::Error::Path { problem, .. }) => {
            Found::Refused(format!("no path inside an archive: {problem}"))
        }
        Err(error) => Found::Refused(error.to_string()),
    }
}

/// What is asked of a file.
struct Request<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    media_type: &'static str,
}

/// A file, its last bytes only once it was found to be what `SHA256SUMS` says. What that does not list is served as it is.
fn file(
    state: &State,
    request: &Request<'_>,
    archive: &Arc<Archive>,
    location: Location,
    part: Option<Part>,
) -> Answer {
    let Request { method, headers, media_type } = *request;
    let refused = |problem: &str| answer::plain(method, StatusCode::NOT_FOUND, problem);
    if let Some(problem) = &archive.sums_problem {
        return refused(&format!("no file can be checked: {problem}"));
    }
    if part.is_some_and(|part| !state.checker.fit(archive, part, &location)) {
        return refused("the file is damaged");
    }
    let Ok(data) = location.file.metadata() else { return refused("the file cannot be read") };
    // Size and date are the same in all builds of a commit, whatever else changed.
    let etag = match part.and_then(|part| archive.checked(part)) {
        Some(checked) => format!("\"{}\"", checked.digest.hex()),
        None => format!("\"{:x}-{:x}-{:x}\"", Stamp::of(&data).number(), location.mtime, location.size),
    };
    // For the same reason not only when it was changed counts, but when that came to be here.
    let changed = u64::try_from(location.mtime.max(data.ctime()));
    let date = changed.ok().and_then(|changed| {
        // Dates from the year 10000 on have no form in HTTP.
        let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed))?;
        (changed < 253_402_300_800).then(|| httpdate::fmt_http_date(date))
    });
    let gate = part.and_then(|part| gate(state, method, archive, part, &location));
    let source = Source { location, etag: &etag, modified: date.as_deref(), media_type, gate };
    answer::file(state, method, headers, source)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "asc" | "cfg" | "conf" | "csv" | "log" | "md" | "pem" | "repo" | "sh" | "sls" | "txt" => answer::TEXT,
        "gz" => "application/gzip",
        "html" => HTML,
        "j2" | "yaml" | "yml" => answer::TEXT,
        "json" => answer::JSON,
        "rpm" => "application/x-rpm",
        "deb" => "application/vnd.debian.binary-package",
        "xml" => "application/xml",
        "zst" => "application/zstd",
        _ => "application/octet-stream",
    }
}

fn link(entry: &Entry) -> (String, String) {
    match &entry.kind {
        Kind::Directory => (format!("{}/", entry.name), String::new()),
        Kind::Symlink(target) => (entry.name.clone(), format!("→ {target}")),
        _ => (entry.name.clone(), entry.size.to_string()),
    }
}

/// A page with a link to everything in a folder.
fn page(method: &Method, title: &str, links: impl ExactSizeIterator<Item = (String, String)>) -> Answer {
    let more = links.len().saturating_sub(LISTED_MAX);
    let mut body = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{0}</title></head>\n<body><h1>{0}</h1>\n<table>\n",
        escape(title)
    );
    if title != "/" {
        body.push_str("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    }
    for (name, note) in links.take(LISTED_MAX) {
        let target: Vec<String> = name.split('/').map(encode).collect();
        // `./` keeps a name with a colon from being taken for the scheme of a URL.
        let (target, name, note) = (target.join("/"), escape(&name), escape(&note));
        // Writing to a String cannot fail.
        let _ = writeln!(body, "<tr><td><a href=\"./{target}\">{name}</a></td><td>{note}</td></tr>");
    }
    if more > 0 {
        let _ = writeln!(body, "<tr><td>and {more} more</td><td></td></tr>");
    }
    body.push_str("</table></body></html>\n");
    answer::full(method, StatusCode::OK, HTML, body)
}

fn moved(method: &Method, target: &str) -> Answer {
    let mut answer = answer::plain(method, StatusCode::MOVED_PERMANENTLY, "moved");
    let target: Vec<String> = target.split('/').map(encode).collect();
    answer::set(answer.headers_mut(), header::LOCATION, &target.join("/"));
    answer
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
