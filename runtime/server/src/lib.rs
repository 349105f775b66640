//! The embedded server: container images and packages over HTTP, straight from archives.
//!
//! One process serves any number of archives, each an ISO file, a mounted ISO or a folder, or plain folders of images.
//! Nothing is mounted, unpacked or kept in memory but an index of names and digests.
//!
//! | address | what |
//! | --- | --- |
//! | `/v2/<name>-<version>/<image>/…` | the images of an archive, by the OCI distribution specification (pull) |
//! | `/v2/<image>/…` | the same, if it is the only archive; the images of a plain folder |
//! | `/<name>-<version>/redhat/<release>/<repository>-el<release>/…` | its package repositories |
//! | `/archives/<name>-<version>/…` | all of its files |
//! | `/healthz`, `/readyz`, `/metrics` | is it alive, what is wrong, how much was done |
//!
//! A manifest is answered only when all its blobs are there. Content is checked against its digest when it is first
//! asked for, and in the background: the last bytes of a blob go out only once the check has passed. So are packages and all
//! other files that `SHA256SUMS` lists.
//!
//! ```no_run
//! use server::{Config, Server};
//!
//! # async fn example() -> Result<(), server::Error> {
//! let server = Server::bind(Config {
//!     listen: vec![([127, 0, 0, 1], 8080).into()],
//!     archives: vec!["metalk8s.iso".into()],
//!     ..Config::default()
//! })?;
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
//! # }
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod connection;
mod endpoints;
mod error;
mod http;
mod integrity;
mod inventory;
mod observe;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

pub use connection::tls::Tls;
pub use error::Error;
pub use observe::log::{Access, Event, Log};
pub use observe::systemd;

use connection::addresses::Addresses;
use connection::tls;
use http::body::Buffers;
use integrity::checker::Checker;
use inventory::Catalogue;
use inventory::verdict::Stamp;
use observe::metrics::Metrics;

/// What to serve, where, and within which limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses to listen on. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// The archives: ISO files, mounted archives, folders of images.
    pub archives: Vec<PathBuf>,
    /// Whether an archive that cannot be opened is left out, and said so, where it would else be an error: for archives
    /// that a configuration lists, so that one that is gone does not take the others with it.
    pub leave_out_unreadable: bool,
    /// TLS for all addresses; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// What clients may use up.
    pub limits: Limits,
    /// Whether all content is checked in the background after the start and after a reload.
    pub check_in_background: bool,
    /// Where messages go.
    pub log: Arc<dyn Log>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            archives: Vec::new(),
            leave_out_unreadable: false,
            tls: None,
            limits: Limits::default(),
            check_in_background: true,
            log: Arc::new(()),
        }
    }
}

/// What clients may use up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at a time; more wait to be accepted.
    pub connections: usize,
    /// The most connections of one client at a time, which is an IPv4 address or an IPv6 network of 64 bits; more are closed.
    pub connections_per_address: usize,
    /// The most bytes of a request's head. At least 8192.
    pub header_bytes: usize,
    /// The longest time from the end of one answer, or from the connection, to the end of the next request's head.
    pub header_time: Duration,
    /// The longest time that a client takes no byte of an answer.
    pub stall_time: Duration,
    /// How many bytes of an answer a client must take in a second, on average, so that this time does not run out.
    pub minimum_rate: u64,
    /// The longest time that a stopping server waits for answers to end.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 2048,
            header_bytes: 16 * 1024,
            header_time: Duration::from_secs(30),
            stall_time: Duration::from_secs(60),
            minimum_rate: 1024,
            drain_time: Duration::from_secs(30),
        }
    }
}

/// A server that has its addresses and has read its archives, and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    state: Arc<State>,
}

/// A hold on a server that runs.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

/// What all connections share.
#[derive(Debug)]
struct State {
    catalogue: RwLock<Arc<Catalogue>>,
    /// Held from reading what is to be served until it is.
    reloading: Mutex<()>,
    checker: Arc<Checker>,
    buffers: Arc<Buffers>,
    addresses: Arc<Addresses>,
    metrics: Metrics,
    limits: Limits,
    log: Arc<dyn Log>,
    tls: Option<Tls>,
    tls_config: RwLock<Option<Arc<rustls::ServerConfig>>>,
    check_in_background: bool,
    leave_out_unreadable: bool,
    background: Mutex<Option<tokio::task::AbortHandle>>,
    /// Where the server runs, once it does.
    executor: OnceLock<tokio::runtime::Handle>,
    draining: AtomicBool,
}

impl Server {
    /// Takes the addresses and opens the archives.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] and [`Error::Listen`] for an address; [`Error::Archive`], [`Error::Nothing`], [`Error::Twice`]
    /// and [`Error::Conflict`] for archives; [`Error::Tls`].
    pub fn bind(config: Config) -> Result<Self, Error> {
        if config.listen.is_empty() {
            return Err(Error::NoAddress);
        }
        let listeners = config.listen.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
        Self::with_listeners(listeners, config)
    }

