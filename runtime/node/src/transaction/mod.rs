//! Changes of several files, whole or not at all, even if the process is killed or the power is cut.
//!
//! A transaction keeps the former and the new state of each file in a folder of its own, then writes a journal there. From that
//! moment on it can be finished or undone, by this process or the next one. Removing the journal ends it.

mod error;
#[cfg(test)]
pub(crate) mod fault;
mod state;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, IoError, LinkPolicy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::file::Attributes;
pub use error::Error;
use state::State;
pub(crate) use state::Wanted;

/// The most bytes of a journal.
const JOURNAL_MAX: u64 = 16 << 20;
/// The name of the journal in the folder of the transaction.
const JOURNAL: &str = "journal.json";
/// The form of the journal.
const SCHEMA: u32 = 1;

/// A change of several files that can be finished or undone.
#[derive(Debug)]
pub(crate) struct Transaction<T> {
    folder: PathBuf,
    journal: Journal<T>,
}

/// What the journal holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Journal<T> {
    schema_version: u32,
    /// What the change is for.
    operation: T,
    /// The changes, in their order.
    changes: Vec<Change>,
}

/// A path that changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    path: PathBuf,
    former: State,
    new: State,
}

impl<T: Clone + Serialize + DeserializeOwned> Transaction<T> {
    /// The transaction that was begun in `folder` and neither finished nor undone.
    ///
    /// # Errors
    ///
    /// [`Error::Journal`] if its journal cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(JOURNAL);
        let bytes = match content::open_read(&path, LinkPolicy::Refuse, JOURNAL_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let journal: Journal<T> = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Journal { path: path.clone(), problem: error.to_string() })?;
        if journal.schema_version != SCHEMA {
            let problem = format!("its version is {}, and only {SCHEMA} is known", journal.schema_version);
            return Err(Error::Journal { path, problem });
        }
        Ok(Some(Self { folder: folder.to_path_buf(), journal }))
    }

    /// Records the changes that `wanted` lists, in their order, and their former state; changes nothing else. `folder` is
    /// created, and what an earlier transaction left in it is removed.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is begun then.
    pub(crate) fn begin(folder: &Path, operation: T, wanted: &[(PathBuf, Wanted)]) -> Result<Self, Error> {
        discard(folder)?;
        if let Some(parent) = folder.parent() {
            content::create_folder(parent)?;
        }
        DirBuilder::new().mode(0o700).create(folder).map_err(IoError::at("create", folder))?;
        let recorded = Self::record(folder, operation, wanted);
        if recorded.is_err() {
            // The error that is reported is the first one.
            let _ = discard(folder);
        }
        recorded
    }

    fn record(folder: &Path, operation: T, wanted: &[(PathBuf, Wanted)]) -> Result<Self, Error> {
        let mut changes = Vec::with_capacity(wanted.len());
        for (number, (path, wanted)) in wanted.iter().enumerate() {
            let former = State::of(path, wanted, folder, number)?;
            let new = State::keep(wanted, folder, number)?;
            changes.push(Change { path: path.clone(), former, new });
        }
        content::sync_folder(folder)?;
        let journal = Journal { schema_version: SCHEMA, operation, changes };
        let transaction = Self { folder: folder.to_path_buf(), journal };
        transaction.write()?;
        if let Some(parent) = folder.parent() {
            content::sync_folder(parent)?;
        }
        Ok(transaction)
    }

    /// What the change is for.
    pub(crate) fn operation(&self) -> &T {
        &self.journal.operation
    }

    /// Records another state of the operation.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the former state stands then.
    pub(crate) fn set_operation(&mut self, operation: T) -> Result<(), Error> {
        let former = std::mem::replace(&mut self.journal.operation, operation);
        let written = self.write();
        if written.is_err() {
            self.journal.operation = former;
        }
        written
    }

    /// The paths that change, in their order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.journal.changes.iter().map(|change| change.path.as_path())
    }

    /// Makes all changes. One that is made already is not made again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for the first change that fails; those before it are made.
    pub(crate) fn apply(&self) -> Result<(), Error> {
        self.journal.changes.iter().try_for_each(|change| change.new.put(&change.path, &self.folder))
    }

    /// Restores the former state of all files. The transaction can be applied again until [`Transaction::end`].
    ///
    /// # Errors
    ///
    /// [`Error::NotUndone`] with all paths whose former state could not be restored; those of others are.
    pub(crate) fn undo(&self) -> Result<(), Error> {
        let failed: Vec<Error> = self
            .journal
            .changes
            .iter()
            .rev()
            .filter_map(|change| change.former.put(&change.path, &self.folder).err())
            .collect();
        if failed.is_empty() { Ok(()) } else { Err(Error::NotUndone(failed)) }
    }

    /// Ends the transaction: the files stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; it can be ended again.
    pub(crate) fn end(self) -> Result<(), Error> {
        discard(&self.folder)
    }

    fn write(&self) -> Result<(), Error> {
        #[cfg(test)]
        fault::point();
        let path = self.folder.join(JOURNAL);
        let mut bytes = serde_json::to_vec_pretty(&self.journal)
            .map_err(std::io::Error::from)
            .map_err(IoError::at("write", &path))?;
        bytes.push(b'\n');
        let file = AtomicFile::create(&path, 0o600, Durability::Durable)?;
        file.file().write_all(&bytes).map_err(IoError::at("write", &path))?;
        Ok(file.commit()?)
    }
}

/// The changes, with the folders that they need and that neither exist nor are among them: `/etc/sealift` on a node without it.
pub(crate) fn with_folders(wanted: Vec<(PathBuf, Wanted)>) -> Vec<(PathBuf, Wanted)> {
    let own: BTreeSet<&Path> = wanted.iter().map(|(path, _)| path.as_path()).collect();
    let above = own.iter().flat_map(|path| path.ancestors().skip(1).take_while(|above| !above.exists()));
    let missing: BTreeSet<PathBuf> =
        above.filter(|above| !own.contains(above)).map(Path::to_path_buf).collect();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let folder = |path| (path, Wanted::Folder { attributes: Attributes { mode: 0o755, uid, gid } });
    missing.into_iter().map(folder).chain(wanted).collect()
}

/// Removes the folder of a transaction, its journal first: what is left without it is no transaction.
fn discard(folder: &Path) -> Result<(), Error> {
    let journal = folder.join(JOURNAL);
    #[cfg(test)]
    fault::point();
    crate::file::remove(&journal).map_err(IoError::at("remove", &journal))?;
    #[cfg(test)]
    fault::point();
    Ok(content::remove(folder)?)
}
