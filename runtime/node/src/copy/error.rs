//! Errors of copies.

use std::io;
use std::path::PathBuf;

use content::IoError;

/// A copy failed. The archives of the node have not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The connection to the other end broke.
    #[error("the connection broke: {0}")]
    Connection(#[from] io::Error),
    /// The other end sent an unexpected message.
    #[error(
        "the other node uses another version of the protocol: {0}; install sealift {version} or newer on both nodes",
        version = env!("CARGO_PKG_VERSION")
    )]
    Protocol(String),
    /// The other end reported an error.
    #[error("the other node reports: {0}")]
    Other(String),
    /// Another file has the name of the archive.
    #[error("{} already exists with different content", content::printable_path(.0))]
    Taken(PathBuf),
    /// There is too little space for the archive.
    #[error("{} has {free} bytes free, and the archive needs {needed}", content::printable_path(path))]
    Space {
        /// The folder for the archive.
        path: PathBuf,
        /// The bytes that are free.
        free: u64,
        /// The bytes that are needed.
        needed: u64,
    },
    /// The partial file of an interrupted copy may be writable by another user.
    #[error("{} was not written by an earlier copy: {problem}", content::printable_path(path))]
    Planted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another copy of the same archive is running.
    #[error("another copy is being written: {} is locked", content::printable_path(.0))]
    Busy(PathBuf),
    /// The received archive does not match its recipe: the archive is damaged on the sending node.
    #[error("the received archive is damaged: {0}")]
    Damaged(String),
    /// The archive was received, but could not be published.
    #[error("cannot publish {}: {reason}", content::printable_path(path))]
    Publish {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
