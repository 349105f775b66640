//! Where the files of a backup belong.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::care::CareLayout;

/// The folders of the service's own settings, below that of systemd units.
const DROP_INS: [&str; 2] = ["sealift-registry.service.d", "sealift-registry.socket.d"];

/// A root of files that a backup has. A backup names no absolute path, so that it restores nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    /// `/etc/metalk8s`.
    Metalk8s,
    /// `/etc/sealift`.
    Sealift,
    /// `/etc/sysconfig/sealift`, a single file.
    Sysconfig,
    /// The settings of the service in `/etc/systemd/system`.
    Service,
    /// What hooks have added, for the hooks of the restoration.
    Hooks,
}

impl Place {
    /// The name of its folder in a backup.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Metalk8s => "metalk8s",
            Self::Sealift => "sealift",
            Self::Sysconfig => "sysconfig",
            Self::Service => "service",
            Self::Hooks => "hooks",
        }
    }

    /// Where `path` belongs on a node; `None` for what hooks have added, and for a path that does not belong here.
    pub(super) fn target(self, path: &str, layout: &CareLayout) -> Option<PathBuf> {
        match self {
            Self::Metalk8s => Some(layout.metalk8s().join(path)),
            Self::Sealift => Some(layout.sealift().join(path)),
            Self::Sysconfig => (path == SYSCONFIG).then(|| layout.sysconfig.clone()),
            Self::Service => {
                let is_drop_in = path.split('/').next().is_some_and(|folder| DROP_INS.contains(&folder));
                is_drop_in.then(|| layout.node.units.join(path))
            }
            Self::Hooks => None,
        }
    }

    /// The folders and files of this place on a node: each with the path that it has in the place.
    pub(super) fn roots(self, layout: &CareLayout) -> Vec<(String, PathBuf)> {
        match self {
            Self::Metalk8s => vec![(String::new(), layout.metalk8s().to_path_buf())],
            Self::Sealift if layout.sealift() == layout.metalk8s() => Vec::new(),
            Self::Sealift => vec![(String::new(), layout.sealift().to_path_buf())],
            Self::Sysconfig => vec![(SYSCONFIG.to_owned(), layout.sysconfig.clone())],
            Self::Service => {
                DROP_INS.iter().map(|name| ((*name).to_owned(), layout.node.units.join(name))).collect()
            }
            Self::Hooks => vec![(String::new(), hooks_folder(layout))],
        }
    }

    /// All places, in the order of a backup.
    pub(super) const ALL: [Self; 5] =
        [Self::Metalk8s, Self::Sealift, Self::Sysconfig, Self::Service, Self::Hooks];
}

/// The name of the settings in their place.
const SYSCONFIG: &str = "sealift";

/// The folder into which hooks write what a backup adds.
pub(super) fn hooks_folder(layout: &CareLayout) -> PathBuf {
    layout.scratch().join("hooks")
}

/// The path of a file in the tar.
pub(super) fn stored(place: Place, path: &str) -> String {
    Path::new(place.folder()).join(path).to_string_lossy().into_owned()
}
