//! Images to build: what their folders have.

use std::collections::BTreeMap;
use std::path::Path;

use images::build::containerfile;
use images::{Platform, Reference};

use super::Loader;
use crate::project::entries::CheckedEntries;
use crate::project::error::{Error, Mistakes, Origin};
use crate::project::field::Field;
use crate::project::file::{ContainerBuild, NamedImage};
use crate::project::image::{BaseImage, BuildMethod, Containerfile, ImageDefinition};
use crate::project::model::Project;
use crate::project::names::{ImageName, Tag};
use crate::project::read::{parse, parse_strict, read};
use crate::project::settings::Settings;
use crate::project::values::Values;

/// What a file of instructions may be called.
const CONTAINERFILES: [&str; 2] = ["Containerfile", "Dockerfile"];

impl Loader {
    /// Reads the image that the project file at `path` asks for; `None` if its name or tags are invalid, which is noted.
    ///
    /// # Errors
    ///
    /// Every mistake in its folder.
    pub(super) fn image(
        &mut self,
        path: &Path,
        image: &NamedImage,
    ) -> Result<Option<ImageDefinition>, Error> {
        let folder = &image.folder;
        let Some(relative) = self.entries(path).path(folder) else { return Ok(None) };
        let Some((name, tags)) = self.name_and_tags(path, image) else { return Ok(None) };
        let origin = Origin::new(path, folder.place());
        let declaration = relative.join("image.yaml");
        let root = &self.project.root;
        let file =
            CONTAINERFILES.iter().map(|name| relative.join(name)).find(|file| root.join(file).is_file());
        let (path, method, references) = match file {
            None if image.settings.is_some() => {
                let message = "`settings` needs a `Containerfile`, and the folder has none";
                return Err(Error::at(path, folder.place(), message));
            }
            None => {
                let definition: images::build::DefinedImage =
                    self.definition(&declaration, parse_strict, |from| from.into())?;
                let base = definition.base.clone();
                (declaration, BuildMethod::Declaration(Box::new(definition)), base.into_iter().collect())
            }
            Some(file) if root.join(&declaration).is_file() => {
                let message = format!(
                    "both `image.yaml` and `{}` exist: expected one of them",
                    content::printable_path(&file)
                );
                return Err(Error::at(path, folder.place(), message));
            }
            Some(file) => {
                let (method, references) = self.containerfile(path, image, &relative, &file)?;
                (file, method, references)
            }
        };
        let bases = references.into_iter().map(|reference| self.base(reference)).collect();
        Ok(Some(ImageDefinition { origin, name, tags, path, method, bases }))
    }

    /// The name of an image, and its tags: its own or the version of the project, then further ones.
    fn name_and_tags(&mut self, path: &Path, image: &NamedImage) -> Option<(ImageName, Vec<Tag>)> {
        let folder = self.entries(path).text(&image.folder)?;
        let name: Field<ImageName> = image.name.clone().unwrap_or_else(|| {
            let last = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            image.folder.renamed(last.to_owned())
        });
        // A tag has no `+` and no `~`.
        let version = self.project.values.version.replace(['+', '~'], "_");
        // An invalid version is reported where it is written.
        let version = (!version.is_empty()).then(|| name.renamed::<Tag>(version));
        let version = image.tag.clone().or(version);
        let mut is_valid = true;
        let fields: Vec<&Field<Tag>> = version.iter().chain(&image.tags).collect();
        let parsed = self.entries(path).name(&name);
        let mut tags = Vec::new();
        for field in fields {
            let tag = self.entries(path).name(field);
            is_valid &= tag.is_some();
            let (Some(name), Some(tag)) = (&parsed, tag) else { continue };
            if let Err(message) = self.project.folders.add(name, &tag) {
                self.mistakes.note::<()>(Err(Error::at(path, field.place(), message)));
                is_valid = false;
            }
            tags.push(tag);
        }
        parsed.filter(|_| is_valid).map(|name| (name, tags))
    }

    pub(super) fn base(&self, reference: Reference) -> BaseImage {
        let digest = reference.digest().copied().or_else(|| self.lock.digest(&reference));
        BaseImage { reference, digest }
    }

    /// Reads the `Containerfile` at `file` in `folder`, which the entry `image` of the file at `origin` names.
    fn containerfile(
        &mut self,
        origin: &Path,
        image: &NamedImage,
        folder: &Path,
        file: &Path,
    ) -> Result<(BuildMethod, Vec<Reference>), Error> {
        let path = folder.join("build.yaml");
        let exists = self.project.root.join(&path).is_file();
        let read_settings;
        let (settings, path, values) = match &image.settings {
            Some(_) if exists => {
                let message = format!(
                    "both `settings` and `{}` exist: expected one of them",
                    content::printable_path(&path)
                );
                return Err(Error::at(origin, image.folder.place(), message));
            }
            Some(settings) => (settings, origin.to_owned(), self.values.clone()),
            None => {
                read_settings = if exists {
                    self.definition(&path, parse, |from| from.into())?
                } else {
                    ContainerBuild::default()
                };
                (&read_settings, self.project.root.join(path), Values::verbatim())
            }
        };
        let mut mistakes = Mistakes::default();
        let Project { root, territory, produced, settings: Settings { build_root, .. }, .. } = &self.project;
        let mut entries = CheckedEntries {
            file: &path,
            root,
            build_root,
            territory,
            produced,
            values: &values,
            mistakes: &mut mistakes,
        };
        let context = settings.context.as_ref().and_then(|context| entries.path(context));
        let platform = settings.platform.as_ref().and_then(|platform| entries.name(platform));
        let created = settings.created.as_ref().and_then(|created| entries.name(created));
        let stage = settings.target.as_ref().and_then(|target| entries.text(target));
        let arguments: BTreeMap<String, String> = settings
            .arguments
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), entries.text(text)?)))
            .collect();
        mistakes.end(())?;
        territory.resolve(file)?;
        let file = self.project.root.join(file);
        let target = platform.clone().unwrap_or_else(Platform::host);
        let names = containerfile::bases(&read(&file)?, &arguments, &target).map_err(|error| {
            let (line, message) = (error.line, error.reason);
            Error::Invalid { path: file.clone(), line, column: 1, message, snippet: None }
        })?;
        self.project.sources.push(file);
        let references = names.iter().map(|name| name.reference.clone()).collect();
        let method = BuildMethod::Containerfile(Containerfile {
            context: context.unwrap_or_else(|| folder.to_owned()),
            arguments,
            target: stage,
            platform,
            created,
            names,
        });
        Ok((method, references))
    }
}
