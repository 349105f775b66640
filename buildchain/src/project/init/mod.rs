//! `sealift init`: a project file for what lies in a folder.
//!
//! The folder is not trusted: its files are bounded, no link in it is followed, and no name in it can become anything but a name
//! in the file. The same folder gives the same text.

mod files;
mod ignored;
mod images;
mod packages;
mod pipeline;
mod survey;
pub(in crate::project) mod text;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, IoError, LinkPolicy};

use self::ignored::Ignored;
pub use self::pipeline::{CiServer, PipelineDraft};
use super::error::Error;
use super::git::{GitRepository, ReleaseTag};
use super::model::{FILE_NAME, Project};
use super::names::{ArchiveName, Version};
use super::paths;
use super::settings::Settings;

/// The version of a project that has none yet.
const VERSION: &str = "0.1.0";
/// The most bytes of a name and a version together: both are in the volume ID of the ISO, with a blank between them.
const NAME_AND_VERSION_MAX: usize = 31;
/// The most bytes of a tag that is the version.
const TAG_MAX: usize = 16;
/// How many bytes a version is expected to need at least.
const VERSION_MIN: usize = 10;
/// The permission bits of new files.
const MODE: u32 = 0o644;

/// What the user says about a new project.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// Its name. Default: that of the folder, without what no name has.
    pub name: Option<ArchiveName>,
    /// Its version. Default: the tag of the commit, if the repository has tags that are versions, else 0.1.0.
    pub version: Option<Version>,
    /// Whether it is the tag of the commit also in a repository that has no such tag yet, as a release pipeline needs it.
    pub from_tags: bool,
}

/// How much was found in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InitCounts {
    /// Helm charts that are in no other chart.
    pub charts: usize,
    /// Files with objects of Kubernetes, and compose files, outside charts.
    pub manifests: usize,
    /// Salt trees, pillars included.
    pub salt_trees: usize,
    /// Packages for the repositories.
    pub rpms: usize,
    /// Images to build.
    pub images_to_build: usize,
    /// Lists of images.
    pub image_lists: usize,
    /// Images to pull, those of lists included.
    pub images: usize,
    /// Texts that only look like images.
    pub maybe_images: usize,
    /// Images that only a template can name.
    pub computed_images: usize,
}

/// A project file that is not written yet.
#[derive(Debug, Clone)]
pub struct ProjectDraft {
    /// The folder.
    pub root: PathBuf,
    /// The name of the project.
    pub name: String,
    /// Its version; if that is the tag of the commit, the version of a commit without one.
    pub version: String,
    /// How much was found.
    pub counts: InitCounts,
    /// Folders of tests that were not looked at, relative to the folder.
    pub skipped: Vec<PathBuf>,
    /// What must be finished by hand.
    pub warnings: Vec<String>,
    /// The content of `sealift.yaml`.
    pub text: String,
    /// Whether the project has images that must be locked before a build.
    pub needs_lock: bool,
    /// The line that `.gitignore` lacks: the build root.
    pub ignore_line: Option<String>,
}

impl Project {
    /// Drafts a project for the folder `root`, which need not exist. `settings` are those of that folder.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the folder has a project file, [`Error::File`] if the folder cannot be read.
    pub fn draft(root: &Path, settings: &Settings, options: &InitOptions) -> Result<ProjectDraft, Error> {
        let file = root.join(FILE_NAME);
        if file.symlink_metadata().is_ok() {
            return Err(Error::Exists(file));
        }
        let exists = root.exists();
        let mut warnings = Vec::new();
        let (tag, tracked) = repository(root, settings).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Default::default()
        });
        let build_root = paths::clean(&settings.build_root);
        let survey =
            if exists { survey::survey(root, &build_root, &tracked)? } else { survey::Survey::default() };
        warnings.extend(survey.limits.iter().cloned());
        let version = version(tag.as_ref(), options);
        let name = options.name.as_ref().map_or_else(|| name(root, &version), ToString::to_string);
        let slug = name.to_ascii_lowercase();
        let files = files::plan(&survey, &slug);
        let packages = packages::plan(root, &survey);
        let images = if exists {
            images::plan(root, &survey, settings, &slug)
                .map_err(|IoError { operation, path, source }| Error::file(operation, &path, source))?
        } else {
            images::ImagesPlan::default()
        };
        for more in [&files.warnings, &packages.warnings, &images.warnings] {
            warnings.extend(more.iter().cloned());
        }
        let counts = InitCounts {
            charts: files.charts.len(),
            manifests: files.manifests,
            salt_trees: files.salt.len(),
            rpms: packages.rpms,
            images_to_build: images.build.len(),
            image_lists: images.lists.len(),
            images: images.pull.len() + images.listed,
            maybe_images: images.maybe.len(),
            computed_images: images.computed.len(),
        };
        let needs_lock = !images.pull.is_empty()
            || !images.lists.is_empty()
            || images.build.iter().any(|image| image.has_bases);
        let text = write::project(&name, &version, &files, &packages, &images);
        if exists {
            let mut settings = settings.clone();
            settings.profile = super::settings::ChosenProfile::Default;
            warnings.extend(Self::load_as(root, settings, Some(&text)).err().map(|error| error.to_string()));
        }
        Ok(ProjectDraft {
            root: root.to_owned(),
            name,
            version: version.text().to_owned(),
            counts,
            skipped: survey.tests,
            warnings,
            text,
            needs_lock,
            ignore_line: exists.then(|| ignore_line(root, &build_root)).flatten(),
        })
    }
}

