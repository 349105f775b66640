//! The pull side of the OCI distribution specification 1.1, below `/v2/`.

use std::sync::Arc;

use archive::tree::Location;
use content::Digest;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use images::manifest::{Descriptor, MANIFEST_MAX, Manifest};
use images::original_names::RequestedRegistry;

use super::request::EndpointRequest;
use crate::http::body::{self, CHUNK, FileBody, ResponseBody};
use crate::http::response::{self, FileSource, JSON, Response};
use crate::http::{range, uri};
use crate::integrity::MISMATCH;
use crate::inventory::FoundRepository;
use crate::inventory::archive::{ItemIndex, ServedArchive};
use crate::inventory::contents::ServedContent;
use crate::observe::metrics::Endpoint;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The maximum number of tags or names on a page. A page is held in memory until the client has received it.
const PAGE_MAX: usize = 10_000;
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// An error of the registry.
struct Refused {
    status: StatusCode,
    code: Code,
    message: String,
}

/// The error codes of the OCI distribution specification, "Error Codes".
#[derive(Clone, Copy, Debug)]
enum Code {
    BlobUnknown,
    DigestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    Unsupported,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

impl Refused {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn unknown_name(name: &str) -> Self {
        if images::reference::is_repository(name) {
            let message = format!("no image named {name} is served");
            Self::new(StatusCode::NOT_FOUND, Code::NameUnknown, message)
        } else {
            Self::new(StatusCode::NOT_FOUND, Code::NameInvalid, "the path contains no image name")
        }
    }

    fn response(&self, method: &Method) -> Response {
        let (code, message) = (self.code.text(), &self.message);
        let body = serde_json::json!({"errors": [{"code": code, "message": message, "detail": null}]});
        response::full(method, self.status, JSON, body.to_string())
    }
}

/// Refuses a method that would change something.
pub(super) fn read_only(method: &Method) -> Response {
    let message = "this registry is read-only: expected GET or HEAD";
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, message);
    with_version(refused.response(method))
}

/// Responds to a request for `path`, the part after `/v2/`.
pub(super) async fn respond(request: &EndpointRequest<'_>, path: &str) -> (Endpoint, Response) {
    let (endpoint, result) = if path.is_empty() {
        (Endpoint::Base, Ok(response::full(request.method, StatusCode::OK, JSON, "{}")))
    } else if path == "_catalog" {
        (Endpoint::Catalog, catalog(request))
    } else if let Some(name) = path.strip_suffix("/tags/list") {
        (Endpoint::Tags, tags(request, name))
    } else if let Some((name, reference)) = path.rsplit_once("/manifests/") {
        (Endpoint::Manifest, manifest(request, name, reference).await)
    } else if let Some((name, digest)) = path.rsplit_once("/blobs/") {
        (Endpoint::Blob, blob(request, name, digest))
    } else if let Some((name, digest)) = path.rsplit_once("/referrers/") {
        (Endpoint::Referrers, referrers(request, name, digest).await)
    } else {
        (Endpoint::Other, Err(Refused::unknown_name(path)))
    };
    let response = result.unwrap_or_else(|refused| refused.response(request.method));
    (endpoint, with_version(response))
}

fn with_version(mut response: Response) -> Response {
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

/// The images of a name: in one archive, or for an original name in all that have it, the newest first.
fn repositories<'a>(
    request: &'a EndpointRequest<'_>,
    name: &str,
) -> Result<Vec<FoundRepository<'a>>, Refused> {
    let found = request.repositories(name);
    if !found.is_empty() {
        return Ok(found);
    }
    match request.registry() {
        RequestedRegistry::Other(host) if images::reference::is_repository(name) => {
            let message = format!("no image named {name} of the registry {host} is served");
            Err(Refused::new(StatusCode::NOT_FOUND, Code::NameUnknown, message))
        }
        _ => Err(Refused::unknown_name(name)),
    }
}

fn parse_digest(text: &str) -> Result<Digest, Refused> {
    text.parse().map_err(|_| {
        Refused::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, "expected sha256: and 64 digits")
    })
}

