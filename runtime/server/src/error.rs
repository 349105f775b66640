//! What may keep the server from serving.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The server could not be set up or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken by another process.
    #[error("cannot listen on {address}: the port is in use by another process")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Neither an address nor a socket was given.
    #[error("nothing to listen on: expected an address or a socket")]
    NoAddress,
    /// An archive cannot be opened.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// What was given to be served is no archive and no folder of images.
    #[error(
        "{}: nothing to serve: expected product.txt, manifest.yaml, images/ or packages/ in it",
        content::printable_path(path)
    )]
    Nothing {
        /// The path.
        path: PathBuf,
    },
    /// Two archives have the same name and version, as far as the names of images tell them apart.
    #[error(
        "{} and {} are both {id}: expected every archive once",
        content::printable_path(first),
        content::printable_path(second)
    )]
    Twice {
        /// Name and version.
        id: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two folders of images that are served without a prefix have an image of the same name.
    #[error(
        "{} and {} both have images named {name}: serve them as archives with a product.txt, or one by one",
        content::printable_path(first),
        content::printable_path(second)
    )]
    Conflict {
        /// The name of the image.
        name: String,
        /// One of the folders.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A certificate, key or certificate authority cannot be used.
    #[error("cannot use {} for TLS: {problem}", content::printable_path(path))]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The operating system refused something the running server needs.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
}
