//! The files that an entry stands for: where they are and where they go.

use std::path::{Component, Path, PathBuf};

use iso::Exclude;
use walkdir::WalkDir;

use super::{FilesDefinition, FilesSource, LocalFiles};
use crate::project::error::{Error, Origin};
use crate::project::file::LinkHandling;
use crate::project::model::Project;
use crate::project::names::Pattern;

/// What an entry of `spec.files` stands for.
#[derive(Debug, Default)]
pub struct SelectedFiles {
    /// The files and symbolic links, in the order of their names; no folders.
    pub files: Vec<SelectedFile>,
    /// The patterns that match nothing.
    pub unused: Vec<UnusedPattern>,
    /// The symbolic links that were followed.
    pub followed: Vec<PathBuf>,
}

/// A pattern that matches nothing.
#[derive(Debug)]
pub struct UnusedPattern {
    /// The key that has it.
    pub key: &'static str,
    /// The pattern.
    pub pattern: Pattern,
    /// Its place in the project file.
    pub origin: Origin,
}

/// A file or symbolic link that goes into the archive.
#[derive(Debug)]
pub struct SelectedFile {
    /// What the project calls it: its path before symbolic links are followed.
    pub name: PathBuf,
    /// Where it is.
    pub source: PathBuf,
    /// Where it goes in the archive, relative to its root.
    pub inside: PathBuf,
    /// Where it leads, if it is a symbolic link.
    pub link: Option<PathBuf>,
    /// Whether it is rendered.
    pub is_template: bool,
}

impl Project {
    /// Lists what `files` stands for now, without the build root and without what it excludes. A link in the place of
    /// `from` is followed; those below it are listed as links, unless the entry follows them.
    ///
    /// # Errors
    ///
    /// If `from` leads out of the project or a folder cannot be read; [`Error::Special`] for what is neither a file, a
    /// folder nor a link.
    pub fn list(&self, files: &FilesDefinition) -> Result<SelectedFiles, Error> {
        match &files.source {
            FilesSource::Local(local) => self.list_local(files, local),
            FilesSource::Data(_) | FilesSource::Produced(_) => Ok(SelectedFiles::default()),
        }
    }

    fn list_local(&self, files: &FilesDefinition, local: &LocalFiles) -> Result<SelectedFiles, Error> {
        let from = self.territory.resolve(&local.from)?;
        let own_patterns =
            if local.templates.has_own_patterns { local.templates.patterns.as_slice() } else { &[] };
        let mut exclude = matcher("exclude", &local.exclude)?;
        let mut only = matcher("only", &local.only)?;
        let mut templates = matcher("patterns", &local.templates.patterns)?;
        let mut listing = SelectedFiles::default();
        let is_following = local.links == LinkHandling::Follow;
        let mut walk = WalkDir::new(&from).follow_links(is_following).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&from).to_path_buf();
                Error::file("read", &path, error.into())
            })?;
            let (path, kind) = (entry.path(), entry.file_type());
            let relative = path.strip_prefix(&from).unwrap_or(path);
            let is_root = relative.as_os_str().is_empty();
            let name = if is_root { local.from.clone() } else { local.from.join(relative) };
            let is_excluded = !is_root && exclude.excludes(relative, kind.is_dir());
            let source = if is_following && !is_excluded {
                self.territory.resolve(path.strip_prefix(&self.root).unwrap_or(path))?
            } else {
                path.to_path_buf()
            };
            if is_excluded || source == self.settings.build_root {
                if kind.is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            if is_following && entry.path_is_symlink() {
                listing.followed.push(path.to_path_buf());
            }
            if kind.is_dir() || !is_root && !local.only.is_empty() && !selects(&mut only, relative) {
                continue;
            }
            let link = match (kind.is_symlink(), kind.is_file()) {
                (true, _) => Some(
                    std::fs::read_link(path).map_err(|error| Error::file("read the link", path, error))?,
                ),
                (false, true) => None,
                (false, false) => return Err(Error::Special(path.to_path_buf())),
            };
            let inside = if is_root { file_target(files, &local.from) } else { files.to.join(relative) };
            let mut inside: PathBuf = inside.components().filter(|part| *part != Component::CurDir).collect();
            let mut is_template = false;
            if link.is_none() {
                let below = if is_root { name.file_name().map_or(relative, Path::new) } else { relative };
                let suffix = local.templates.suffix.as_deref();
                let has_suffix = suffix.is_some_and(|suffix| without(suffix, &name).is_some());
                is_template = has_suffix || selects(&mut templates, below);
                if let Some(short) = suffix.filter(|_| has_suffix).and_then(|suffix| without(suffix, &inside))
                {
                    inside = short;
                }
            }
            listing.files.push(SelectedFile { name, source, inside, link, is_template });
        }
        for (key, patterns, matcher) in [
            ("exclude", local.exclude.as_slice(), &exclude),
            ("only", &local.only, &only),
            ("template pattern", own_patterns, &templates),
        ] {
            let unused: Vec<&str> = matcher.unused().collect();
            let unused = patterns.iter().filter(|(pattern, _)| unused.contains(&pattern.as_str()));
            let unused = unused.map(|(pattern, origin)| UnusedPattern {
                key,
                pattern: pattern.clone(),
                origin: origin.clone(),
            });
            listing.unused.extend(unused);
        }
        Ok(listing)
    }
}

fn matcher(key: &str, patterns: &[(Pattern, Origin)]) -> Result<Exclude, Error> {
    let patterns: Vec<&str> = patterns.iter().map(|(pattern, _)| pattern.as_str()).collect();
    let wrong = |error: iso::Error| Error::Setting { name: key.to_owned(), message: error.to_string() };
    Exclude::new(&patterns).map_err(wrong)
}

/// Whether `patterns` match the file at `path` or a folder that it is in.
fn selects(patterns: &mut Exclude, path: &Path) -> bool {
    let mut folders: Vec<&Path> =
        path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    folders.reverse();
    folders.into_iter().any(|folder| patterns.excludes(folder, true)) || patterns.excludes(path, false)
}

/// `path` without the ending `suffix`, if its name has it and more.
fn without(suffix: &str, path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(suffix)?;
    (!name.is_empty()).then(|| path.with_file_name(name))
}

/// Where a single file goes: into a folder under its own name, or under the name that `to` gives it.
fn file_target(files: &FilesDefinition, from: &Path) -> PathBuf {
    match from.file_name().filter(|_| files.is_folder) {
        Some(name) => files.to.join(name),
        None => files.to.clone(),
    }
}
