//! Writing an image.
//!
//! Every source file is read once. Where the file system can share its blocks with the image, that is what is read, and
//! nothing is written. This thread reads and writes; a second one takes the MD5 of what was written, which
//! is the slowest part. The implanted sum stands near the start of the image but depends on all of it, so the SHA-256
//! of the finished file cannot begin before the MD5 is known: it is taken in a second pass over what was just written,
//! from the page cache, while the first pass's pages go to disk. SHA-256 has instructions of its own in processors,
//! MD5 has none, so the second pass takes about a third of the first one's time.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use content::{Digest, Hasher, LinkPolicy};

use crate::format::SECTOR;
use crate::format::descriptor::APPLICATION_USE_LEN;
use crate::image::ReadAt;
use crate::layout::{ByteSink, IsoLayout};
use crate::md5::implanted::{FIELD, FRAGMENTS, RunningMd5, SKIPPED, blank, covered, fill_in};
use crate::tree::{SharedContent, SourceTree};
use crate::{ByteProgress, Error, Result, read_ahead, reflink};

/// Bytes that are read, written and hashed at a time: they stay in the processor's cache.
const CHUNK: usize = 1 << 18;
/// Chunks on their way to the hash and back.
const CHUNKS: usize = 8;
/// Bytes after which writing to the disk begins, so that it works while we hash.
const DUE: u64 = 1 << 26;

/// The sums of a written image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenIso {
    /// The implanted MD5, which leaves out its own field and the last 15 sectors: not what `md5sum` says.
    pub md5: [u8; 16],
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// The file's size.
    pub bytes: u64,
}

/// Writes the image to `output`. A regular file appears whole or not at all, also behind a symbolic link; a block device is
/// written in place; a named pipe or a character device gets the bytes one after the other.
pub(crate) fn write(
    tree: &SourceTree,
    layout: &IsoLayout,
    output: &Path,
    progress: &dyn ByteProgress,
) -> Result<WrittenIso> {
    let bytes = u64::from(layout.sectors) * SECTOR;
    let atomic = match content::OutputFile::open(output, 0o644)? {
        content::OutputFile::Device(file) => {
            check_room(&file, output, bytes)?;
            let sink = Sink::File { file: &file, empty: false, shares: false };
            return fill(tree, layout, &Target { sink, path: output }, progress);
        }
        content::OutputFile::Stream(mut pipe) => return stream(tree, layout, &mut pipe, output, progress),
        content::OutputFile::File(atomic) => atomic,
    };
    let file = atomic.file();
    file.set_len(bytes).map_err(Error::io("write", output))?;
    let sink = Sink::File { file, empty: true, shares: reflink::possible(file) };
    let sums = fill(tree, layout, &Target { sink, path: output }, progress)?;
    atomic.commit()?;
    Ok(sums)
}

/// Writes the image to what cannot seek. The implanted sum stands near the start and depends on all of it, so the sources are
/// read twice: once for the sum, once to be written. Errors name the output by `path`.
pub(crate) fn stream(
    tree: &SourceTree,
    layout: &IsoLayout,
    out: &mut (dyn Write + Send),
    path: &Path,
    progress: &dyn ByteProgress,
) -> Result<WrittenIso> {
    let bytes = u64::from(layout.sectors) * SECTOR;
    let meter = Meter { progress, bytes };
    // Nothing has to be brought to a disk.
    let (due, _) = sync_channel(1);
    let (running, _) = pass(tree, layout, &Target { sink: Sink::Nothing, path }, &meter, &due)?;
    let sink = Sink::Stream { out: Mutex::new(out), field: Box::new(running.text()) };
    let (again, sha256) = pass(tree, layout, &Target { sink, path }, &meter, &due)?;
    if again.md5() != running.md5() {
        let changed = "a source file changed while the image was written; discard the image";
        return Err(Error::io("write", path)(io::Error::other(changed)));
    }
    Ok(WrittenIso { md5: running.md5(), sha256, bytes })
}

/// Makes sure that the image fits on a block device.
fn check_room(device: &File, path: &Path, bytes: u64) -> Result<()> {
    let most = device.size().map_err(Error::io("write", path))?;
    if bytes > most {
        let limit = "bytes on the device";
        return Err(Error::Limit { path: path.to_owned(), limit, most, found: bytes });
    }
    Ok(())
}

/// Where the image goes.
struct Target<'a> {
    sink: Sink<'a>,
    path: &'a Path,
}