/// Opens content; `None` if it is known to be damaged, or cannot be opened, which is logged.
fn open(request: &EndpointRequest<'_>, archive: &Arc<ServedArchive>, index: u32) -> Option<Location> {
    let (checker, item) = (&request.state.checker, ItemIndex::Content(index));
    match archive.open(item) {
        Ok(location) => checker.is_servable(archive, item, &location).then_some(location),
        Err(problem) => {
            checker.record_unreadable(archive, item, &problem);
            None
        }
    }
}

/// "Pulling manifests".
async fn manifest(request: &EndpointRequest<'_>, name: &str, reference: &str) -> Result<Response, Refused> {
    let found = repositories(request, name)?;
    let unknown = |message: String| Refused::new(StatusCode::NOT_FOUND, Code::ManifestUnknown, message);
    let candidates: Vec<(&Arc<ServedArchive>, u32)> = if reference.contains(':') {
        let digest = parse_digest(reference)?;
        found
            .iter()
            .filter_map(|one| Some((one.archive, one.archive.find(one.repository, digest)?)))
            .collect()
    } else {
        // The newest archive decides about a tag, also if its image is damaged: an older one has another image.
        let newest = found.iter().find(|one| one.repository.has(reference));
        newest.and_then(|one| Some((one.archive, one.repository.tag(reference)?))).into_iter().collect()
    };
    let mut refused = unknown(format!("{name} has no manifest {reference}"));
    for (archive, index) in candidates {
        match manifest_of(request, archive, index, name, reference).await {
            Ok(response) => return Ok(response),
            Err(other) => refused = other,
        }
    }
    Err(refused)
}

/// The manifest at `index` of an archive.
async fn manifest_of(
    request: &EndpointRequest<'_>,
    archive: &Arc<ServedArchive>,
    index: u32,
    name: &str,
    reference: &str,
) -> Result<Response, Refused> {
    let unknown = |message: String| Refused::new(StatusCode::NOT_FOUND, Code::ManifestUnknown, message);
    let found = archive.at(index).and_then(|content| Some((content, content.kind?)));
    let (content, kind) = found.ok_or_else(|| unknown(format!("{name} has no manifest {reference}")))?;
    // Clients choose a node by the manifest, so a node that serves a manifest must have its blobs.
    if let Some(unfit) = content.needs.iter().find(|index| open(request, archive, **index).is_none()) {
        let unfit = archive.name(ItemIndex::Content(*unfit));
        return Err(unknown(format!("{unfit} of {name}:{reference} is damaged")));
    }
    let body = manifest_body(request, archive, index, content).await;
    let body = body.ok_or_else(|| unknown(format!("manifest {} is damaged", content.digest())))?;
    let digest = content.digest().to_string();
    let etag = format!("\"{digest}\"");
    let mut response = if range::not_modified(request.headers, &etag, None) {
        response::not_modified()
    } else {
        response::whole(request.method, StatusCode::OK, kind.media_type(), body)
    };
    let headers = response.headers_mut();
    response::set(headers, DIGEST, &digest);
    response::set(headers, header::ETAG, &etag);
    let caching = if reference.contains(':') { IMMUTABLE } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    Ok(response)
}

/// The bytes of a manifest, once their digest was checked; `None` if they are damaged. A large one is read while the client
/// receives it.
async fn manifest_body(
    request: &EndpointRequest<'_>,
    archive: &Arc<ServedArchive>,
    index: u32,
    content: &ServedContent,
) -> Option<ResponseBody> {
    let (checker, item) = (&request.state.checker, ItemIndex::Content(index));
    if content.size <= CHUNK as u64 {
        let read = read(archive, content).await;
        let read = read.inspect_err(|problem| checker.report(archive, item, problem));
        return read.ok().map(|bytes| ResponseBody::Bytes(bytes.into()));
    }
    let location = open(request, archive, index)?;
    if !checker.check(archive, item, &location).await {
        return None;
    }
    let gate = checker.gate(&Method::GET, archive, item, &location);
    let all = (0, content.size);
    Some(ResponseBody::File(Box::new(FileBody::new(location, all, gate, &request.state.buffers))))
}

