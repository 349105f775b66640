//! The project model: `sealift.yaml`, the lock file and the settings, read, checked and resolved.

mod book;
mod checks;
mod error;
pub mod file;
mod files;
mod git;
mod image;
mod image_name;
mod lock;
mod package;
mod paths;
mod settings;
mod shape;
mod template;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use images::Source;
use images::source::Local;
use serde_saphyr::Spanned;

use self::file::{Binary, BuildImage, Files, Kind, PullImage, Registry, RevisionForm};
use self::image_name::{ImagePlaces, image_name, image_tag};
use self::paths::inner_path;

pub use book::{Book, Chapter, Item};
pub(crate) use book::{Target, target};
pub use error::{Error, MISTAKES_SHOWN, Origin};
pub(crate) use error::{Mistakes, bounded};
pub use file::schema;
pub use files::{Listed, Listing};
pub use image::{Base, Containerfile, ImageDefinition, Recipe};
pub use lock::{Attached, FILE_NAME as LOCK_FILE_NAME, Lock};
pub use package::read_package;
pub use paths::{Outside, Territory};
pub use settings::{
    Flags, OutputCache, Profile, Settings, auth_files, auth_places, certificate_folders, program_variable,
    size as parse_size,
};
pub use template::Values;

/// The name of the project file.
pub const FILE_NAME: &str = "sealift.yaml";

/// What may stand before the name of an image that comes from a registry.
const REGISTRY: &str = "docker://";

/// The date of what has no other: a project without a commit, a package without a changelog. It is the first day that ISO
/// 9660 and every archive format can write.
const DEFAULT_SOURCE_DATE: i64 = 315_532_800; // 1980-01-01T00:00:00Z

/// A project, ready to be turned into tasks.
#[derive(Debug)]
pub struct Project {
    /// The folder of `sealift.yaml`, absolute.
    pub root: PathBuf,
    /// The settings that it was read with.
    pub settings: Settings,
    /// Where its paths may lead.
    pub territory: Territory,
    /// What kind of archive is built.
    pub kind: Kind,
    /// What templates may name: the archive's name and version.
    pub values: Values,
    /// The date of `product.txt` and the ISO, in seconds since 1970: `SOURCE_DATE_EPOCH`, else that of the commit. What the
    /// archive holds has dates of its own ([`Project::image_date`], [`Project::package_date`]): a commit that does not touch
    /// them must not change them.
    pub source_date: i64,
    /// The commit that is built, as `product.txt` names it, if there is one.
    pub revision: Option<String>,
    /// The repository that holds the project, if there is one.
    pub(crate) repository: Option<git::Repository>,
    /// Programs built from the project's sources.
    pub binaries: Vec<Binary>,
    /// How registries are reached.
    pub registries: Vec<Registry>,
    /// Images to pull, each with the digest that it is pulled by.
    pub pull: Vec<Pull>,
    /// Images to build.
    pub images: Vec<ImageDefinition>,
    /// Package repositories.
    pub repositories: Vec<RepositoryDefinition>,
    /// Files that are copied or rendered into the archive.
    pub files: Vec<Files>,
    /// The documents of the archive, the chapters of its books included.
    pub documentation: Vec<Document>,
    /// The books among the documents.
    pub books: Vec<Book>,
    /// Every file that was read to make this model.
    pub sources: Vec<PathBuf>,
    /// Where the images are in the archive.
    places: ImagePlaces,
}

/// A document of the archive.
#[derive(Debug, Clone)]
pub struct Document {
    /// What asks for it.
    pub origin: Origin,
    /// Its path, relative to the project.
    pub path: PathBuf,
}

/// An image to pull.
#[derive(Debug, Clone)]
pub struct Pull {
    /// What asks for it.
    pub origin: Origin,
    /// What the project says of it.
    pub image: PullImage,
    /// Where it is in the project, with an absolute path; `None` where it comes from a registry.
    pub local: Option<Local>,
    /// The digest: the project's own, else the lock file's, else none.
    pub digest: Option<String>,
    /// What is attached to it, if that is wanted and locked.
    pub referrers: Option<Attached>,
}

