//! `sealift registry serve`: the embedded server, as a service of systemd or by hand.

mod lines;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use content::printable_path;
use images::original_names::canonical_host;
use listenfd::ListenFd;
use node::archives::{NodeLayout, follow, served};
use node::care::CareLayout;
use node::client_config::StatusPackageFiles;
use node::other_nodes::OtherNodes;
use server::systemd;
use server::{
    RegistryListener, Server, ServerHandle, ServerLimits, ServerOptions, TlsFiles, raise_open_files,
};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::client_config;
use crate::args::node_paths::NodePaths;
use crate::failure::{CommandResult, Failure};
use crate::{output, remedies};
use lines::AccessLines;

/// How often the node's configuration is checked for changes.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);
/// How often other nodes are asked for their status.
const NODES_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// ISO files, the folders they are mounted at, or folders of images
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Serve the archives in this node's configuration, and follow its changes
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// Listen on this address (repeatable); sockets passed by systemd replace it. At HOST=ADDRESS:PORT the server is the
    /// registry HOST, for Docker before 28: `docker.io=0.0.0.0:8201`
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: Vec<ListenAddress>,
    /// Serve other machines without TLS
    #[arg(long, alias = "plain-http", conflicts_with_all = ["tls_certificate", "tls_key"])]
    no_tls: bool,
    /// Use the server certificate with its chain in FILE, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Use the key of the certificate in FILE, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Require client certificates issued by these authorities, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// Show on the status page whether the node at URL serves the same archives (repeatable)
    #[arg(long, value_name = "URL")]
    node: Vec<String>,
    /// Trust these certificate authorities of nodes beside the system's, PEM (repeatable)
    #[arg(long, value_name = "FILE", requires = "node")]
    ca: Vec<PathBuf>,
    /// Log each request
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    access_log: AccessLog,
    /// Check content when it is first requested, not in the background
    #[arg(long)]
    no_background_check: bool,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    paths: NodePaths,
}

/// Limits on what clients use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArguments {
    /// Set the maximum number of connections; further clients wait
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Set the maximum number of connections per IPv4 address or IPv6 /64 network
    #[arg(long, value_name = "COUNT", default_value_t = 2048, value_parser = value_parser!(u32).range(1..))]
    max_connections_per_address: u32,
    /// Set the maximum size of a request's headers, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 16_384, value_parser = value_parser!(u32).range(8192..=1_048_576))]
    max_request_bytes: u32,
    /// Set the time a client has to send a request, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    request_timeout: u32,
    /// Set the idle send timeout, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u32).range(1..))]
    send_timeout: u32,
    /// Close a connection that receives less than this many bytes per second on average; 0 for no minimum
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = value_parser!(u32))]
    min_send_rate: u32,
    /// Wait this many seconds for running requests when the server stops
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u32))]
    drain_timeout: u32,
}

impl LimitArguments {
    fn limits(&self) -> ServerLimits {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        ServerLimits {
            connections: size(self.max_connections),
            connections_per_address: size(self.max_connections_per_address),
            header_bytes: size(self.max_request_bytes),
            header_time: seconds(self.request_timeout),
            stall_time: seconds(self.send_timeout),
            minimum_rate: self.min_send_rate.into(),
            drain_time: seconds(self.drain_timeout),
        }
    }
}

/// The forms of the access log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    /// Log nothing
    #[default]
    Off,
    /// Write a JSON document per request to standard output
    Json,
}

/// The most threads that wait for disks: enough to keep the disks busy; more would only use memory.
const DISK_THREADS: usize = 64;

/// Which archives are served.
#[derive(Debug, Clone)]
enum Source {
    /// The archives on the command line.
    Named(Vec<PathBuf>),
    /// The archives in the node's configuration.
    Configured(NodeLayout),
}

impl Source {
    fn archives(&self) -> Result<Vec<PathBuf>, node::archives::Error> {
        match self {
            Self::Named(archives) => Ok(archives.clone()),
            Self::Configured(paths) => {
                let served = served(paths)?;
                for (archive, problem) in &served.refused {
                    output::warn(&format!("{} is not served: {problem}", printable_path(archive)));
                }
                Ok(served.archives)
            }
        }
    }
}

