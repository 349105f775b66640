//! Checking content against its digest, on first use and in the background.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use images::Digest;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};

use super::catalogue::{Archive, Catalogue};
use super::content::{Content, Stamp, Verdict};
use super::log::{Event, Log};

const CHUNK: usize = 256 * 1024;

/// Checks content, each only once at a time however many ask.
#[derive(Debug)]
pub(super) struct Checker {
    running: Mutex<HashMap<(usize, u32), Outcome>>,
    permits: Semaphore,
    log: Arc<dyn Log>,
}

/// `None` while the check runs, then whether the content is what its digest says.
type Outcome = watch::Receiver<Option<bool>>;

impl Checker {
    pub(super) fn new(log: Arc<dyn Log>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { running: Mutex::default(), permits: Semaphore::new(cores), log }
    }

    /// Starts a check, or joins the one that runs.
    pub(super) fn start(self: &Arc<Self>, archive: &Arc<Archive>, index: u32) -> Outcome {
        // An archive is not freed while its check runs, so its address names it.
        let key = (Arc::as_ptr(archive) as usize, index);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = running.get(&key) {
            return outcome.clone();
        }
        let (send, receive) = watch::channel(None);
        running.insert(key, receive.clone());
        let (this, archive) = (Arc::clone(self), Arc::clone(archive));
        tokio::spawn(async move {
            let permit = this.permits.acquire().await;
            let inside = Arc::clone(&archive);
            let found =
                tokio::task::spawn_blocking(move || inside.at(index).map(|content| check(&inside, content)))
                    .await;
            drop(permit);
            let good = matches!(found, Ok(Some(Ok(true))));
            if let (Some(content), false) = (archive.at(index), good) {
                let problem = match found {
                    Ok(Some(Err(error))) => error.to_string(),
                    _ => "its bytes have another digest".to_owned(),
                };
                let path = archive.path.clone();
                this.log.event(&Event::Damaged {
                    archive: path,
                    digest: content.digest.to_string(),
                    problem,
                });
            }
            this.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            // Nobody may be waiting any more.
            let _ = send.send(Some(good));
        });
        receive
    }

    /// Whether the content is what its digest says, checking it now if that is not known.
    pub(super) async fn good(self: &Arc<Self>, archive: &Arc<Archive>, index: u32) -> bool {
        let known = archive.at(index).map(|content| now(archive, content));
        match known {
            Some(Verdict::Good) => true,
            None | Some(Verdict::Bad) => false,
            Some(Verdict::Unknown) => wait(self.start(archive, index)).await,
        }
    }

    /// Checks everything that is not known yet, one content after the other, and rests as long as it has worked.
    pub(super) async fn all(self: Arc<Self>, catalogue: Arc<Catalogue>) {
        for archive in &catalogue.archives {
            for index in 0..u32::try_from(archive.contents.len()).unwrap_or(u32::MAX) {
                let began = Instant::now();
                self.good(archive, index).await;
                tokio::time::sleep(began.elapsed()).await;
            }
        }
    }
}

async fn wait(mut outcome: Outcome) -> bool {
    outcome.wait_for(Option::is_some).await.is_ok_and(|good| *good == Some(true))
}

/// What is known about the content as it is on the disk now.
fn now(archive: &Archive, content: &Content) -> Verdict {
    match content.open(&archive.tree).and_then(|location| location.file.metadata()) {
        Ok(data) => content.verdict(Stamp::of(&data)),
        Err(_) => Verdict::Unknown,
    }
}

/// Reads the content and learns whether it is good. A file that changes meanwhile is read again, and given up soon.
fn check(archive: &Archive, content: &Content) -> io::Result<bool> {
    for _ in 0..3 {
        let read = content.open(&archive.tree).and_then(|location| {
            let before = Stamp::of(&location.file.metadata()?);
            let found = digest(&location)?;
            Ok((before, Stamp::of(&location.file.metadata()?), found))
        });
        match read {
            Err(error) => {
                content.lost();
                return Err(error);
            }
            Ok((before, after, found)) if before == after => {
                let good = found == content.digest.to_string();
                content.learn(after, good);
                return Ok(good);
            }
            Ok(_) => {}
        }
    }
    content.lost();
    Err(io::Error::other("the file keeps changing"))
}

fn digest(location: &archive::tree::Location) -> io::Result<String> {
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
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

/// The digest as text of bytes in memory.
pub(super) fn matches(content: &Content, bytes: &[u8]) -> bool {
    Digest::of(bytes) == content.digest
}