impl Pull {
    /// The reference with its tag, as the lock file has it; of an image in the project, its source.
    #[must_use]
    pub fn reference(&self) -> String {
        let source = &self.image.source.value;
        match self.local {
            Some(_) => source.clone(),
            None => format!("{}:{}", source.strip_prefix(REGISTRY).unwrap_or(source), self.image.tag.value),
        }
    }
}

/// A package repository of the archive.
#[derive(Debug)]
pub struct RepositoryDefinition {
    /// Its name: `scality`.
    pub name: String,
    /// The release of the distribution: `8`.
    pub release: String,
    /// The packages to build for it.
    pub packages: Vec<PackageDefinition>,
}

/// A package to build, and the file that defines it.
#[derive(Debug)]
pub struct PackageDefinition {
    /// What asks for it.
    pub origin: Origin,
    /// Its `package.yaml`, relative to the project.
    pub path: PathBuf,
    /// What it says, rendered.
    pub definition: packages::Definition,
}

impl Project {
    /// The folder that holds `sealift.yaml`: `start` or the nearest folder above it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find(start: &Path) -> Result<PathBuf, Error> {
        start
            .ancestors()
            .find(|folder| folder.join(FILE_NAME).symlink_metadata().is_ok())
            .map(Path::to_path_buf)
            .ok_or_else(|| Error::NoProject(start.into()))
    }

    /// Reads and checks the project at `root`.
    ///
    /// # Errors
    ///
    /// If one of its files cannot be read or is wrong; the error names the file and the place in it.
    pub fn load(root: &Path, mut settings: Settings) -> Result<Self, Error> {
        let path = root.join(FILE_NAME);
        settings.build_root = paths::build_root(root, &settings.build_root)
            .map_err(|message| Error::Setting { name: "the build root".into(), message })?;
        let mut territory = Territory::new(root, &settings.build_root)
            .map_err(|error| Error::file("resolve", root, error))?;
        for name in [FILE_NAME, LOCK_FILE_NAME] {
            territory.resolve(Path::new(name))?;
        }
        let file: file::ProjectFile = parse(&path, &read(&path)?)?;
        let mut mistakes = Mistakes::default();
        for folder in &file.spec.external_folders {
            mistakes.note(territory.add(&folder.value).map_err(|error| {
                Error::at(&path, folder.referenced, format!("cannot resolve `{}`: {error}", folder.value))
            }));
        }
        let values = mistakes.note(values(root, &path, &file.metadata, &settings, &territory));
        let repository = git::Repository::open(&settings, root)?;
        let commit = repository.as_ref().map(git::Repository::commit).transpose()?.flatten();
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
        for binary in &spec.binaries {
            checks::binary(&path, binary, &mut mistakes);
        }
        for files in &spec.files {
            checks::files(&path, files, root, &territory, &mut mistakes);
        }
        for registry in &spec.registries {
            checks::registry(&path, registry, root, &territory, &mut mistakes);
        }

        let (mut documentation, mut books) = (Vec::new(), Vec::new());
        for page in &spec.documentation {
            if mistakes.note(checks::existing(&path, page, root, &territory)).is_none() {
                continue;
            }
            let Some(inner) = mistakes.note(territory.inner_path(&path, page)) else { continue };
            if Book::is(&inner) {
                let book = mistakes.note(Book::read(root, &territory, &inner));
                documentation.extend(book.iter().flat_map(Book::chapters));
                books.extend(book);
            } else {
                documentation.push(Document { origin: Origin::new(&path, page.referenced), path: inner });
            }
        }
        // Definitions are templates of these values. Where those are wrong, the rest is checked all the same.
        let values = values.unwrap_or_default();

        let mut project = Self {
            root: root.into(),
            kind: file.kind,
            values,
            source_date,
            revision,
            repository,
            binaries: spec.binaries,
            registries: spec.registries,
            pull: Vec::new(),
            images: Vec::new(),
            repositories: Vec::new(),
            files: spec.files,
            documentation,
            sources: std::iter::once(path.clone())
                .chain(books.iter().map(|book| root.join(&book.path)))
                .collect(),
            books,
            places: ImagePlaces::default(),
            settings,
            territory,
        };
        if let Some(version) = &file.metadata.version_from {
            let inner = mistakes.note(project.territory.inner_path(&path, &version.file));
            project.sources.extend(inner.map(|inner| root.join(inner)));
        }
        let lock = Lock::read(root)?;
        for image in spec.images.pull {
            mistakes.note(project.add_pull(&path, &lock, image));
        }
        for name in &spec.images.catalogues {
            let Some(inner) = mistakes.note(project.territory.inner_path(&path, name)) else { continue };
            let catalogue_path = root.join(inner);
            let text = read(&catalogue_path);
            let text = text.map_err(|error| error.missing_at(&path, name.referenced, root));
            let catalogue = text.and_then(|text| parse::<file::Catalogue>(&catalogue_path, &text));
            for image in mistakes.note(catalogue).into_iter().flat_map(|catalogue| catalogue.images) {
                mistakes.note(project.add_pull(&catalogue_path, &lock, image));
            }
            project.sources.push(catalogue_path);
        }
        for image in spec.images.build.iter().map(BuildImage::named) {
            let place = image.folder.referenced;
            let image = project.image(&path, &image, &lock);
            let image = image.map_err(|error| error.missing_at(&path, place, root));
            project.images.extend(mistakes.note(image));
        }
        for repository in &spec.packages {
            mistakes.note(slug(&path, &repository.name, "a repository"));
            mistakes.note(slug(&path, &repository.release, "a release"));
            let mut packages = Vec::new();
            for folder in &repository.build {
                let Some(inner) = mistakes.note(project.territory.inner_path(&path, folder)) else {
                    continue;
                };
                let relative = inner.join("package.yaml");
                let definition = project.definition(&relative, package::read_in_project);
                let definition = definition.map_err(|error| error.missing_at(&path, folder.referenced, root));
                if let Some(definition) = mistakes.note(definition) {
                    let origin = Origin::new(&path, folder.referenced);
                    packages.push(PackageDefinition { origin, path: relative, definition });
                }
            }
            let (name, release) = (repository.name.value.clone(), repository.release.value.clone());
            project.repositories.push(RepositoryDefinition { name, release, packages });
        }
        mistakes.end(project)
    }

    /// What the lock file holds: every tag that the project itself does not pin.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let asked = |pull: &&Pull| pull.local.is_none() && pull.image.digest.is_none();
        let pulls = self.pull.iter().filter(asked).map(Pull::reference);
        let bases = self.bases().filter(|base| base.reference.digest().is_none());
        let mut tags: Vec<String> = pulls.chain(bases.map(|base| base.reference.to_string())).collect();
        let mut seen = std::collections::BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        tags
    }

    /// The images that others are built on.
    fn bases(&self) -> impl Iterator<Item = &Base> {
        self.images.iter().flat_map(|image| &image.bases)
    }

    /// Every file and folder that decides about this model and its tasks now. Some may not exist.
    #[must_use]
    pub fn deciding(&self) -> Vec<PathBuf> {
        let optional = [LOCK_FILE_NAME, settings::DOT_ENV].map(|name| self.root.join(name));
        let pages = self.documentation.iter().map(|page| self.root.join(&page.path));
        let mut deciding: Vec<PathBuf> = self.sources.iter().cloned().chain(optional).chain(pages).collect();
        for files in &self.files {
            match self.list(files) {
                Ok(listing) => deciding.extend(listing.files.into_iter().map(|file| file.source)),
                // It is looked at again when it can be listed.
                Err(_) => deciding.push(self.root.join(&files.from.value)),
            }
        }
        deciding
    }

    /// The date of an image, in seconds since 1970: `SOURCE_DATE_EPOCH`, else the one that it declares, else 1970, as other
    /// builders have it.
    #[must_use]
    pub fn image_date(&self, declared: Option<i64>) -> i64 {
        self.settings.source_date.or(declared).unwrap_or_default()
    }

    /// The date of a package, in seconds since 1970: `SOURCE_DATE_EPOCH`, else the one that it declares or that of its newest
    /// changelog entry, else a constant.
    #[must_use]
    pub fn package_date(&self, definition: &packages::Definition) -> i64 {
        self.settings.source_date.or(definition.date()).unwrap_or(DEFAULT_SOURCE_DATE)
    }

    /// The tree that the ISO is made of.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.settings.build_root.join("root")
    }

    /// The ISO.
    #[must_use]
    pub fn iso(&self) -> PathBuf {
        self.settings.build_root.join(format!("{}.iso", self.values.slug))
    }

    /// Reads a definition: a template whose result is YAML.
    fn definition<T>(
        &mut self,
        relative: &Path,
        read_text: fn(&Path, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let path = self.root.join(relative);
        self.territory.resolve(relative)?;
        let text = template::render(&path, &read(&path)?, &self.values)?;
        self.sources.push(path.clone());
        let sources = checks::sources(&path, &text, &self.root, &self.settings.build_root);
        match (read_text(&path, &text), sources) {
            (Ok(definition), Ok(())) => Ok(definition),
            (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(sources)) => Err(error.with(sources)),
        }
    }

    /// Adds an image to pull that the file at `path` names. Every mistake in it is one of the error.
    fn add_pull(&mut self, path: &Path, lock: &Lock, image: PullImage) -> Result<(), Error> {
        let mut mistakes = Mistakes::default();
        let name = mistakes.note(image_name(path, &image.name));
        let tag = mistakes.note(image_tag(path, &image.tag));
        let local = mistakes.note(self.local(path, &image));
        if let Some(digest) = &image.digest
            && let Err(error) = digest.value.parse::<content::Digest>()
        {
            mistakes.note::<()>(Err(Error::at(path, digest.referenced, error.to_string())));
        }
        for platform in &image.platforms {
            if let Err(error) = platform.value.parse::<images::Platform>() {
                mistakes.note::<()>(Err(Error::at(path, platform.referenced, error.to_string())));
            }
        }
        // With all profiles, one may replace what another has.
        if name.and(tag).is_some()
            && let Err(message) = self.places.add(&image.name.value, &image.tag.value)
            && self.settings.profile != Profile::All
        {
            mistakes.note::<()>(Err(Error::at(path, image.name.referenced, message)));
        }
        let Some(local) = local else { return mistakes.end(()) };
        let origin = Origin::new(path, image.name.referenced);
        let mut pull = Pull { origin, local, image, digest: None, referrers: None };
        let (reference, image) = (pull.reference(), &pull.image);
        if pull.local.is_none()
            && tag.is_some()
            && let Err(error) = reference.parse::<images::Reference>()
        {
            // What is a reference alone, and is none with a tag behind it, has one already.
            let message = match image.source.value.parse::<images::Reference>() {
                Ok(_) => format!(
                    "`{}` has a tag or a digest: expected a repository; write them under `tag` and `digest`",
                    image.source.value
                ),
                Err(_) => error.to_string(),
            };
            mistakes.note::<()>(Err(Error::at(path, image.source.referenced, message)));
        }
        let locked = || lock.digest(&reference).map(str::to_owned);
        pull.digest = image.digest.as_ref().map(|digest| digest.value.clone()).or_else(locked);
        pull.referrers = image.referrers.then(|| lock.referrers(&reference).cloned()).flatten();
        self.pull.push(pull);
        mistakes.end(())
    }

    /// Where an image is that the project itself holds.
    fn local(&self, path: &Path, image: &PullImage) -> Result<Option<Local>, Error> {
        let wrong = |message: String| Error::at(path, image.source.referenced, message);
        let source: Source = image.source.value.parse().map_err(|error| wrong(format!("{error}")))?;
        let Source::Local(mut local) = source else { return Ok(None) };
        if image.referrers {
            return Err(wrong(
                "`referrers` needs a registry: expected a repository, such as `quay.io/team/app`".into(),
            ));
        }
        let mut place = image.source.clone();
        place.value = local.path.to_string_lossy().into_owned();
        checks::existing(path, &place, &self.root, &self.territory)?;
        local.path = self.root.join(self.territory.inner_path(path, &place)?);
        Ok(Some(local))
    }

    /// Renders the template at `path` with the project's values.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is wrong.
    pub fn render(&self, path: &Path) -> Result<String, Error> {
        template::render(path, &read(path)?, &self.values)
    }
}

