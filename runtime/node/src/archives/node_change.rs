//! The steps of an import or deletion.

use std::path::PathBuf;

use serde::Serialize;

use super::mount_mode::MountMode;
use crate::site_config::ConfigurationKind;

/// What an import or deletion has changed, or would change.
#[derive(Clone, Debug, Serialize)]
pub struct NodeChange {
    /// The archive ID.
    pub id: String,
    /// The archive.
    pub archive: PathBuf,
    /// The steps, in order; empty if nothing was to be changed.
    pub steps: Vec<NodeStep>,
    /// Why the archive is not mounted; `None` if it is.
    pub not_mounted: Option<String>,
    /// What else the user should know, such as mounts that remain.
    pub notes: Vec<String>,
}

/// One change to the node. As JSON: an object with the key `step`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NodeStep {
    /// Create a mount point.
    CreateFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Mount the archive.
    Mount {
        /// The archive.
        archive: PathBuf,
        /// The mount point.
        at: PathBuf,
        /// The way.
        way: MountMode,
    },
    /// Write the systemd mount unit and enable it.
    WriteUnit {
        /// The file of the unit.
        path: PathBuf,
        /// The link that enables it.
        link: PathBuf,
        /// The content of the unit.
        content: String,
        /// Its previous content; `None` if it did not exist.
        former: Option<String>,
    },
    /// Add the archive to the configuration.
    List {
        /// The configuration file.
        file: PathBuf,
        /// The kind of that configuration.
        #[serde(skip)]
        kind: ConfigurationKind,
        /// The archive.
        archive: PathBuf,
    },
    /// Remove the archive from the configuration.
    Unlist {
        /// The configuration file.
        file: PathBuf,
        /// The kind of that configuration.
        #[serde(skip)]
        kind: ConfigurationKind,
        /// The archive.
        archive: PathBuf,
    },
    /// Unmount the archive.
    Unmount {
        /// The archive.
        archive: PathBuf,
        /// The mount point.
        at: PathBuf,
        /// The way in which it is mounted.
        way: MountMode,
        /// Whether it is unmounted even if it is in use.
        lazily: bool,
    },
    /// Remove the systemd mount unit.
    RemoveUnit {
        /// The file of the unit.
        path: PathBuf,
        /// The link that enables it.
        link: PathBuf,
        /// Its content.
        former: String,
    },
    /// Remove the lines by which the system mounts the archive at each boot.
    ChangeFstab {
        /// The file.
        path: PathBuf,
        /// The lines.
        lines: Vec<String>,
        /// The new content of the file.
        #[serde(skip)]
        content: String,
        /// The previous content.
        #[serde(skip)]
        former: String,
    },
    /// Remove the mount point.
    RemoveFolder {
        /// The folder.
        path: PathBuf,
    },
}

impl std::fmt::Display for NodeStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateFolder { path } => write!(f, "create {}", path.display()),
            Self::Mount { archive, at, way } => {
                write!(f, "mount {} at {} {way}", archive.display(), at.display())?;
                f.write_str(if *way == MountMode::Fuse { ", until the next boot" } else { "" })
            }
            Self::WriteUnit { path, .. } => write!(f, "write {}", path.display()),
            Self::List { file, archive, .. } => write!(f, "add {} to {}", archive.display(), file.display()),
            Self::Unlist { file, archive, .. } => {
                write!(f, "remove {} from {}", archive.display(), file.display())
            }
            Self::Unmount { at, .. } => write!(f, "unmount {}", at.display()),
            Self::ChangeFstab { path, lines, .. } => {
                let lines = lines.join("\n");
                write!(f, "remove from {}: {}", path.display(), content::printable(&lines))
            }
            Self::RemoveUnit { path, .. } | Self::RemoveFolder { path } => {
                write!(f, "remove {}", path.display())
            }
        }
    }
}
