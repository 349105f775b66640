//! The state of a path, kept in the folder of a transaction.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, IoError, LinkPolicy};
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::file::{self, Attributes};

/// The most bytes of a file that changes.
const FILE_MAX: u64 = 64 << 20;

/// What a path should become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A file. Where the path is a link to a file, that file is meant.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// Its permissions and owner; `None` for those of the existing file, or those of a new file.
        attributes: Option<Attributes>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: PathBuf,
    },
    /// A folder. One that exists stays as it is.
    Folder {
        /// The permissions and owner of a new one.
        attributes: Attributes,
    },
}

impl Wanted {
    /// Whether the path is this already.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        match self {
            Self::File { bytes, attributes } => is_file(path, bytes, *attributes),
            Self::Link { target } => std::fs::read_link(path).ok().as_ref() == Some(target),
            Self::Folder { .. } => path.is_dir(),
        }
    }
}

/// What is at a path, or should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum State {
    /// Nothing.
    Missing,
    /// A file, whose content is in the folder of the transaction.
    File {
        /// The name of its content there.
        content: String,
        /// As in [`Wanted::File`].
        attributes: Option<Attributes>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: PathBuf,
    },
    /// A folder.
    Folder {
        /// The permissions and owner of a new one.
        attributes: Attributes,
    },
}

impl State {
    /// What is at `path` now, before it becomes what is `wanted`. The content of a file is kept in `folder` under `number`.
    pub(super) fn of(path: &Path, wanted: &Wanted, folder: &Path, number: usize) -> Result<Self, Error> {
        let refuse = |found| Err(Error::Kind { path: path.to_path_buf(), found });
        let itself = match std::fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Missing),
            Err(error) => return Err(IoError::at("examine", path)(error).into()),
        };
        match wanted {
            Wanted::Link { .. } if itself.is_symlink() => {
                let target = std::fs::read_link(path).map_err(IoError::at("read", path))?;
                Ok(Self::Link { target })
            }
            Wanted::Link { .. } => refuse("not a symbolic link"),
            Wanted::Folder { .. } if path.is_dir() => {
                let data = std::fs::metadata(path).map_err(IoError::at("examine", path))?;
                Ok(Self::Folder { attributes: Attributes::of(&data) })
            }
            Wanted::Folder { .. } => refuse("not a folder"),
            Wanted::File { .. } => match std::fs::metadata(path) {
                Ok(data) if data.is_file() => {
                    let bytes = content::open_read(path, LinkPolicy::Follow, FILE_MAX)?;
                    let content = format!("former-{number}");
                    store(&folder.join(&content), &bytes)?;
                    Ok(Self::File { content, attributes: Some(Attributes::of(&data)) })
                }
                Ok(_) => refuse("not a regular file"),
                Err(_) => refuse("a symbolic link whose target cannot be read"),
            },
        }
    }

    /// Keeps what a path should become.
    pub(super) fn keep(wanted: &Wanted, folder: &Path, number: usize) -> Result<Self, Error> {
        Ok(match wanted {
            Wanted::File { bytes, attributes } => {
                let content = format!("new-{number}");
                store(&folder.join(&content), bytes)?;
                Self::File { content, attributes: *attributes }
            }
            Wanted::Link { target } => Self::Link { target: target.clone() },
            Wanted::Folder { attributes } => Self::Folder { attributes: *attributes },
        })
    }

    /// Makes `path` this, unless it is this already.
    pub(super) fn put(&self, path: &Path, folder: &Path) -> Result<(), Error> {
        #[cfg(test)]
        super::fault::point();
        let failed = |operation| IoError::at(operation, path);
        match self {
            Self::Missing => remove(path).map_err(failed("remove"))?,
            Self::Folder { .. } if path.is_dir() => {}
            Self::Folder { attributes } => {
                create_folder(path, *attributes).map_err(failed("create"))?;
                sync_parent(path)?;
            }
            Self::Link { target } => {
                if std::fs::read_link(path).ok().as_ref() != Some(target) {
                    file::remove(path).and_then(|()| file::link(target, path)).map_err(failed("link"))?;
                }
            }
            Self::File { content, attributes } => {
                let bytes = content::open_read(&folder.join(content), LinkPolicy::Refuse, FILE_MAX)?;
                if !is_file(path, &bytes, *attributes) {
                    file::replace_as(path, &bytes, *attributes).map_err(failed("write"))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether `path` is a file with this content and these attributes.
fn is_file(path: &Path, bytes: &[u8], attributes: Option<Attributes>) -> bool {
    let same = |data: &std::fs::Metadata| {
        data.len() == bytes.len() as u64 && attributes.is_none_or(|wanted| Attributes::of(data) == wanted)
    };
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && same(&data))
        && content::open_read(path, LinkPolicy::Follow, FILE_MAX).is_ok_and(|found| found == bytes)
}

/// Removes what a transaction has made: a folder only if it is empty.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => match std::fs::remove_dir(path) {
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        },
        Ok(_) => file::remove(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn create_folder(path: &Path, attributes: Attributes) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    chown(path, Some(attributes.uid), Some(attributes.gid))?;
    std::fs::set_permissions(path, Permissions::from_mode(attributes.mode))
}

fn sync_parent(path: &Path) -> Result<(), IoError> {
    path.parent().map_or(Ok(()), content::sync_folder)
}

/// Keeps bytes durably in the folder of a transaction.
fn store(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    #[cfg(test)]
    super::fault::point();
    let file = AtomicFile::create(path, 0o600, Durability::Durable)?;
    file.file().write_all(bytes).map_err(IoError::at("write", path))?;
    Ok(file.commit()?)
}