/// "Pulling blobs".
fn blob(request: &EndpointRequest<'_>, name: &str, digest: &str) -> Result<Response, Refused> {
    let (found, wanted) = (repositories(request, name)?, parse_digest(digest)?);
    let mut problem = format!("{name} has no blob {digest}");
    let mut usable = None;
    for one in found {
        let Some(index) = one.archive.find(one.repository, wanted) else { continue };
        usable = open(request, one.archive, index).map(|location| (one.archive, index, location));
        if usable.is_some() {
            break;
        }
        problem = format!("blob {digest} is damaged");
    }
    let unknown = || Refused::new(StatusCode::NOT_FOUND, Code::BlobUnknown, problem);
    let (archive, index, location) = usable.ok_or_else(unknown)?;
    let gate = request.state.checker.gate(request.method, archive, ItemIndex::Content(index), &location);
    let etag = format!("\"{digest}\"");
    let media_type = "application/octet-stream";
    let source = FileSource { location, etag: &etag, modified: None, media_type, gate };
    let mut response = response::file(&request.state.buffers, request.method, request.headers, source);
    let headers = response.headers_mut();
    response::set(headers, DIGEST, digest);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    Ok(response)
}

/// "Listing tags".
fn tags(request: &EndpointRequest<'_>, name: &str) -> Result<Response, Refused> {
    let found = repositories(request, name)?;
    let body = |tags: &[&str]| serde_json::json!({"name": name, "tags": tags});
    let path = format!("/v2/{name}/tags/list");
    if let [one] = *found {
        return page(request, &path, &one.repository.tags, |(tag, _)| tag, body);
    }
    let tags = found.iter().enumerate().flat_map(|(index, one)| {
        let newer = found.get(..index).unwrap_or_default();
        let tags = one.repository.tags.iter().map(|(tag, _)| &**tag);
        // Of a tag whose image in a newer archive is incomplete, no image is served.
        tags.filter(move |tag| !newer.iter().any(|newer| newer.repository.has(tag)))
    });
    let mut tags: Vec<&str> = tags.collect();
    tags.sort_unstable();
    page(request, &path, &tags, |tag| tag, body)
}

/// `_catalog`: not in the OCI specification, but in the registry API that it is based on.
fn catalog(request: &EndpointRequest<'_>) -> Result<Response, Refused> {
    let body = |names: &[&str]| serde_json::json!({"repositories": names});
    let names = &request.inventory.names;
    if request.query.get("n").is_some() || request.query.get("last").is_some() {
        return page(request, "/v2/_catalog", names, |name| name, body);
    }
    let all = || body(&names.iter().map(String::as_str).collect::<Vec<_>>()).to_string().into();
    let all = request.inventory.listing.get_or_init(all).clone();
    let mut response = response::full(request.method, StatusCode::OK, JSON, all);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The part of a sorted list that `n` and `last` select, at most [`PAGE_MAX`], with a `Link` to the next.
fn page<T>(
    request: &EndpointRequest<'_>,
    path: &str,
    all: &[T],
    text: impl Fn(&T) -> &str,
    body: impl Fn(&[&str]) -> serde_json::Value,
) -> Result<Response, Refused> {
    let start = request.query.get("last").map_or(0, |last| all.partition_point(|item| text(item) <= last));
    let rest = all.get(start..).unwrap_or_default();
    let most = rest.len().min(PAGE_MAX);
    let count = match request.query.get("n").map(str::parse::<usize>) {
        None => most,
        Some(Ok(count)) => count.min(most),
        Some(Err(_)) => {
            let message = "n must be a number that is not negative";
            return Err(Refused::new(StatusCode::BAD_REQUEST, Code::PaginationNumberInvalid, message));
        }
    };
    let shown: Vec<&str> = rest.iter().take(count).map(text).collect();
    let body = body(&shown).to_string();
    let mut response = response::full(request.method, StatusCode::OK, JSON, body);
    // The import of an archive changes the list.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let (Some(last), true) = (shown.last(), count < rest.len()) {
        let registry = same_registry(request);
        let link = format!("<{path}?n={count}&last={}{registry}>; rel=\"next\"", uri::encode(last));
        response::set(response.headers_mut(), header::LINK, &link);
    }
    Ok(response)
}

