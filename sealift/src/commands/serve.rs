//! `sealift registry serve`: the embedded server, as a service of systemd or by hand.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use listenfd::ListenFd;
use runtime::archives::{Paths, configured, follow};
use runtime::serve::{
    Access, Config, Error as ServeError, Event, Handle, Log, Server, Tls, raise_open_files,
};
use runtime::systemd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::node::Places;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How often the node's configuration is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// ISO files, the folders they are mounted at, or folders of images
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Serve the archives that this node's configuration lists, and follow it
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// The address to listen on (repeatable); sockets that systemd passes on are used in its place
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: Vec<SocketAddr>,
    /// Speak HTTP without TLS to other machines too
    #[arg(long, conflicts_with_all = ["tls_certificate", "tls_key"])]
    plain_http: bool,
    /// The server's certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Only answer clients with a certificate by one of these authorities, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// What to log of requests
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    access_log: AccessLog,
    /// Do not check all content in the background; it is still checked when it is first asked for
    #[arg(long)]
    no_background_check: bool,
    #[command(flatten)]
    places: Places,
}

/// The forms of the access log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    /// Requests are not logged
    #[default]
    Off,
    /// A JSON document per request on standard output
    Json,
}

/// The most threads that wait for disks: enough to keep those busy, while more would only take memory.
const DISK_THREADS: usize = 64;

/// Which archives are served.
#[derive(Debug, Clone)]
enum Source {
    /// Those of the command line.
    Named(Vec<PathBuf>),
    /// Those of the node's configuration.
    Configured(Paths),
}

impl Source {
    fn archives(&self) -> Result<Vec<PathBuf>, runtime::archives::Error> {
        match self {
            Self::Named(archives) => Ok(archives.clone()),
            Self::Configured(paths) => configured(paths),
        }
    }
}

pub(crate) fn run(serve: Serve) -> Outcome {
    let tls = match (serve.tls_certificate, serve.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Tls { certificate, key, client_authorities: serve.tls_client_ca })
        }
        _ => None,
    };
    let passed_on = passed_on()?;
    let addresses = match passed_on.as_slice() {
        [] => serve.listen,
        sockets => sockets.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
    };
    if tls.is_none()
        && !serve.plain_http
        && let Some(address) = addresses.iter().find(|address| !address.ip().is_loopback())
    {
        return Err(Failure::usage(format!(
            "{address} can be reached by other machines and there is no certificate"
        ))
        .remedy("give --tls-certificate and --tls-key, or say --plain-http"));
    }
    let source = if serve.configured {
        Source::Configured(serve.places.paths())
    } else {
        Source::Named(serve.archives)
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let config = Config {
        listen: addresses,
        archives: source.archives().map_err(Failure::usage_by)?,
        leave_out_unreadable: serve.configured,
        tls,
        check_in_background: !serve.no_background_check,
        log: Arc::new(Lines { access: serve.access_log == AccessLog::Json }),
        ..Config::default()
    };
    if let Err(error) = raise_open_files() {
        output::warn(&format!("the limit of open files cannot be raised: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build()?;
    // Sockets and signals are registered with the runtime they are made in.
    let _inside = runtime.enter();
    let hangup = signal(SignalKind::hangup())?;
    let ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let server = match passed_on {
        none if none.is_empty() => Server::bind(config),
        sockets => Server::with_listeners(sockets, config),
    };
    let server = server.map_err(unbound)?;
    for address in server.local_addrs() {
        output::print(&format!("listening on {scheme}://{address}\n"))?;
    }
    if let Source::Configured(paths) = &source {
        drop(runtime.spawn(follow(paths.clone(), server.handle(), FOLLOW_INTERVAL)));
    }
    let systemd = Systemd(std::env::var_os("NOTIFY_SOCKET"));
    drop(runtime.spawn(reload(server.handle(), source, hangup, systemd.clone())));
    systemd.tell(&systemd::State::Ready);
    runtime.block_on(server.run(stop(ends, systemd)))?;
    Ok(())
}

/// The sockets that systemd has opened for this service, if any (sd_listen_fds(3)).
fn passed_on() -> Result<Vec<TcpListener>, Failure> {
    let mut passed_on = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed_on.len() {
        sockets.extend(passed_on.take_tcp_listener(index)?);
    }
    Ok(sockets)
}

fn unbound(error: ServeError) -> Failure {
    let in_use = matches!(error, ServeError::InUse { .. });
    let failure = Failure::from(error);
    if in_use {
        failure.remedy("choose another port with --listen, or stop what listens there")
    } else {
        failure
    }
}

/// SIGHUP: configuration, archives and certificates are read anew; requests go on meanwhile.
async fn reload(server: Handle, source: Source, mut hangup: Signal, systemd: Systemd) {
    while hangup.recv().await.is_some() {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000;
        systemd.tell(&systemd::State::Reloading { monotonic_microseconds: microseconds });
        let (server, source) = (server.clone(), source.clone());
        let reloaded = tokio::task::spawn_blocking(move || {
            server.reload_from(|| source.archives().map_err(|error| error.to_string()))
        });
        if let Ok(Err(problem)) = reloaded.await {
            not_reloaded(&problem);
        }
        systemd.tell(&systemd::State::Ready);
    }
}

fn not_reloaded(problem: &str) {
    output::warn(&format!("not reloaded, what was served is served still: {problem}"));
}

/// SIGINT or SIGTERM: the server finishes what it has begun and ends.
async fn stop([mut interrupt, mut terminate]: [Signal; 2], systemd: Systemd) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    systemd.tell(&systemd::State::Stopping);
}

/// The service manager, if one wants to know how this service does: the value of `NOTIFY_SOCKET`.
#[derive(Debug, Clone)]
struct Systemd(Option<OsString>);

impl Systemd {
    fn tell(&self, state: &systemd::State<'_>) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| systemd::notify(socket, state)) {
            output::warn(&format!("systemd cannot be told of {state:?}: {error}"));
        }
    }
}

/// Messages on standard error, requests on standard output.
#[derive(Debug)]
struct Lines {
    access: bool,
}

impl Log for Lines {
    fn access(&self, access: &Access<'_>) {
        if !self.access {
            return;
        }
        let line = serde_json::json!({
            "peer": access.peer, "method": access.method, "target": access.target, "status": access.status,
            "bytes": access.bytes, "complete": access.complete, "seconds": access.duration.as_secs_f64(),
            "userAgent": access.user_agent,
        });
        // A log that nobody reads any more must not stop the server.
        let _ = output::print(&format!("{line}\n"));
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Serving { archive, id, repositories } => {
                let id = id.as_deref().unwrap_or("a folder of images");
                let images = if *repositories == 1 { "image" } else { "images" };
                output::note(&format!("serving {} ({id}): {repositories} {images}", archive.display()));
            }
            Event::NotServed { archive, problem } => {
                output::warn(&format!("{}: not served: {problem}", archive.display()))
            }
            Event::Damaged { archive, digest, problem } => {
                output::warn(&format!("{}: damaged: {digest}: {problem}", archive.display()));
            }
            Event::Connection { problem } => output::warn(problem),
            Event::NotReloaded { problem } => not_reloaded(problem),
            Event::Draining => output::note("stopping: no new connections, those open come to their end"),
            other => output::note(&format!("{other:?}")),
        }
    }
}
