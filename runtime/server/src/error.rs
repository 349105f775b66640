//! Errors of the server.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The server could not be started, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process uses the address.
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
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// There is neither an address nor a socket.
    #[error("nothing to listen on: expected an address or a socket")]
    NoAddress,
    /// An archive cannot be opened.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The path is neither an archive nor a folder of images.
    #[error(
        "{}: nothing to serve: expected product.txt, manifest.yaml, images/ or packages/ in it",
        content::printable_path(path)
    )]
    Nothing {
        /// The path.
        path: PathBuf,
    },
    /// Two archives have the same ID, as it stands in the names of images.
    #[error(
        "{} and {} are both {id}: serve only one of them",
        content::printable_path(first),
        content::printable_path(second)
    )]
    Twice {
        /// The ID.
        id: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two folders of images that are served without a prefix have an image of the same name.
    #[error(
        "{} and {} both have images named {name}: serve them as archives with a product.txt, or one at a time",
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
    /// The operating system refused an operation of the running server.
    #[error("cannot {operation}: {source}")]
    Io {
        /// The verb.
        operation: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}