/// The end of a link to the next page: it is for images of the same registry.
fn same_registry(request: &EndpointRequest<'_>) -> String {
    request.query.get("ns").map(|ns| format!("&ns={}", uri::encode(ns))).unwrap_or_default()
}

/// "Listing Referrers". The manifests are read at each request, since their annotations can be large, and the list has
/// pages for the same reason.
async fn referrers(request: &EndpointRequest<'_>, name: &str, digest: &str) -> Result<Response, Refused> {
    let subject = parse_digest(digest)?;
    let found = repositories(request, name)?;
    let wanted = request.query.get("artifactType");
    let last = request.query.get("last").and_then(|last| last.parse::<Digest>().ok());
    let contents = found.iter().flat_map(|one| {
        let indices = one.repository.referrers(subject).iter();
        indices.filter_map(|index| Some((one.archive, one.archive.at(*index)?)))
    });
    let mut contents: Vec<(&Arc<ServedArchive>, &ServedContent)> = contents.collect();
    contents.sort_by_key(|(_, content)| content.digest());
    contents.dedup_by_key(|(_, content)| content.digest());
    let mut manifests = Vec::new();
    let (mut read_bytes, mut shown, mut more) = (0, None, false);
    let rest = contents.into_iter().filter(|(_, content)| last.is_none_or(|last| content.digest() > last));
    for (archive, content) in rest {
        if read_bytes > 0 && read_bytes + content.size > MANIFEST_MAX {
            more = true;
            break;
        }
        read_bytes += content.size;
        shown = Some(content.digest());
        let manifest = read(archive, content).await.ok().and_then(|bytes| Manifest::parse(&bytes).ok());
        let fits = |manifest: &Manifest| {
            wanted.is_none_or(|wanted| manifest.artifact_type.as_deref() == Some(wanted))
        };
        manifests.extend(manifest.filter(fits).map(|manifest| descriptor(content, manifest)));
    }
    let body = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut response = response::full(request.method, StatusCode::OK, INDEX, body.to_string());
    if wanted.is_some() {
        response.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let (Some(shown), true) = (shown, more) {
        let filter = wanted.map(|wanted| format!("artifactType={}&", uri::encode(wanted)));
        let filter = filter.unwrap_or_default();
        let registry = same_registry(request);
        let link = format!("</v2/{name}/referrers/{digest}?{filter}last={shown}{registry}>; rel=\"next\"");
        response::set(response.headers_mut(), header::LINK, &link);
    }
    Ok(response)
}

/// A descriptor for the list of referrers.
fn descriptor(content: &ServedContent, manifest: Manifest) -> Descriptor {
    Descriptor {
        media_type: manifest.kind.media_type().to_owned(),
        digest: content.digest(),
        size: content.size,
        urls: Vec::new(),
        platform: None,
        artifact_type: manifest.artifact_type,
        annotations: manifest.annotations,
    }
}

/// Reads a manifest and checks its digest.
async fn read(archive: &Arc<ServedArchive>, content: &ServedContent) -> Result<Vec<u8>, String> {
    if content.size > MANIFEST_MAX {
        return Err(format!("{} bytes, expected at most {MANIFEST_MAX}", content.size));
    }
    let location = content.open(&archive.tree).map_err(|error| error.to_string())?;
    let bytes = whole(location).await.map_err(|error| error.to_string())?;
    if Digest::of(&bytes) == content.digest() { Ok(bytes) } else { Err(MISMATCH.into()) }
}

/// Reads a small file: at once if it is in the page cache, else on a thread that may wait for the disk.
async fn whole(location: Location) -> std::io::Result<Vec<u8>> {
    match body::read_small_now(&location) {
        Some(bytes) => Ok(bytes),
        None => {
            tokio::task::spawn_blocking(move || location.read_all()).await.map_err(std::io::Error::other)?
        }
    }
}
