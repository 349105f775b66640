//! Images to build: what their folders say.

use std::path::{Path, PathBuf};

use images::build::containerfile;
use images::{Platform, Reference};

use super::file::{ContainerBuild, NamedImage};
use super::image_name::{image_name, image_tag};
use super::{Error, Lock, Mistakes, Origin, Project, parse, read};

/// What a file of instructions may be called.
const CONTAINERFILES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// An image to build, and the file that defines it.
#[derive(Debug)]
pub struct ImageDefinition {
    /// What asks for it.
    pub origin: Origin,
    /// The name it is saved and served under.
    pub name: String,
    /// Its tags: the project's version first.
    pub tags: Vec<String>,
    /// Its `image.yaml` or `Containerfile`, relative to the project.
    pub path: PathBuf,
    /// What it says.
    pub recipe: Recipe,
    /// The images that it is built on.
    pub bases: Vec<Base>,
}

/// How an image is built.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// From a declaration, by ourselves.
    Declaration(images::build::Definition),
    /// From a `Containerfile`, by an engine.
    Containerfile(Containerfile),
}

/// A `Containerfile` and how it is built.
#[derive(Debug, Clone)]
pub struct Containerfile {
    /// What to copy from, relative to the project.
    pub context: PathBuf,
    /// What `build.yaml` says besides.
    pub settings: ContainerBuild,
    /// What to build for, if not this machine.
    pub platform: Option<Platform>,
    /// The images it names, in the order of [`ImageDefinition::bases`].
    pub names: Vec<containerfile::Base>,
}

/// An image that others are built on.
#[derive(Debug, Clone)]
pub struct Base {
    /// Where it comes from.
    pub reference: Reference,
    /// The digest: the reference's own, else the lock file's, else none.
    pub digest: Option<String>,
}

impl Base {
    fn new(reference: Reference, lock: &Lock) -> Self {
        let own = reference.digest().map(ToString::to_string);
        let digest = own.or_else(|| lock.digest(&reference.to_string()).map(str::to_owned));
        Self { reference, digest }
    }
}

impl Project {
    /// Reads the image that the project file at `path` asks for with `image`.
    pub(super) fn image(
        &mut self,
        path: &Path,
        image: &NamedImage,
        lock: &Lock,
    ) -> Result<ImageDefinition, Error> {
        let folder = &image.folder;
        let relative = self.territory.inner_path(path, folder)?;
        let name = image.name.clone().unwrap_or_else(|| {
            let mut name = folder.clone();
            name.value = folder.value.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            name
        });
        let mut mistakes = Mistakes::default();
        let is_name = mistakes.note(image_name(path, &name)).is_some();
        let mut tags = vec![self.values.version.clone()];
        let version = [(self.values.version.clone(), name.referenced)];
        let aliases = image.tags.iter().filter(|tag| mistakes.note(image_tag(path, tag)).is_some());
        let aliases: Vec<_> = aliases.map(|tag| (tag.value.clone(), tag.referenced)).collect();
        for (tag, place) in version.into_iter().chain(aliases.iter().cloned()).filter(|_| is_name) {
            let added = self.places.add(&name.value, &tag);
            mistakes.note(added.map_err(|message| Error::at(path, place, message)));
        }
        mistakes.end(())?;
        tags.extend(aliases.into_iter().map(|(tag, _)| tag));
        let origin = Origin::new(path, folder.referenced);
        let declaration = relative.join("image.yaml");
        let file =
            CONTAINERFILES.iter().map(|name| relative.join(name)).find(|file| self.root.join(file).is_file());
        let (path, recipe, references) = match file {
            None => {
                let definition: images::build::Definition = self.definition(&declaration, parse)?;
                let base = definition.base.clone();
                (declaration, Recipe::Declaration(definition), base.into_iter().collect())
            }
            Some(file) if self.root.join(&declaration).is_file() => {
                let message = format!(
                    "holds both `image.yaml` and `{}`: expected one of them",
                    content::printable_path(&file)
                );
                return Err(Error::at(path, folder.referenced, message));
            }
            Some(file) => {
                let (recipe, references) = self.containerfile(&relative, &file)?;
                (file, recipe, references)
            }
        };
        let bases = references.into_iter().map(|reference| Base::new(reference, lock)).collect();
        Ok(ImageDefinition { origin, name: name.value, tags, path, recipe, bases })
    }

    fn containerfile(&mut self, folder: &Path, file: &Path) -> Result<(Recipe, Vec<Reference>), Error> {
        let path = folder.join("build.yaml");
        let there = self.root.join(&path).is_file();
        let settings: ContainerBuild =
            if there { self.definition(&path, parse)? } else { ContainerBuild::default() };
        let path = self.root.join(path);
        let context = settings.context.as_ref();
        let context = context.map(|context| self.territory.inner_path(&path, context)).transpose()?;
        let platform = match &settings.platform {
            Some(text) => {
                let platform: Result<Platform, _> = text.value.parse();
                Some(platform.map_err(|error| Error::at(&path, text.referenced, error.to_string()))?)
            }
            None => None,
        };
        self.territory.resolve(file)?;
        let file = self.root.join(file);
        let target = platform.clone().unwrap_or_else(Platform::host);
        let names = containerfile::bases(&read(&file)?, &settings.arguments, &target).map_err(|error| {
            let (line, message) = (error.line, error.reason);
            Error::Invalid { path: file.clone(), line, column: 1, message, snippet: None }
        })?;
        self.sources.push(file);
        let references = names.iter().map(|name| name.reference.clone()).collect();
        let context = context.unwrap_or_else(|| folder.to_owned());
        let recipe = Recipe::Containerfile(Containerfile { context, settings, platform, names });
        Ok((recipe, references))
    }
}
