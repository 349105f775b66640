//! Reading a project: its files become the model, and all mistakes in them one report.

mod image;
mod metadata;
mod pull;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::metadata::values;
use super::book::{Book, MarkdownDocument};
use super::entries::{self, CheckedEntries};
use super::error::{Error, Mistakes, Origin};
use super::file::{self, BuildImage, ProjectFile, RevisionForm};
use super::image_folders::ImageFolders;
use super::lock::{self, LockFile};
use super::model::{DEFAULT_SOURCE_DATE, FILE_NAME, PackageDefinition, Project, RepositoryDefinition};
use super::paths::{self, Territory};
use super::read::{parse, read};
use super::settings::{ChosenProfile, Settings};
use super::{git, package, template};

impl Project {
    /// Reads and checks the project at `root`.
    ///
    /// # Errors
    ///
    /// If one of its files cannot be read or is invalid: every mistake, with its file and place.
    pub fn load(root: &Path, mut settings: Settings) -> Result<Self, Error> {
        let path = root.join(FILE_NAME);
        settings.build_root = paths::build_root(root, &settings.build_root)
            .map_err(|message| Error::Setting { name: "the build root".into(), message })?;
        let mut territory = Territory::new(root, &settings.build_root)
            .map_err(|error| Error::file("resolve", root, error))?;
        for name in [FILE_NAME, lock::FILE_NAME] {
            territory.resolve(Path::new(name))?;
        }
        let file: ProjectFile = parse(&path, &read(&path)?)?;
        let mut mistakes = Mistakes::default();
        for folder in &file.spec.external_folders {
            mistakes.note(territory.add(&folder.value).map_err(|error| {
                Error::at(&path, folder.referenced, format!("cannot resolve `{}`: {error}", folder.value))
            }));
        }
        let values = mistakes.note(values(root, &path, &file.metadata, &settings, &territory));
        let repository = git::GitRepository::open(&settings, root)?;
        let commit = repository.as_ref().map(git::GitRepository::commit).transpose()?.flatten();
        let revision = match (&repository, &commit, file.metadata.revision) {
            (Some(repository), Some(_), RevisionForm::Describe) => Some(repository.describe()?),
            (_, commit, _) => commit.as_ref().map(|commit| commit.hash.clone()),
        };
        let source_date =
            settings.source_date.or(commit.as_ref().map(|commit| commit.date)).unwrap_or(DEFAULT_SOURCE_DATE);

        let mut spec = file.spec;
        for profile in chosen(&mut spec.profiles, &settings.profile)? {
            spec.images.catalogues.extend(profile.images.catalogues);
            spec.images.pull.extend(profile.images.pull);
            spec.images.build.extend(profile.images.build);
            spec.packages.extend(profile.packages);
            spec.files.extend(profile.files);
        }
        let mut entries =
            CheckedEntries { file: &path, root, territory: &territory, mistakes: &mut mistakes };
        let binaries = spec.binaries.iter().filter_map(|binary| entries.program(binary)).collect();
        let files = spec.files.iter().filter_map(|files| entries.files(files)).collect();
        let registries = spec.registries.iter().filter_map(|registry| entries.registry(registry)).collect();
        let (mut documentation, mut books) = (Vec::new(), Vec::new());
        for page in &spec.documentation {
            let Some(inner) = entries.existing(page) else { continue };
            if Book::is(&inner) {
                let book = entries.mistakes.note(Book::read(root, &territory, &inner));
                documentation.extend(book.iter().flat_map(Book::chapters));
                books.extend(book);
            } else {
                documentation
                    .push(MarkdownDocument { origin: Origin::new(&path, page.place()), path: inner });
            }
        }

        let mut sources: Vec<PathBuf> =
            std::iter::once(path.clone()).chain(books.iter().map(|book| root.join(&book.path))).collect();
        let version_file = file.metadata.version_from.as_ref();
        // The file itself was read for the values, with its mistakes.
        let version_file = version_file.and_then(|from| territory.inner_path(&path, &from.file).ok());
        sources.extend(version_file.map(|inner| root.join(inner)));
        let project = Self {
            root: root.into(),
            kind: file.kind,
            // Definitions are templates of these values. Where those are invalid, the rest is checked without them.
            values: values.unwrap_or_default(),
            source_date,
            revision,
            repository,
            binaries,
            registries,
            pull: Vec::new(),
            images: Vec::new(),
            repositories: Vec::new(),
            files,
            documentation,
            sources,
            books,
            folders: ImageFolders::default(),
            settings,
            territory,
        };
        let lock = mistakes.note(LockFile::read(root)).unwrap_or_default();
        let mut loader = Loader { project, lock, mistakes };
        loader.images(&path, spec.images);
        loader.packages(&path, &spec.packages);
        loader.mistakes.end(loader.project)
    }
}

