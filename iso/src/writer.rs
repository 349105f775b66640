//! Writing an image.
//!
//! Every source file is read once. This thread reads and writes; a second one takes the MD5 of what was written, which
//! is the slowest part. The implanted sum stands near the start of the image but depends on all of it, so the SHA-256
//! of the finished file cannot begin before the MD5 is known: it is taken in a second pass over what was just written,
//! from the page cache, while the first pass's pages go to disk. SHA-256 has instructions of its own in processors,
//! MD5 has none, so the second pass takes about a third of the first one's time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use crate::format::SECTOR;
use crate::layout::{Layout, Output};
use crate::md5::implanted::{FIELD, FRAGMENTS, Running, SKIPPED, covered};
use crate::partial::Partial;
use crate::tree::{Content, Tree};
use crate::{Error, Progress, Result, read_ahead};

/// Bytes that are read, written and hashed at a time: they stay in the processor's cache.
const CHUNK: usize = 1 << 18;
/// Chunks on their way to the hash and back.
const CHUNKS: usize = 8;

/// The sums of a written image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// The implanted MD5, which leaves out its own field and the last 15 sectors: not what `md5sum` says.
    pub md5: [u8; 16],
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// The file's size.
    pub bytes: u64,
}

/// Writes the image to `output`, which appears whole or not at all.
pub(crate) fn write(tree: &Tree, layout: &Layout, output: &Path, progress: &dyn Progress) -> Result<Sums> {
    let partial = Partial::create(output)?;
    let bytes = u64::from(layout.sectors) * SECTOR;
    let meter = Meter { progress, bytes };
    let sums = write_and_hash(tree, layout, &partial.file, partial.path(), &meter)?;
    partial.file.set_len(bytes).map_err(Error::io("write", partial.path()))?;
    partial.file.write_all_at(&sums.text(), FIELD.start).map_err(Error::io("write", partial.path()))?;
    let sha256 = thread::scope(|scope| {
        // What is left to write goes to disk meanwhile; `finish` waits for it and reports its errors.
        scope.spawn(|| partial.file.sync_data());
        sha256(&partial.file, partial.path(), &meter)
    })?;
    partial.finish()?;
    Ok(Sums { md5: sums.md5(), sha256, bytes })
}

/// Splits the progress of two passes over the same bytes, so that they add up to one.
struct Meter<'a> {
    progress: &'a dyn Progress,
    bytes: u64,
}

impl Meter<'_> {
    /// The first pass counts for three quarters of the work.
    fn written(&self, from: u64, to: u64) {
        self.progress.advance(to / 4 * 3 - from / 4 * 3);
    }

    fn hashed(&self, from: u64, to: u64) {
        let quarter = |at: u64| at - at / 4 * 3;
        self.progress.advance(quarter(to) - quarter(from));
    }
}

fn write_and_hash(
    tree: &Tree,
    layout: &Layout,
    file: &File,
    path: &Path,
    meter: &Meter<'_>,
) -> Result<Running> {
    let (to_hash, written) = sync_channel::<(Vec<u8>, usize)>(CHUNKS);
    let (to_writer, recycled) = sync_channel(CHUNKS);
    thread::scope(|scope| {
        let hash = scope.spawn(move || {
            let mut running = Running::new(covered(layout.sectors, SKIPPED), FRAGMENTS);
            for (chunk, length) in written {
                running.update(chunk.get(..length).unwrap_or_default(), |_| {});
                // The writer may be done and gone.
                let _ = to_writer.send(chunk);
            }
            running
        });
        let mut stream = Stream {
            file,
            path,
            position: 0,
            chunk: vec![0; CHUNK],
            used: 0,
            spare: CHUNKS - 1,
            to_hash,
            recycled,
            meter,
        };
        let written = stream.image(tree, layout);
        drop(stream);
        let running = hash
            .join()
            .map_err(|_| Error::io("hash", path)(io::Error::other("the hashing thread broke off")));
        written.and(running)
    })
}

