//! Single files of a signed archive.

use std::collections::HashMap;

use content::{Digest, IoError};
use trust::Fault;

use super::{AttestationError, SignedStatement};
use crate::tree::{EntryKind, check_path};
use crate::{Tree, layout, sums};

impl SignedStatement {
    /// Whether the files at `paths` of the archive are the signed ones: the digest of each. Reads `SHA256SUMS` and these files only,
    /// and each list once.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] for a file that is another one, or that no signed list has.
    pub fn verify_files(&self, tree: &Tree, paths: &[String]) -> Vec<Result<Digest, AttestationError>> {
        let mut lists = SignedLists { signed: self, tree, wanted: paths, read: HashMap::new() };
        paths.iter().map(|path| lists.verify(path)).collect()
    }
}

/// What the signed lists of an archive have about some files.
struct SignedLists<'a> {
    signed: &'a SignedStatement,
    tree: &'a Tree,
    wanted: &'a [String],
    /// By the path of the list: the digests of the files that are wanted.
    read: HashMap<&'static str, HashMap<String, Digest>>,
}

impl SignedLists<'_> {
    fn verify(&mut self, path: &str) -> Result<Digest, AttestationError> {
        check_path(path)?;
        let sums = self.signed.sums().ok_or_else(|| refused(self.tree, Fault::NoSums))?;
        let signed = match path {
            layout::SUMS => sums,
            path if layout::is_hidden(path) && path != layout::HIDDEN_SUMS => {
                let hidden = self.listed(layout::SUMS, sums, layout::HIDDEN_SUMS)?;
                self.listed(layout::HIDDEN_SUMS, hidden, path)?
            }
            path => self.listed(layout::SUMS, sums, path)?,
        };
        let found = digest_of(self.tree, path)?;
        if found == signed {
            Ok(found)
        } else {
            Err(refused(self.tree, Fault::FileDiffers { path: path.to_owned(), signed, found }))
        }
    }

    /// The digest that the list at `list` has for a file, if the list is the signed one. It is read once: what is compared with
    /// the signed digest is what is used.
    fn listed(&mut self, list: &'static str, signed: Digest, path: &str) -> Result<Digest, AttestationError> {
        let tree = self.tree;
        if !self.read.contains_key(list) {
            let mut found = HashMap::new();
            let (digest, problem) = sums::each_hashed(tree, list, &mut |sum| {
                let is_wanted = sum.path == layout::HIDDEN_SUMS || self.wanted.contains(&sum.path);
                match is_wanted.then(|| found.insert(sum.path, sum.digest)) {
                    Some(Some(_)) => Err("the path is listed twice".into()),
                    _ => Ok(()),
                }
            })?;
            if digest != signed {
                return Err(refused(
                    tree,
                    match list {
                        layout::SUMS => Fault::SumsDiffer { signed, found: digest },
                        list => Fault::FileDiffers { path: list.to_owned(), signed, found: digest },
                    },
                ));
            }
            if let Some(problem) = problem {
                return Err(refused(tree, Fault::InvalidList(problem)));
            }
            self.read.insert(list, found);
        }
        let digest = self.read.get(list).and_then(|found| found.get(path));
        digest.copied().ok_or_else(|| refused(tree, Fault::NotListed(path.to_owned())))
    }
}

/// The digest of a file of an archive, which must not be a link.
pub(super) fn digest_of(tree: &Tree, path: &str) -> Result<Digest, AttestationError> {
    let entry = tree.entry(path)?.ok_or_else(|| refused(tree, Fault::FileMissing(path.to_owned())))?;
    if entry.kind != EntryKind::File {
        return Err(refused(tree, Fault::NotAFile { path: path.to_owned(), found: entry.kind.noun() }));
    }
    let location = tree.locate_entry(path, &entry)?;
    let (digest, _) = content::hash_reader(location.reader(), |_| Ok(()))
        .map_err(IoError::at("read", &tree.path().join(path)))?;
    Ok(digest)
}

fn refused(tree: &Tree, fault: Fault) -> AttestationError {
    AttestationError::Refused { path: tree.path().to_owned(), fault }
}
