//! Reading `spec.solution`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use archive::layout;
use archive::solution::manifest;
use serde_saphyr::Location;

use super::Loader;
use super::parts::Part;
use crate::project::error::Error;
use crate::project::field::Field;
use crate::project::file::{FilesEntry, OperatorEntry, ProjectKind, Short, SolutionEntry, UiEntry};
use crate::project::names::{ImageOfArchive, ProjectPath};
use crate::project::solution::{SolutionDefinition, SolutionLayout, annotation_key};

/// The only layout that has a number.
const LAYOUT: u16 = 2019;

/// The most characters of the name of a Solution: it is a part of names of Kubernetes objects.
const NAME_MAX: usize = 63;

impl Loader {
    /// Reads what the parts of the project say about the Solution; `place` in `file` is that of the project's name.
    pub(super) fn solution(&mut self, parts: &[Part], file: &Path, place: Location) {
        let entries = || parts.iter().map(|part| (part.file.as_path(), &part.content.solution));
        if self.project.kind == ProjectKind::Platform {
            for (file, entry) in entries() {
                if let Some(place) = first_place(entry) {
                    let message = "`spec.solution` needs `kind: Solution`";
                    self.mistakes.note::<()>(Err(Error::at(file, place, message)));
                }
            }
            return;
        }
        // The last part counts.
        let operator = last(entries(), |entry| entry.operator.as_ref());
        let ui = last(entries(), |entry| entry.ui.as_ref());
        let layout = last(entries(), |entry| entry.layout.as_ref());
        let requirement = last(entries(), |entry| entry.require_metalk8s.as_ref());
        let display_name = last(entries(), |entry| entry.display_name.as_ref());

        let layout = match layout {
            None => SolutionLayout::Manifest,
            Some((_, number)) if number.value == LAYOUT => SolutionLayout::Product,
            Some((file, number)) => {
                let message = format!("unknown layout {}: expected {LAYOUT}, or no `layout`", number.value);
                self.mistakes.note::<()>(Err(Error::at(file, number.referenced, message)));
                return;
            }
        };
        // After other mistakes, and without the tags that a lock file lacks, images can be missing from the list.
        let are_listed =
            self.mistakes.is_empty() && self.project.selections.iter().all(|selected| selected.is_locked);
        let mut definition = SolutionDefinition {
            operator: operator
                .and_then(|(file, Short(entry))| self.component(file, &entry.image, are_listed)),
            ui: ui.and_then(|(file, Short(UiEntry { image }))| self.component(file, image, are_listed)),
            annotations: BTreeMap::new(),
            layout,
        };
        let display = match display_name {
            None => Some(self.project.values.name.clone()),
            Some((file, name)) => self.entries(file).text(name),
        };
        definition.annotations.extend(display.map(|name| (manifest::DISPLAY_NAME.to_owned(), name)));
        if let Some((file, range)) = requirement {
            let range = self.entries(file).name(range);
            let range = range.map(|range| (manifest::REQUIRE_METALK8S.to_owned(), range.to_string()));
            definition.annotations.extend(range);
        }
        for (file, entry) in entries() {
            for (key, value) in &entry.annotations {
                let value = self.entries(file).text(value);
                definition.annotations.extend(value.map(|value| (annotation_key(key), value)));
            }
        }
        self.check_solution(file, place, &definition, operator.is_some());
        if let Some((file, Short(entry))) = operator {
            self.deploy(file, entry);
        }
        self.project.solution = Some(definition);
    }

    /// An image of the archive, which must be in it if all images `are_listed`.
    fn component(
        &mut self,
        file: &Path,
        field: &Field<ImageOfArchive>,
        are_listed: bool,
    ) -> Option<ImageOfArchive> {
        let image = self.entries(file).name(field)?;
        if let Err(message) = self.project.image_of_archive(&image)
            && are_listed
        {
            self.entries(file).wrong(field, message);
            return None;
        }
        Some(image)
    }

    /// Checks what the manifest or `product.txt` must have.
    fn check_solution(
        &mut self,
        file: &Path,
        place: Location,
        solution: &SolutionDefinition,
        has_operator: bool,
    ) {
        let mut wrong = |message: String| {
            self.mistakes.note::<()>(Err(Error::at(file, place, message)));
        };
        let name = &self.project.values.slug;
        match solution.layout {
            SolutionLayout::Manifest => {
                let is_label = !name.starts_with('-')
                    && !name.ends_with('-')
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !self.project.values.is_unknown() && (!is_label || name.len() > NAME_MAX) {
                    wrong(format!(
                        "`{name}` cannot name a Solution: expected at most {NAME_MAX} letters, digits and `-`, as names of Kubernetes objects have"
                    ));
                }
                if !has_operator {
                    wrong(
                        "a Solution has an operator: write the name of its image as `spec.solution.operator`"
                            .into(),
                    );
                }
            }
            SolutionLayout::Product => {
                if !solution.annotations.contains_key(manifest::REQUIRE_METALK8S) {
                    wrong(format!("`layout: {LAYOUT}` needs `requireMetalk8s`, such as `>=2.0`"));
                }
            }
        }
    }

    /// Adds the manifests of the operator to the files of the archive.
    fn deploy(&mut self, file: &Path, entry: &OperatorEntry) {
        let deploy = match &entry.deploy {
            Some(deploy) => deploy.clone(),
            None => {
                let place = self.project.root.join(layout::OPERATOR);
                if place.symlink_metadata().is_err() && !self.project.produced.concerns(&place) {
                    let message = format!(
                        "the folder `{}` does not exist: it has the operator's `crds/` and `role.yaml`; write another one as `deploy`",
                        layout::OPERATOR
                    );
                    self.entries(file).wrong(&entry.image, message);
                    return;
                }
                entry.image.renamed::<ProjectPath>(layout::OPERATOR.into())
            }
        };
        let entry = FilesEntry::folder(deploy.clone(), deploy.renamed(layout::OPERATOR.into()));
        let templates = Arc::clone(&self.templates);
        let files = self.entries(file).files(&entry, &templates);
        self.project.files.extend(files);
    }
}

/// What the last part that has it says, with its file.
fn last<'a, T>(
    parts: impl Iterator<Item = (&'a Path, &'a SolutionEntry)>,
    get: impl Fn(&'a SolutionEntry) -> Option<T>,
) -> Option<(&'a Path, T)> {
    parts.filter_map(|(file, entry)| Some((file, get(entry)?))).last()
}

/// The place of something in the entry; `None` if it is empty.
fn first_place(entry: &SolutionEntry) -> Option<Location> {
    let SolutionEntry { display_name, operator, ui, require_metalk8s, annotations, layout } = entry;
    let places = [
        display_name.as_ref().map(Field::place),
        operator.as_ref().map(|Short(entry)| entry.image.place()),
        ui.as_ref().map(|Short(entry)| entry.image.place()),
        require_metalk8s.as_ref().map(Field::place),
        annotations.values().next().map(Field::place),
        layout.as_ref().map(|layout| layout.referenced),
    ];
    places.into_iter().flatten().next()
}
