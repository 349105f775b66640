//! Reading a project: its files become the model, and all mistakes in them one report.

mod debian;
mod image;
mod packages;
mod parts;
mod pull;
mod release;
mod requires;
mod signatures;
mod signing;
mod solution;
mod sources;
mod spec;
mod tasks;
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use images::signatures::SignatureRules;

use self::parts::{Part, PartReader, ProjectParts};
use super::book::{Book, MarkdownDocument};
use super::entries::{self, CheckedEntries};
use super::error::{Error, Mistakes, Origin};
use super::field::Field;
use super::file::{self, Content, EvidenceEntry, ProjectFile, ProjectMetadata, Repeated, RevisionForm};
use super::files::Templates;
use super::image_folders::ImageFolders;
use super::lock::{self, LockFile};
use super::model::{DEFAULT_SOURCE_DATE, FILE_NAME, Project};
use super::names::InnerPath;
use super::paths::{self, Territory};
use super::read::{parse, read};
use super::release::ReleaseDefinition;
use super::settings::{ChosenProfile, Settings};
use super::tasks::Produced;
use super::values::Values;
use super::variables::{self, ResolvedVariables, VariableContext};
use super::{git, template};

impl Project {
    /// Reads the project at `root` in all its forms: without a profile, with each of its profiles alone, and with those that
    /// `settings` choose. The lock file has the images of all of them.
    ///
    /// # Errors
    ///
    /// As for [`Project::load`], of the first form that has mistakes.
    pub fn load_all(root: &Path, settings: &Settings) -> Result<Vec<Self>, Error> {
        let load = |profile| Self::load(root, Settings { profile, ..settings.clone() });
        let plain = load(ChosenProfile::Default)?;
        let alone = plain.profiles.iter().map(|name| ChosenProfile::Named(vec![name.clone()]));
        let mut choices: Vec<ChosenProfile> = alone.collect();
        if settings.profile != ChosenProfile::Default && !choices.contains(&settings.profile) {
            choices.push(settings.profile.clone());
        }
        let mut projects = vec![plain];
        for choice in choices {
            projects.push(load(choice)?);
        }
        Ok(projects)
    }

    /// Reads and checks the project at `root`.
    ///
    /// # Errors
    ///
    /// If one of its files cannot be read or is invalid: every mistake, with its file and place.
    pub fn load(root: &Path, settings: Settings) -> Result<Self, Error> {
        Self::load_as(root, settings, None)
    }

