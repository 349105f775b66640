//! Accepting connections, and what happens to each request before and after it is answered.

pub(crate) mod addresses;
mod linger;
mod stream;
pub(crate) mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::State;
use crate::endpoints::{files, registry};
use crate::error::Error;
use crate::http::answer::{self, Answer, JSON, TEXT};
use crate::http::body::Body;
use crate::http::range;
use crate::http::route::{self, Query};
use crate::http::sendfile::{Plain, Stretches};
use crate::observe::log::{Access, Event};
use crate::observe::metrics::Endpoint;
use linger::{Lingering, Understood};
use stream::Patient;

/// Serves until `shutdown`, then drains.
pub(crate) async fn serve(
    state: &Arc<State>,
    listeners: Vec<TcpListener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let graceful = Arc::new(GracefulShutdown::new());
    let permits = Arc::new(Semaphore::new(state.limits.connections));
    let mut loops = tokio::task::JoinSet::new();
    for listener in listeners {
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::TcpListener::from_std(listener))
            .map_err(|source| Error::Io { operation: "serve a socket", source })?;
        loops.spawn(accept(Arc::clone(state), listener, Arc::clone(&permits), Arc::clone(&graceful)));
    }
    shutdown.await;
    state.draining.store(true, Ordering::Relaxed);
    state.log.event(&Event::Draining);
    loops.shutdown().await;
    if let Ok(graceful) = Arc::try_unwrap(graceful) {
        // What is not done in time is cut off when the runtime ends.
        let _ = tokio::time::timeout(state.limits.drain_time, graceful.shutdown()).await;
    }
    Ok(())
}

async fn accept(
    state: Arc<State>,
    listener: tokio::net::TcpListener,
    permits: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
) {
    loop {
        // A connection is accepted when there is room for it; until then it waits in the kernel.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(problem) => {
                state.log.event(&Event::Connection { problem: problem.to_string() });
                // Out of file descriptors, most likely: trying again at once would only spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(counted) = state.addresses.count(peer.ip(), state.limits.connections_per_address) else {
            state.metrics.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        // Answers go out in pieces that fill segments anyway.
        let _ = stream.set_nodelay(true);
        let watcher = graceful.watcher();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            state.metrics.connections.fetch_add(1, Ordering::Relaxed);
            state.metrics.open.fetch_add(1, Ordering::Relaxed);
            connection(&state, stream, peer, watcher).await;
            state.metrics.open.fetch_sub(1, Ordering::Relaxed);
            drop((counted, permit));
        });
    }
}

