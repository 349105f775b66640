//! The pull side of the OCI distribution specification 1.1, below `/v2/`.

use std::sync::Arc;

use archive::tree::Location;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use images::Digest;
use images::manifest::{Descriptor, MANIFEST_MAX, Manifest};

use crate::State;
use crate::http::answer::{self, Answer, Code, JSON, Source};
use crate::http::body::{Body, CHUNK, FileBody};
use crate::http::range;
use crate::http::route::Query;
use crate::integrity::checker::gate;
use crate::inventory::content::Content;
use crate::inventory::{Archive, Catalogue, Part, Repository};
use crate::observe::metrics::Endpoint;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The most tags or names of a page, which is in memory for as long as its client takes to take it.
const PAGE_MAX: usize = 10_000;
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What is asked of the registry.
struct Asked<'a> {
    state: &'a Arc<State>,
    catalogue: &'a Catalogue,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: &'a Query,
}

/// Refuses a method that would change something.
pub(crate) fn read_only(method: &Method) -> Answer {
    let message = "this registry is read-only: expected GET or HEAD";
    let mut answer = answer::error(method, StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, message);
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    answer
}

/// Answers a request for `path`, which is what follows `/v2/`.
pub(crate) async fn answer(
    state: &Arc<State>,
    catalogue: &Catalogue,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
    query: &Query,
) -> (Endpoint, Answer) {
    let asked = Asked { state, catalogue, method, headers, query };
    let (endpoint, mut answer) = if path.is_empty() {
        (Endpoint::Base, answer::full(method, StatusCode::OK, JSON, "{}"))
    } else if path == "_catalog" {
        (Endpoint::Catalog, asked.catalog())
    } else if let Some(name) = path.strip_suffix("/tags/list") {
        (Endpoint::Tags, asked.tags(name))
    } else if let Some((name, reference)) = path.rsplit_once("/manifests/") {
        (Endpoint::Manifest, asked.manifest(name, reference).await)
    } else if let Some((name, digest)) = path.rsplit_once("/blobs/") {
        (Endpoint::Blob, asked.blob(name, digest))
    } else if let Some((name, digest)) = path.rsplit_once("/referrers/") {
        (Endpoint::Referrers, asked.referrers(name, digest).await)
    } else {
        (Endpoint::Other, asked.unknown_name(path))
    };
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    (endpoint, answer)
}

