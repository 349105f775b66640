//! What may go wrong while reading an archive.

use std::path::{Path, PathBuf};

use content::{IoError, printable, printable_path};

/// The result of reading an archive.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation on an archive: which one, on what, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A text file of the archive breaks its format.
    #[error("{file}, line {line}: {}", printable(problem))]
    Syntax {
        /// The file, relative to the root of the archive.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the archive has the right syntax and an impossible content.
    #[error("{file}: {}", printable(problem))]
    Content {
        /// The file, relative to the root of the archive.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the archive has a format or describes a layout that this version does not know.
    #[error("{file}: {}", printable(problem))]
    UnknownVersion {
        /// The file, relative to the root of the archive.
        file: String,
        /// Which version it has, and which are known.
        problem: String,
    },
    /// A path inside an archive is empty, absolute, climbs (`..`), or leads out through a symbolic link.
    #[error("{path:?} is not a path inside an archive: {problem}")]
    Path {
        /// The path as it was given or found.
        path: String,
        /// Why it is refused.
        problem: &'static str,
    },
    /// The archive has no such file or folder.
    #[error("{}: no {path:?} in this archive", printable_path(archive))]
    NotFound {
        /// The archive.
        archive: PathBuf,
        /// The path inside.
        path: String,
    },
    /// The path names something of another kind than the operation needs.
    #[error("{}: {path:?} is {found}, not {expected}", printable_path(archive))]
    Kind {
        /// The archive.
        archive: PathBuf,
        /// The path inside.
        path: String,
        /// The kind that was needed ("a file").
        expected: &'static str,
        /// The kind that was found ("a folder").
        found: &'static str,
    },
    /// The archive is not one of a Solution.
    #[error("{} is not a Solution: {reason}", printable_path(archive))]
    NotASolution {
        /// The archive.
        archive: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// A file, or a number of things, is larger than any honest archive has.
    #[error("{}: {found} is above the limit of {limit}", printable(what))]
    Limit {
        /// What is too large.
        what: String,
        /// The most that is accepted.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// The image file breaks ISO 9660 or cannot be read.
    #[error("{}{reason}", beginning(path, reason))]
    Iso {
        /// The image file.
        path: PathBuf,
        /// The error of its reader.
        reason: iso::Error,
    },
}

/// The image's path, unless the reader's message has it.
fn beginning(path: &Path, reason: &iso::Error) -> String {
    if reason.path() == Some(path) { String::new() } else { format!("{}: ", printable_path(path)) }
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        IoError { operation, path: path.as_ref().to_path_buf(), source }.into()
    }

    /// The error with the path of the archive before that of a file inside, for commands that read several archives.
    #[must_use]
    pub fn in_archive(mut self, archive: &Path) -> Self {
        if let Self::Syntax { file, .. } | Self::Content { file, .. } | Self::UnknownVersion { file, .. } =
            &mut self
        {
            *file = format!("{}: {file}", printable_path(archive));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_file_can_name_the_archive() {
        let content = Error::Content { file: "product.txt".into(), problem: "no NAME".into() };
        assert_eq!(content.in_archive(Path::new("a.iso")).to_string(), "a.iso: product.txt: no NAME");
        let whole = Error::io("open", "a.iso", std::io::Error::other("no"));
        assert_eq!(whole.in_archive(Path::new("a.iso")).to_string(), "cannot open a.iso: no");
    }

    #[test]
    fn an_error_of_an_image_names_its_path_once() {
        let image = PathBuf::from("folder/some.iso");
        let reasons = [
            iso::Error::NoVolume { path: image.clone(), found: "something else" },
            iso::Error::Damaged { path: image.clone(), offset: 3, problem: "wrong".into() },
            IoError::at("read", &image)(std::io::Error::other("no")).into(),
            iso::Error::Kind { name: "product.txt".into(), expected: "folder" },
            iso::Error::Cancelled,
        ];
        for reason in reasons {
            let text = Error::Iso { path: image.clone(), reason }.to_string();
            assert_eq!(text.matches("some.iso").count(), 1, "{text}");
        }
    }
}
