//! Files by URL.

use content::Digest;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};

use super::fetch::{BUSY_POLL, Fetcher, PROGRESS_MIN, continues, run_blocking, signed, wrong_content};
use super::{Error, RegistryFault, TransferProgress};
use crate::Store;
use crate::client::{Inbox, RegistryEndpoint, RegistrySession, TransferEvent, drain, next_chunk};
use crate::store::{BlobSlot, NewBlob, PartialBlob};

/// The most bytes of a file, unless the caller says otherwise.
pub const DOWNLOAD_MAX: u64 = 16 << 30;

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Download {
    /// How errors and progress name it.
    pub name: String,
    /// Where it is: `http` or `https`, without a user name and password. They are tried in this order.
    pub urls: Vec<String>,
    /// The digest that it must have. With it, a file that the store has is not fetched, and an interrupted transfer resumes.
    pub digest: Option<Digest>,
    /// The most bytes that are taken.
    pub limit: u64,
    /// URLs of servers that may ask for credentials. A server gets none if its scheme, host and port are not those of one of them,
    /// or if TLS is missing and the session does not allow that. It gets those for the path of the longest URL that the file is
    /// below, else those for the folder of the file.
    pub accounts: Vec<String>,
}

/// Brings a file into the store; its digest. Only servers of `accounts` get credentials, and only if they ask for them.
///
/// # Errors
///
/// No server has the file, or it is too large, or none has one with this digest: nothing of such a file is kept. What arrived of a
/// file with a known digest stays in the store, and the next call resumes from there.
pub fn download(
    wanted: &Download,
    store: &Store,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Digest, Error> {
    let broken = |fault| Error::here(&wanted.name, fault);
    if let Some(digest) = wanted.digest
        && store.is_intact(&digest).map_err(|error| broken(error.into()))?
    {
        return Ok(digest);
    }
    let runtime = session.runtime().map_err(broken)?;
    let (events, mut inbox) = Inbox::new();
    let fetcher = Fetcher::new(session, store.clone(), events);
    let wanted = wanted.clone();
    let name = wanted.name.clone();
    let broken = |fault| Error::here(&name, fault);
    let mut done = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { file(&fetcher, &wanted).await });
        drain(tasks, progress, &mut inbox, broken).await
    })?;
    done.pop().ok_or_else(|| broken(RegistryFault::Cancelled))
}

/// Where the bytes go.
enum Target {
    /// The digest is known.
    Partial(Box<PartialBlob>),
    /// It is not; so many bytes are written.
    New(NewBlob, u64),
}