/// The image on its way out: gathers bytes into chunks, writes them and hands them on to be hashed.
struct Stream<'a> {
    file: &'a File,
    path: &'a Path,
    /// Bytes taken.
    position: u64,
    chunk: Vec<u8>,
    /// How much of `chunk` is filled.
    used: usize,
    /// How many more chunks may be made.
    spare: usize,
    to_hash: SyncSender<(Vec<u8>, usize)>,
    recycled: Receiver<Vec<u8>>,
    meter: &'a Meter<'a>,
}

impl Output for Stream<'_> {
    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.chunk.get_mut(self.used..).unwrap_or_default();
            let (now, rest) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            bytes = rest;
            self.advance(now.len())?;
        }
        Ok(())
    }

    fn position(&self) -> u64 {
        self.position
    }
}

impl Stream<'_> {
    fn image(&mut self, tree: &Tree, layout: &Layout) -> Result<()> {
        let places = layout.metadata(tree, self)?;
        debug_assert_eq!(places, layout.places, "the second run met other places than the first");
        for content in &layout.contents {
            if let Some(content) = tree.contents.get(*content as usize) {
                debug_assert_eq!(self.position, u64::from(content.sector) * SECTOR);
                self.content(tree, content)?;
                self.fill()?;
            }
        }
        while self.position < u64::from(layout.sectors) * SECTOR {
            self.put(&[0; SECTOR as usize])?;
        }
        self.flush()
    }

    /// Copies a file's content and makes sure that it is still the size that was planned.
    fn content(&mut self, tree: &Tree, content: &Content) -> Result<()> {
        let path = || tree.source(content.node);
        let changed = |found: String| Error::Changed { path: path(), planned: content.size, found };
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let source = path();
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow)
            .open(&source)
            .map_err(Error::io("read", &source))?;
        let mut rest = content.size;
        while rest > 0 {
            let most = usize::try_from(rest).unwrap_or(usize::MAX);
            let room = self.chunk.get_mut(self.used..).unwrap_or_default();
            let length = room.len().min(most);
            match file.read(room.get_mut(..length).unwrap_or_default()) {
                Ok(0) => return Err(changed(format!("{} bytes", content.size - rest))),
                Ok(length) => {
                    rest -= length as u64;
                    self.advance(length)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &source)(error)),
            }
        }
        let size = file.metadata().map_err(Error::io("read", &source))?.len();
        if size == content.size { Ok(()) } else { Err(changed(format!("{size} bytes"))) }
    }

    /// Counts bytes that were put behind the used part of the chunk.
    fn advance(&mut self, length: usize) -> Result<()> {
        self.used += length;
        self.position += length as u64;
        if self.used == self.chunk.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let from = self.position - self.used as u64;
        let bytes = self.chunk.get(..self.used).unwrap_or_default();
        // Zeros stay a hole of the file, which was empty and gets its length at the end.
        if bytes.iter().any(|byte| *byte != 0) {
            self.file.write_all_at(bytes, from).map_err(Error::io("write", self.path))?;
        }
        self.meter.written(from, self.position);
        let next = if self.spare > 0 {
            self.spare -= 1;
            vec![0; CHUNK]
        } else {
            self.recycled.recv().map_err(|_| self.hash_is_gone())?
        };
        let full = std::mem::replace(&mut self.chunk, next);
        self.to_hash.send((full, self.used)).map_err(|_| self.hash_is_gone())?;
        self.used = 0;
        Ok(())
    }

    fn hash_is_gone(&self) -> Error {
        Error::io("hash", self.path)(io::Error::other("the hashing thread broke off"))
    }
}

/// SHA-256 of the whole file; a second thread reads ahead.
fn sha256(file: &File, path: &Path, meter: &Meter<'_>) -> Result<[u8; 32]> {
    let mut sha256 = Sha256::new();
    read_ahead::each_chunk(file, path, meter.bytes, |position, chunk| {
        sha256.update(&chunk);
        meter.hashed(position, position + chunk.len() as u64);
        ControlFlow::Continue(())
    })?;
    Ok(sha256.finalize().into())
}
