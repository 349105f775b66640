//! Bodies of responses: nothing, a few bytes, or a stretch of a file that is read, or sent, as the client receives it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use archive::tree::{Location, LocationPiece};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use super::sendfile::{STRETCH, Stretches};

/// The bytes of a file that are in memory for a connection at a time.
pub(crate) const CHUNK: usize = 64 * 1024;
/// The maximum number of free buffers.
const POOL: usize = 256;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    Empty,
    Bytes(Bytes),
    File(Box<FileBody>),
}

/// Permission to send the last bytes of content, given once it was found to match its digest.
pub(crate) type Gate = Pin<Box<dyn Future<Output = bool> + Send>>;

/// A stretch of a file.
pub(crate) struct FileBody {
    location: Location,
    offset: u64,
    end: u64,
    /// Must open before the last chunk is sent.
    gate: Option<Gate>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    buffers: Arc<Buffers>,
    /// The queue of a connection that can send stretches of files by itself.
    stretches: Option<Arc<Stretches>>,
}

impl std::fmt::Debug for FileBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileBody")
            .field("offset", &self.offset)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Free buffers, reused so that the kernel need not provide fresh memory.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Box<[u8]>>>);

/// A buffer with the bytes read into it; returns to the pool when the connection has sent them.
struct Filled {
    buffer: Box<[u8]>,
    len: usize,
    buffers: Arc<Buffers>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.buffer));
    }
}

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice())
    }

    fn give(&self, buffer: Box<[u8]>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < POOL {
            free.push(buffer);
        }
    }

    fn filled(self: &Arc<Self>, buffer: Box<[u8]>, len: usize) -> Bytes {
        Bytes::from_owner(Filled { buffer, len, buffers: Arc::clone(self) })
    }
}

impl FileBody {
    pub(crate) fn new(
        location: Location,
        (first, end): (u64, u64),
        gate: Option<Gate>,
        buffers: &Arc<Buffers>,
    ) -> Self {
        Self {
            location,
            offset: first,
            end,
            gate,
            reading: None,
            buffers: Arc::clone(buffers),
            stretches: None,
        }
    }

    /// Lets the connection send what is in the page cache.
    pub(crate) fn send_by(&mut self, stretches: &Arc<Stretches>) {
        self.stretches = Some(Arc::clone(stretches));
    }

    /// The next stretch, if the connection can send it and need not wait for the disk.
    fn stretch(&self, left: usize) -> Option<Bytes> {
        let stretches = self.stretches.as_ref()?;
        // The last chunk may be held back by a gate.
        let most = if self.gate.is_some() { left.saturating_sub(CHUNK) } else { left };
        let mut piece = self.location.at(self.offset)?;
        piece.len = piece.len.min(most.min(STRETCH) as u64);
        let worth_it = piece.len > CHUNK as u64 && is_cached(&self.location, piece);
        worth_it.then(|| stretches.put(&self.location.file, piece))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.offset >= self.end {
            return Poll::Ready(None);
        }
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        if left <= CHUNK
            && let Some(gate) = &mut self.gate
        {
            if !ready!(gate.as_mut().poll(context)) {
                let problem = "the content does not match its digest";
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, problem))));
            }
            self.gate = None;
        }
        let read = if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            read.unwrap_or_else(|error| Err(io::Error::other(error)))
        } else if let Some(stretch) = self.stretch(left) {
            Ok(stretch)
        } else if let Some(read) = read_now(&self.location, self.offset, left, &self.buffers) {
            read
        } else {
            let (location, offset, buffers) = (self.location.clone(), self.offset, Arc::clone(&self.buffers));
            let read = move || read_slowly(&location, offset, left, &buffers);
            self.reading = Some(tokio::task::spawn_blocking(read));
            return self.poll(context);
        };
        if let Ok(bytes) = &read {
            self.offset += bytes.len() as u64;
        }
        Poll::Ready(Some(read))
    }
}

/// Reads from the page cache; `None` where that would wait for the disk.
fn read_now(
    location: &Location,
    offset: u64,
    left: usize,
    buffers: &Arc<Buffers>,
) -> Option<io::Result<Bytes>> {
    let piece = location.at(offset)?;
    let wanted = left.min(CHUNK).min(usize::try_from(piece.len).unwrap_or(usize::MAX));
    let mut buffer = buffers.take();
    let read = match buffer.get_mut(..wanted) {
        Some(space) => {
            let mut slices = [io::IoSliceMut::new(space)];
            rustix::io::preadv2(&location.file, &mut slices, piece.offset, ReadWriteFlags::NOWAIT)
        }
        None => Err(Errno::INVAL),
    };
    match read {
        Ok(count) if count > 0 => Some(Ok(buffers.filled(buffer, count))),
        // The end of the file, not in memory, or a file system that does not support it: the slow way decides.
        Ok(_) | Err(_) => {
            buffers.give(buffer);
            None
        }
    }
}

/// Whether both ends of a stretch are in the page cache: then the rest most likely is, too.
fn is_cached(location: &Location, piece: LocationPiece) -> bool {
    let last = piece.offset.saturating_add(piece.len.saturating_sub(1));
    [piece.offset, last].into_iter().all(|offset| {
        let mut byte = [0];
        let mut slices = [io::IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(&location.file, &mut slices, offset, ReadWriteFlags::NOWAIT) == Ok(1)
    })
}

/// The whole of a small file, if it is in one piece and in the page cache.
pub(crate) fn read_small_now(location: &Location) -> Option<Vec<u8>> {
    let piece = location.at(0)?;
    let mut content = vec![0; usize::try_from(location.size).ok()?];
    let mut slices = [io::IoSliceMut::new(&mut content)];
    let count =
        rustix::io::preadv2(&location.file, &mut slices, piece.offset, ReadWriteFlags::NOWAIT).ok()?;
    (count as u64 == location.size && piece.len >= location.size).then_some(content)
}

fn read_slowly(location: &Location, offset: u64, left: usize, buffers: &Arc<Buffers>) -> io::Result<Bytes> {
    let mut buffer = buffers.take();
    let wanted = left.min(CHUNK);
    match location.read_at(offset, buffer.get_mut(..wanted).unwrap_or_default())? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(buffers.filled(buffer, count)),
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::File(file) => file.poll(context).map(|read| read.map(|read| read.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(file) => file.offset >= file.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.end.saturating_sub(file.offset),
        })
    }
}
