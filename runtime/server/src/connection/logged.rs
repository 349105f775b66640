//! Bodies that count what is sent, and log the request when they end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header;
use hyper::body::{Body as _, Frame, SizeHint};

use crate::http::body::ResponseBody;
use crate::observe::log::AccessRecord;
use crate::state::ServerState;

/// A body that reports to the metrics and the access log how it ended.
pub(super) struct LoggedBody {
    body: ResponseBody,
    sent: u64,
    left: u64,
    state: Arc<ServerState>,
    request: http::request::Parts,
    peer: SocketAddr,
    status: u16,
    began: Instant,
}

impl LoggedBody {
    /// The body of a response with `status` to a request of `peer`, which arrived at `began`.
    pub(super) fn new(
        body: ResponseBody,
        state: Arc<ServerState>,
        request: http::request::Parts,
        peer: SocketAddr,
        status: u16,
        began: Instant,
    ) -> Self {
        let left = body.size_hint().exact().unwrap_or(0);
        Self { body, sent: 0, left, state, request, peer, status, began }
    }

    pub(super) fn body_mut(&mut self) -> &mut ResponseBody {
        &mut self.body
    }
}

impl hyper::body::Body for LoggedBody {
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

impl Drop for LoggedBody {
    fn drop(&mut self) {
        let metrics = &self.state.metrics;
        metrics.bytes.fetch_add(self.sent, Ordering::Relaxed);
        if self.left > 0 {
            metrics.incomplete.fetch_add(1, Ordering::Relaxed);
        }
        let target = self.request.uri.path_and_query().map_or("", |target| target.as_str());
        self.state.log.access(&AccessRecord {
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
