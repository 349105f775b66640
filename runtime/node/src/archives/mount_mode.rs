//! The ways of mounting an archive, and the reasons why it cannot be mounted.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// The way an archive is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountMode {
    /// By the kernel: its isofs on a loop device, or a bind mount of a folder.
    Kernel,
    /// Through FUSE, by a process of Sealift.
    Fuse,
}

impl std::fmt::Display for MountMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kernel => "by the kernel",
            Self::Fuse => "through FUSE",
        })
    }
}

/// Why an archive cannot be mounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CannotMount {
    /// The user has forbidden it.
    #[error("`--mount never` was given")]
    Never,
    /// The process does not run as root.
    #[error("only root can mount by the kernel")]
    NotRoot,
    /// The kernel has no such file system, and no module for it.
    #[error("the kernel has no {0}")]
    NoFileSystem(&'static str),
    /// FUSE is for ISO files.
    #[error("it is a folder")]
    Folder,
    /// The device of FUSE cannot be opened.
    #[error("{}: {source}", content::printable_path(path))]
    Device {
        /// The device.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Neither way works.
    #[error("{kernel}; no FUSE: {fuse}")]
    Neither {
        /// Why the kernel cannot mount it.
        kernel: Box<CannotMount>,
        /// Why FUSE cannot.
        fuse: Box<CannotMount>,
    },
}
