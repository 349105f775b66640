//! Single files of a signed archive.

use content::{Digest, IoError};
use trust::Fault;

use super::{AttestationError, SignedStatement};
use crate::tree::{EntryKind, check_path};
use crate::{Tree, layout, sums};

impl SignedStatement {
    /// Whether the file at `path` of the archive is the signed one; its digest. Reads `SHA256SUMS` and this file only.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]: it is another one, or no signed list has it.
    pub fn verify_file(&self, tree: &Tree, path: &str) -> Result<Digest, AttestationError> {
        let refused = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
        check_path(path)?;
        let sums = self.sums().ok_or_else(|| refused(Fault::NoSums))?;
        let signed = match path {
            layout::SUMS => sums,
            path if layout::is_hidden(path) && path != layout::HIDDEN_SUMS => {
                let hidden = listed(tree, layout::SUMS, sums, layout::HIDDEN_SUMS)?;
                listed(tree, layout::HIDDEN_SUMS, hidden, path)?
            }
            path => listed(tree, layout::SUMS, sums, path)?,
        };
        let found = regular(tree, path)?;
        if found == signed {
            Ok(found)
        } else {
            Err(refused(Fault::FileDiffers { path: path.to_owned(), signed, found }))
        }
    }
}

/// The digest that the list at `list` has for a file, if the list is the signed one. It is read once: what is compared with the
/// signed digest is what is used.
fn listed(tree: &Tree, list: &str, signed: Digest, wanted: &str) -> Result<Digest, AttestationError> {
    let refused = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
    let bytes = tree.read(list, sums::LIMIT)?;
    let found = Digest::of(&bytes);
    if found != signed {
        return Err(refused(match list {
            layout::SUMS => Fault::SumsDiffer { signed, found },
            list => Fault::FileDiffers { path: list.to_owned(), signed, found },
        }));
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| refused(Fault::InvalidList(format!("{list}: it is not UTF-8"))))?;
    let lines = sums::parse(text).map_err(|error| refused(Fault::InvalidList(error.to_string())))?;
    let line = lines.into_iter().find(|line| line.path == wanted);
    line.map(|line| line.digest).ok_or_else(|| refused(Fault::NotListed(wanted.to_owned())))
}

/// The digest of a file, which must not be a link.
fn regular(tree: &Tree, path: &str) -> Result<Digest, AttestationError> {
    let refused = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
    let entry = tree.entry(path)?.ok_or_else(|| refused(Fault::FileMissing(path.to_owned())))?;
    if entry.kind != EntryKind::File {
        return Err(refused(Fault::NotAFile { path: path.to_owned(), found: entry.kind.noun() }));
    }
    let location = tree.locate_entry(path, &entry)?;
    let (digest, _) = content::hash_reader(location.reader(), |_| Ok(()))
        .map_err(IoError::at("read", &tree.path().join(path)))?;
    Ok(digest)
}
