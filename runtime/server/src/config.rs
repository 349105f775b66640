//! What to serve, where, and within which limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::log::ServerLog;
use crate::status::PackageFiles;
use crate::tls::TlsFiles;

/// What to serve, where, and within which limits.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The addresses to listen on. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Further addresses, each with the registry that it is to its clients.
    pub registries: Vec<RegistryListener>,
    /// The archives: ISO files, mounted archives, folders of images.
    pub archives: Vec<PathBuf>,
    /// Whether an archive that cannot be opened is left out and reported, instead of an error. For archives that a
    /// configuration lists: a missing one must not stop the others from being served.
    pub leave_out_unreadable: bool,
    /// TLS for all addresses; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The resources that clients may use.
    pub limits: ServerLimits,
    /// Whether all content is checked in the background after the start and after a reload.
    pub check_in_background: bool,
    /// Folders of the node's state, whose free space the status page shows beside that of the archives.
    pub state_folders: Vec<PathBuf>,
    /// Writes the files for package managers that the status page shows.
    pub package_files: Arc<dyn PackageFiles>,
    /// The receiver of messages.
    pub log: Arc<dyn ServerLog>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            registries: Vec::new(),
            archives: Vec::new(),
            leave_out_unreadable: false,
            tls: None,
            limits: ServerLimits::default(),
            check_in_background: true,
            state_folders: Vec::new(),
            package_files: Arc::new(()),
            log: Arc::new(()),
        }
    }
}

/// An address at which the server is a registry to its clients: images have the names of that registry, and no path before them.
/// For clients that know only mirrors of a registry, such as Docker before 28.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryListener {
    /// The registry, as [`images::original_names::canonical_host`] returns it.
    pub host: String,
    /// The address. Port 0 takes a free one.
    pub address: SocketAddr,
}

/// The resources that clients may use.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// The maximum number of connections; further clients wait to be accepted.
    pub connections: usize,
    /// The maximum number of connections of one client, which is an IPv4 address or an IPv6 network of 64 bits; further
    /// ones are closed.
    pub connections_per_address: usize,
    /// The maximum size of a request's head, in bytes. At least 8192.
    pub header_bytes: usize,
    /// The maximum time from the end of one response, or from the connection, to the end of the next request's head.
    pub header_time: Duration,
    /// The maximum time during which a client receives no byte of a response.
    pub stall_time: Duration,
    /// The average number of bytes per second that a client must receive so that `stall_time` does not run out.
    pub minimum_rate: u64,
    /// The maximum time that a stopping server waits for open requests.
    pub drain_time: Duration,
}

impl Default for ServerLimits {
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
