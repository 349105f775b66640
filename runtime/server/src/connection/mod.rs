//! Accepting connections, and handing their requests to the endpoints.

mod addresses;
mod linger;
mod logged;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::endpoints::{self, ListenerRegistry};
use crate::error::Error;
use crate::http::body::ResponseBody;
use crate::http::sendfile::{PlainStream, Stretches};
use crate::http::{range, response};
use crate::observe::log::ServerEvent;
use crate::server::Listener;
use crate::state::ServerState;
use addresses::Addresses;
use linger::{LingeringStream, Understood};
use logged::LoggedBody;
use stream::StallTimeout;

/// Serves until `shutdown`, then drains.
pub(crate) async fn serve(
    state: &Arc<ServerState>,
    listeners: Vec<Listener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let graceful = Arc::new(GracefulShutdown::new());
    let permits = Arc::new(Semaphore::new(state.limits.connections));
    let addresses = Arc::<Addresses>::default();
    let mut loops = tokio::task::JoinSet::new();
    for listener in listeners {
        let Listener { socket, registry } = listener;
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| tokio::net::TcpListener::from_std(socket))
            .map_err(|source| Error::Io { operation: "serve a socket", source })?;
        let acceptor = Acceptor {
            state: Arc::clone(state),
            permits: Arc::clone(&permits),
            addresses: Arc::clone(&addresses),
            graceful: Arc::clone(&graceful),
            registry: registry.map(ListenerRegistry),
        };
        loops.spawn(acceptor.run(socket));
    }
    shutdown.await;
    state.draining.store(true, Ordering::Relaxed);
    state.log.event(&ServerEvent::Draining);
    loops.shutdown().await;
    if let Ok(graceful) = Arc::try_unwrap(graceful) {
        // Requests that are still open then are aborted when the runtime ends.
        let _ = tokio::time::timeout(state.limits.drain_time, graceful.shutdown()).await;
    }
    Ok(())
}

/// What accepting connections needs.
struct Acceptor {
    state: Arc<ServerState>,
    permits: Arc<Semaphore>,
    addresses: Arc<Addresses>,
    graceful: Arc<GracefulShutdown>,
    /// The registry that the listener is.
    registry: Option<ListenerRegistry>,
}

impl Acceptor {
    /// Accepts the connections of one listener.
    async fn run(self, listener: tokio::net::TcpListener) {
        let Self { state, permits, addresses, graceful, registry } = self;
        loop {
            // A connection is accepted when there is a permit for it; until then it waits in the kernel.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(problem) => {
                    state.log.event(&ServerEvent::Connection { problem: problem.to_string() });
                    // Out of file descriptors, most likely: retrying at once would only spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(counted) = addresses.count(peer.ip(), state.limits.connections_per_address) else {
                state.metrics.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            // Responses are written in pieces that fill segments anyway.
            let _ = stream.set_nodelay(true);
            let watcher = graceful.watcher();
            let (state, registry) = (Arc::clone(&state), registry.clone());
            tokio::spawn(async move {
                state.metrics.connections.fetch_add(1, Ordering::Relaxed);
                state.metrics.open.fetch_add(1, Ordering::Relaxed);
                connection(&state, stream, Origin { peer, registry }, watcher).await;
                state.metrics.open.fetch_sub(1, Ordering::Relaxed);
                drop((counted, permit));
            });
        }
    }
}

/// Where the requests of a connection come from.
#[derive(Clone)]
struct Origin {
    peer: SocketAddr,
    /// The registry that the listener is.
    registry: Option<ListenerRegistry>,
}

async fn connection(
    state: &Arc<ServerState>,
    stream: TcpStream,
    origin: Origin,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let (patience, rate) = (state.limits.stall_time, state.limits.minimum_rate);
    match state.tls_config() {
        None => {
            let stretches = Arc::<Stretches>::default();
            let stream = StallTimeout::new(PlainStream::new(stream, Arc::clone(&stretches)), patience, rate);
            let stream = LingeringStream::new(stream);
            let understood = stream.understood();
            requests(state, stream, origin, watcher, Some(stretches), understood).await;
        }
        Some(config) => {
            let stream = LingeringStream::new(StallTimeout::new(stream, patience, rate));
            let understood = stream.understood();
            let handshake = TlsAcceptor::from(config).accept(stream);
            match tokio::time::timeout(state.limits.header_time, handshake).await {
                Ok(Ok(stream)) => requests(state, stream, origin, watcher, None, understood).await,
                Ok(Err(error)) => {
                    state.log.event(&ServerEvent::Connection {
                        problem: format!("{}: TLS: {error}", origin.peer),
                    });
                }
                Err(_) => {
                    state.log.event(&ServerEvent::Connection {
                        problem: format!("{}: TLS: no handshake in time", origin.peer),
                    });
                }
            }
        }
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    state: &Arc<ServerState>,
    stream: S,
    origin: Origin,
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
        let (state, stretches, origin) = (Arc::clone(state), stretches.clone(), origin.clone());
        async move {
            let mut response = respond(&state, request, origin).await;
            if let (ResponseBody::File(file), Some(stretches)) = (response.body_mut().body_mut(), &stretches)
            {
                file.send_by(stretches);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // A broken connection is no error of the server; the access log records what was sent.
    let _ = watcher.watch(connection).await;
}

async fn respond(
    state: &Arc<ServerState>,
    request: Request<Incoming>,
    origin: Origin,
) -> Response<LoggedBody> {
    let began = Instant::now();
    let (mut head, _) = request.into_parts();
    let Origin { peer, registry } = origin;
    if let Some(registry) = registry {
        head.extensions.insert(registry);
    }
    let (endpoint, mut response) = endpoints::respond(state, &head).await;
    if range::precondition_failed(&head.headers, &response) {
        response = response::plain(
            &head.method,
            StatusCode::PRECONDITION_FAILED,
            "a precondition of the request is false",
        );
    }
    let status = response.status().as_u16();
    state.metrics.request(endpoint, status);
    response.map(|body| LoggedBody::new(body, Arc::clone(state), head, peer, status, began))
}