enum Sink<'a> {
    /// To a file or a block device.
    File {
        file: &'a File,
        /// It reads as zeros: those of the image need not be written.
        empty: bool,
        /// Its file system may share blocks of the sources.
        shares: bool,
    },
    /// To what takes bytes one after the other, with the field of the implanted sum filled in.
    Stream { out: Mutex<&'a mut (dyn Write + Send)>, field: Box<[u8; APPLICATION_USE_LEN]> },
    /// Nowhere: only the sum is wanted.
    Nothing,
}

/// Writes the image's bytes, sums and all, and makes sure that they are on disk.
fn fill(
    tree: &SourceTree,
    layout: &IsoLayout,
    target: &Target<'_>,
    progress: &dyn ByteProgress,
) -> Result<WrittenIso> {
    let Sink::File { file, .. } = target.sink else { return Err(broke_off("write", target.path)) };
    let bytes = u64::from(layout.sectors) * SECTOR;
    let meter = Meter { progress, bytes };
    // The kernel reports an error of the disk once for each open file, so every result counts.
    let (due, dues) = sync_channel(1);
    thread::scope(|scope| {
        let disk = scope.spawn(move || dues.iter().try_for_each(|()| file.sync_data()));
        let (running, _) = pass(tree, layout, target, &meter, &due)?;
        file.write_all_at(&running.text(), FIELD.start).map_err(Error::io("write", target.path))?;
        let _ = due.send(());
        let sha256 = sha256(file, target.path, &meter)?;
        drop(due);
        match disk.join() {
            Ok(result) => result.map_err(Error::io("write", target.path))?,
            Err(_) => return Err(broke_off("write", target.path)),
        }
        Ok(WrittenIso { md5: running.md5(), sha256, bytes })
    })
}

/// Splits the progress of two passes over the same bytes, so that they add up to one.
struct Meter<'a> {
    progress: &'a dyn ByteProgress,
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

/// Sends all bytes to the target, those of the field blank if it is a file, and takes their sums meanwhile. The SHA-256 is that
/// of the image only if the target is a stream.
fn pass(
    tree: &SourceTree,
    layout: &IsoLayout,
    target: &Target<'_>,
    meter: &Meter<'_>,
    due: &SyncSender<()>,
) -> Result<(RunningMd5, Digest)> {
    let (to_hash, written) = sync_channel::<(Vec<u8>, usize)>(CHUNKS);
    let (to_writer, recycled) = sync_channel(CHUNKS);
    let both = matches!(target.sink, Sink::Stream { .. });
    thread::scope(|scope| {
        let hash = scope.spawn(move || {
            let mut running = RunningMd5::new(covered(layout.sectors, SKIPPED), FRAGMENTS);
            let mut hasher = Hasher::new();
            let mut position = 0;
            for (mut chunk, length) in written {
                let bytes = chunk.get_mut(..length).unwrap_or_default();
                if both {
                    hasher.update(bytes);
                    blank(position, bytes);
                }
                running.update(bytes, |_| {});
                position += length as u64;
                // The writer may be done and gone.
                let _ = to_writer.send(chunk);
            }
            (running, hasher.finish())
        });
        let (chunk, spare) = (vec![0; CHUNK], CHUNKS - 1);
        let mut stream = Stream {
            target,
            position: 0,
            chunk,
            used: 0,
            written: false,
            spare,
            to_hash,
            recycled,
            meter,
            due,
        };
        let written = stream.image(tree, layout);
        drop(stream);
        let sums = hash.join().map_err(|_| broke_off("hash", target.path));
        written.and(sums)
    })
}

/// A thread of ours panicked.
fn broke_off(operation: &'static str, path: &Path) -> Error {
    Error::io(operation, path)(io::Error::other("a thread panicked"))
}

/// The image on its way out: gathers bytes into chunks, writes them and hands them on to be hashed.
struct Stream<'a, 't> {
    target: &'a Target<'t>,
    /// Bytes taken.
    position: u64,
    chunk: Vec<u8>,
    /// How much of `chunk` is filled.
    used: usize,
    /// What is in `chunk` already stands in the image.
    written: bool,
    /// How many more chunks may be made.
    spare: usize,
    to_hash: SyncSender<(Vec<u8>, usize)>,
    recycled: Receiver<Vec<u8>>,
    meter: &'a Meter<'a>,
    /// Tells that there is something to bring to disk.
    due: &'a SyncSender<()>,
}