async fn connection(
    state: &Arc<State>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let (patience, rate) = (state.limits.stall_time, state.limits.minimum_rate);
    let tls = state.tls_config.read().unwrap_or_else(PoisonError::into_inner).clone();
    match tls {
        None => {
            let stretches = Arc::<Stretches>::default();
            let stream = Patient::new(Plain::new(stream, Arc::clone(&stretches)), patience, rate);
            let stream = Lingering::new(stream);
            let understood = stream.understood();
            requests(state, stream, peer, watcher, Some(stretches), understood).await;
        }
        Some(config) => {
            let stream = Lingering::new(Patient::new(stream, patience, rate));
            let understood = stream.understood();
            let handshake = TlsAcceptor::from(config).accept(stream);
            match tokio::time::timeout(state.limits.header_time, handshake).await {
                Ok(Ok(stream)) => requests(state, stream, peer, watcher, None, understood).await,
                Ok(Err(error)) => {
                    state.log.event(&Event::Connection { problem: format!("{peer}: TLS: {error}") });
                }
                Err(_) => {
                    state
                        .log
                        .event(&Event::Connection { problem: format!("{peer}: TLS: no handshake in time") });
                }
            }
        }
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    state: &Arc<State>,
    stream: S,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
    stretches: Option<Arc<Stretches>>,
    understood: Understood,
) {
    let limits = &state.limits;
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(8192));
    let service = service_fn(|request: Request<Incoming>| {
        understood.request(request.body().is_end_stream());
        let (state, stretches) = (Arc::clone(state), stretches.clone());
        async move {
            let mut answer = request_answered(&state, request, peer).await;
            if let (Body::File(file), Some(stretches)) = (&mut answer.body_mut().body, &stretches) {
                file.send_by(stretches);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // Broken connections are the client's business; what was sent stands in the access log.
    let _ = watcher.watch(connection).await;
}

async fn request_answered(
    state: &Arc<State>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Logged> {
    let began = Instant::now();
    let (parts, _) = request.into_parts();
    let (endpoint, mut answer) = match refusal(&parts) {
        Some((status, problem)) => (Endpoint::Other, answer::plain(&parts.method, status, problem)),
        None => route(state, &parts).await,
    };
    if range::failed(&parts.headers, &answer) {
        answer = answer::plain(
            &parts.method,
            StatusCode::PRECONDITION_FAILED,
            "a condition of the request does not hold",
        );
    }
    let status = answer.status().as_u16();
    state.metrics.request(endpoint, status);
    let (head, body) = answer.into_parts();
    let left = body.size_hint().exact().unwrap_or(0);
    let logged =
        Logged { body, sent: 0, left, state: Arc::clone(state), request: parts, peer, status, began };
    Response::from_parts(head, logged)
}

/// Why a request is refused whatever it asks for, if it is.
fn refusal(request: &http::request::Parts) -> Option<(StatusCode, &'static str)> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    // RFC 9112, section 3.2. Clients of HTTP/1.0 need not send one.
    if hosts.next().is_some() || (host.is_none() && request.version >= http::Version::HTTP_11) {
        return Some((StatusCode::BAD_REQUEST, "expected one Host field"));
    }
    let is_host = |host: &header::HeaderValue| {
        host.is_empty()
            || host.to_str().is_ok_and(|host| {
                host.parse::<http::uri::Authority>().is_ok_and(|host| !host.as_str().contains('@'))
            })
    };
    if !host.is_none_or(is_host) {
        return Some((StatusCode::BAD_REQUEST, "the Host field names no host"));
    }
    // RFC 9110, section 10.1.1.
    let known = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !request.headers.get_all(header::EXPECT).iter().all(known) {
        return Some((StatusCode::EXPECTATION_FAILED, "expected no expectation but 100-continue"));
    }
    None
}

/// Whether a request that no client has sent is answered, and the threads that wait for disks are not all stuck.
pub(crate) async fn answers_itself(state: &Arc<State>) -> bool {
    let (request, ()) = Request::new(()).into_parts();
    let (_, answer) = route(state, &request).await;
    answer.status().is_success() && tokio::task::spawn_blocking(|| ()).await.is_ok()
}

async fn route(state: &Arc<State>, request: &http::request::Parts) -> (Endpoint, Answer) {
    let method = &request.method;
    let path = match route::path(request.uri.path()) {
        Ok(path) => path,
        Err(problem) => return (Endpoint::Other, answer::plain(method, StatusCode::BAD_REQUEST, problem)),
    };
    let registry = path.strip_prefix("v2").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if method != Method::GET && method != Method::HEAD {
        let mut answer = match registry {
            Some(_) => registry::read_only(method),
            None => answer::plain(method, StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD"),
        };
        answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return (Endpoint::Other, answer);
    }
    match &*path {
        "healthz" => return (Endpoint::Health, answer::full(method, StatusCode::OK, TEXT, "ok\n")),
        "readyz" => return (Endpoint::Health, ready(state, method)),
        "metrics" => {
            let page = state.metrics.render(&state.catalogue(), state.log.dropped());
            return (
                Endpoint::Health,
                answer::full(method, StatusCode::OK, "text/plain; version=0.0.4", page),
            );
        }
        _ => {}
    }
    let catalogue = state.catalogue();
    let headers = &request.headers;
    match registry {
        Some(rest) => {
            let query = Query::parse(request.uri.query());
            registry::answer(
                state,
                &catalogue,
                method,
                headers,
                rest.strip_prefix('/').unwrap_or(rest),
                &query,
            )
            .await
        }
        None => files::answer(state, &catalogue, method, headers, &path).await,
    }
}

/// `/readyz`: 200 while requests are answered, with all that is wrong; 503 while the server drains or has no archive.
fn ready(state: &State, method: &Method) -> Answer {
    let catalogue = state.catalogue();
    let draining = state.draining.load(Ordering::Relaxed);
    let mut degraded = !catalogue.left_out.is_empty();
    let archives: Vec<serde_json::Value> = catalogue
        .archives
        .iter()
        .map(|archive| {
            let contents = archive.contents.iter().filter(|content| content.checked.damaged());
            let damaged: Vec<String> = contents.map(|content| content.digest().to_string()).collect();
            let files = archive.files.iter().filter(|listed| listed.checked.damaged());
            let damaged_files: Vec<&str> = files.map(|listed| &*listed.path).collect();
            degraded |= !damaged.is_empty() || !damaged_files.is_empty() || !archive.problems.is_empty();
            serde_json::json!({
                "path": archive.path.display().to_string(),
                "id": archive.product.as_ref().map(archive::Product::id),
                "images": archive.repositories.len(),
                "not_served": archive.problems,
                "damaged": damaged,
                "damaged_files": damaged_files,
            })
        })
        .collect();
    let empty = catalogue.archives.is_empty();
    let status = match (draining, empty, degraded) {
        (true, _, _) => "draining",
        (false, true, _) => "empty",
        (false, false, true) => "degraded",
        (false, false, false) => "ready",
    };
    let code = if draining || empty { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let left_out: Vec<serde_json::Value> = catalogue
        .left_out
        .iter()
        .map(|(path, problem)| serde_json::json!({"path": path.display().to_string(), "problem": problem}))
        .collect();
    let body = serde_json::json!({"status": status, "archives": archives, "left_out": left_out});
    answer::full(method, code, JSON, format!("{body}\n"))
}

/// A body that tells metrics and log how it ended.
struct Logged {
    body: Body,
    sent: u64,
    left: u64,
    state: Arc<State>,
    request: http::request::Parts,
    peer: SocketAddr,
    status: u16,
    began: Instant,
}

impl hyper::body::Body for Logged {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.sent += bytes.len() as u64;
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let metrics = &self.state.metrics;
        metrics.bytes.fetch_add(self.sent, Ordering::Relaxed);
        if self.left > 0 {
            metrics.broken.fetch_add(1, Ordering::Relaxed);
        }
        let target = self.request.uri.path_and_query().map_or("", |target| target.as_str());
        self.state.log.access(&Access {
            peer: self.peer,
            method: self.request.method.as_str(),
            target,
            status: self.status,
            bytes: self.sent,
            complete: self.left == 0,
            duration: self.began.elapsed(),
            user_agent: self.request.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
        });
    }
}