pub(crate) fn run(serve: Arguments) -> CommandResult {
    let tls = match (serve.tls_certificate, serve.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate, key, client_authorities: serve.tls_client_ca })
        }
        _ => None,
    };
    let sockets_of_systemd = inherited_sockets()?;
    let mut registries = Vec::new();
    let mut addresses = Vec::new();
    for listen in serve.listen {
        match listen {
            ListenAddress::Plain(address) => addresses.push(address),
            ListenAddress::Registry(listener) => registries.push(listener),
        }
    }
    if !sockets_of_systemd.is_empty() {
        addresses = sockets_of_systemd.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    }
    let mut all = addresses.iter().chain(registries.iter().map(|listener| &listener.address));
    if tls.is_none()
        && !serve.no_tls
        && let Some(address) = all.find(|address| !address.ip().is_loopback())
    {
        return Err(remedies::serving::no_certificate(*address));
    }
    let source = if serve.configured {
        Source::Configured(serve.paths.paths())
    } else {
        Source::Named(serve.archives)
    };
    let nodes = client_config::parsed(&serve.node)?;
    let nodes = (!nodes.is_empty()).then(|| OtherNodes::new(nodes, serve.ca));
    let nodes = nodes.transpose().map_err(Failure::usage_by)?;
    let (log, last_lines) = AccessLines::start(serve.access_log == AccessLog::Json)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let config = ServerOptions {
        listen: addresses,
        registries,
        archives: source.archives().map_err(Failure::usage_by)?,
        leave_out_unreadable: serve.configured,
        tls,
        check_in_background: !serve.no_background_check,
        limits: serve.limits.limits(),
        state_folders: if serve.configured { state_folders() } else { Vec::new() },
        package_files: Arc::new(StatusPackageFiles),
        log: Arc::new(log),
    };
    if serve.configured && config.archives.is_empty() {
        output::warn(
            "no archive is configured, nothing is served; add one with `sealift archive import FILE`",
        );
    }
    if let Err(error) = raise_open_files() {
        output::warn(&format!("cannot raise the limit of open files: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()?;
    // Sockets and signals are registered with the runtime they are made in.
    let inside = runtime.enter();
    let hangup = signal(SignalKind::hangup())?;
    let ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let server = match sockets_of_systemd {
        none if none.is_empty() => Server::bind(config),
        sockets => Server::with_listeners(sockets, config),
    };
    let server = server.map_err(remedies::serving::server)?;
    for (address, registry) in server.local_addrs() {
        let registry = registry.map(|host| format!(" as {host}")).unwrap_or_default();
        output::print(&format!("listening on {scheme}://{address}{registry}\n"))?;
    }
    if let Source::Configured(paths) = &source {
        drop(runtime.spawn(follow(paths.clone(), server.handle(), FOLLOW_INTERVAL)));
    }
    if let Some(nodes) = nodes {
        drop(runtime.spawn(nodes.watch(server.handle(), NODES_INTERVAL)));
    }
    let systemd = Systemd(std::env::var_os("NOTIFY_SOCKET"));
    drop(runtime.spawn(reload(server.handle(), source, hangup, systemd.clone())));
    systemd.notify(&systemd::ServiceState::Ready);
    let variable = std::env::var_os;
    if let Some(time) =
        systemd::watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id())
    {
        drop(runtime.spawn(watchdog(server.handle(), time / 2, systemd.clone())));
    }
    drop(inside);
    let served = run_to_end(runtime, server.run(stop(ends, systemd)));
    last_lines.wait();
    Ok(served?)
}

/// The folder of backups, whose free space the status page shows; the folder that it will be in, if there is no backup yet.
fn state_folders() -> Vec<PathBuf> {
    let state = CareLayout::default().state;
    state.ancestors().find(|folder| folder.is_dir()).map(PathBuf::from).into_iter().collect()
}

/// Runs a future to its end without waiting for background checks: reading gigabytes from a slow disk takes longer than
/// systemd gives a service to stop.
fn run_to_end<T>(runtime: Runtime, future: impl Future<Output = T>) -> T {
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ListenAddress {
    Plain(SocketAddr),
    Registry(RegistryListener),
}

const LISTEN_FORMS: &str = "expected an IP address with a port, such as `0.0.0.0:8080` or `[::]:8080`";

/// Parses `ADDRESS:PORT` or `HOST=ADDRESS:PORT`.
fn listen_address(text: &str) -> Result<ListenAddress, String> {
    let address = |text: &str| text.parse::<SocketAddr>().map_err(|_| LISTEN_FORMS.to_owned());
    let Some((host, rest)) = text.split_once('=') else { return address(text).map(ListenAddress::Plain) };
    let host = canonical_host(host)
        .ok_or("expected the name of a registry before `=`, such as `docker.io=0.0.0.0:8201`")?;
    Ok(ListenAddress::Registry(RegistryListener { host, address: address(rest)? }))
}

/// The sockets that systemd has opened for this service, if any (sd_listen_fds(3)).
fn inherited_sockets() -> Result<Vec<TcpListener>, Failure> {
    let mut sockets_of_systemd = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..sockets_of_systemd.len() {
        sockets.extend(sockets_of_systemd.take_tcp_listener(index)?);
    }
    Ok(sockets)
}

/// Reloads configuration, archives and certificates on SIGHUP while requests continue.
async fn reload(server: ServerHandle, source: Source, mut hangup: Signal, systemd: Systemd) {
    while hangup.recv().await.is_some() {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000;
        systemd.notify(&systemd::ServiceState::Reloading { monotonic_microseconds: microseconds });
        let (server, source) = (server.clone(), source.clone());
        let reloaded = tokio::task::spawn_blocking(move || {
            server.reload_from(|| source.archives().map_err(|error| error.to_string()))
        });
        if let Ok(Err(problem)) = reloaded.await {
            output::warn(&not_reloaded(&problem));
        }
        systemd.notify(&systemd::ServiceState::Ready);
    }
}

/// Notifies systemd at each interval that the server responds: systemd restarts a server that hangs.
async fn watchdog(server: ServerHandle, every: Duration, systemd: Systemd) {
    loop {
        tokio::time::sleep(every).await;
        if server.responds().await {
            systemd.notify(&systemd::ServiceState::Alive);
        }
    }
}

fn not_reloaded(problem: &str) -> String {
    format!("reload failed, still serving the previous archives: {problem}")
}

/// Waits for SIGINT or SIGTERM; the server then finishes its requests and ends.
async fn stop([mut interrupt, mut terminate]: [Signal; 2], systemd: Systemd) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    systemd.notify(&systemd::ServiceState::Stopping);
}

/// The service manager to notify, if any: the value of `NOTIFY_SOCKET`.
#[derive(Debug, Clone)]
struct Systemd(Option<OsString>);

impl Systemd {
    fn notify(&self, state: &systemd::ServiceState<'_>) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| systemd::notify(socket, state)) {
            output::warn(&format!("cannot notify systemd of {state:?}: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_have_the_name_of_a_registry() {
        let address: SocketAddr = "0.0.0.0:8201".parse().unwrap();
        let registry = |host: &str| ListenAddress::Registry(RegistryListener { host: host.into(), address });
        for (text, expected) in [
            ("0.0.0.0:8201", Some(ListenAddress::Plain(address))),
            ("docker.io=0.0.0.0:8201", Some(registry("docker.io"))),
            ("index.docker.io=0.0.0.0:8201", Some(registry("docker.io"))),
            ("localhost:5000=0.0.0.0:8201", Some(registry("localhost:5000"))),
            ("=0.0.0.0:8201", None),
            ("a/b=0.0.0.0:8201", None),
            ("docker.io=8201", None),
            ("docker.io=a=0.0.0.0:8201", None),
        ] {
            assert_eq!(listen_address(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_check_that_hangs_on_a_disk_does_not_keep_the_server_from_ending() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (disk, answer) = std::sync::mpsc::channel::<()>();
        let ended = run_to_end(runtime, async move {
            drop(tokio::task::spawn_blocking(move || answer.recv()));
            "ended"
        });
        assert_eq!(ended, "ended");
        // The disk responds only now.
        drop(disk);
    }
}