    /// As [`Project::load`], with `text` as the content of the project file, which need not exist.
    ///
    /// # Errors
    ///
    /// Those of [`Project::load`].
    pub fn load_as(root: &Path, mut settings: Settings, text: Option<&str>) -> Result<Self, Error> {
        let path = root.join(FILE_NAME);
        settings.build_root = paths::build_root(root, &settings.build_root)
            .map_err(|message| Error::Setting { name: "the build root".into(), message })?;
        let mut territory = Territory::new(root, &settings.build_root)
            .map_err(|error| Error::file("resolve", root, error))?;
        for name in [FILE_NAME, lock::FILE_NAME] {
            territory.resolve(Path::new(name))?;
        }
        let is_described = text.is_some();
        let text = text.map_or_else(|| read(&path), |text| Ok(text.to_owned()))?;
        let file: ProjectFile = parse(&path, &text)?;
        let mut mistakes = Mistakes::default();
        let reader = PartReader::new(root, &territory, &mut mistakes);
        let ProjectParts { mut parts, files: mut sources, profiles } =
            reader.read(file.spec, &text, &settings.profile)?;
        if is_described {
            sources.retain(|source| *source != path);
        }
        let repository = git::GitRepository::open(&settings, root)?;
        let commit = repository.as_ref().map(git::GitRepository::commit).transpose()?.flatten();
        let mut variables = BTreeMap::new();
        parts.iter_mut().for_each(|part| variables.extend(part.variables.drain(..)));
        let context = VariableContext {
            root,
            project_file: &path,
            settings: &settings,
            territory: &territory,
            metadata: &file.metadata,
            repository: repository.as_ref(),
            commit: commit.as_ref(),
        };
        let ResolvedVariables { values, files, environment } =
            variables::resolve(&context, &variables, &mut mistakes);
        sources.extend(files);
        mistakes.note(check_volume_id(&path, &file.metadata, &values));
        let revision = match (&repository, &commit, file.metadata.revision) {
            (Some(repository), Some(_), RevisionForm::Describe) => Some(repository.describe()?),
            (_, commit, _) => commit.as_ref().map(|commit| commit.hash.clone()),
        };
        let source_date =
            settings.source_date.or(commit.as_ref().map(|commit| commit.date)).unwrap_or(DEFAULT_SOURCE_DATE);
        for part in &parts {
            for folder in &part.content.external_folders {
                if values.hides(folder.written()) {
                    continue;
                }
                let added = folder.text(&part.file, &values).and_then(|text| {
                    territory.add(&text).map_err(|error| {
                        Error::at(&part.file, folder.place(), format!("cannot resolve `{text}`: {error}"))
                    })
                });
                mistakes.note(added);
            }
        }
        let mut project = Self {
            root: root.into(),
            profiles,
            kind: file.kind,
            values: values.clone(),
            source_date,
            revision,
            commit: commit.map(|commit| commit.hash),
            environment,
            evidence: EvidenceEntry::default(),
            repository,
            binaries: Vec::new(),
            tasks: Vec::new(),
            pools: BTreeMap::new(),
            produced: Produced::default(),
            registries: Vec::new(),
            image_signatures: SignatureRules::default(),
            locked_signatures: BTreeMap::new(),
            pull: Vec::new(),
            selections: Vec::new(),
            images: Vec::new(),
            repositories: Vec::new(),
            deb_repositories: Vec::new(),
            distributions: Vec::new(),
            signing: None,
            release: ReleaseDefinition::default(),
            requires: Vec::new(),
            solution: None,
            files: Vec::new(),
            documentation: Vec::new(),
            external_sources: Vec::new(),
            sources,
            books: Vec::new(),
            folders: ImageFolders::default(),
            settings,
            territory,
        };
        let lock = mistakes.note(LockFile::read(root)).unwrap_or_default();
        project.locked_signatures = lock.signatures().clone();
        let mut loader = Loader { project, lock, values, templates: Arc::default(), mistakes };
        for Part { file, content, .. } in &parts {
            let base = Arc::clone(&loader.templates);
            loader.templates = Arc::new(loader.entries(file).templates(&content.templates, &base));
        }
        // Other entries can name what tasks write, and those of sources do.
        parts.iter().for_each(|part| loader.sources(&part.file, &part.content));
        parts.iter().for_each(|part| loader.tasks(&part.file, &part.content));
        // Entries of `packages` in any part need them.
        parts.iter().for_each(|part| loader.distributions(&part.file, &part.content.distributions));
        parts.iter().for_each(|part| loader.image_signatures(&part.file, &part.content.images.signatures));
        for Part { file, content, .. } in &parts {
            loader.content(file, content);
        }
        parts.iter().for_each(|part| loader.lists(&part.file, &part.content.images.lists));
        loader.signing(&parts);
        loader.release(&parts);
        loader.project.evidence =
            parts.iter().rev().find_map(|part| part.content.evidence).unwrap_or_default();
        let named = loader.project.check_provenance();
        loader.mistakes.note(named);
        loader.selections();
        loader.locked_packages();
        loader.project.look_up_debs(loader.lock.debs());
        loader.solution(&parts, &path, file.metadata.name.place());
        loader.mistakes.end(loader.project)
    }
}

