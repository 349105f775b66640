//! The bytes of a blob on their way out.

use std::io::Read;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use content::{Digest, Hasher};
use http_body::{Frame, SizeHint};
use reqwest::Body;

use super::content::{BlobSource, check};
use crate::client::{Events, Payload, RegistryFault, TransferEvent};

/// Read and handed to the network at a time.
const READ: usize = 256 << 10;

/// One blob, read and hashed in order, however many requests carry it.
pub(super) struct Feed {
    content: Arc<dyn BlobSource>,
    digest: Digest,
    size: u64,
    /// Held between two requests; a body takes it and returns it.
    cursor: Mutex<Option<Cursor>>,
    /// The position that was reported last.
    reported: AtomicU64,
    /// What is wrong with the content itself, which no other attempt would mend.
    fault: Mutex<Option<RegistryFault>>,
    events: Events,
}

/// A place in the blob.
struct Cursor {
    reader: Box<dyn Read + Send>,
    hasher: Hasher,
    position: u64,
}

impl Feed {
    pub(super) fn new(content: Arc<dyn BlobSource>, digest: Digest, size: u64, events: Events) -> Self {
        let (cursor, fault) = (Mutex::default(), Mutex::default());
        Self { content, digest, size, cursor, reported: AtomicU64::new(0), fault, events }
    }

    /// What is wrong with the content itself, if that is why a request failed.
    pub(super) fn fault(&self) -> Option<RegistryFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The next bytes, at most `limit` of them; the last ones only if the whole has its digest.
    fn read(&self, cursor: &mut Cursor, limit: u64) -> Result<Bytes, RegistryFault> {
        let limit = usize::try_from(limit).unwrap_or(READ).min(READ);
        let mut bytes = vec![0; limit];
        let broken = |reason: String| RegistryFault::Damaged(format!("{}: {reason}", self.digest));
        let count = cursor.reader.read(&mut bytes).map_err(|error| broken(error.to_string()))?;
        if count == 0 {
            return Err(broken(format!("expected {} bytes, found {}", self.size, cursor.position)));
        }
        bytes.truncate(count);
        cursor.hasher.update(&bytes);
        cursor.position += count as u64;
        if cursor.position == self.size {
            check(&self.digest, &cursor.hasher.clone().finish())?;
        }
        Ok(bytes.into())
    }

    /// A cursor at `offset`; what lies before it is read again if need be, for the hash.
    fn at(&self, offset: u64) -> Result<Cursor, RegistryFault> {
        let kept = self.cursor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut cursor = match kept.filter(|cursor| cursor.position <= offset) {
            Some(cursor) => cursor,
            None => {
                let reader = self.content.open(&self.digest)?;
                Cursor { reader, hasher: Hasher::new(), position: 0 }
            }
        };
        while let left @ 1.. = offset - cursor.position {
            self.read(&mut cursor, left)?;
        }
        Ok(cursor)
    }

    fn give_back(&self, cursor: Option<Cursor>) {
        if cursor.is_some() {
            *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        }
    }

    /// Reports how far the blob is.
    pub(super) fn report(&self, position: u64) {
        let before = self.reported.swap(position, Ordering::Relaxed);
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let bytes = signed(position) - signed(before);
        if bytes != 0 {
            // Nobody listens any more once the push was cancelled.
            let _ = self.events.send(TransferEvent::Advance { blob: self.digest, bytes });
        }
    }
}

/// A part of a blob as the body of a request.
pub(super) struct BlobPart {
    pub(super) feed: Arc<Feed>,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Payload for BlobPart {
    fn body(&self) -> Result<Body, RegistryFault> {
        let cursor = tokio::task::block_in_place(|| self.feed.at(self.offset))?;
        self.feed.report(self.offset);
        let cursor = Mutex::new(Some(cursor));
        Ok(Body::wrap(Stream { feed: self.feed.clone(), cursor, left: self.len }))
    }

    fn sent(&self) -> u64 {
        self.feed.reported.load(Ordering::Relaxed)
    }
}

struct Stream {
    feed: Arc<Feed>,
    cursor: Mutex<Option<Cursor>>,
    left: u64,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = RegistryFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegistryFault>>> {
        let Self { feed, cursor, left } = &mut *self;
        let slot = cursor.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(cursor) = slot.as_mut().filter(|_| *left > 0) else { return Poll::Ready(None) };
        // Read here and now: the page cache gives it faster than a thread could be woken for it.
        Poll::Ready(Some(match feed.read(cursor, *left) {
            Ok(bytes) => {
                *left -= bytes.len() as u64;
                feed.report(cursor.position);
                if *left == 0 {
                    feed.give_back(slot.take());
                }
                Ok(Frame::data(bytes))
            }
            Err(fault) => {
                let text = fault.to_string();
                *feed.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                Err(RegistryFault::Damaged(text))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let cursor = self.cursor.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        self.feed.give_back(cursor);
    }
}

/// A small document as the body of a request.
pub(super) struct DocumentBody(pub(super) Bytes);

impl Payload for DocumentBody {
    fn body(&self) -> Result<Body, RegistryFault> {
        Ok(self.0.clone().into())
    }

    fn sent(&self) -> u64 {
        0
    }
}
