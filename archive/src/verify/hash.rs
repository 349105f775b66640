//! The reading and hashing.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::one_pass::Tee;
use super::{ImplantedMd5, Job, Options, Sha256Sum};
use crate::tree::Tree;

/// How much is read at a time: large enough that the calls cost nothing, small enough for the cache.
const CHUNK: usize = 256 * 1024;

/// Hashes every job, and checks the implanted MD5 of an ISO. The results are in the order of the jobs.
///
/// In an ISO both sums come from one read. What that leaves over (the check of the MD5 stops at the first damage, and
/// does not cover the end) is read file by file, on all processors.
pub(super) fn all(
    tree: &Tree,
    jobs: &[Job],
    options: &Options,
    progress: &Capped<'_>,
) -> (ImplantedMd5, Vec<io::Result<Sha256Sum>>) {
    let (md5, known) = match tree {
        Tree::Iso(image) if options.implanted_md5 => {
            let tee = Tee::new(image.file(), tree, jobs);
            let md5 = match iso::md5::check_source(&tee, tree.path(), progress) {
                Ok(iso::md5::Check::Intact { md5 }) => ImplantedMd5::Passed { md5: hex::encode(md5) },
                Ok(iso::md5::Check::Damaged { range }) => {
                    ImplantedMd5::Failed { from: range.start, to: range.end }
                }
                Ok(iso::md5::Check::Missing) => ImplantedMd5::Absent,
                Err(error) => ImplantedMd5::Unreadable { reason: error.to_string() },
            };
            (md5, tee.finish())
        }
        _ => (ImplantedMd5::NotChecked, vec![None; jobs.len()]),
    };
    let results: Vec<Mutex<Option<io::Result<Sha256Sum>>>> =
        known.into_iter().map(|known| Mutex::new(known.map(Ok))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; CHUNK];
        while let Some((job, result)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).zip(results.get(index))
        } {
            if result.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                let digest = one(tree, job, &mut buffer, progress);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { cores } else { options.threads }.min(jobs.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let results = results.into_iter().map(|result| {
        let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.unwrap_or_else(|| Err(io::Error::other("the check broke off")))
    });
    (md5, results.collect())
}

fn one(tree: &Tree, job: &Job, buffer: &mut [u8], progress: &dyn iso::Progress) -> io::Result<Sha256Sum> {
    let path = job.paths.first().map_or("", String::as_str);
    let location = tree.locate_entry(path, &job.entry).map_err(io::Error::other)?;
    let mut hash = Sha256::new();
    let mut offset = 0;
    while offset < location.size {
        let count = location.read_at(offset, buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        offset += count as u64;
        progress.advance(count as u64);
    }
    Ok(hash.finalize().into())
}

/// Progress up to a total, however much is read more than once.
pub(super) struct Capped<'a> {
    inner: &'a dyn iso::Progress,
    left: AtomicU64,
}

impl<'a> Capped<'a> {
    pub(super) fn new(inner: &'a dyn iso::Progress, total: u64) -> Self {
        Self { inner, left: AtomicU64::new(total) }
    }

    /// Whatever is left is done.
    pub(super) fn finish(&self) {
        self.inner.advance(self.left.swap(0, Ordering::Relaxed));
    }
}

impl iso::Progress for Capped<'_> {
    fn advance(&self, bytes: u64) {
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        self.inner.advance(before.unwrap_or_default().min(bytes));
    }
}
