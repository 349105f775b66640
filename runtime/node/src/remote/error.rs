//! Errors about other nodes.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::{archives, copy};

/// Another node could not be asked, or an archive could not be copied to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command of the remote shell is empty.
    #[error("--remote-shell contains no command")]
    NoShell,
    /// The remote shell cannot be started.
    #[error("cannot run `{shell}`: {source}")]
    Start {
        /// Its program.
        shell: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The remote shell failed before `sealift` there reported an error.
    #[error("`{shell}` {}", content::exit(*.status))]
    Shell {
        /// The command of the remote shell.
        shell: String,
        /// Its exit status.
        status: ExitStatus,
    },
    /// The remote shell ended during a copy.
    #[error("`{shell}` {}: {source}", content::exit(*.status))]
    Interrupted {
        /// The command of the remote shell.
        shell: String,
        /// Its exit status.
        status: ExitStatus,
        /// The error of the connection.
        source: io::Error,
    },
    /// Its output cannot be read.
    #[error("cannot read the output of `{shell}`: {source}")]
    Output {
        /// The command of the remote shell.
        shell: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The node's list of archives is not JSON.
    #[error("its list of archives cannot be read: {0}")]
    List(serde_json::Error),
    /// The node's list of archives is JSON in a form that this version cannot read.
    #[error(
        "its list of archives has another form than sealift.dev/v1 ArchiveList: {found}; \
         install sealift {version} or newer on both nodes",
        version = env!("CARGO_PKG_VERSION")
    )]
    Form {
        /// The `apiVersion` and `kind`, or what is wrong with an element.
        found: String,
    },
    /// The node cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A word cannot be passed to a remote shell.
    #[error("{0:?} cannot be passed to a remote shell: expected UTF-8 without NUL")]
    Word(PathBuf),
    /// This node has no such archive.
    #[error("this node has no archive `{0}`")]
    Unknown(String),
    /// The other node has another archive with the same ID.
    #[error("the node has another archive with this ID: {0}")]
    Different(String),
    /// The archive cannot be imported, on this node or on any.
    #[error(transparent)]
    Archive(#[from] archives::Error),
    /// The copy failed.
    #[error(transparent)]
    Copy(#[from] copy::Error),
}
