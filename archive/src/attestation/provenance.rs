//! What an archive was built from.

use std::path::{Path, PathBuf};

use trust::{PROVENANCE_MAX, Provenance};

use super::{AttestationError, BUNDLE_SUFFIX, PROVENANCE_SUFFIX};
use crate::{Tree, layout};

/// What an archive says that it was built from; `None` if it does not.
///
/// # Errors
///
/// [`AttestationError`]: the file cannot be read, or has another form.
pub fn provenance(tree: &Tree) -> Result<Option<Provenance>, AttestationError> {
    let refused = |fault| AttestationError::Refused { path: tree.path().join(layout::PROVENANCE), fault };
    if tree.entry(layout::PROVENANCE)?.is_none() {
        return Ok(None);
    }
    let bytes = tree.read(layout::PROVENANCE, PROVENANCE_MAX as u64)?;
    Provenance::parse(&bytes).map(Some).map_err(refused)
}

/// Where the bundle of the provenance is, by that of the archive: `example-1.0.iso.provenance.sigstore.json`.
#[must_use]
pub fn provenance_bundle_path(bundle: &Path) -> PathBuf {
    let name = bundle.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(BUNDLE_SUFFIX).unwrap_or(&name);
    bundle.with_file_name(format!("{stem}{PROVENANCE_SUFFIX}"))
}
