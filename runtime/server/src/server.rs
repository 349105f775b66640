//! A server from its start to its end, and the handle by which others reload it.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::config::{RegistryListener, ServerOptions};
use crate::connection;
use crate::endpoints;
use crate::error::Error;
use crate::observe::log::ServerEvent;
use crate::state::ServerState;
use crate::status::OtherNode;

/// How many connections may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A server that listens and has opened its archives. It responds once [`Server::run`] is called.
#[derive(Debug)]
pub struct Server {
    /// Those of [`ServerOptions::registries`] come last.
    listeners: Vec<Listener>,
    state: Arc<ServerState>,
}

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// The registry that the server is here.
    pub(crate) registry: Option<Arc<str>>,
}

/// A handle to a running server.
#[derive(Clone, Debug)]
pub struct ServerHandle(pub(crate) Arc<ServerState>);

impl Server {
    /// Listens on the addresses and opens the archives.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] and [`Error::Listen`] for an address; [`Error::Archive`], [`Error::Nothing`], [`Error::Twice`]
    /// and [`Error::Conflict`] for archives; [`Error::Tls`].
    pub fn bind(config: ServerOptions) -> Result<Self, Error> {
        if config.listen.is_empty() && config.registries.is_empty() {
            return Err(Error::NoAddress);
        }
        let listeners = config.listen.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
        Self::with_listeners(listeners, config)
    }

    /// As [`Server::bind`], on sockets that are listening already (systemd's socket activation).
    /// [`ServerOptions::listen`] is ignored, [`ServerOptions::registries`] is not.
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind`].
    pub fn with_listeners(listeners: Vec<TcpListener>, config: ServerOptions) -> Result<Self, Error> {
        if listeners.is_empty() && config.registries.is_empty() {
            return Err(Error::NoAddress);
        }
        let mut listeners: Vec<Listener> =
            listeners.into_iter().map(|socket| Listener { socket, registry: None }).collect();
        for RegistryListener { host, address } in &config.registries {
            listeners.push(Listener { socket: listen(*address)?, registry: Some(host.as_str().into()) });
        }
        Ok(Self { listeners, state: Arc::new(ServerState::new(config)?) })
    }

    /// The addresses of the server, with their ports, and the registry that it is there, if it is one.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<(SocketAddr, Option<&str>)> {
        let address = |listener: &'_ Listener| listener.socket.local_addr().ok();
        let listeners = self.listeners.iter();
        listeners.filter_map(|listener| Some((address(listener)?, listener.registry.as_deref()))).collect()
    }

    /// The first of [`Server::local_addrs`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the operating system does not return it.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        let listener = self.listeners.first().ok_or(Error::NoAddress)?;
        listener
            .socket
            .local_addr()
            .map_err(|source| Error::Io { operation: "read the address of a socket", source })
    }

    /// A handle to the server, valid while it runs.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.state))
    }

    /// Serves until `shutdown` completes, then accepts no more connections and finishes open requests.
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

impl ServerHandle {
    /// Reads the archives again, and the certificates if TLS is used. Open requests continue with the archives they
    /// started with. On an error the previous archives are still served.
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind`] but for addresses.
    pub fn reload(&self, archives: &[PathBuf]) -> Result<(), Error> {
        let _alone = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.replace(archives)
    }

    /// As [`ServerHandle::reload`], with the archives that `read` returns. A second reload calls its `read` only after the first
    /// has ended: an older list of archives never replaces a newer one.
    ///
    /// # Errors
    ///
    /// The error of `read`, or those of [`ServerHandle::reload`], as text.
    pub fn reload_from(&self, read: impl FnOnce() -> Result<Vec<PathBuf>, String>) -> Result<(), String> {
        let _alone = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.replace(&read()?).map_err(|error| error.to_string())
    }

    /// The archives of the last load, those that were left out included.
    #[must_use]
    pub fn archives(&self) -> Vec<PathBuf> {
        self.0.inventory().paths.clone()
    }

    /// The number of open connections.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.0.metrics.open.load(Ordering::Relaxed)
    }

    /// Whether the server responds to a request of its own, which needs no connection: all of those may be in use. Never
    /// returns if the server hangs: for a watchdog.
    pub async fn responds(&self) -> bool {
        endpoints::respond_to_self(&self.0).await
    }

    /// Sets what other nodes responded: the status page compares their archives with those of this server.
    pub fn set_other_nodes(&self, nodes: Vec<OtherNode>) {
        self.0.status.set_nodes(nodes);
    }

    /// Logs why an archive is not served.
    pub fn report_not_served(&self, archive: &Path, problem: &str) {
        let (archive, problem) = (archive.to_owned(), problem.to_owned());
        self.0.log.event(&ServerEvent::NotServed { archive, problem });
    }

    /// Logs why the server was not reloaded.
    pub fn report_not_reloaded(&self, problem: &str) {
        self.0.log.event(&ServerEvent::NotReloaded { problem: problem.to_owned() });
    }
}

/// Raises the limit of open files of this process to the allowed maximum: every connection is one, and every blob that is
/// sent from a folder. The soft limit is often 1024 where 500,000 are allowed. Returns the new limit.
///
/// For the program that runs a server, before it starts; it holds for the whole process.
///
/// # Errors
///
/// Those of setrlimit(2).
pub fn raise_open_files() -> std::io::Result<Option<u64>> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current)
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => Error::InUse { address },
        _ => Error::Listen { address, source },
    })?;
    // All nodes of a cluster connect at once; the standard library lets only 128 of them wait.
    rustix::net::listen(&listener, BACKLOG)
        .map_err(|error| Error::Listen { address, source: error.into() })?;
    Ok(listener)
}
