//! The content store of the user.

use std::path::{Path, PathBuf};

use buildchain::project::{Settings, SettingsFlags};
use images::Store;

use crate::failure::Failure;
use crate::remedies;

/// The folder of the content store: the one given on the command line, else the one that builds use.
pub(super) fn root(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(root) = given {
        return Ok(root);
    }
    let here = std::env::current_dir()?;
    let environment = crate::session::environment();
    Ok(Settings::gather(&here, &environment, &SettingsFlags::default())
        .map_err(remedies::project::project)?
        .cache)
}

/// The folder of the content store, which must exist.
pub(super) fn existing(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let root = root(given)?;
    if root.join("blobs").is_dir() {
        Ok(root)
    } else {
        Err(Failure::usage(format!("{}: not a content store", content::printable_path(&root))))
    }
}

/// Opens the content store in `root`.
pub(super) fn open(root: &Path) -> Result<Store, Failure> {
    Store::open(root).map_err(remedies::images::store)
}

/// The content store that builds use, if it can be opened: it saves reading files whose digests it has recorded.
pub(crate) fn known() -> Option<Store> {
    existing(None).ok().and_then(|root| Store::open(&root).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_cannot_be_written_is_refused_with_how_to_name_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let failure = open(&folder.path().join("file/store")).unwrap_err();
        assert!(failure.report().unwrap().remedy.as_ref().unwrap().contains("--store DIR or SEALIFT_CACHE"));
    }
}
