//! The files of the archive that `spec.files` lists.

mod data;
mod entry;
mod listing;
mod templates;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::data::DataFile;
pub use self::listing::{SelectedFile, SelectedFiles, UnusedPattern};
pub(crate) use self::templates::Templates;
use super::error::Origin;
use super::file::LinkHandling;
use super::names::{FileMode, Pattern};
use super::values::Values;

/// An entry of `spec.files`.
#[derive(Debug, Clone)]
pub struct FilesDefinition {
    /// The place of `to`.
    pub origin: Origin,
    /// The path in the archive; empty for its root.
    pub to: PathBuf,
    /// Whether `to` is a folder, in which a single file keeps its name.
    pub is_folder: bool,
    /// The values that its templates and its data can name.
    pub values: Arc<Values>,
    /// The permissions of all files, in place of their own.
    pub mode: Option<FileMode>,
    /// Where the files come from.
    pub source: FilesSource,
}

/// Where the files of an entry come from.
#[derive(Debug, Clone)]
pub enum FilesSource {
    /// The project.
    Local(LocalFiles),
    /// The project file itself: it has the content of one file.
    Data(Arc<DataFile>),
    /// A task.
    Produced(ProducedFiles),
}

/// A file or folder of the project.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    /// Its path, relative to the project; empty for the project itself.
    pub from: PathBuf,
    /// What to leave out, with the places of the patterns.
    pub exclude: Vec<(Pattern, Origin)>,
    /// The only files to take, if there is a pattern.
    pub only: Vec<(Pattern, Origin)>,
    /// What becomes of symbolic links in the folder.
    pub links: LinkHandling,
    /// Which files are templates.
    pub(crate) templates: Arc<Templates>,
}

/// A file or folder that a task writes. It is copied once the task ran.
#[derive(Debug, Clone)]
pub struct ProducedFiles {
    /// Its path, absolute.
    pub from: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Patterns of what to leave out of the folder.
    pub exclude: Vec<String>,
}

impl FilesDefinition {
    /// The file or folder of the project, if that is the source.
    #[must_use]
    pub fn local(&self) -> Option<&LocalFiles> {
        match &self.source {
            FilesSource::Local(local) => Some(local),
            FilesSource::Data(_) | FilesSource::Produced(_) => None,
        }
    }
}