impl Project {
    /// Refuses a provenance if it cannot name the folder of the project, so that nobody could build the archive again.
    fn check_provenance(&self) -> Result<(), Error> {
        match self.repository.as_ref().filter(|_| self.evidence.provenance) {
            Some(repository) if repository.folder().to_str().is_none() => Err(Error::Repository {
                path: self.root.clone(),
                message: "`evidence.provenance` needs a path of the project in the repository that is UTF-8"
                    .to_owned(),
                help: "rename the folder, or leave out `evidence.provenance`".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// The most bytes of a volume ID (ECMA-119, 8.4.8).
const VOLUME_ID_MAX: usize = 32;

fn check_volume_id(path: &Path, metadata: &ProjectMetadata, values: &Values) -> Result<(), Error> {
    let volume_id = format!("{} {}", values.name, values.version);
    if volume_id.len() <= VOLUME_ID_MAX {
        return Ok(());
    }
    let message = format!(
        "the volume ID `{volume_id}` of the ISO has {} bytes: at most {VOLUME_ID_MAX} fit",
        volume_id.len()
    );
    Err(Error::at(path, metadata.name.place(), message))
}

/// A project whose definitions are being read.
struct Loader {
    project: Project,
    lock: LockFile,
    /// What the strings of the entry that is being read can name: the values of the project, and those of loops.
    values: Values,
    /// Which files are templates, where an entry does not say it.
    templates: Arc<Templates>,
    mistakes: Mistakes,
}

impl Loader {
    /// The entries of a file of the project.
    fn entries<'a>(&'a mut self, file: &'a Path) -> CheckedEntries<'a> {
        let Self { project, mistakes, values, .. } = self;
        CheckedEntries {
            file,
            root: &project.root,
            build_root: &project.settings.build_root,
            territory: &project.territory,
            produced: &project.produced,
            values,
            mistakes,
        }
    }

    /// Calls `read` for each of `entries` that counts, once for each round of its loop.
    fn each<E: Repeated>(&mut self, file: &Path, entries: &[E], mut read: impl FnMut(&mut Self, &E)) {
        for entry in entries {
            for round in self.entries(file).rounds(entry.for_each()) {
                let outer = std::mem::replace(&mut self.values, round);
                if self.entries(file).holds(entry.when()) {
                    read(self, entry);
                }
                self.values = outer;
            }
        }
    }

    /// Reads what the file at `path` adds.
    fn content(&mut self, path: &Path, content: &Content) {
        self.each(path, &content.binaries, |loader, binary| {
            let program = loader.entries(path).program(binary);
            loader.project.binaries.extend(program);
        });
        self.each(path, &content.registries, |loader, registry| {
            let registry = loader.entries(path).registry(registry);
            loader.project.registries.extend(registry);
        });
        self.each(path, &content.files, |loader, files| {
            let templates = Arc::clone(&loader.templates);
            let files = loader.entries(path).files(files, &templates);
            loader.project.files.extend(files);
        });
        self.each(path, &content.documentation, |loader, page| loader.document(path, &page.0.file));
        self.images(path, &content.images);
        self.packages(path, &content.packages);
        self.each(path, &content.requires, |loader, entry| loader.requirement(path, entry));
    }

    fn document(&mut self, path: &Path, page: &Field<InnerPath>) {
        let Some(inner) = self.entries(path).existing(page) else { return };
        let Self { project, mistakes, .. } = self;
        if !Book::is(&inner) {
            let origin = Origin::new(path, page.place());
            project.documentation.push(MarkdownDocument { origin, path: inner });
            return;
        }
        let Some(book) = mistakes.note(Book::read(&project.root, &project.territory, &inner)) else { return };
        project.documentation.extend(book.chapters());
        project.sources.push(project.root.join(&book.path));
        project.books.push(book);
    }

    /// Reads the images that the project file at `path` lists.
    fn images(&mut self, path: &Path, images: &file::ImagesSpec) {
        self.pulls(path, &images.pull);
        self.each(path, &images.catalogues, |loader, catalogue| loader.catalogue(path, &catalogue.0.file));
        self.each(path, &images.build, |loader, image| {
            let found = loader.image(path, &image.0);
            let found = found
                .map_err(|error| error.unreadable_at(path, image.0.folder.place(), &loader.project.root));
            loader.project.images.extend(loader.mistakes.note(found).flatten());
        });
    }

    /// Reads a catalogue that the file at `path` names.
    fn catalogue(&mut self, path: &Path, name: &Field<InnerPath>) {
        let Some(inner) = self.entries(path).path(name) else { return };
        let catalogue_path = self.project.root.join(inner);
        let text = read(&catalogue_path);
        let text = text.map_err(|error| error.unreadable_at(path, name.place(), &self.project.root));
        let catalogue = text.and_then(|text| parse::<file::Catalogue>(&catalogue_path, &text));
        if let Some(catalogue) = self.mistakes.note(catalogue) {
            self.pulls(&catalogue_path, &catalogue.images);
        }
        self.project.sources.push(catalogue_path);
    }

    /// Reads a definition: a template whose result is YAML. `located` gives the file or folder of one of its sources.
    fn definition<T>(
        &mut self,
        relative: &Path,
        read_text: impl FnOnce(&Path, &str) -> Result<T, Error>,
        located: fn(&str) -> PathBuf,
    ) -> Result<T, Error> {
        let project = &mut self.project;
        let path = project.root.join(relative);
        project.territory.resolve(relative)?;
        let text = template::render(&path, &read(&path)?, &self.values)?;
        project.sources.push(path.clone());
        let sources = entries::sources(&path, &text, &project.root, located, |source| {
            source.starts_with(&project.settings.build_root) || project.produced.writes(source)
        });
        match (read_text(&path, &text), sources) {
            (Ok(definition), Ok(())) => Ok(definition),
            (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(sources)) => Err(error.with(sources)),
        }
    }
}