    /// As [`Server::bind`], on sockets that are listening already (systemd's socket activation).
    /// [`Config::listen`] is not looked at.
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind`].
    pub fn with_listeners(listeners: Vec<TcpListener>, config: Config) -> Result<Self, Error> {
        if listeners.is_empty() {
            return Err(Error::NoAddress);
        }
        let tls_config = config.tls.as_ref().map(tls::load).transpose()?;
        let catalogue =
            Catalogue::open(&config.archives, &Catalogue::default(), config.leave_out_unreadable)?;
        let state = State {
            catalogue: RwLock::new(Arc::new(catalogue)),
            reloading: Mutex::default(),
            checker: Arc::new(Checker::new(Arc::clone(&config.log))),
            buffers: Arc::default(),
            addresses: Arc::default(),
            metrics: Metrics::default(),
            limits: config.limits,
            log: config.log,
            tls: config.tls,
            tls_config: RwLock::new(tls_config),
            check_in_background: config.check_in_background,
            leave_out_unreadable: config.leave_out_unreadable,
            background: Mutex::default(),
            executor: OnceLock::new(),
            draining: AtomicBool::new(false),
        };
        Ok(Self { listeners, state: Arc::new(state) })
    }

    /// The addresses that are listened on, ports included.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The first of [`Server::local_addrs`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the operating system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        let listener = self.listeners.first().ok_or(Error::NoAddress)?;
        listener
            .local_addr()
            .map_err(|source| Error::Io { operation: "ask for the address of a socket", source })
    }

    /// A hold on the server for the time it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.state))
    }

    /// Serves until `shutdown` is ready, then takes no more connections and lets answers come to their end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the sockets cannot be served.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        self.state.executor.get_or_init(tokio::runtime::Handle::current);
        self.state.announce();
        self.state.check_all();
        connection::serve(&self.state, self.listeners, shutdown).await
    }
}

impl Handle {
    /// Reads archives, and certificates if there are, anew. Requests go on meanwhile, and those that run keep what they
    /// began with. If anything is wrong, what was served before stays.
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind`] but for addresses.
    pub fn reload(&self, archives: &[PathBuf]) -> Result<(), Error> {
        let _alone = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(archives)
    }

    /// As [`Handle::reload`], with the archives that `read` gives. Of two reloads the second reads after the first is done: what
    /// was read before a change never replaces what was read after it.
    ///
    /// # Errors
    ///
    /// What `read` gives, or those of [`Handle::reload`], as text.
    pub fn reload_from(&self, read: impl FnOnce() -> Result<Vec<PathBuf>, String>) -> Result<(), String> {
        let _alone = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(&read()?).map_err(|error| error.to_string())
    }

    fn replace(&self, archives: &[PathBuf]) -> Result<(), Error> {
        let state = &self.0;
        let tls_config = state.tls.as_ref().map(tls::load).transpose()?;
        let catalogue = Arc::new(Catalogue::open(archives, &state.catalogue(), state.leave_out_unreadable)?);
        *state.tls_config.write().unwrap_or_else(PoisonError::into_inner) = tls_config;
        *state.catalogue.write().unwrap_or_else(PoisonError::into_inner) = catalogue;
        state.metrics.reloads.fetch_add(1, Ordering::Relaxed);
        state.announce();
        state.check_all();
        Ok(())
    }

    /// The archives that were asked for last, those that were left out included.
    #[must_use]
    pub fn archives(&self) -> Vec<PathBuf> {
        self.0.catalogue().paths.clone()
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.0.metrics.open.load(Ordering::Relaxed)
    }

    /// Answers a request of the server's own, and tells whether that went well: as it would one of a client's, but without a
    /// connection, of which there may be none left. Does not come back from a server that hangs: for a watchdog.
    pub async fn answers(&self) -> bool {
        connection::answers_itself(&self.0).await
    }

    /// Tells the log why the server was not reloaded.
    pub fn tell_not_reloaded(&self, problem: &str) {
        self.0.log.event(&Event::NotReloaded { problem: problem.to_owned() });
    }
}

/// Changes whenever a file is replaced, written to or cut; `None` where there is none.
#[must_use]
pub fn file_stamp(path: &Path) -> Option<u64> {
    Stamp::of_path(path).ok().map(Stamp::number)
}

impl State {
    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the log what is served, and what is not.
    fn announce(&self) {
        for (archive, problem) in &self.catalogue().left_out {
            self.log.event(&Event::NotServed { archive: archive.clone(), problem: problem.clone() });
        }
        for archive in &self.catalogue().archives {
            let id = archive.product.as_ref().map(archive::Product::id);
            let repositories = archive.repositories.len();
            self.log.event(&Event::Serving { archive: archive.path.clone(), id, repositories });
            for problem in &archive.problems {
                self.log.event(&Event::NotServed { archive: archive.path.clone(), problem: problem.clone() });
            }
        }
    }

    /// Starts the check of everything, in place of one that runs.
    fn check_all(&self) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = background.take() {
            running.abort();
        }
        if let (true, Some(executor)) = (self.check_in_background, self.executor.get()) {
            let task = executor.spawn(Arc::clone(&self.checker).all(self.catalogue()));
            *background = Some(task.abort_handle());
        }
    }
}

/// Lets this process open as many files as it may: every connection is one, and every blob that goes out of a folder. The
/// limit that counts is often 1024 where 500,000 are allowed. Answers the limit that holds now.
///
/// For the program that runs a server, before it starts; it holds for the whole process.
///
/// # Errors
///
/// What the operating system gives.
pub fn raise_open_files() -> std::io::Result<Option<u64>> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current)
}

/// How many connections may wait to be accepted; the kernel takes less if it is told so (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    })?;
    // A cluster's nodes all come at once; the standard library lets 128 of them wait.
    rustix::net::listen(&listener, BACKLOG)
        .map_err(|error| Error::Listen { address, source: error.into() })?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
