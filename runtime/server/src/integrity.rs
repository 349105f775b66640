//! Checks of content against its digest, when it is requested and in the background.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use archive::tree::Location;
use content::Digest;
use content::Hasher;
use http::Method;
use rustix::io::Errno;
use tokio::sync::{Semaphore, watch};

use crate::http::body::Gate;
use crate::inventory::Inventory;
use crate::inventory::archive::{ItemIndex, ServedArchive};
use crate::inventory::verdict::{CheckedDigest, ContentVerdict, FileStamp};
use crate::observe::log::{ServerEvent, ServerLog};

/// The problem of damaged content.
pub(crate) const MISMATCH: &str = "its content does not match its digest";

const CHUNK: usize = 256 * 1024;
/// How often a file is read that changes meanwhile.
const TRIES: usize = 3;
/// How long the check in the background waits before it reads unreadable files again.
const AGAIN: Duration = Duration::from_secs(60);

/// Checks content; concurrent requests for the same content share one check.
#[derive(Debug)]
pub(crate) struct Checker {
    running: Mutex<HashMap<Key, Outcome>>,
    permits: Semaphore,
    log: Arc<dyn ServerLog>,
}

/// An archive is not freed while its check runs, so its address identifies it. The stamp is that of the open file: another
/// file may be at its path by now.
type Key = (usize, ItemIndex, Option<FileStamp>);

/// `None` while the check runs, then the stamp of the file if it was good.
type Outcome = watch::Receiver<Option<Option<FileStamp>>>;

impl Checker {
    pub(crate) fn new(log: Arc<dyn ServerLog>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { running: Mutex::default(), permits: Semaphore::new(cores), log }
    }

    /// Starts a check of the file that is open at `location`, or joins the running one.
    fn start(
        self: &Arc<Self>,
        archive: &Arc<ServedArchive>,
        item: ItemIndex,
        location: &Location,
    ) -> Outcome {
        let key = (Arc::as_ptr(archive) as usize, item, FileStamp::of_file(&location.file).ok());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = running.get(&key) {
            return outcome.clone();
        }
        let (send, receive) = watch::channel(None);
        running.insert(key, receive.clone());
        let (this, archive, location) = (Arc::clone(self), Arc::clone(archive), location.clone());
        tokio::spawn(async move {
            let permit = this.permits.acquire().await;
            let inside = Arc::clone(&archive);
            let found = tokio::task::spawn_blocking(move || {
                inside.checked(item).map_or(Ok(None), |checked| compare(checked, &location))
            });
            let found = found.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            drop(permit);
            match &found {
                Ok(Some(_)) => {}
                Ok(None) => this.report(&archive, item, MISMATCH),
                Err(problem) => this.record_unreadable(&archive, item, problem),
            }
            this.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            // All receivers may be gone.
            let _ = send.send(Some(found.ok().flatten()));
        });
        receive
    }

    /// Whether the file that is open at `location` matches its digest. Checks it now if that is not known.
    pub(crate) async fn check(
        self: &Arc<Self>,
        archive: &Arc<ServedArchive>,
        item: ItemIndex,
        location: &Location,
    ) -> bool {
        let stamp = || FileStamp::of_file(&location.file).ok();
        for _ in 0..TRIES {
            let (Some(checked), Some(now)) = (archive.checked(item), stamp()) else { return false };
            match checked.verdict(now) {
                ContentVerdict::Good => return true,
                ContentVerdict::Bad => return false,
                ContentVerdict::Unknown => {}
            }
            let mut outcome = self.start(archive, item, location);
            let found = outcome.wait_for(Option::is_some).await.map_or(None, |found| found.flatten());
            if found.is_none() || found == stamp() {
                return found.is_some();
            }
        }
        false
    }

