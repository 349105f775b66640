//! What the commands on a whole node share: its files, the lock, and changes that were interrupted.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archives::{self, NodeLayout};
use crate::change_version::Direction;
use crate::transaction::{self, Transaction};

/// The files and folders of a whole node. The default is where MetalK8s and the RPM have them.
#[derive(Clone, Debug)]
pub struct CareLayout {
    /// The lists of archives and the mounts.
    pub node: NodeLayout,
    /// The folder of backups, and of the journal of an interrupted change.
    pub state: PathBuf,
    /// The settings of the service.
    pub sysconfig: PathBuf,
    /// The configuration of Salt, with the folders `minion.d` and `master.d`.
    pub salt: PathBuf,
    /// The folder of the site's hooks, with a folder for each step.
    pub hooks: PathBuf,
}

impl Default for CareLayout {
    fn default() -> Self {
        Self {
            node: NodeLayout::default(),
            state: "/var/lib/metalk8s".into(),
            sysconfig: "/etc/sysconfig/sealift".into(),
            salt: "/etc/salt".into(),
            hooks: "/etc/metalk8s/hooks.d".into(),
        }
    }
}

impl CareLayout {
    /// The folder of the configuration of MetalK8s.
    pub(crate) fn metalk8s(&self) -> &Path {
        parent(&self.node.bootstrap)
    }

    /// The folder of the configuration of Sealift.
    pub(crate) fn sealift(&self) -> &Path {
        parent(&self.node.archives)
    }

    /// The file that records which versions the node runs.
    #[must_use]
    pub fn versions(&self) -> PathBuf {
        self.sealift().join("versions.yaml")
    }

    /// The folder of an interrupted change.
    pub(crate) fn change(&self) -> PathBuf {
        self.state.join(".change")
    }

    /// A folder for what is being written or read.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.state.join(".scratch")
    }

    /// Takes the lock that lets only one command change the whole node; it is held until the file is dropped.
    ///
    /// # Errors
    ///
    /// [`archives::Error::Locked`]; [`archives::Error`] if the lock cannot be used.
    pub fn lock(&self) -> Result<File, archives::Error> {
        content::create_folder(&self.state)?;
        archives::exclusive(&self.state.join(".lock/care"))
    }

    /// The change that was interrupted.
    ///
    /// # Errors
    ///
    /// [`transaction::Error`].
    pub fn interrupted(&self) -> Result<Option<Interrupted>, transaction::Error> {
        Ok(Transaction::<Interrupted>::open(&self.change())?.map(|found| found.operation().clone()))
    }
}

fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

/// A change of the node that was begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Interrupted {
    /// A restoration.
    Restoration {
        /// The backup.
        backup: PathBuf,
        /// The archives that it mounts, by ID.
        archives: Vec<String>,
    },
    /// An upgrade or downgrade.
    Version {
        /// Which of the two.
        direction: Direction,
        /// The name of the archives.
        name: String,
        /// The former version.
        from: String,
        /// The new version.
        to: String,
        /// Whether the hooks of the step were running when it was interrupted.
        hooks: bool,
    },
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Restoration { backup, .. } => {
                write!(f, "the restoration of {}", content::printable_path(backup))
            }
            Self::Version { direction, name, from, to, hooks } => {
                let phase = if *hooks { "while its hooks ran" } else { "while files were changed" };
                write!(
                    f,
                    "the {direction} of {} from {} to {}, {phase}",
                    content::printable(name),
                    content::printable(from),
                    content::printable(to)
                )
            }
        }
    }
}
