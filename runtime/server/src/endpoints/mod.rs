//! The endpoints: the registry, the files of archives, and the health of the server.

mod files;
mod health;
mod listing;
mod registry;
mod request;

use http::{Method, StatusCode, header};

use crate::http::response::{self, Response};
use crate::http::uri;
use crate::observe::metrics::Endpoint;
use crate::state::ServerState;
use request::EndpointRequest;
pub(crate) use request::ListenerRegistry;

/// The response to a request, and the endpoint that it was for.
pub(crate) async fn respond(state: &ServerState, head: &http::request::Parts) -> (Endpoint, Response) {
    match refusal(head) {
        Some((status, problem)) => (Endpoint::Other, response::plain(&head.method, status, problem)),
        None => route(state, head).await,
    }
}

/// Whether the server responds to a request of its own, and a thread for blocking reads is free.
pub(crate) async fn respond_to_self(state: &ServerState) -> bool {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.uri = http::Uri::from_static("/archives/");
    let (_, response) = route(state, &head).await;
    response.status().is_success() && tokio::task::spawn_blocking(|| ()).await.is_ok()
}

/// Why a request is refused whatever its target, if it is.
fn refusal(head: &http::request::Parts) -> Option<(StatusCode, &'static str)> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    // RFC 9112, section 3.2. Clients of HTTP/1.0 need not send one.
    if hosts.next().is_some() || (host.is_none() && head.version >= http::Version::HTTP_11) {
        return Some((StatusCode::BAD_REQUEST, "expected one Host field"));
    }
    let is_host = |host: &header::HeaderValue| {
        host.is_empty()
            || host.to_str().is_ok_and(|host| {
                host.parse::<http::uri::Authority>().is_ok_and(|host| !host.as_str().contains('@'))
            })
    };
    if !host.is_none_or(is_host) {
        return Some((StatusCode::BAD_REQUEST, "the Host field is not a valid host"));
    }
    // RFC 9110, section 10.1.1.
    let known = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !head.headers.get_all(header::EXPECT).iter().all(known) {
        return Some((StatusCode::EXPECTATION_FAILED, "the only supported expectation is 100-continue"));
    }
    None
}

async fn route(state: &ServerState, head: &http::request::Parts) -> (Endpoint, Response) {
    let method = &head.method;
    let path = match uri::path(head.uri.path()) {
        Ok(path) => path,
        Err(problem) => {
            return (Endpoint::Other, response::plain(method, StatusCode::BAD_REQUEST, problem));
        }
    };
    let below_registry = path.strip_prefix("v2").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if method != Method::GET && method != Method::HEAD {
        let mut response = match below_registry {
            Some(_) => registry::read_only(method),
            None => response::plain(method, StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD"),
        };
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return (Endpoint::Other, response);
    }
    match &*path {
        "healthz" => (Endpoint::Health, health::alive(method)),
        "readyz" => (Endpoint::Health, health::ready(state, method)),
        "metrics" => (Endpoint::Health, health::metrics(state, method)),
        status if crate::status::is_status(status) => {
            (Endpoint::Page, crate::status::respond(state, method, &head.headers, status).await)
        }
        _ => {
            let request = EndpointRequest::new(state, head);
            match below_registry {
                Some(rest) => registry::respond(&request, rest.strip_prefix('/').unwrap_or(rest)).await,
                None => files::respond(&request, &path).await,
            }
        }
    }
}
