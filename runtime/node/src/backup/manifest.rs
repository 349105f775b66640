//! The manifest of a backup.

use std::collections::{BTreeMap, BTreeSet};

use archive::tree::check_path;
use content::Digest;
use serde::{Deserialize, Serialize};

use super::archive_digest::ArchiveDigest;
use super::error::Error;
use super::place::{Place, stored};

/// The most bytes of a manifest.
pub(super) const MANIFEST_MAX: u64 = 16 << 20;
/// Its name in the tar.
pub(super) const MANIFEST: &str = "manifest.json";
/// The most files, folders and links of a backup.
pub(super) const ENTRIES_MAX: usize = 20_000;
/// The permission bits that a restoration gives.
const PERMISSIONS: u32 = 0o777;
const API_VERSION: &str = "sealift.dev/v1alpha1";
const KIND: &str = "NodeBackup";

/// What a backup has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    pub(super) api_version: String,
    pub(super) kind: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// Why it was made.
    pub reason: String,
    /// The versions that the node ran, by the names of their archives.
    pub versions: BTreeMap<String, String>,
    /// The archives of the node.
    pub archives: Vec<SavedArchive>,
    pub(super) folders: Vec<SavedFolder>,
    pub(super) files: Vec<SavedFile>,
    pub(super) links: Vec<SavedLink>,
}

/// An archive that the node had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedArchive {
    /// Its ISO or folder.
    pub path: String,
    /// Its ID; null if it could not be read.
    pub id: Option<String>,
    /// The size of the ISO in bytes.
    pub bytes: Option<u64>,
    /// What identifies its content; null if it could not be read.
    pub digest: Option<ArchiveDigest>,
}

/// The permissions and the owner of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owned {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The name of the user; on another node it may have another number.
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedFolder {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) owned: Owned,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedFile {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) owned: Owned,
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedLink {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) target: String,
}

impl Manifest {
    /// A manifest without files.
    pub(super) fn new(created: String, reason: String) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            created,
            reason,
            versions: BTreeMap::new(),
            archives: Vec::new(),
            folders: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Reads a manifest and checks its paths.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Manifest(problem);
        let read: Self = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if (read.api_version.as_str(), read.kind.as_str()) != (API_VERSION, KIND) {
            return Err(wrong(format!("expected {API_VERSION} {KIND}")));
        }
        let folders = read.folders.iter().map(|one| (one.place, &one.path));
        let files = read.files.iter().map(|one| (one.place, &one.path));
        let links = read.links.iter().map(|one| (one.place, &one.path));
        let mut seen = BTreeSet::new();
        for (place, path) in folders.chain(files).chain(links) {
            check_path(path).map_err(|error| wrong(error.to_string()))?;
            if path.is_empty() && place != Place::Metalk8s && place != Place::Sealift && place != Place::Hooks
            {
                return Err(wrong(format!("a file of {} has no name", place.folder())));
            }
            if !seen.insert(stored(place, path)) {
                return Err(wrong(format!("`{}` is listed twice", stored(place, path))));
            }
            if seen.len() > ENTRIES_MAX {
                return Err(wrong(format!("it lists more than {ENTRIES_MAX} files")));
            }
        }
        let modes = read.folders.iter().map(|one| &one.owned).chain(read.files.iter().map(|one| &one.owned));
        if modes.into_iter().any(|owned| owned.mode > PERMISSIONS) {
            return Err(wrong("a mode has more than permission bits".to_owned()));
        }
        Ok(read)
    }

    /// The text, which is the same for the same content.
    pub(super) fn text(&self) -> Result<Vec<u8>, Error> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|error| Error::Manifest(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