impl Target {
    fn written(&self) -> u64 {
        match self {
            Self::Partial(partial) => partial.written(),
            Self::New(_, written) => *written,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryFault> {
        match self {
            Self::Partial(partial) => partial.write(bytes).map_err(wrong_content),
            Self::New(new, written) => {
                use std::io::Write as _;
                new.write_all(bytes).map_err(|error| crate::error::io("write to", new.path())(error))?;
                *written += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn restart(&mut self, store: &Store) -> Result<(), RegistryFault> {
        match self {
            Self::Partial(partial) => partial.restart()?,
            Self::New(..) => *self = Self::New(store.create()?, 0),
        }
        Ok(())
    }

    fn finish(self) -> Result<Digest, RegistryFault> {
        match self {
            Self::Partial(partial) => {
                let digest = partial.digest();
                partial.finish().map_err(wrong_content)?;
                Ok(digest)
            }
            Self::New(new, _) => Ok(new.finish()?.0),
        }
    }
}

/// A transfer.
struct Transfer<'a> {
    fetcher: &'a Fetcher,
    wanted: &'a Download,
    /// What progress knows the file by.
    key: Digest,
    has_begun: bool,
}

async fn file(fetcher: &Fetcher, wanted: &Download) -> Result<Digest, Error> {
    let here = |fault| Error::here(&wanted.name, fault);
    let endpoints = wanted.urls.iter().map(|url| {
        let (endpoint, url) = RegistryEndpoint::of_file(url)?;
        Ok((endpoint.with_account(&url, &wanted.accounts, fetcher.options())?, url))
    });
    let endpoints: Vec<(RegistryEndpoint, Url)> = endpoints.collect::<Result<_, _>>().map_err(here)?;
    let first = wanted.urls.first().map(String::as_bytes).unwrap_or_default();
    let key = wanted.digest.unwrap_or_else(|| Digest::of(first));
    let mut transfer = Transfer { fetcher, wanted, key, has_begun: false };
    let mut target = match transfer.target().await.map_err(here)? {
        Some(target) => target,
        None => return Ok(key),
    };
    let _permit = fetcher.options().limits.any().await;
    let mut failures = Vec::new();
    for (position, (endpoint, url)) in endpoints.iter().enumerate() {
        let mut attempts = fetcher.attempts(endpoint, position + 1 == endpoints.len());
        let mut pieced = target.written() > 0;
        while attempts.next() {
            let before = target.written();
            match transfer.attempt(endpoint, url, &mut target).await {
                Ok(()) => {
                    let written = target.written();
                    match run_blocking(move || target.finish()).await {
                        Ok(digest) => {
                            fetcher.report(TransferEvent::End { blob: key });
                            return Ok(digest);
                        }
                        Err(fault) => {
                            fetcher.report(TransferEvent::Advance { blob: key, bytes: -signed(written) });
                            target = match transfer.target().await.map_err(here)? {
                                Some(target) => target,
                                None => return Ok(key),
                            };
                            // A part from an earlier attempt may be what was wrong: once more, from the start.
                            let again = std::mem::take(&mut pieced);
                            attempts.mismatch(fault, again);
                        }
                    }
                }
                Err(fault) => {
                    pieced |= target.written() > 0;
                    if target.written().saturating_sub(before) >= PROGRESS_MIN {
                        attempts.refill();
                    }
                    attempts.failed(url, fault).await;
                }
            }
        }
        if attempts.into_failures(url, &mut failures) {
            break;
        }
    }
    if let Target::Partial(partial) = target {
        partial.abandon().map_err(|error| here(error.into()))?;
    }
    Err(Error { image: wanted.name.clone(), content: String::new(), failures })
}

impl Transfer<'_> {
    /// Where the bytes go; `None` if the store has got the file meanwhile.
    async fn target(&self) -> Result<Option<Target>, RegistryFault> {
        let store = self.fetcher.store()?.clone();
        let Some(digest) = self.wanted.digest else { return Ok(Some(Target::New(store.create()?, 0))) };
        loop {
            let (store, limit) = (store.clone(), self.wanted.limit);
            match run_blocking(move || Ok(store.slot_within(&digest, limit)?)).await? {
                BlobSlot::Present => return Ok(None),
                BlobSlot::Partial(partial) => return Ok(Some(Target::Partial(partial))),
                BlobSlot::Busy => tokio::time::sleep(BUSY_POLL).await,
            }
        }
    }

    /// Fetches what is missing.
    async fn attempt(
        &mut self,
        endpoint: &RegistryEndpoint,
        url: &Url,
        target: &mut Target,
    ) -> Result<(), RegistryFault> {
        let (fetcher, limit) = (self.fetcher, self.wanted.limit);
        let _permit = fetcher.options().limits.host(endpoint.host()).await;
        if matches!(target, Target::New(..)) && target.written() > 0 {
            // The file may have changed since.
            self.restart(target)?;
        }
        let start = target.written();
        let mut headers = HeaderMap::new();
        if start > 0 {
            let range = HeaderValue::try_from(format!("bytes={start}-"))
                .map_err(|error| RegistryFault::Configuration(error.to_string()))?;
            headers.insert(header::RANGE, range);
        }
        let mut response = match fetcher.file(endpoint, url.clone(), &headers).await {
            Err(RegistryFault::FileServer(fault))
                if start > 0 && matches!(*fault, RegistryFault::Status { status: 416, .. }) =>
            {
                self.restart(target)?;
                return Err(RegistryFault::Broken(format!("the server has nothing after byte {start}")));
            }
            other => other?,
        };
        if start > 0 && !continues(&response, start) {
            self.restart(target)?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(RegistryFault::Broken(format!("the response does not continue at byte {start}")));
            }
        }
        let chunked = response.headers().contains_key(header::TRANSFER_ENCODING);
        let announced = response.content_length();
        if announced.is_none() && !chunked && self.wanted.digest.is_none() {
            return Err(RegistryFault::Broken("the server does not say how long the file is".into()));
        }
        let size = target.written().saturating_add(announced.unwrap_or_default());
        if size > limit {
            return Err(self.too_large(target));
        }
        let store = fetcher.store()?;
        let free = store.free_space()?;
        if let Some(needed) = announced.filter(|needed| *needed > free) {
            return Err(RegistryFault::NoSpace { folder: store.root().to_owned(), needed, free });
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            let (blob, image) = (self.key, self.wanted.name.clone());
            fetcher.report(TransferEvent::Planned { bytes: size });
            fetcher.report(TransferEvent::Begin { blob, image, size, present: target.written() });
        }
        while let Some(chunk) = next_chunk(&mut response, fetcher.options().stall).await? {
            let bytes = chunk.len() as u64;
            if target.written().saturating_add(bytes) > limit {
                return Err(self.too_large(target));
            }
            target.write(&chunk)?;
            fetcher.report(TransferEvent::Advance { blob: self.key, bytes: signed(bytes) });
        }
        Ok(())
    }

    fn restart(&self, target: &mut Target) -> Result<(), RegistryFault> {
        let bytes = -signed(target.written());
        self.fetcher.report(TransferEvent::Advance { blob: self.key, bytes });
        target.restart(self.fetcher.store()?)
    }

    /// The error for a file that is too large, of which nothing is kept.
    fn too_large(&self, target: &mut Target) -> RegistryFault {
        let limit = self.wanted.limit;
        self.restart(target).err().unwrap_or(RegistryFault::TooLarge { limit })
    }
}