/// The profiles whose additions are taken.
fn chosen(
    profiles: &mut BTreeMap<String, file::Profile>,
    choice: &Profile,
) -> Result<Vec<file::Profile>, Error> {
    match choice {
        Profile::Default => Ok(Vec::new()),
        Profile::All => Ok(std::mem::take(profiles).into_values().collect()),
        Profile::Named(name) => match profiles.remove(name) {
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

fn values(
    root: &Path,
    path: &Path,
    metadata: &file::Metadata,
    settings: &Settings,
    territory: &Territory,
) -> Result<Values, Error> {
    let mut name = metadata.name.clone();
    if let Some(project_name) = &settings.project_name {
        name.value.clone_from(project_name);
    }
    let mut mistakes = Mistakes::default();
    mistakes.note(slug(path, &name, "an archive"));
    let version = mistakes.note(version::resolve(root, path, metadata, territory));
    let version = mistakes.end(version)?.unwrap_or_default();
    let volume_id = format!("{} {version}", name.value);
    if volume_id.len() > 32 {
        let message =
            format!("the ISO's volume id `{volume_id}` has {} bytes: at most 32 fit", volume_id.len());
        return Err(Error::at(path, name.referenced, message));
    }
    let short_version = version.split(['.', '-']).take(2).collect::<Vec<_>>().join(".");
    let build_root = settings.build_root.strip_prefix(root).unwrap_or(&settings.build_root);
    let machine = std::env::consts::ARCH;
    let architecture = images::Platform::host().architecture;
    Ok(Values {
        slug: name.value.to_ascii_lowercase(),
        name: name.value,
        version,
        short_version,
        machine: machine.to_owned(),
        architecture,
        build_root: build_root.to_string_lossy().into_owned(),
    })
}

/// The name of a package, a repository or an archive: it becomes part of paths, URLs and configuration files.
fn slug(path: &Path, name: &Spanned<String>, what: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.value.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.value.chars().all(legal) {
        return Ok(());
    }
    let message = format!(
        "`{}` cannot name {what}: expected letters, digits and `.-_`, a letter or digit first",
        name.value
    );
    Err(Error::at(path, name.referenced, message))
}

/// The largest file of a project that is read as a definition, a template or a lock, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// Reads a file of the project, which anybody may have placed: never a named pipe, never without a bound.
fn read(path: &Path) -> Result<String, Error> {
    let bytes = content::open_read(path, content::Links::Follow, FILE_MAX)
        .map_err(|error| Error::file(error.operation, path, error.source))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        Error::Invalid {
            path: path.into(),
            line,
            column: 1,
            message: "is not UTF-8 text".into(),
            snippet: None,
        }
    })
}

fn parse<T: serde::de::DeserializeOwned + schemars::JsonSchema>(path: &Path, text: &str) -> Result<T, Error> {
    Mistakes::from(shape::mistakes(path, text, &schemars::schema_for!(T).to_value())).end(())?;
    serde_saphyr::from_str(text).map_err(|error| Error::yaml(path, &error))
}

#[cfg(test)]
mod tests;