/// A project whose definitions are being read.
struct Loader {
    project: Project,
    lock: LockFile,
    mistakes: Mistakes,
}

impl Loader {
    /// The entries of a file of the project.
    fn entries<'a>(&'a mut self, file: &'a Path) -> CheckedEntries<'a> {
        let Self { project, mistakes, .. } = self;
        CheckedEntries { file, root: &project.root, territory: &project.territory, mistakes }
    }

    /// Reads the images that the project file at `path` lists.
    fn images(&mut self, path: &Path, images: file::ImagesSpec) {
        for image in images.pull {
            self.pull(path, &image);
        }
        for name in &images.catalogues {
            let Some(inner) = self.entries(path).path(name) else { continue };
            let catalogue_path = self.project.root.join(inner);
            let text = read(&catalogue_path);
            let text = text.map_err(|error| error.missing_at(path, name.place(), &self.project.root));
            let catalogue = text.and_then(|text| parse::<file::Catalogue>(&catalogue_path, &text));
            for image in self.mistakes.note(catalogue).into_iter().flat_map(|catalogue| catalogue.images) {
                self.pull(&catalogue_path, &image);
            }
            self.project.sources.push(catalogue_path);
        }
        for image in images.build.iter().map(BuildImage::named) {
            let found = self.image(path, &image);
            let found =
                found.map_err(|error| error.missing_at(path, image.folder.place(), &self.project.root));
            self.project.images.extend(self.mistakes.note(found).flatten());
        }
    }

    /// Reads the package repositories that the project file at `path` lists.
    fn packages(&mut self, path: &Path, repositories: &[file::RepositoryEntry]) {
        for repository in repositories {
            let (name, release) =
                (self.entries(path).name(&repository.name), self.entries(path).name(&repository.release));
            let mut packages = Vec::new();
            for folder in &repository.build {
                let Some(inner) = self.entries(path).path(folder) else { continue };
                let relative = inner.join("package.yaml");
                let definition = self.definition(&relative, package::read_in_project);
                let definition =
                    definition.map_err(|error| error.missing_at(path, folder.place(), &self.project.root));
                if let Some(definition) = self.mistakes.note(definition) {
                    let origin = Origin::new(path, folder.place());
                    packages.push(PackageDefinition { origin, path: relative, definition });
                }
            }
            if let (Some(name), Some(release)) = (name, release) {
                self.project.repositories.push(RepositoryDefinition { name, release, packages });
            }
        }
    }

    /// Reads a definition: a template whose result is YAML.
    fn definition<T>(
        &mut self,
        relative: &Path,
        read_text: fn(&Path, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let project = &mut self.project;
        let path = project.root.join(relative);
        project.territory.resolve(relative)?;
        let text = template::render(&path, &read(&path)?, &project.values)?;
        project.sources.push(path.clone());
        let sources = entries::sources(&path, &text, &project.root, &project.settings.build_root);
        match (read_text(&path, &text), sources) {
            (Ok(definition), Ok(())) => Ok(definition),
            (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(sources)) => Err(error.with(sources)),
        }
    }
}

/// The profiles whose additions are taken.
fn chosen(
    profiles: &mut BTreeMap<String, file::Profile>,
    choice: &ChosenProfile,
) -> Result<Vec<file::Profile>, Error> {
    match choice {
        ChosenProfile::Default => Ok(Vec::new()),
        ChosenProfile::All => Ok(std::mem::take(profiles).into_values().collect()),
        ChosenProfile::Named(name) => match profiles.remove(name) {
            Some(profile) => Ok(vec![profile]),
            None => {
                let known: Vec<String> = profiles.keys().map(|name| format!("`{name}`")).collect();
                let known = if known.is_empty() {
                    "the project has no profiles".to_owned()
                } else {
                    format!("the project has {}", known.join(", "))
                };
                Err(Error::Profile { name: name.clone(), known })
            }
        },
    }
}