impl Asked<'_> {
    /// The images of a name. A client that asks for another host's images (`ns`, as containerd sends it to mirrors) gets
    /// none by a bare name: `nginx` of that host is not `nginx` of an archive. The name of an archive before it leaves no
    /// doubt.
    fn repository(&self, name: &str) -> Option<(&Arc<Archive>, &Repository)> {
        if self.query.get("ns").is_some() {
            self.catalogue.prefixed(name)
        } else {
            self.catalogue.repository(name)
        }
    }

    fn error(&self, status: StatusCode, code: Code, message: &str) -> Answer {
        answer::error(self.method, status, code, message)
    }

    fn unknown_name(&self, name: &str) -> Answer {
        if images::reference::is_repository(name) {
            self.error(StatusCode::NOT_FOUND, Code::NameUnknown, &format!("no image named {name} is served"))
        } else {
            self.error(StatusCode::NOT_FOUND, Code::NameInvalid, "the path names no image")
        }
    }

    /// Opens content; `None` for what is known to be damaged, and for what turns out to be gone, which the log is told.
    fn open(&self, archive: &Arc<Archive>, index: u32) -> Option<Location> {
        let (checker, part) = (&self.state.checker, Part::Content(index));
        match archive.open(part) {
            Ok(location) => checker.fit(archive, part, &location).then_some(location),
            Err(problem) => {
                checker.unreadable(archive, part, &problem);
                None
            }
        }
    }

    /// "Pulling manifests".
    async fn manifest(&self, name: &str, reference: &str) -> Answer {
        let Some((archive, repository)) = self.repository(name) else {
            return self.unknown_name(name);
        };
        let unknown = |message: &str| self.error(StatusCode::NOT_FOUND, Code::ManifestUnknown, message);
        let by_digest = reference.contains(':');
        let index = if by_digest {
            let Ok(digest) = reference.parse::<Digest>() else {
                return self.error(
                    StatusCode::BAD_REQUEST,
                    Code::DigestInvalid,
                    "expected sha256: and 64 digits",
                );
            };
            archive.find(repository, digest)
        } else {
            repository.tag(reference)
        };
        let found = index.and_then(|index| {
            let content = archive.at(index)?;
            Some((index, content, content.kind?))
        });
        let Some((index, content, kind)) = found else {
            return unknown(&format!("{name} has no manifest {reference}"));
        };
        // A node that answers a manifest must have its blobs: clients choose the node by the manifest.
        if let Some(unfit) = content.needs.iter().find(|index| self.open(archive, **index).is_none()) {
            let unfit = archive.name(Part::Content(*unfit));
            return unknown(&format!("{unfit} of {name}:{reference} is damaged"));
        }
        let Some(body) = self.manifest_body(archive, index, content).await else {
            return unknown(&format!("manifest {} is damaged", content.digest()));
        };
        let digest = content.digest().to_string();
        let etag = format!("\"{digest}\"");
        let mut answer = if range::not_modified(self.headers, &etag, None) {
            answer::not_modified()
        } else {
            answer::whole(self.method, StatusCode::OK, kind.media_type(), body)
        };
        let headers = answer.headers_mut();
        answer::set(headers, DIGEST, &digest);
        answer::set(headers, header::ETAG, &etag);
        let caching = if by_digest { IMMUTABLE } else { "no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        answer
    }

    /// The bytes of a manifest, which were found to be what its digest says. A large one is read as the client takes it.
    async fn manifest_body(&self, archive: &Arc<Archive>, index: u32, content: &Content) -> Option<Body> {
        let (checker, part) = (&self.state.checker, Part::Content(index));
        if content.size <= CHUNK as u64 {
            let read = read(archive, content).await;
            let read = read.inspect_err(|problem| checker.tell(archive, part, problem));
            return read.ok().map(|bytes| Body::Bytes(bytes.into()));
        }
        let location = self.open(archive, index)?;
        if !checker.good(archive, part, &location).await {
            return None;
        }
        let gate = gate(self.state, &Method::GET, archive, part, &location);
        let all = (0, content.size);
        Some(Body::File(Box::new(FileBody::new(location, all, gate, &self.state.buffers))))
    }

    /// "Pulling blobs".
    fn blob(&self, name: &str, digest: &str) -> Answer {
        let Some((archive, repository)) = self.repository(name) else {
            return self.unknown_name(name);
        };
        let unknown = |message: &str| self.error(StatusCode::NOT_FOUND, Code::BlobUnknown, message);
        let Ok(wanted) = digest.parse::<Digest>() else {
            return self.error(
                StatusCode::BAD_REQUEST,
                Code::DigestInvalid,
                "expected sha256: and 64 digits",
            );
        };
        let Some(index) = archive.find(repository, wanted) else {
            return unknown(&format!("{name} has no blob {digest}"));
        };
        let Some(location) = self.open(archive, index) else {
            return unknown(&format!("blob {digest} is damaged"));
        };
        let gate = gate(self.state, self.method, archive, Part::Content(index), &location);
        let etag = format!("\"{digest}\"");
        let media_type = "application/octet-stream";
        let source = Source { location, etag: &etag, modified: None, media_type, gate };
        let mut answer = answer::file(self.state, self.method, self.headers, source);
        let headers = answer.headers_mut();
        answer::set(headers, DIGEST, digest);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
        answer
    }

    /// "Listing tags".
    fn tags(&self, name: &str) -> Answer {
        let Some((_, repository)) = self.repository(name) else { return self.unknown_name(name) };
        let body = |tags: &[&str]| serde_json::json!({"name": name, "tags": tags});
        self.page(&format!("/v2/{name}/tags/list"), &repository.tags, |(tag, _)| tag, body)
    }

    /// `_catalog`: not in the OCI specification, from the registry API it grew from.
    fn catalog(&self) -> Answer {
        let body = |names: &[&str]| serde_json::json!({"repositories": names});
        let names = &self.catalogue.names;
        if self.query.get("n").is_some() || self.query.get("last").is_some() {
            return self.page("/v2/_catalog", names, |name| name, body);
        }
        let all = || body(&names.iter().map(String::as_str).collect::<Vec<_>>()).to_string().into();
        let all = self.catalogue.listing.get_or_init(all).clone();
        let mut answer = answer::full(self.method, StatusCode::OK, JSON, all);
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }

    /// The part of a sorted list that `n` and `last` ask for, at most [`PAGE_MAX`], with a `Link` to the next.
    fn page<T>(
        &self,
        path: &str,
        all: &[T],
        text: impl Fn(&T) -> &str,
        body: impl Fn(&[&str]) -> serde_json::Value,
    ) -> Answer {
        let start = self.query.get("last").map_or(0, |last| all.partition_point(|item| text(item) <= last));
        let rest = all.get(start..).unwrap_or_default();
        let most = rest.len().min(PAGE_MAX);
        let count = match self.query.get("n").map(str::parse::<usize>) {
            None => most,
            Some(Ok(count)) => count.min(most),
            Some(Err(_)) => {
                let message = "n must be a number that is not negative";
                return self.error(StatusCode::BAD_REQUEST, Code::PaginationNumberInvalid, message);
            }
        };
        let shown: Vec<&str> = rest.iter().take(count).map(text).collect();
        let body = body(&shown).to_string();
        let mut answer = answer::full(self.method, StatusCode::OK, JSON, body);
        // An archive that is imported changes the list.
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let (Some(last), true) = (shown.last(), count < rest.len()) {
            let link = format!("<{path}?n={count}&last={}>; rel=\"next\"", crate::http::route::encode(last));
            answer::set(answer.headers_mut(), header::LINK, &link);
        }
        answer
    }

    /// "Listing Referrers". The descriptors are made of the manifests as they are asked for, since their annotations can be
    /// large, and in pages, for the same reason.
    async fn referrers(&self, name: &str, digest: &str) -> Answer {
        let Ok(subject) = digest.parse::<Digest>() else {
            return self.error(
                StatusCode::BAD_REQUEST,
                Code::DigestInvalid,
                "expected sha256: and 64 digits",
            );
        };
        let Some((archive, repository)) = self.repository(name) else {
            return self.unknown_name(name);
        };
        let wanted = self.query.get("artifactType");
        let last = self.query.get("last").and_then(|last| last.parse::<Digest>().ok());
        let contents = repository.referrers(subject).iter().filter_map(|index| archive.at(*index));
        let mut manifests = Vec::new();
        let (mut read_bytes, mut shown, mut more) = (0, None, false);
        for content in contents.filter(|content| last.is_none_or(|last| content.digest() > last)) {
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
        let mut answer = answer::full(self.method, StatusCode::OK, INDEX, body.to_string());
        if wanted.is_some() {
            answer.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
        }
        if let (Some(shown), true) = (shown, more) {
            let filter = wanted.map(|wanted| format!("artifactType={}&", crate::http::route::encode(wanted)));
            let filter = filter.unwrap_or_default();
            let link = format!("</v2/{name}/referrers/{digest}?{filter}last={shown}>; rel=\"next\"");
            answer::set(answer.headers_mut(), header::LINK, &link);
        }
        answer
    }
}

/// A descriptor for the list of referrers.
fn descriptor(content: &Content, manifest: Manifest) -> Descriptor {
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

/// Reads a manifest and makes sure of its digest.
async fn read(archive: &Arc<Archive>, content: &Content) -> Result<Vec<u8>, String> {
    if content.size > MANIFEST_MAX {
        return Err(format!("{} bytes, expected at most {MANIFEST_MAX}", content.size));
    }
    let location = content.open(&archive.tree).map_err(|error| error.to_string())?;
    let bytes = whole(location).await.map_err(|error| error.to_string())?;
    if Digest::of(&bytes) == content.digest() {
        Ok(bytes)
    } else {
        Err("its bytes have another digest".into())
    }
}

/// Reads a small file at once where it is in memory, and without blocking others where it is not.
async fn whole(location: Location) -> std::io::Result<Vec<u8>> {
    match crate::http::body::read_small_now(&location) {
        Some(bytes) => Ok(bytes),
        None => {
            tokio::task::spawn_blocking(move || location.read_all()).await.map_err(std::io::Error::other)?
        }
    }
}
