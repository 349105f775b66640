//! The sources outside the project.

use std::path::Path;

use super::Loader;
use crate::project::error::Error;
use crate::project::file::{Content, SourceEntry};
use crate::project::sources::SourceDefinition;
use crate::project::tasks::OwnOutput;

impl Loader {
    /// Reads the sources that the project file at `path` lists.
    pub(super) fn sources(&mut self, path: &Path, content: &Content) {
        self.each(path, &content.sources, |loader, entry| {
            if let Some(source) = loader.entries(path).source(entry) {
                loader.add_source(path, entry, source);
            }
        });
    }

    fn add_source(&mut self, path: &Path, entry: &SourceEntry, mut source: SourceDefinition) {
        if let Some(other) = self.project.external_sources.iter().find(|other| other.name == source.name) {
            let message = format!(
                "a second source `{}`: the first is in line {} of {}",
                source.name,
                other.origin.line,
                content::printable_path(other.origin.path.file_name().unwrap_or_default().as_ref())
            );
            self.mistakes.note::<()>(Err(Error::at(path, entry.name.place(), message)));
            return;
        }
        source.look_up(self.lock.sources());
        let folder = source.folder(&self.project.settings.build_root);
        self.project.produced.add(&[OwnOutput { path: folder, is_folder: true }]);
        self.project.external_sources.push(source);
    }
}
