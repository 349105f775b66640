//! What identifies the content of an archive without reading all of it.

use std::fmt;
use std::path::Path;

use archive::{Tree, layout, sums};
use content::Digest;
use serde::{Deserialize, Serialize};

use super::manifest::SavedArchive;
use crate::archives::described;

/// A digest that an archive already has, so that a gigabyte need not be read for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "value", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ArchiveDigest {
    /// The SHA-256 of `SHA256SUMS`, which has the SHA-256 of every file.
    Sums(Digest),
    /// The MD5 that is implanted in the ISO. It finds other content, not a forgery.
    ImplantedMd5(String),
}

impl fmt::Display for ArchiveDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sums(digest) => write!(f, "SHA-256 of {} {}", layout::SUMS, digest.hex()),
            Self::ImplantedMd5(md5) => write!(f, "implanted MD5 {}", content::printable(md5)),
        }
    }
}

impl ArchiveDigest {
    /// That of an archive; `None` if it has neither checksums nor an implanted MD5.
    pub(crate) fn of(archive: &Path) -> Result<Option<Self>, archive::Error> {
        let tree = Tree::open(archive)?;
        if tree.entry(layout::SUMS)?.is_some() {
            return Ok(Some(Self::Sums(Digest::of(&tree.read(layout::SUMS, sums::LIMIT)?))));
        }
        let Tree::Iso(image) = &tree else { return Ok(None) };
        let stored = iso::md5::stored(&**image.file(), archive)
            .map_err(|reason| archive::Error::Iso { path: archive.to_path_buf(), reason })?;
        Ok(stored
            .map(|stored| Self::ImplantedMd5(stored.md5.iter().map(|byte| format!("{byte:02x}")).collect())))
    }
}

/// An archive that a restoration needs and that is not here as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveProblem {
    /// The archive as the backup lists it.
    pub archive: SavedArchive,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for ArchiveProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SavedArchive { path, id, digest, .. } = &self.archive;
        write!(f, "{}: {}; copy ", content::printable(path), content::printable(&self.problem))?;
        match id {
            Some(id) => write!(f, "{}", content::printable(id))?,
            None => f.write_str("the archive")?,
        }
        if let Some(digest) = digest {
            write!(f, " ({digest})")?;
        }
        f.write_str(" there")
    }
}

/// What a backup says of an archive.
pub(super) fn saved(archive: &Path) -> SavedArchive {
    SavedArchive {
        path: archive.to_string_lossy().into_owned(),
        id: described(archive).ok().map(|(product, _)| String::from(product.id())),
        bytes: std::fs::metadata(archive).ok().filter(|data| data.is_file()).map(|data| data.len()),
        digest: ArchiveDigest::of(archive).ok().flatten(),
    }
}

/// Why the archive is not here as the backup says; `None` if it is.
pub(super) fn problem(wanted: &SavedArchive) -> Option<ArchiveProblem> {
    let path = Path::new(&wanted.path);
    let problem = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "it is missing".to_owned(),
        Err(error) => format!("it cannot be read: {error}"),
        Ok(_) => match ArchiveDigest::of(path) {
            Err(error) => format!("it cannot be read: {error}"),
            Ok(found) => {
                let here = saved(path);
                if wanted.id.is_some() && here.id != wanted.id {
                    format!("it is {}", here.id.unwrap_or_else(|| "another archive".to_owned()))
                } else if wanted.digest.is_some() && found != wanted.digest {
                    match found {
                        Some(found) => format!("it has another content ({found})"),
                        None => "it has another content, without checksums".to_owned(),
                    }
                } else if wanted.digest.is_none() && wanted.bytes.is_some() && here.bytes != wanted.bytes {
                    "it has another size".to_owned()
                } else {
                    return None;
                }
            }
        },
    };
    Some(ArchiveProblem { archive: wanted.clone(), problem })
}
