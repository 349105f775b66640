//! The check of an entry of `spec.files`.

use std::sync::Arc;

use super::{FilesDefinition, FilesSource, LocalFiles};
use crate::project::entries::CheckedEntries;
use crate::project::error::Origin;
use crate::project::field::Field;
use crate::project::file::FilesEntry;
use crate::project::names::InnerPath;

impl CheckedEntries<'_> {
    /// Files for the archive: there is one source, it exists, and every pattern can be read.
    pub(in crate::project) fn files(&mut self, files: &FilesEntry) -> Option<FilesDefinition> {
        let to = self.name(&files.to);
        let to_text = self.text(&files.to).unwrap_or_default();
        let source = match &files.from {
            Some(from) => self.local_files(from, files).map(FilesSource::Local),
            None => {
                self.wrong(&files.to, "no source: expected `from`".into());
                None
            }
        };
        let mut own = Vec::new();
        for (name, text) in &files.variables {
            if let Err(message) = self.new_name(name) {
                self.wrong(text, message);
            }
            own.extend(self.text(text).map(|text| (name.clone(), text.into())));
        }
        let values = self.values.with(own);
        let to = to?.as_path().to_owned();
        Some(FilesDefinition {
            origin: Origin::new(self.file, files.to.place()),
            is_folder: to_text.ends_with('/') || to.as_os_str().is_empty(),
            to,
            values: Arc::new(values),
            source: source?,
        })
    }

    fn local_files(&mut self, from: &Field<InnerPath>, files: &FilesEntry) -> Option<LocalFiles> {
        let from = self.existing(from);
        let mut exclude = Vec::new();
        for pattern in &files.exclude {
            let origin = Origin::new(self.file, pattern.place());
            exclude.extend(self.name(pattern).map(|pattern| (pattern, origin)));
        }
        Some(LocalFiles { from: from?, exclude })
    }
}
