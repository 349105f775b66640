//! Composing responses.

use std::sync::Arc;

use archive::tree::Location;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Body as _;

use super::body::{Buffers, FileBody, Gate, ResponseBody};
use super::range::{self, RangeSelection};
use super::uri::encode_path;

/// The response of an endpoint.
pub(crate) type Response = http::Response<ResponseBody>;

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// A few bytes. A HEAD request gets the same header fields and no body.
pub(crate) fn full(
    method: &Method,
    status: StatusCode,
    media_type: &'static str,
    content: impl Into<Bytes>,
) -> Response {
    whole(method, status, media_type, ResponseBody::Bytes(content.into()))
}

/// All of a body. A HEAD request gets the same header fields and no body.
pub(crate) fn whole(
    method: &Method,
    status: StatusCode,
    media_type: &'static str,
    body: ResponseBody,
) -> Response {
    let length = body.size_hint().exact().unwrap_or(0);
    let mut response = Response::new(if *method == Method::HEAD { ResponseBody::Empty } else { body });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The client has it already.
pub(crate) fn not_modified() -> Response {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// A status with a line of text.
pub(crate) fn plain(method: &Method, status: StatusCode, message: &str) -> Response {
    full(method, status, TEXT, format!("{message}\n"))
}

/// A redirect to a path, which is not encoded yet.
pub(crate) fn moved(method: &Method, target: &str) -> Response {
    let mut response = plain(method, StatusCode::MOVED_PERMANENTLY, "moved");
    set(response.headers_mut(), header::LOCATION, &encode_path(target));
    response
}

/// A file or content to respond with.
pub(crate) struct FileSource<'a> {
    /// The position of the bytes.
    pub(crate) location: Location,
    /// The strong entity tag, with its quotes.
    pub(crate) etag: &'a str,
    /// The date of the last change, as HTTP writes dates; content named by its digest has no meaningful date.
    pub(crate) modified: Option<&'a str>,
    /// The media type.
    pub(crate) media_type: &'static str,
    /// Must open before the last bytes are sent.
    pub(crate) gate: Option<Gate>,
}

/// A file, a part of it, or `304` if the client has it already.
pub(crate) fn file(
    buffers: &Arc<Buffers>,
    method: &Method,
    request: &HeaderMap,
    source: FileSource<'_>,
) -> Response {
    let size = source.location.size;
    let selection = range::select(method, request, source.etag, source.modified, size);
    let (status, (first, end)) = match selection {
        RangeSelection::Whole => (StatusCode::OK, (0, size)),
        RangeSelection::Bytes(first, end) => (StatusCode::PARTIAL_CONTENT, (first, end)),
        RangeSelection::NotModified => (StatusCode::NOT_MODIFIED, (0, 0)),
        RangeSelection::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, (0, 0)),
    };
    let body = if *method == Method::HEAD || first == end {
        ResponseBody::Empty
    } else {
        let gate = if end == size { source.gate } else { None };
        ResponseBody::File(Box::new(FileBody::new(source.location, (first, end), gate, buffers)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
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
    response
}

/// Sets a header field, unless the value is not allowed in one.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