impl ByteSink for Stream<'_, '_> {
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

impl Stream<'_, '_> {
    fn image(&mut self, tree: &SourceTree, layout: &IsoLayout) -> Result<()> {
        let places = layout.metadata(tree, self)?;
        debug_assert_eq!(places, layout.directories.places, "the second run met other places than the first");
        for content in &layout.contents {
            if let Some(content) = tree.contents.get(*content as usize) {
                self.zeros(content.sector)?;
                self.content(tree, content)?;
                self.fill()?;
            }
        }
        self.zeros(layout.sectors)?;
        self.flush()
    }

    /// Zeros up to a sector.
    fn zeros(&mut self, sector: u32) -> Result<()> {
        while self.position < u64::from(sector) * SECTOR {
            self.put(&[0; SECTOR as usize])?;
        }
        Ok(())
    }

    /// Copies a file's content and makes sure that it is still the size that was planned.
    fn content(&mut self, tree: &SourceTree, content: &SharedContent) -> Result<()> {
        let path = || tree.source(content.node);
        let changed = |found: String| Error::Changed { path: path(), planned: content.size, found };
        let source = path();
        let file = content::open(&source, LinkPolicy::Refuse)?;
        let shared = self.share(&file, content.size)?;
        let start = self.position;
        let mut done = 0;
        while done < content.size {
            // Shared blocks are read from the image: its sums hold even if the source changes.
            let (from, at, end, path) = match self.target.sink {
                Sink::File { file: image, .. } if done < shared => {
                    (image, start + done, shared, self.target.path)
                }
                _ => (&file, done, content.size, source.as_path()),
            };
            let room = self.chunk.get_mut(self.used..).unwrap_or_default();
            let length = usize::try_from(end - done).unwrap_or(usize::MAX).min(room.len());
            match FileExt::read_at(from, room.get_mut(..length).unwrap_or_default(), at) {
                Ok(0) => return Err(changed(format!("{done} bytes"))),
                Ok(length) => {
                    done += length as u64;
                    self.advance(length)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", path)(error)),
            }
            if done == shared {
                self.flush()?;
                self.written = false;
            }
        }
        let size = file.metadata().map_err(Error::io("read", &source))?.len();
        if size == content.size { Ok(()) } else { Err(changed(format!("{size} bytes"))) }
    }

    /// Lets the file system share the start of the next content with the image, and returns how many bytes it did.
    fn share(&mut self, file: &File, size: u64) -> Result<u64> {
        let Sink::File { file: image, shares: true, .. } = self.target.sink else { return Ok(0) };
        self.flush()?;
        let shared = reflink::share(file, image, self.position, size);
        self.written = shared > 0;
        Ok(shared)
    }

    /// Counts bytes that were put behind the used part of the chunk.
    fn advance(&mut self, length: usize) -> Result<()> {
        self.used += length;
        self.position += length as u64;
        if self.used == self.chunk.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.used == 0 {
            return Ok(());
        }
        let from = self.position - self.used as u64;
        if self.meter.progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let bytes = self.chunk.get_mut(..self.used).unwrap_or_default();
        let put = match &self.target.sink {
            Sink::File { .. } if self.written => Ok(()),
            Sink::File { empty: true, .. } if bytes.iter().all(|byte| *byte == 0) => Ok(()),
            Sink::File { file, .. } => file.write_all_at(bytes, from),
            Sink::Stream { out, field } => {
                fill_in(from, bytes, field);
                out.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
            }
            Sink::Nothing => Ok(()),
        };
        put.map_err(Error::io("write", self.target.path))?;
        match self.target.sink {
            // The second pass over the sources is the last quarter of the work.
            Sink::Stream { .. } => self.meter.hashed(from, self.position),
            _ => self.meter.written(from, self.position),
        }
        if from / DUE != self.position / DUE {
            // While the disk is still busy with the last stretch there is no hurry.
            let _ = self.due.try_send(());
        }
        let gone = || broke_off("hash", self.target.path);
        let next = if self.spare > 0 {
            self.spare -= 1;
            vec![0; CHUNK]
        } else {
            self.recycled.recv().map_err(|_| gone())?
        };
        let full = std::mem::replace(&mut self.chunk, next);
        self.to_hash.send((full, self.used)).map_err(|_| gone())?;
        self.used = 0;
        Ok(())
    }
}

/// SHA-256 of the whole image; a second thread reads ahead.
fn sha256(image: &File, path: &Path, meter: &Meter<'_>) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let mut cancelled = false;
    read_ahead::each_chunk(image, path, meter.bytes, |position, chunk| {
        hasher.update(chunk);
        meter.hashed(position, position + chunk.len() as u64);
        cancelled = meter.progress.cancelled();
        if cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if cancelled { Err(Error::Cancelled) } else { Ok(hasher.finish()) }
}