    /// Whether the file that is open at `location` may be served: the last check did not find it damaged or unreadable. If
    /// it did and the file may have changed since, starts another check, after which it may be served again.
    pub(crate) fn is_servable(
        self: &Arc<Self>,
        archive: &Arc<ServedArchive>,
        item: ItemIndex,
        location: &Location,
    ) -> bool {
        let Some(checked) = archive.checked(item) else { return false };
        if !checked.is_damaged() {
            return true;
        }
        let unknown = FileStamp::of_file(&location.file)
            .is_ok_and(|stamp| checked.verdict(stamp) == ContentVerdict::Unknown);
        if unknown && checked.is_due() {
            self.start(archive, item, location);
        }
        false
    }

    /// Permission to send the last bytes of the file that is open at `location`; `None` where none is needed. For GET the
    /// check starts now, so that it runs during the transfer; the gate waits for its result.
    pub(crate) fn gate(
        self: &Arc<Self>,
        method: &Method,
        archive: &Arc<ServedArchive>,
        item: ItemIndex,
        location: &Location,
    ) -> Option<Gate> {
        if *method != Method::GET {
            return None;
        }
        let known = FileStamp::of_file(&location.file).ok().zip(archive.checked(item));
        if known.is_none_or(|(stamp, checked)| checked.verdict(stamp) != ContentVerdict::Good) {
            self.start(archive, item, location);
        }
        let (checker, archive, location) = (Arc::clone(self), Arc::clone(archive), location.clone());
        Some(Box::pin(async move { checker.check(&archive, item, &location).await }))
    }

    /// Records that an item cannot be read, and reports it the first time. Too many open files are no fault of the item,
    /// and soon there may be fewer: they are reported only.
    pub(crate) fn record_unreadable(&self, archive: &ServedArchive, item: ItemIndex, problem: &io::Error) {
        let errno = problem.raw_os_error().map(Errno::from_raw_os_error);
        let ours = matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM));
        if ours || archive.checked(item).is_some_and(CheckedDigest::record_unreadable) {
            self.report(archive, item, &problem.to_string());
        }
    }

    /// Logs that an item is damaged.
    pub(crate) fn report(&self, archive: &ServedArchive, item: ItemIndex, problem: &str) {
        self.log.event(&ServerEvent::Damaged {
            archive: archive.path.clone(),
            item: archive.name(item),
            problem: problem.to_owned(),
        });
    }

    /// Checks everything that has no verdict yet, one item after the other, and pauses as long as each check took. Returns
    /// to unreadable items from time to time.
    pub(crate) async fn check_all(self: Arc<Self>, inventory: Arc<Inventory>) {
        loop {
            let mut unreadable = false;
            for archive in &inventory.archives {
                for item in archive.items() {
                    let began = Instant::now();
                    match archive.open(item) {
                        Ok(location) => {
                            self.check(archive, item, &location).await;
                        }
                        Err(problem) => self.record_unreadable(archive, item, &problem),
                    }
                    unreadable |= archive.checked(item).is_some_and(CheckedDigest::is_unreadable);
                    tokio::time::sleep(began.elapsed()).await;
                }
            }
            if !unreadable {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Reads the file that is open at `location` and records whether it matches its digest; returns its stamp if it does. A
/// file that changes meanwhile is read again, up to [`TRIES`] times.
fn compare(checked: &CheckedDigest, location: &Location) -> io::Result<Option<FileStamp>> {
    for _ in 0..TRIES {
        let before = FileStamp::of_file(&location.file)?;
        let found = digest(location)?;
        let after = FileStamp::of_file(&location.file)?;
        if before == after {
            let good = found == checked.digest;
            checked.record(after, good);
            return Ok(good.then_some(after));
        }
    }
    Err(io::Error::other("the file keeps changing"))
}

fn digest(location: &Location) -> io::Result<Digest> {
    let mut buffer = vec![0; CHUNK];
    let mut hash = Hasher::new();
    let mut offset = 0;
    while offset < location.size {
        match location.read_at(offset, &mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                hash.update(buffer.get(..count).unwrap_or_default());
                offset += count as u64;
            }
        }
    }
    Ok(hash.finish())
}
