//! The check of an entry of `spec.files`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FilesDefinition, FilesSource, LocalFiles, ProducedFiles, Templates};
use crate::project::entries::CheckedEntries;
use crate::project::error::Origin;
use crate::project::field::Field;
use crate::project::file::{FilesEntry, LinkHandling};
use crate::project::names::{InnerPath, ProjectPath};

impl CheckedEntries<'_> {
    /// Files for the archive: there is one source, it exists, and every pattern can be read. `templates` are those of the project.
    pub(in crate::project) fn files(
        &mut self,
        files: &FilesEntry,
        templates: &Templates,
    ) -> Option<FilesDefinition> {
        let to = self.name(&files.to);
        let to_text = self.text(&files.to).unwrap_or_default();
        let mode = files.mode.as_ref().map(|mode| self.name(mode));
        let to = to.map(|to| to.as_path().to_owned());
        let mut own = Vec::new();
        for (name, text) in &files.variables {
            if let Err(message) = self.new_name(name) {
                self.wrong(text, message);
            }
            own.extend(self.text(text).map(|text| (name.clone(), text.into())));
        }
        let values = self.values.with(own);
        let source = match (&files.from, &files.data) {
            (Some(from), None) => self.project_files(from, files, templates),
            (None, Some(data)) => {
                let mut entries = CheckedEntries { values: &values, mistakes: self.mistakes, ..*self };
                let data = entries.data_file(data, files, &to_text);
                data.map(|data| FilesSource::Data(Arc::new(data)))
            }
            (given, _) => {
                let given = if given.is_some() { "more than one source" } else { "no source" };
                self.wrong(&files.to, format!("{given}: expected one of `from` and `data`"));
                None
            }
        };
        let to: PathBuf = to?;
        Some(FilesDefinition {
            origin: Origin::new(self.file, files.to.place()),
            is_folder: to_text.ends_with('/') || to.as_os_str().is_empty(),
            to,
            values: Arc::new(values),
            mode: mode.map_or(Some(None), |mode| mode.map(Some))?,
            source: source?,
        })
    }

    /// Files of the project, or what a task writes: that need not exist.
    fn project_files(
        &mut self,
        from: &Field<ProjectPath>,
        files: &FilesEntry,
        templates: &Templates,
    ) -> Option<FilesSource> {
        let (path, is_folder) = self.project_path(from)?;
        if !self.produced.writes(&path) && !path.starts_with(self.build_root) {
            let from = from.renamed(from.written().to_owned());
            return self.local_files(&from, files, templates).map(FilesSource::Local);
        }
        let example = self.produced.below(&path).next();
        if example.is_some() && !self.produced.writes(&path) || self.build_root.starts_with(&path) {
            let shown = |path: &Path| {
                content::printable_path(path.strip_prefix(self.root).unwrap_or(path)).to_string()
            };
            let example = example.map(|output| {
                let folder = if output.is_folder { "/" } else { "" };
                format!(", such as `{}{folder}`", shown(&output.path))
            });
            let message = format!(
                "no task writes the folder `{}` as a whole: expected an output of a task{}",
                shown(&path),
                example.unwrap_or_default()
            );
            self.wrong(from, message);
            return None;
        }
        let has_templates = files.templates.syntax.is_some()
            || files.templates.delimiters.is_some()
            || files.templates.suffix.is_some()
            || files.templates.patterns.is_some();
        for (is_given, key) in [
            (!files.only.is_empty(), "only"),
            (files.indent.is_some(), "indent"),
            (files.final_newline.is_some(), "finalNewline"),
            (files.links != LinkHandling::Keep, "links"),
            (has_templates, "templates"),
            (files.mode.is_some(), "mode"),
            (files.format.is_some(), "format"),
            (files.header.is_some(), "header"),
        ] {
            if is_given {
                self.wrong(from, format!("`{key}` is not possible for files that a task writes"));
            }
        }
        let is_folder = is_folder || self.produced.is_folder(&path);
        let exclude = self.names(&files.exclude).iter().map(|pattern| pattern.as_str().to_owned()).collect();
        Some(FilesSource::Produced(ProducedFiles { from: path, is_folder, exclude }))
    }

    fn local_files(
        &mut self,
        from: &Field<InnerPath>,
        files: &FilesEntry,
        templates: &Templates,
    ) -> Option<LocalFiles> {
        self.belongs(&files.to, "data", files.format.is_some(), "format");
        self.belongs(&files.to, "data", files.indent.is_some(), "indent");
        self.belongs(&files.to, "data", files.final_newline.is_some(), "finalNewline");
        self.belongs(&files.to, "data", files.header.is_some(), "header");
        let from = self.existing(from);
        let (exclude, only) = (self.patterns(&files.exclude), self.patterns(&files.only));
        let templates = Arc::new(self.templates(&files.templates, templates));
        Some(LocalFiles { from: from?, exclude, only, links: files.links, templates })
    }

    /// Notes a mistake if a key is given that belongs to another source.
    pub(super) fn belongs(&mut self, place: &Field<InnerPath>, source: &str, is_given: bool, key: &str) {
        if is_given {
            self.wrong(place, format!("`{key}` belongs to `{source}`, which this entry does not have"));
        }
    }

    /// Notes the keys of an entry that belong to `from`.
    pub(super) fn belong_to_from(&mut self, files: &FilesEntry) {
        let templates = &files.templates;
        let has_templates = templates.syntax.is_some()
            || templates.delimiters.is_some()
            || templates.suffix.is_some()
            || templates.patterns.is_some();
        for (is_given, key) in [
            (!files.exclude.is_empty(), "exclude"),
            (!files.only.is_empty(), "only"),
            (files.links != LinkHandling::Keep, "links"),
            (has_templates, "templates"),
        ] {
            self.belongs(&files.to, "from", is_given, key);
        }
    }
}
