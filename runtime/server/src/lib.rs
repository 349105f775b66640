//! The network server: container images and packages over HTTP, straight from archives.
//!
//! One process serves any number of archives, each an ISO file, a mounted ISO or a folder, or plain folders of images.
//! Nothing is mounted or unpacked; only an index of names and digests is in memory.
//!
//! | path | content |
//! | --- | --- |
//! | `/v2/<name>-<version>/<image>/…` | the images of an archive, by the OCI distribution specification (pull) |
//! | `/v2/<image>/…` | the same, if it is the only archive; the images of a plain folder |
//! | `/v2/<host>/<repository>/…` | images under the names of the registries that they came from, of all archives; `<host>` can also come as `ns`, as `Host`, or from the listener |
//! | `/v2/<name>-<version>/<host>/<repository>/…` | the same, of one archive |
//! | `/<name>-<version>/redhat/<release>/<repository>-el<release>/…` | its package repositories |
//! | `/archives/<name>-<version>/…` | all of its files |
//! | `/`, `/_status/…`, `/status.json` | the status page, as text for clients that do not accept HTML, and for programs |
//! | `/healthz`, `/readyz`, `/metrics` | whether the server is alive, what is wrong, counters |
//!
//! A manifest is served only if all its blobs exist. Content is checked against its digest when it is first requested, and
//! in the background: the last bytes of a blob are sent only once the check has passed. The same holds for packages and all
//! other files that `SHA256SUMS` lists.
//!
//! ```no_run
//! use server::{Server, ServerOptions};
//!
//! # async fn example() -> Result<(), server::Error> {
//! let server = Server::bind(ServerOptions {
//!     listen: vec![([127, 0, 0, 1], 8080).into()],
//!     archives: vec!["metalk8s.iso".into()],
//!     ..ServerOptions::default()
//! })?;
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
//! # }
//! ```
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod config;
mod connection;
mod endpoints;
mod error;
mod http;
mod integrity;
mod inventory;
mod observe;
mod server;
mod state;
mod status;
mod tls;

#[cfg(test)]
mod tests;

pub use config::{RegistryListener, ServerLimits, ServerOptions};
pub use error::Error;
pub use inventory::verdict::file_stamp;
pub use observe::log::{AccessRecord, ServerEvent, ServerLog};
pub use observe::systemd;
pub use server::{Server, ServerHandle, raise_open_files};
pub use status::{
    Agreement, ArchiveStatus, ArchiveVerdict, Checks, ContentFinding, ContentProblem, FileSystem,
    NodeAgreement, NodeHealth, NodeStatus, NotServed, OtherNode, PackageFile, PackageFiles, STYLE,
};
pub use tls::TlsFiles;
