//! Checking content and files against their digests, on first use and in the background.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use archive::tree::Location;
use http::Method;
use images::Digest;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::State;
use crate::http::body::Gate;
use crate::inventory::verdict::{Checked, Stamp, Verdict};
use crate::inventory::{Archive, Catalogue, Part};
use crate::observe::log::{Event, Log};

const CHUNK: usize = 256 * 1024;
/// How often a file that changes while it is read is read.
const TRIES: usize = 3;
/// How long the check in the background waits before it looks again at what it could not read.
const AGAIN: Duration = Duration::from_secs(60);

/// Checks content, each only once at a time however many ask.
#[derive(Debug)]
pub(crate) struct Checker {
    running: Mutex<HashMap<Key, Outcome>>,
    permits: Semaphore,
    log: Arc<dyn Log>,
}

/// An archive is not freed while its check runs, so its address names it. The stamp is that of the open file, which need
/// not be the one that is found at its path any more.
type Key = (usize, Part, Option<Stamp>);

/// `None` while the check runs, then the stamp that the file had when it was found to be good, if it was.
type Outcome = watch::Receiver<Option<Option<Stamp>>>;

impl Checker {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { running: Mutex::default(), permits: Semaphore::new(cores), log }
    }

    /// Starts a check of what is open at `location`, or joins the one that runs.
    fn start(self: &Arc<Self>, archive: &Arc<Archive>, part: Part, location: &Location) -> Outcome {
        let key = (Arc::as_ptr(archive) as usize, part, Stamp::of_file(&location.file).ok());
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
                inside.checked(part).map_or(Ok(None), |checked| check(checked, &location))
            });
            let found = found.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            drop(permit);
            match &found {
                Ok(Some(_)) => {}
                Ok(None) => this.tell(&archive, part, "its bytes have another digest"),
                Err(problem) => this.unreadable(&archive, part, problem),
            }
            this.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            // Nobody may be waiting any more.
            let _ = send.send(Some(found.ok().flatten()));
        });
        receive
    }

    /// Whether what is open at `location` is what its digest says, checking it now if that is not known.
    pub(crate) async fn good(
        self: &Arc<Self>,
        archive: &Arc<Archive>,
        part: Part,
        location: &Location,
    ) -> bool {
        let stamp = || Stamp::of_file(&location.file).ok();
        for _ in 0..TRIES {
            let (Some(checked), Some(now)) = (archive.checked(part), stamp()) else { return false };
            match checked.verdict(now) {
                Verdict::Good => return true,
                Verdict::Bad => return false,
                Verdict::Unknown => {}
            }
            let mut outcome = self.start(archive, part, location);
            let found = outcome.wait_for(Option::is_some).await.map_or(None, |found| found.flatten());
            if found.is_none() || found == stamp() {
                return found.is_some();
            }
        }
        false
    }

    /// Whether what is open at `location` may be answered with. What was damaged or could not be read when it was last
    /// looked at may be again once a new check has found it good, which this starts where there is reason to.
    pub(crate) fn fit(self: &Arc<Self>, archive: &Arc<Archive>, part: Part, location: &Location) -> bool {
        let Some(checked) = archive.checked(part) else { return false };
        if !checked.damaged() {
            return true;
        }
        let unknown =
            Stamp::of_file(&location.file).is_ok_and(|stamp| checked.verdict(stamp) == Verdict::Unknown);
        if unknown && checked.due() {
            self.start(archive, part, location);
        }
        false
    }

    /// Takes note of what could not be read. Of too many open files it knows nothing, and there may be fewer soon.
    pub(crate) fn unreadable(&self, archive: &Archive, part: Part, problem: &io::Error) {
        let errno = problem.raw_os_error().map(Errno::from_raw_os_error);
        let ours = matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM));
        if ours || archive.checked(part).is_some_and(Checked::fail) {
            self.tell(archive, part, &problem.to_string());
        }
    }

    pub(crate) fn tell(&self, archive: &Archive, part: Part, problem: &str) {
        self.log.event(&Event::Damaged {
            archive: archive.path.clone(),
            digest: archive.name(part),
            problem: problem.to_owned(),
        });
    }

    /// Checks everything that is not known yet, one after the other, and rests as long as it has worked. Comes back now and
    /// then to what could not be read.
    pub(crate) async fn all(self: Arc<Self>, catalogue: Arc<Catalogue>) {
        loop {
            let mut unreadable = false;
            for archive in &catalogue.archives {
                for part in archive.parts() {
                    let began = Instant::now();
                    match archive.open(part) {
                        Ok(location) => {
                            self.good(archive, part, &location).await;
                        }
                        Err(problem) => self.unreadable(archive, part, &problem),
                    }
                    unreadable |= archive.checked(part).is_some_and(Checked::unreadable);
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

/// Permission to send the last bytes of what is open at `location`. For GET the check starts now, so that it runs beside
/// the transfer; it is asked for again when the last bytes are due.
pub(crate) fn gate(
    state: &State,
    method: &Method,
    archive: &Arc<Archive>,
    part: Part,
    location: &Location,
) -> Option<Gate> {
    if *method != Method::GET {
        return None;
    }
    let known = Stamp::of_file(&location.file).ok().zip(archive.checked(part));
    if known.is_none_or(|(stamp, checked)| checked.verdict(stamp) != Verdict::Good) {
        state.checker.start(archive, part, location);
    }
    let (checker, archive, location) = (Arc::clone(&state.checker), Arc::clone(archive), location.clone());
    Some(Box::pin(async move { checker.good(&archive, part, &location).await }))
}

/// Reads what is open at `location` and learns whether it is good: then its stamp. A file that changes meanwhile is read
/// again, and given up soon.
fn check(checked: &Checked, location: &Location) -> io::Result<Option<Stamp>> {
    for _ in 0..TRIES {
        let before = Stamp::of_file(&location.file)?;
        let found = digest(location)?;
        let after = Stamp::of_file(&location.file)?;
        if before == after {
            let good = found == checked.digest;
            checked.learn(after, good);
            return Ok(good.then_some(after));
        }
    }
    Err(io::Error::other("the file keeps changing"))
}

fn digest(location: &Location) -> io::Result<Digest> {
    let mut buffer = vec![0; CHUNK];
    let mut hash = Sha256::new();
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
    Ok(Digest::from_bytes(hash.finalize().into()))
}
