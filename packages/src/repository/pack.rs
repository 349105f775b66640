//! A compressed file that a thread of its own writes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::{Compression, GzBuilder};
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, FrameCompressor};

use super::options::MetadataCompression;
use super::sum::Summed;
use crate::error::{Error, Result};
use crate::metadata::{Checksum, ChecksumKind};

/// Pieces that wait for the thread.
const WAITING: usize = 8;
/// Bytes of a piece, about.
const PIECE: usize = 64 << 10;

/// What was written.
pub(crate) struct Packed {
    pub(crate) checksum: Checksum,
    pub(crate) size: u64,
    pub(crate) open_checksum: Checksum,
    pub(crate) open_size: u64,
}

/// A file that is being written.
pub(crate) struct Packer {
    piece: Vec<u8>,
    sender: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<Packed>>>,
}

impl Packer {
    /// Creates the file at `path`, which must not exist.
    pub(crate) fn create(
        path: &Path,
        compression: MetadataCompression,
        checksum: ChecksumKind,
    ) -> Result<Self> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        let (sender, pieces) = sync_channel(WAITING);
        let thread = std::thread::spawn(move || pack(file, compression, checksum, pieces));
        Ok(Self { piece: Vec::with_capacity(PIECE), sender: Some(sender), thread: Some(thread) })
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        match &self.sender {
            Some(sender) if sender.send(piece).is_ok() => Ok(()),
            // The thread ended early: its error is the reason.
            _ => self.join().and(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn join(&mut self) -> io::Result<Packed> {
        self.sender = None;
        let Some(thread) = self.thread.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Lets the thread end the file: nothing more is written. [`Self::finish`] waits for it.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if self.sender.is_some() {
            self.send()?;
            self.sender = None;
        }
        Ok(())
    }

    /// Ends the file and waits until it is on disk.
    pub(crate) fn finish(mut self) -> io::Result<Packed> {
        self.close()?;
        self.join()
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the pieces that arrive.
struct Pieces {
    arriving: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    done: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.done == self.piece.len() {
            // The sender is dropped at the end.
            let Ok(piece) = self.arriving.recv() else { return Ok(0) };
            (self.piece, self.done) = (piece, 0);
        }
        let mut rest = self.piece.get(self.done..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.done += read;
        Ok(read)
    }
}

fn pack(
    file: File,
    compression: MetadataCompression,
    checksum: ChecksumKind,
    pieces: Receiver<Vec<u8>>,
) -> io::Result<Packed> {
    let mut source = Summed::new(Pieces { arriving: pieces, piece: Vec::new(), done: 0 }, checksum);
    let mut target = Summed::new(BufWriter::new(file), checksum);
    match compression {
        MetadataCompression::Plain => copy(&mut source, &mut target)?,
        MetadataCompression::Gzip => {
            // No name and no time in the header: equal metadata are equal bytes.
            let mut encoder = GzBuilder::new().write(&mut target, Compression::default());
            copy(&mut source, &mut encoder)?;
            encoder.finish()?;
        }
        MetadataCompression::Xz => {
            let mut encoder = XzWriter::new(&mut target, XzOptions::with_preset(6))?;
            copy(&mut source, &mut encoder)?;
            encoder.finish()?;
        }
        MetadataCompression::Zstd => {
            let mut sink = Sink { target: &mut target, failed: None };
            let mut encoder = FrameCompressor::new(CompressionLevel::Fastest);
            encoder.set_source(&mut source);
            encoder.set_drain(&mut sink);
            encoder.compress();
            drop(encoder);
            sink.failed.map_or(Ok(()), Err)?;
        }
    }
    let (_, open_checksum, open_size) = source.finish();
    let (file, checksum, size) = target.finish();
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(Packed { checksum, size, open_checksum, open_size })
}

fn copy(source: &mut impl Read, target: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            read => target.write_all(buffer.get(..read).unwrap_or_default())?,
        }
    }
}

/// Remembers the first error: the encoder of zstd panics where a writer fails.
struct Sink<'a, W> {
    target: &'a mut W,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.target.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_is_an_error_in_every_compression() {
        use MetadataCompression::{Gzip, Plain, Xz, Zstd};
        for compression in [Plain, Gzip, Xz, Zstd] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let (sender, pieces) = sync_channel(100);
            let mut noise = 1_u32;
            for _ in 0..100 {
                let piece = (0..20_000).map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (noise >> 24) as u8
                });
                sender.send(piece.collect()).unwrap();
            }
            drop(sender);
            let packed = pack(full, compression, ChecksumKind::Sha256, pieces);
            assert_eq!(packed.err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
        }
    }
}
