//! The files of the archive that `spec.files` lists.

mod entry;
mod listing;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::listing::{SelectedFile, SelectedFiles};
use super::error::Origin;
use super::names::Pattern;
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
    /// The values that its templates can name.
    pub values: Arc<Values>,
    /// Where the files come from.
    pub source: FilesSource,
}

/// Where the files of an entry come from.
#[derive(Debug, Clone)]
pub enum FilesSource {
    /// The project.
    Local(LocalFiles),
}

/// A file or folder of the project.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    /// Its path, relative to the project; empty for the project itself.
    pub from: PathBuf,
    /// What to leave out, with the places of the patterns.
    pub exclude: Vec<(Pattern, Origin)>,
}

impl FilesDefinition {
    /// The file or folder of the project, if that is the source.
    #[must_use]
    pub fn local(&self) -> Option<&LocalFiles> {
        match &self.source {
            FilesSource::Local(local) => Some(local),
        }
    }
}
