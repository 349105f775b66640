//! Putting answers together.

use archive::tree::Location;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Body as _;

use crate::State;
use crate::http::body::{Body, FileBody, Gate};
use crate::http::range::{self, Part};

/// The answer of a handler.
pub(crate) type Answer = Response<Body>;

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The error codes of the OCI distribution specification, "Error Codes".
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
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

/// A few bytes. A HEAD request gets the same header fields and no body.
pub(crate) fn full(
    method: &Method,
    status: StatusCode,
    media_type: &'static str,
    content: impl Into<Bytes>,
) -> Answer {
    whole(method, status, media_type, Body::Bytes(content.into()))
}

/// All of a body. A HEAD request gets the same header fields and none.
pub(crate) fn whole(method: &Method, status: StatusCode, media_type: &'static str, body: Body) -> Answer {
    let length = body.size_hint().exact().unwrap_or(0);
    let mut answer = Response::new(if *method == Method::HEAD { Body::Empty } else { body });
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

/// The client has it already.
pub(crate) fn not_modified() -> Answer {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    answer
}

/// An error as registries say it.
pub(crate) fn error(method: &Method, status: StatusCode, code: Code, message: &str) -> Answer {
    let body = serde_json::json!({"errors": [{"code": code.text(), "message": message, "detail": null}]});
    full(method, status, JSON, body.to_string())
}

/// An error for people.
pub(crate) fn plain(method: &Method, status: StatusCode, message: &str) -> Answer {
    full(method, status, TEXT, format!("{message}\n"))
}

/// What a file or content is answered with.
pub(crate) struct Source<'a> {
    /// Where the bytes are.
    pub(crate) location: Location,
    /// Its strong entity tag, with the quotes.
    pub(crate) etag: &'a str,
    /// When it was changed, as HTTP writes dates; content named by its digest has no date that would mean anything.
    pub(crate) modified: Option<&'a str>,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Asked before the last bytes go out.
    pub(crate) gate: Option<Gate>,
}

/// A file, a part of it, or the news that the client has it already.
pub(crate) fn file(state: &State, method: &Method, request: &HeaderMap, source: Source<'_>) -> Answer {
    let size = source.location.size;
    let part = range::part(method, request, source.etag, source.modified, size);
    let (status, (first, end)) = match part {
        Part::Whole => (StatusCode::OK, (0, size)),
        Part::Bytes(first, end) => (StatusCode::PARTIAL_CONTENT, (first, end)),
        Part::NotModified => (StatusCode::NOT_MODIFIED, (0, 0)),
        Part::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, (0, 0)),
    };
    let body = if *method == Method::HEAD || first == end {
        Body::Empty
    } else {
        let gate = if end == size { source.gate } else { None };
        Body::File(Box::new(FileBody::new(source.location, (first, end), gate, &state.buffers)))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    set(headers, header::ETAG, source.etag);
    if let Some(modified) = source.modified {
        set(headers, header::LAST_MODIFIED, modified);
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(source.media_type));
    }
    match status {
        StatusCode::PARTIAL_CONTENT => {
            set(headers, header::CONTENT_RANGE, &format!("bytes {first}-{}/{size}", end.saturating_sub(1)));
        }
        StatusCode::RANGE_NOT_SATISFIABLE => set(headers, header::CONTENT_RANGE, &format!("bytes */{size}")),
        _ => {}
    }
    answer
}

/// Sets a field, unless the value cannot stand in one.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
