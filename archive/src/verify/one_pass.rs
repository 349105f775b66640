//! One read of an ISO for all sums: while the check of the implanted MD5 fetches the image from front to back, the
//! files in it, and the image as a whole, are hashed from the same bytes. MD5 and SHA-256 run on two threads, for the reading is on
//! its own.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use content::{Digest, Hasher};

use super::contents::{ArchiveContents, Judge};
use crate::tree::LocationPiece;

/// The image file as a source that hashes what is read through it.
pub(super) struct Tee<'a> {
    file: &'a File,
    files: Mutex<Files<'a>>,
}

/// The contents in the order of their places, and the position of the reading.
struct Files<'a> {
    position: u64,
    queue: Box<dyn Iterator<Item = Queued> + Send + 'a>,
    current: Option<(Queued, Hasher)>,
    done: Vec<bool>,
    judge: &'a Judge<'a>,
    /// All bytes up to the position, if the digest of the image is asked for.
    whole: Option<Hasher>,
}

/// A content whose bytes are still to come.
struct Queued {
    job: usize,
    pieces: Vec<LocationPiece>,
}

impl<'a> Tee<'a> {
    /// Hashes those contents whose bytes lie in ascending order and do not overlap those of another: all that an
    /// honest builder writes. The others are left to be read on their own. `whole` is whether the image is hashed, too.
    pub(super) fn new(
        file: &'a File,
        contents: &'a ArchiveContents,
        judge: &'a Judge<'a>,
        whole: bool,
    ) -> Self {
        let mut end = 0;
        let queue = (0..contents.jobs()).filter_map(move |job| {
            let mut pieces = contents.first(job)?.pieces();
            pieces.retain(|piece| piece.len > 0);
            let mut after = end;
            let ascending = pieces.iter().all(|piece| {
                let fits = piece.offset >= after;
                after = piece.offset.saturating_add(piece.len);
                fits
            });
            if !ascending || pieces.is_empty() {
                return None;
            }
            end = after;
            Some(Queued { job, pieces })
        });
        let done = vec![false; contents.jobs()];
        let files = Files {
            position: 0,
            queue: Box::new(queue),
            current: None,
            done,
            judge,
            whole: whole.then(Hasher::new),
        };
        Self { file, files: Mutex::new(files) }
    }

    /// Reads what is left of an image of `size` bytes, and returns the digest of all of it.
    pub(super) fn digest(
        &self,
        size: u64,
        buffer: &mut [u8],
        progress: &dyn iso::ByteProgress,
    ) -> io::Result<Digest> {
        let lock = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let position = lock().position;
            let left = usize::try_from(size.saturating_sub(position)).unwrap_or(usize::MAX).min(buffer.len());
            let count = iso::ReadAt::read_at(self, buffer.get_mut(..left).unwrap_or_default(), position)?;
            progress.advance(count as u64);
            match (left, count) {
                (0, _) => break,
                (_, 0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
        let whole = lock().whole.take();
        Ok(whole.unwrap_or_default().finish())
    }

    /// Which contents were read to their end.
    pub(super) fn finish(self) -> Vec<bool> {
        self.files.into_inner().unwrap_or_else(PoisonError::into_inner).done
    }
}

impl iso::ReadAt for Tee<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = iso::ReadAt::read_at(self.file, buffer, offset)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // The descriptors are looked at out of turn.
        if offset == files.position {
            files.take(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        iso::ReadAt::size(self.file)
    }
}

impl Files<'_> {
    /// Takes the bytes at the position.
    fn take(&mut self, bytes: &[u8]) {
        let (start, end) = (self.position, self.position + bytes.len() as u64);
        self.position = end;
        if let Some(whole) = &mut self.whole {
            whole.update(bytes);
        }
        loop {
            if self.current.is_none() {
                self.current = self.queue.next().map(|queued| (queued, Hasher::new()));
            }
            let Some((queued, hash)) = &mut self.current else { return };
            let mut missed = false;
            while let Some(piece) = queued.pieces.first_mut() {
                if piece.offset >= end {
                    return;
                }
                let until = end.min(piece.offset.saturating_add(piece.len));
                let within = |at: u64| at.checked_sub(start).and_then(|at| usize::try_from(at).ok());
                let now = within(piece.offset).zip(within(until)).and_then(|(from, to)| bytes.get(from..to));
                let Some(now) = now else {
                    missed = true;
                    break;
                };
                hash.update(now);
                piece.len -= now.len() as u64;
                piece.offset = until;
                if piece.len > 0 {
                    return;
                }
                queued.pieces.remove(0);
            }
            if missed {
                self.current = None;
                continue;
            }
            if let Some((queued, hash)) = self.current.take()
                && let Some(done) = self.done.get_mut(queued.job)
            {
                *done = true;
                (self.judge)(queued.job, Ok(hash.finish()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(pieces: &[&[(u64, u64)]], content: &[u8], step: usize) -> Vec<Option<Digest>> {
        let queue = pieces.iter().enumerate().map(|(job, pieces)| Queued {
            job,
            pieces: pieces.iter().map(|(offset, len)| LocationPiece { offset: *offset, len: *len }).collect(),
        });
        let found = Mutex::new(vec![None; pieces.len()]);
        let judge = |job: usize, digest: io::Result<Digest>| found.lock().unwrap()[job] = digest.ok();
        let mut files = Files {
            position: 0,
            queue: Box::new(queue),
            current: None,
            done: vec![false; pieces.len()],
            judge: &judge,
            whole: None,
        };
        content.chunks(step).for_each(|chunk| files.take(chunk));
        drop(files);
        found.into_inner().unwrap()
    }

    #[test]
    fn the_steps_do_not_matter() {
        let content: Vec<u8> = (0..100_u8).collect();
        let sum = |pieces: [&[u8]; 2]| Some(Digest::of(&pieces.concat()));
        let expected = [
            sum([&content[..10], b""]),
            sum([&content[10..30], &content[40..41]]),
            sum([&content[50..], b""]),
            // Lies before the position.
            None,
        ];
        for step in [1, 7, 10, 33, 100, 1000] {
            let found = hashed(&[&[(0, 10)], &[(10, 20), (40, 1)], &[(50, 50)], &[(90, 20)]], &content, step);
            assert_eq!(found, expected, "{step}");
        }
    }
}
