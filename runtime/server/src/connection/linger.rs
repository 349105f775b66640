//! Closing connections whose client may still be sending.
//!
//! A socket that is closed while bytes are unread resets the connection, and the reset can overtake the response:
//! the client sees a broken connection in place of `431` or `405`. So the server closes its own side first, and then reads
//! and drops what still arrives, within bounds (RFC 9112, section 9.6).

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may send nothing before the connection is closed.
const IDLE: Duration = Duration::from_secs(5);
/// How long a client may continue to send.
const TOTAL: Duration = Duration::from_secs(30);

/// Whether all bytes that were read belong to requests without a body: then no more are expected, and the connection can
/// be closed at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Understood(Arc<AtomicBool>);

impl Understood {
    /// A request was read; `whole` if nothing follows its head.
    pub(crate) fn request(&self, whole: bool) {
        self.0.store(whole, Ordering::Relaxed);
    }
}

/// A stream that is closed only when its client has read the response or had the time to.
pub(crate) struct LingeringStream<S> {
    inner: S,
    understood: Understood,
    closing: Option<Closing>,
}

/// Our own side is closed.
struct Closing {
    end: Instant,
    wake: Pin<Box<Sleep>>,
}

impl<S> LingeringStream<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, understood: Understood::default(), closing: None }
    }

    /// For the handler of requests, which sets it.
    pub(crate) fn understood(&self) -> Understood {
        self.understood.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.understood.request(false);
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, understood, closing } = &mut *self;
        let closing = match closing {
            Some(closing) => closing,
            None => {
                ready!(Pin::new(&mut *inner).poll_shutdown(context))?;
                if understood.0.load(Ordering::Relaxed) {
                    return Poll::Ready(Ok(()));
                }
                let now = Instant::now();
                closing.insert(Closing { end: now + TOTAL, wake: Box::pin(sleep_until(now + IDLE)) })
            }
        };
        let mut dropped = [0; 8192];
        loop {
            if closing.wake.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut *inner).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    closing.wake.as_mut().reset((Instant::now() + IDLE).min(closing.end));
                }
                // The client has closed its side or disappeared.
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
