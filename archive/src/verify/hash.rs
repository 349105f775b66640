//! The reading and hashing, on as many threads as there are processors.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::{ImplantedMd5, Job, Options, Sha256Sum};
use crate::tree::Tree;

/// How much is read at a time: large enough that the calls cost nothing, small enough for the cache.
const CHUNK: usize = 256 * 1024;

/// Hashes every job, and checks the implanted MD5 of an ISO beside it. The results are in the order of the jobs.
///
/// The MD5 runs over the whole image from front to back, and so do the files, whose jobs are sorted by place: both pass
/// over the same bytes at the same time, the second reading from memory what the first has fetched.
pub(super) fn all(
    tree: &Tree,
    jobs: &[Job],
    options: &Options,
    progress: &dyn iso::Progress,
) -> (ImplantedMd5, Vec<io::Result<Sha256Sum>>) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { cores } else { options.threads }.min(jobs.len()).max(1);
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<io::Result<Sha256Sum>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        let mut buffer = vec![0; CHUNK];
        while let Some((job, result)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).zip(results.get(index))
        } {
            let digest = one(tree, job, &mut buffer, progress);
            *result.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(digest);
        }
    };
    let md5 = thread::scope(|scope| {
        let md5 = scope.spawn(|| implanted(tree, options, progress));
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
        md5.join().unwrap_or_else(|_| ImplantedMd5::Unreadable { reason: "the check broke off".into() })
    });
    let results = results.into_iter().map(|result| {
        let result = result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
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

fn implanted(tree: &Tree, options: &Options, progress: &dyn iso::Progress) -> ImplantedMd5 {
    match tree {
        Tree::Iso(_) if options.implanted_md5 => match iso::md5::check(tree.path(), progress) {
            Ok(iso::md5::Check::Intact { md5 }) => ImplantedMd5::Passed { md5: hex::encode(md5) },
            Ok(iso::md5::Check::Damaged { range }) => {
                ImplantedMd5::Failed { from: range.start, to: range.end }
            }
            Ok(iso::md5::Check::Missing) => ImplantedMd5::Absent,
            Err(error) => ImplantedMd5::Unreadable { reason: error.to_string() },
        },
        _ => ImplantedMd5::NotChecked,
    }
}
