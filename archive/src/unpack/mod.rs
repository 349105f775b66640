//! Trees from outside, such as the content of a tar, written below a folder by the rules of an archive.
//!
//! What is written is the same on every machine: files have mode 0644 or 0755, folders 0755. Names are paths without `..`, links
//! stay inside, there are no devices, and the numbers of entries and bytes are bounded.

mod members;
mod tar;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use content::{IoError, Root, printable};

pub(crate) use self::members::{TarMember, TarMembers, each_member};
pub use self::tar::{TarSelection, unpack_tar};
use crate::Error;
use crate::tree::{EntryKind, check_path, follow};

/// A tree that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// An entry breaks a rule of archives.
    #[error("`{}`: {}", printable(name), printable(problem))]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file has another format, or is damaged.
    #[error("{}", printable(.0))]
    Format(String),
    /// There is more than the caller takes.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what: `bytes`, `entries`.
        what: &'static str,
        /// The most that is taken.
        limit: u64,
    },
}

impl UnpackError {
    fn entry(name: &str, problem: impl Into<String>) -> Self {
        Self::Entry { name: name.to_owned(), problem: problem.into() }
    }
}

/// The most that is written of a tree.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// Files, folders and links.
    pub entries: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 30 }
    }
}

/// Writes a tree below an empty folder. Paths are relative and have `/` between their parts.
#[derive(Debug)]
pub struct TreeWriter {
    root: Root,
    kinds: BTreeMap<String, EntryKind>,
    limits: UnpackLimits,
    entries: u64,
    bytes: u64,
}

impl TreeWriter {
    /// A writer below `folder`, which exists and is empty.
    ///
    /// # Errors
    ///
    /// The folder cannot be opened.
    pub fn new(folder: &Path, limits: UnpackLimits) -> Result<Self, UnpackError> {
        Ok(Self { root: Root::open(folder)?, kinds: BTreeMap::new(), limits, entries: 0, bytes: 0 })
    }

    /// Counts an entry of `bytes` bytes, whether it is written or not.
    fn count(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(UnpackError::Limit { what: "entries", limit: self.limits.entries });
        }
        self.take(bytes)
    }

    /// Counts bytes.
    fn take(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(UnpackError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }

    /// Creates a folder, and those above it. It may exist.
    ///
    /// # Errors
    ///
    /// The path is invalid or something else has the name, a limit is reached, or the folder cannot be created.
    pub fn folder(&mut self, path: &str) -> Result<(), UnpackError> {
        self.count(0)?;
        check(path)?;
        self.folders(path, path)
    }

    /// Creates a folder for `entry`.
    fn folders(&mut self, path: &str, entry: &str) -> Result<(), UnpackError> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for folder in ends.filter_map(|end| path.get(..end)).filter(|folder| !folder.is_empty()) {
            match self.kinds.get(folder) {
                Some(EntryKind::Directory) => {}
                Some(EntryKind::Symlink(_)) => {
                    return Err(UnpackError::entry(entry, format!("`{folder}` is a symbolic link")));
                }
                Some(_) => return Err(UnpackError::entry(entry, format!("`{folder}` is not a folder"))),
                None => {
                    self.root.create_dir(Path::new(folder), 0o755)?;
                    self.kinds.insert(folder.to_owned(), EntryKind::Directory);
                }
            }
        }
        Ok(())
    }

    /// Takes a name that nothing has.
    fn name(&mut self, path: &str, kind: EntryKind) -> Result<(), UnpackError> {
        check(path)?;
        if path.is_empty() {
            return Err(UnpackError::entry(path, "only a folder can be the root"));
        }
        if self.kinds.contains_key(path) {
            return Err(UnpackError::entry(path, "a second entry has this name"));
        }
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folders(folder, path)?;
        }
        self.kinds.insert(path.to_owned(), kind);
        Ok(())
    }

    /// Writes a file: `size` bytes of `reader`.
    ///
    /// # Errors
    ///
    /// The path is invalid or taken, a limit is reached, `reader` fails or ends early, or the file cannot be written.
    pub fn file(
        &mut self,
        path: &str,
        executable: bool,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<(), UnpackError> {
        self.count(size)?;
        self.name(path, EntryKind::File)?;
        let file = self.root.create_file(Path::new(path), if executable { 0o755 } else { 0o644 })?;
        let mut writer = io::BufWriter::with_capacity(128 << 10, &file);
        let mut left = size;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = match reader.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Err(UnpackError::entry(path, "the file is cut off")),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::entry(path, error.to_string())),
            };
            let written = buffer.get(..count).unwrap_or_default();
            io::Write::write_all(&mut writer, written).map_err(|error| self.failed(path, error))?;
            left -= count as u64;
        }
        io::Write::flush(&mut writer).map_err(|error| self.failed(path, error))
    }

    fn failed(&self, path: &str, error: io::Error) -> UnpackError {
        IoError::at("write", &self.root.path().join(path))(error).into()
    }

    /// Notes a symbolic link. It is created at the end.
    ///
    /// # Errors
    ///
    /// The path is invalid or taken, or a limit is reached.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), UnpackError> {
        self.count(target.len() as u64)?;
        if target.is_empty() || target.contains('\0') {
            return Err(UnpackError::entry(path, "the link leads nowhere"));
        }
        if let Err(error) = iso::check_target(Path::new(path), target.as_bytes()) {
            return Err(UnpackError::entry(path, error.to_string()));
        }
        self.name(path, EntryKind::Symlink(target.to_owned()))
    }

    /// Gives a file a second name.
    ///
    /// # Errors
    ///
    /// The path is invalid or taken, `target` is not a file that was written, a limit is reached, or the link cannot be created.
    pub fn hard_link(&mut self, path: &str, target: &str) -> Result<(), UnpackError> {
        self.count(0)?;
        if self.kinds.get(target) != Some(&EntryKind::File) {
            let problem = format!("it is a hard link to `{target}`, which is not unpacked before it");
            return Err(UnpackError::entry(path, problem));
        }
        self.name(path, EntryKind::File)?;
        Ok(self.root.link(Path::new(target), Path::new(path))?)
    }

    /// Creates the symbolic links, each of which must stay inside; the number of files and links.
    ///
    /// # Errors
    ///
    /// A link is absolute, leads out or round in circles, or cannot be created.
    pub fn finish(self) -> Result<usize, UnpackError> {
        let kinds = &self.kinds;
        for (path, kind) in kinds {
            let EntryKind::Symlink(target) = kind else { continue };
            // What is missing counts as a folder: a link may lead to what is added later.
            let mut look = |path: &str| Ok(Some(kinds.get(path).cloned().unwrap_or(EntryKind::Directory)));
            if let Err(error) = follow(path, &mut look) {
                let reason = match error {
                    Error::Path { problem, .. } => problem.to_owned(),
                    error => error.to_string(),
                };
                return Err(UnpackError::entry(path, format!("link to `{target}`: {reason}")));
            }
            self.root.symlink(OsStr::new(target), Path::new(path))?;
        }
        Ok(kinds.values().filter(|kind| **kind != EntryKind::Directory).count())
    }
}

fn check(path: &str) -> Result<(), UnpackError> {
    check_path(path).map_err(|error| match error {
        Error::Path { path, problem } => UnpackError::entry(&path, problem),
        error => UnpackError::entry(path, error.to_string()),
    })
}