impl ProjectDraft {
    /// Writes the project file, and the line that `.gitignore` lacks. No file is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the folder has a project file by now, [`Error::File`] if a file cannot be written.
    pub fn write(&self) -> Result<(), Error> {
        let failed = |error: IoError| Error::file(error.operation, &error.path, error.source);
        content::create_folder(&self.root).map_err(failed)?;
        if let Some(line) = &self.ignore_line {
            let path = self.root.join(ignored::FILE_NAME);
            let (mut text, mode) = ignore_file(&path).unwrap_or_default();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("{line}\n"));
            AtomicFile::write(&path, text.as_bytes(), mode.unwrap_or(MODE), Durability::Durable)
                .map_err(failed)?;
        }
        write_new(&self.root.join(FILE_NAME), &self.text)
    }
}

/// Writes the file `path` whole. No file is replaced.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error: IoError| match error.source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::file(error.operation, &error.path, error.source),
    };
    let file = AtomicFile::create(path, MODE, Durability::Durable).map_err(failed)?;
    std::io::Write::write_all(&mut file.file(), text.as_bytes())
        .map_err(|error| Error::file("write", path, error))?;
    file.commit_new().map_err(failed)
}

/// The version of a new project.
#[derive(Debug)]
enum DraftVersion {
    Fixed(String),
    /// That of the tag of the commit; the text is the version of a commit without one.
    Tag(String),
}

impl DraftVersion {
    fn text(&self) -> &str {
        match self {
            Self::Fixed(text) | Self::Tag(text) => text,
        }
    }
}

/// The last release in the repository that holds `root`, and the files that it tracks. Both are empty without a repository.
fn repository(root: &Path, settings: &Settings) -> Result<(Option<ReleaseTag>, BTreeSet<PathBuf>), Error> {
    match GitRepository::open(settings, root)? {
        Some(repository) => Ok((repository.last_release_tag()?, repository.tracked()?)),
        None => Ok(Default::default()),
    }
}

/// Chooses the version: that of the user, the tag of the commit if the repository has the tag of a release, or the first one.
fn version(tag: Option<&ReleaseTag>, options: &InitOptions) -> DraftVersion {
    if let Some(version) = &options.version {
        return DraftVersion::Fixed(version.as_str().to_owned());
    }
    match tag.filter(|tag| tag.to_string().len() <= TAG_MAX) {
        Some(tag) => DraftVersion::Tag(format!("{}-dev", tag.release())),
        None if options.from_tags => DraftVersion::Tag(format!("{VERSION}-dev")),
        None => DraftVersion::Fixed(VERSION.to_owned()),
    }
}

/// The name of the folder, without what no name of an archive has, and so long that its version fits beside it.
fn name(root: &Path, version: &DraftVersion) -> String {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    let mut name = String::new();
    for character in folder.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with(['.', '-', '_']) {
            name.push(if matches!(character, '.' | '_') { character } else { '-' });
        }
    }
    name.truncate(NAME_AND_VERSION_MAX.saturating_sub(version.text().len().max(VERSION_MIN)));
    let name = name.trim_end_matches(['.', '-', '_']);
    if name.is_empty() { "archive".to_owned() } else { name.to_owned() }
}

/// The line that the `.gitignore` of the project at `root` lacks: the build root, if it is in a repository that does not ignore it.
fn ignore_line(root: &Path, build_root: &Path) -> Option<String> {
    super::git::find(root)?;
    let inner = build_root.strip_prefix(root).ok()?.to_str()?;
    let mut ignored = Ignored::above(root);
    ignored.enter(root);
    let is_ignored = inner
        .match_indices('/')
        .map(|(at, _)| &inner[..at])
        .chain([inner])
        .any(|folder| ignored.has(&root.join(folder), true));
    let is_writable = ignore_file(&root.join(ignored::FILE_NAME)).is_some();
    (!is_ignored && is_writable).then(|| text::pattern(inner, true))
}

/// The text of the `.gitignore` at `path` and its permissions. The text is empty if the file does not exist; the result is `None` if
/// it is not a text file.
fn ignore_file(path: &Path) -> Option<(String, Option<u32>)> {
    match path.symlink_metadata() {
        Err(_) => Some((String::new(), None)),
        Ok(metadata) => {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
            let text = content::open_text(path, LinkPolicy::Refuse, ignored::FILE_MAX).ok()?;
            Some((text, Some(mode)))
        }
    }
}

#[cfg(test)]
mod tests;
