//! Sending stretches of files from the page cache to a socket without copying them through this process: sendfile(2),
//! below hyper.
//!
//! hyper writes what a body yields, and a body can yield nothing but bytes. So it yields stand-ins: slices of memory
//! that nobody reads, each for the next stretch in a queue that the bodies of a connection share with its stream. The
//! stream knows a stand-in by its address and has the kernel send the stretch instead.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use archive::tree::LocationPiece;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The maximum number of bytes that one stand-in represents.
pub(crate) const STRETCH: usize = 1 << 20;

/// Zeroed by the kernel when it is first touched, which it never is: it costs addresses, not memory.
static STAND_IN: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; STRETCH]);

/// What a connection's stream sends in place of stand-ins, in order.
#[derive(Debug, Default)]
pub(crate) struct Stretches(Mutex<VecDeque<Stretch>>);

#[derive(Debug)]
struct Stretch {
    file: Arc<File>,
    offset: u64,
    left: usize,
}

/// A connection without TLS, which sends stretches of files.
pub(crate) struct PlainStream {
    stream: TcpStream,
    stretches: Arc<Stretches>,
}

impl Stretches {
    /// Queues the start of a piece of a file, at most [`STRETCH`] bytes. Returns the
    /// stand-in to write in its place.
    pub(crate) fn put(&self, file: &Arc<File>, piece: LocationPiece) -> Bytes {
        let len = usize::try_from(piece.len).map_or(STRETCH, |len| len.min(STRETCH));
        let stretch = Stretch { file: Arc::clone(file), offset: piece.offset, left: len };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(stretch);
        let stand_in: &'static [u8] = STAND_IN.as_slice();
        Bytes::from_static(stand_in.get(..len).unwrap_or(stand_in))
    }

    /// Sends the start of the first stretch, as much as the socket accepts, at most `most` bytes.
    fn send(&self, stream: &TcpStream, most: usize) -> io::Result<usize> {
        let mut stretches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = stretches.front_mut() else {
            return Err(io::Error::other("a stand-in without a stretch"));
        };
        let most = most.min(first.left);
        let sent = rustix::fs::sendfile(stream, &first.file, Some(&mut first.offset), most)?;
        if sent == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        first.left -= sent;
        if first.left == 0 {
            stretches.pop_front();
        }
        Ok(sent)
    }
}

fn is_stand_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

impl PlainStream {
    pub(crate) fn new(stream: TcpStream, stretches: Arc<Stretches>) -> Self {
        Self { stream, stretches }
    }

    fn poll_send(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let sent = self.stream.try_io(Interest::WRITABLE, || self.stretches.send(&self.stream, most));
            match sent {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for PlainStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_stand_in(slice)) {
            Some(0) => self.poll_send(context, slices.first().map_or(0, |slice| slice.len())),
            found => {
                let bytes = slices.get(..found.unwrap_or(slices.len())).unwrap_or_default();
                Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        // hyper must pass stand-ins on: it would copy them into one buffer otherwise.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What arrives of what `write` writes to a stream over `content`.
    fn arrives(
        content: &[u8],
        write: impl AsyncFnOnce(&mut PlainStream, &Arc<Stretches>, &Arc<File>) -> io::Result<()>,
    ) -> (io::Result<()>, Vec<u8>) {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let written = runtime.block_on(async {
            let stretches = Arc::<Stretches>::default();
            let mut plain = PlainStream::new(TcpStream::from_std(server).unwrap(), Arc::clone(&stretches));
            write(&mut plain, &stretches, &Arc::new(file)).await
        });
        (written, reader.join().unwrap())
    }

    fn piece(offset: u64, len: usize) -> LocationPiece {
        LocationPiece { offset, len: len as u64 }
    }

    #[test]
    fn stretches_go_out_between_bytes_in_their_order() {
        let content: Vec<u8> = (0..3 * STRETCH).map(|n| (n >> 3) as u8 ^ (n >> 11) as u8).collect();
        let (written, arrived) = arrives(&content, async |plain, stretches, file| {
            let first = stretches.put(file, piece(10, 3 * STRETCH - 10));
            assert_eq!(first.len(), STRETCH, "no more than a stretch at a time");
            let second = stretches.put(file, piece(5, 700_000));
            plain.write_all(b"head").await?;
            plain.write_all(&first).await?;
            // As hyper does: what is left is written together.
            let mut rest = bytes::Buf::chain(second, &b"tail"[..]);
            plain.write_all_buf(&mut rest).await
        });
        written.unwrap();
        let expected = [b"head", &content[10..10 + STRETCH], &content[5..700_005], b"tail"].concat();
        assert!(arrived == expected, "{} bytes, expected {}", arrived.len(), expected.len());
    }

    #[test]
    fn nothing_is_sent_for_what_is_not_there() {
        let (written, arrived) = arrives(b"short", async |plain, stretches, file| {
            let stand_in = stretches.put(file, piece(0, 100));
            plain.write_all(&stand_in).await
        });
        assert_eq!(
            (written.unwrap_err().kind(), &arrived[..]),
            (io::ErrorKind::UnexpectedEof, &b"short"[..])
        );
        let (written, arrived) =
            arrives(b"", async |plain, _, _| plain.write_all(&STAND_IN[..STRETCH]).await);
        assert!(written.is_err() && arrived.is_empty());
    }
}
