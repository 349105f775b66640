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
                let shown =
                    content::printable_path(path.strip_prefix(&self.root).unwrap_or(&path)).to_string();
                if error.loop_ancestor().is_some() {
                    return Error::of(
                        &files.origin,
                        format!("`{shown}` leads to a folder that it is in: exclude it"),
                    );
                }
                if is_following && path.is_symlink() && !path.exists() {
                    return Error::of(
                        &files.origin,
                        format!("`{shown}` leads to nothing: exclude it, or keep links"),
                    );
                }
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
                // What a task writes counts as it would if it were not there yet.
                (true, _) if self.produced.writes(path) => None,
                (true, _) => Some(
                    std::fs::read_link(path).map_err(|error| Error::file("read the link", path, error))?,
                ),
                (false, true) => None,
                (false, false) => return Err(Error::Special(path.to_path_buf())),
            };
            let below = if is_root { name.file_name().map_or(relative, Path::new) } else { relative };
            let is_template = link.is_none() && local.is_template(&mut templates, &name, below);
            let inside = if is_root { file_target(files, &local.from) } else { files.to.join(relative) };
            let inside = local.target(inside, is_template, &name);
            listing.files.push(SelectedFile { name, source, inside, link, is_template });
        }
        // What tasks write need not exist yet, and must not change the archive once it does.
        for output in self.produced.below(&from) {
            let relative = output.path.strip_prefix(&from).unwrap_or(&output.path);
            let is_in_build_root = output.path.starts_with(&self.settings.build_root);
            let is_left_out =
                selects(&mut exclude, relative) || !local.only.is_empty() && !selects(&mut only, relative);
            if is_in_build_root || is_left_out || listing.files.iter().any(|file| file.source == output.path)
            {
                continue;
            }
            let name = local.from.join(relative);
            if output.is_folder {
                let message = format!(
                    "a task writes the folder {}: exclude it here, and name it in an entry of its own",
                    content::printable_path(&name)
                );
                return Err(Error::of(&files.origin, message));
            }
            let is_template = local.is_template(&mut templates, &name, relative);
            let inside = local.target(files.to.join(relative), is_template, &name);
            listing.files.push(SelectedFile {
                name,
                source: output.path.clone(),
                inside,
                link: None,
                is_template,
            });
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

impl LocalFiles {
    /// Whether the file `name`, at `below` in its folder, is a template.
    fn is_template(&self, patterns: &mut Exclude, name: &Path, below: &Path) -> bool {
        let suffix = self.templates.suffix.as_deref();
        suffix.is_some_and(|suffix| without(suffix, name).is_some()) || selects(patterns, below)
    }

    /// Where the file `name`, whose place is `inside`, goes in the archive: a template loses its ending.
    fn target(&self, inside: PathBuf, is_template: bool, name: &Path) -> PathBuf {
        let inside: PathBuf = inside.components().filter(|part| *part != Component::CurDir).collect();
        let suffix = self.templates.suffix.as_deref().filter(|_| is_template);
        let suffix = suffix.filter(|suffix| without(suffix, name).is_some());
        suffix.and_then(|suffix| without(suffix, &inside)).unwrap_or(inside)
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
