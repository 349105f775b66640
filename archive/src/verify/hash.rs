//! The reading and hashing.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use content::{Digest, hash_reader_with, parallel};

use super::contents::{ArchiveContents, Judge};
use super::one_pass::Tee;
use super::{ImplantedMd5, Verification, VerifyOptions};
use crate::tree::Tree;

/// How much is read at a time: large enough that the calls cost nothing, small enough for the cache.
const CHUNK: usize = 256 * 1024;

/// Hashes every content, checks the implanted MD5 of an ISO, and returns its digest if that is asked for. `judge` gets each digest
/// of a content once.
///
/// In an ISO all sums come from one read. What that leaves over (the MD5 does not
/// cover the end) is read file by file, on all processors.
pub(super) fn all(
    work: &Verification,
    progress: &Capped<'_>,
    judge: &Judge<'_>,
) -> (ImplantedMd5, Option<io::Result<Digest>>) {
    let VerifyOptions { implanted_md5, iso_digest, threads } = work.options;
    let (md5, digest, done) = match &work.tree {
        Tree::Iso(image) if implanted_md5 || iso_digest => {
            let tee = Tee::new(image.file(), &work.contents, judge, iso_digest);
            let md5 = if implanted_md5 { check_md5(work, &tee, progress) } else { ImplantedMd5::NotChecked };
            let digest =
                iso_digest.then(|| tee.digest(image.readable_bytes(), &mut vec![0; CHUNK], progress));
            (md5, digest, tee.finish())
        }
        _ => (ImplantedMd5::NotChecked, None, vec![false; work.contents.jobs()]),
    };
    let left: Vec<usize> = done.iter().enumerate().filter(|(_, done)| !**done).map(|(job, _)| job).collect();
    let threads = match threads {
        0 => parallel::processors().get(),
        threads => threads,
    };
    parallel::map_with(
        threads,
        &left,
        || vec![0; CHUNK],
        |buffer, job| {
            judge(*job, one(work, *job, buffer, progress));
        },
    );
    (md5, digest)
}

fn check_md5(work: &Verification, tee: &Tee<'_>, progress: &Capped<'_>) -> ImplantedMd5 {
    match iso::md5::check_source(tee, work.tree.path(), progress) {
        Ok(iso::md5::Md5Check::Intact { md5 }) => ImplantedMd5::Passed { md5: hex::encode(md5) },
        Ok(iso::md5::Md5Check::Damaged { range }) => {
            ImplantedMd5::Failed { from: range.start, to: range.end }
        }
        Ok(iso::md5::Md5Check::DamagedField { .. }) => {
            ImplantedMd5::Unreadable { reason: "its text in the volume descriptor is damaged".into() }
        }
        Ok(iso::md5::Md5Check::Truncated { expected, found }) => {
            ImplantedMd5::Failed { from: found, to: expected }
        }
        Ok(iso::md5::Md5Check::Missing) => ImplantedMd5::Absent,
        Err(error) => ImplantedMd5::Unreadable { reason: error.to_string() },
    }
}

fn one(
    work: &Verification,
    job: usize,
    buffer: &mut [u8],
    progress: &dyn iso::ByteProgress,
) -> io::Result<Digest> {
    let file = work.contents.first(job).ok_or(io::ErrorKind::NotFound)?;
    let location = ArchiveContents::locate(&work.tree, file).map_err(io::Error::other)?;
    let (digest, _) = hash_reader_with(buffer, location.reader(), |bytes| {
        progress.advance(bytes.len() as u64);
        Ok(())
    })?;
    Ok(digest)
}

/// Progress that never exceeds a total, though some bytes are read more than once.
pub(super) struct Capped<'a> {
    inner: &'a dyn iso::ByteProgress,
    left: AtomicU64,
}

impl<'a> Capped<'a> {
    pub(super) fn new(inner: &'a dyn iso::ByteProgress, total: u64) -> Self {
        Self { inner, left: AtomicU64::new(total) }
    }

    /// Reports the rest as done.
    pub(super) fn finish(&self) {
        self.inner.advance(self.left.swap(0, Ordering::Relaxed));
    }
}

impl iso::ByteProgress for Capped<'_> {
    fn advance(&self, bytes: u64) {
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        self.inner.advance(before.unwrap_or_default().min(bytes));
    }
}
