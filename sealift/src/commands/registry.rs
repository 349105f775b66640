//! `sealift registry`: what static-container-registry, nginx and a registry did.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use runtime::archives::{configured, follow};
use runtime::serve::{
    Access, Config, Error as ServeError, Event, Handle, Log, Server, Tls, raise_open_files,
};

use crate::commands::clients;
use crate::commands::nginx;
use crate::commands::node::Places;
use crate::failure::{Failure, Outcome};
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Index a folder of images, so that nginx serves them with a configuration of constant size
    Index {
        /// The folder of images
        images: PathBuf,
        /// The index to write [default: `registry` beside the images]
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Make the nginx configuration of an archive's registry, or the whole one for all archives of this node
    #[command(
        after_help = "Example:\n  sealift registry nginx-config /srv/scality/metalk8s-2.11.0/images --repository metalk8s-2.11.0 \\\n      \
                            > /etc/nginx/conf.d/99-metalk8s-2.11.0-registry.inc\n  \
                            sealift registry nginx-config --configured --install /etc/nginx/nginx.conf"
    )]
    NginxConfig(Box<nginx::NginxConfig>),
    /// Tell containerd which nodes serve the images: certs.d/HOST/hosts.toml
    #[command(
        after_help = "Example:\n  sealift registry containerd-config --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n\n\
                            containerd reads the file at each pull; its configuration must name /etc/containerd/certs.d as config_path."
    )]
    ContainerdConfig(clients::Containerd),
    /// Tell CRI-O, podman and skopeo which nodes serve the images: a drop-in of registries.conf
    CrioConfig(clients::Registry),
    /// Serve images and packages over HTTP, straight from ISO files
    #[command(after_help = "Examples:\n  sealift registry serve metalk8s.iso\n  \
                            sealift registry serve metalk8s.iso solution.iso --listen 0.0.0.0:8080 --plain-http\n  \
                            sealift registry serve metalk8s.iso --listen 0.0.0.0:8443 --tls-certificate cert.pem --tls-key key.pem\n\n\
                            Addresses, for the archive MetalK8s 2.11.0:\n  \
                            images     HOST/metalk8s-2.11.0/IMAGE:TAG  (and HOST/IMAGE:TAG if it is the only archive)\n  \
                            packages   http://HOST/metalk8s-2.11.0/redhat/8/REPOSITORY-el8/\n  \
                            files      http://HOST/archives/metalk8s-2.11.0/\n  \
                            state      /healthz /readyz /metrics")]
    Serve(Serve),
}

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
    /// The address to listen on (repeatable)
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

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Index { images, into } => {
            let into = into.unwrap_or_else(|| images.parent().unwrap_or(&images).join("registry"));
            images::registry::index(&images, &into)?;
            output::print(&format!("{}\n", into.display()))?;
            Ok(())
        }
        Command::NginxConfig(arguments) => nginx::nginx_config(*arguments),
        Command::ContainerdConfig(arguments) => clients::containerd(&arguments),
        Command::CrioConfig(arguments) => clients::crio(&arguments),
        Command::Serve(serve) => self::serve(serve),
    }
}

fn serve(serve: Serve) -> Outcome {
    let tls = match (serve.tls_certificate, serve.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Tls { certificate, key, client_authorities: serve.tls_client_ca })
        }
        _ => None,
    };
    let open = |address: &&SocketAddr| !address.ip().is_loopback();
    if tls.is_none()
        && !serve.plain_http
        && let Some(address) = serve.listen.iter().find(open)
    {
        return Err(Failure::usage(format!(
            "{address} can be reached by other machines and there is no certificate"
        ))
        .remedy("give --tls-certificate and --tls-key, or say --plain-http"));
    }
    let paths = serve.configured.then(|| serve.places.paths());
    let archives = match &paths {
        Some(paths) => configured(paths).map_err(Failure::usage_by)?,
        None => serve.archives,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let config = Config {
        listen: serve.listen,
        archives: archives.clone(),
        leave_out_unreadable: serve.configured,
        tls,
        check_in_background: !serve.no_background_check,
        log: Arc::new(Lines { access: serve.access_log == AccessLog::Json }),
        ..Config::default()
    };
    if let Err(error) = raise_open_files() {
        output::warn(&format!("the limit of open files cannot be raised: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Sockets are registered with the runtime they are bound in.
    let _inside = runtime.enter();
    let server = Server::bind(config).map_err(unbound)?;
    match paths {
        Some(paths) => drop(runtime.spawn(follow(paths, server.handle(), FOLLOW_INTERVAL))),
        None => drop(runtime.spawn(reload(server.handle(), archives))),
    }
    for address in server.local_addrs() {
        output::print(&format!("listening on {scheme}://{address}\n"))?;
    }
    runtime.block_on(server.run(stop()))?;
    Ok(())
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

/// SIGHUP: the archives and certificates are read anew; requests go on meanwhile.
async fn reload(server: Handle, archives: Vec<PathBuf>) {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        let (server, archives) = (server.clone(), archives.clone());
        let reloaded = tokio::task::spawn_blocking(move || server.reload(&archives)).await;
        if let Ok(Err(error)) = reloaded {
            output::warn(&format!("not reloaded, what was served is served still: {error}"));
        }
    }
}

/// SIGINT or SIGTERM: the server finishes what it has begun and ends.
async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
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
            Event::Draining => output::note("stopping: no new connections, those open come to their end"),
            other => output::note(&format!("{other:?}")),
        }
    }
}
