//! Finding the hooks of a step.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::IoError;

use super::error::{Error, UnsafeHook};
use super::step::HookStep;
use crate::file::foreign;

/// The most entries of a folder of hooks.
const ENTRIES_MAX: usize = 256;
/// The permission bits by which others may write to a file.
const WRITABLE: u32 = 0o022;
/// The permission bits of an executable file.
const EXECUTABLE: u32 = 0o111;
/// The ends of the names that editors and package managers give to files they keep.
const KEPT: [&str; 8] = ["~", ".bak", ".swp", ".rpmnew", ".rpmsave", ".rpmorig", ".dpkg-old", ".dpkg-dist"];

/// The folders that have a folder of hooks for each step.
#[derive(Clone, Debug)]
pub struct HookFolders {
    /// That of the site: `/etc/metalk8s/hooks.d`.
    pub site: PathBuf,
    /// The root of the archive, a mount point or a folder, whose hooks are in `hooks/`.
    pub archive: Option<PathBuf>,
}

/// Where a hook comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOrigin {
    /// The archive.
    Archive,
    /// The site.
    Site,
}

impl fmt::Display for HookOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive",
            Self::Site => "site",
        })
    }
}

/// A program that belongs to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its file.
    pub path: PathBuf,
    /// Where it comes from.
    pub origin: HookOrigin,
}

/// The hooks of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundHooks {
    /// The step.
    pub step: HookStep,
    /// The hooks, in the order in which they run.
    pub hooks: Vec<Hook>,
    /// Files that are not run, each with the reason.
    pub notes: Vec<String>,
}

/// Finds the hooks of a step and checks that only root, or the user of this process, can change them. A missing folder has none.
///
/// # Errors
///
/// [`Error::Unsafe`] with all hooks that others can change; [`Error::TooMany`]; [`Error::Io`].
pub fn find(step: HookStep, folders: &HookFolders) -> Result<FoundHooks, Error> {
    let archive = folders.archive.as_ref().map(|root| (root.join("hooks"), HookOrigin::Archive));
    let mut search = Search::default();
    for (folder, origin) in archive.into_iter().chain([(folders.site.clone(), HookOrigin::Site)]) {
        search.folder(&folder, step, origin)?;
    }
    if !search.problems.is_empty() {
        return Err(Error::Unsafe { step, hooks: search.problems });
    }
    Ok(FoundHooks { step, hooks: search.found.into_values().collect(), notes: search.notes })
}

#[derive(Default)]
struct Search {
    found: BTreeMap<OsString, Hook>,
    notes: Vec<String>,
    problems: Vec<UnsafeHook>,
}

impl Search {
    /// Adds the hooks in the folder of `step` in `parent`.
    fn folder(&mut self, parent: &Path, step: HookStep, origin: HookOrigin) -> Result<(), Error> {
        let folder = parent.join(step.name());
        for path in [parent, &folder] {
            match look(path)? {
                None => return Ok(()),
                // Whoever can write to the folder can replace the hooks in it.
                Some(data) => self.check(path, &data, data.is_dir(), "a folder"),
            }
        }
        if !self.problems.is_empty() {
            return Ok(());
        }
        let entries = std::fs::read_dir(&folder).map_err(IoError::at("list", &folder))?;
        for (count, entry) in entries.enumerate() {
            if count == ENTRIES_MAX {
                return Err(Error::TooMany { folder, most: ENTRIES_MAX });
            }
            let entry = entry.map_err(IoError::at("list", &folder))?;
            self.entry(entry.path(), entry.file_name(), origin)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, name: OsString, origin: HookOrigin) -> Result<(), Error> {
        let text = name.to_string_lossy();
        if text.starts_with('.') || KEPT.iter().any(|end| text.ends_with(end)) {
            return Ok(());
        }
        let Some(data) = look(&path)? else { return Ok(()) };
        if data.is_file() && data.mode() & EXECUTABLE == 0 {
            self.notes.push(format!("{} is not executable: it is not run", content::printable_path(&path)));
            return Ok(());
        }
        self.check(&path, &data, data.is_file(), "a regular file");
        if let Some(other) = self.found.insert(name, Hook { path: path.clone(), origin }) {
            self.notes.push(format!(
                "{} replaces {}",
                content::printable_path(&path),
                content::printable_path(&other.path)
            ));
        }
        Ok(())
    }

    /// Records why a file or folder cannot be trusted.
    fn check(&mut self, path: &Path, data: &Metadata, right_kind: bool, kind: &str) {
        let problem = if !right_kind {
            Some(format!("expected {kind}"))
        } else if data.mode() & WRITABLE != 0 {
            Some("other users can write to it".to_owned())
        } else {
            foreign(data)
        };
        self.problems.extend(problem.map(|problem| UnsafeHook { path: path.to_path_buf(), problem }));
    }
}

/// What lies at a path, without following a symbolic link.
fn look(path: &Path) -> Result<Option<Metadata>, Error> {
    match std::fs::symlink_metadata(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IoError::at("examine", path)(error).into()),
    }
}
