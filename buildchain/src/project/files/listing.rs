//! The files that an entry stands for: where they are and where they go.

use std::path::{Component, Path, PathBuf};

use iso::Exclude;
use walkdir::WalkDir;

use super::{FilesDefinition, FilesSource, LocalFiles};
use crate::project::error::{Error, Origin};
use crate::project::model::Project;
use crate::project::names::Pattern;

/// What an entry of `spec.files` stands for.
#[derive(Debug, Default)]
pub struct SelectedFiles {
    /// The files and symbolic links, in the order of their names; no folders.
    pub files: Vec<SelectedFile>,
    /// The patterns of `exclude` that match nothing, with their places in the project file.
    pub unused: Vec<(Pattern, Origin)>,
}

/// A file or symbolic link that goes into the archive.
#[derive(Debug)]
pub struct SelectedFile {
    /// What the project calls it: its path before symbolic links are followed.
    pub name: PathBuf,
    /// Where it is.
    pub source: PathBuf,
    /// Where it goes in the archive, relative to its root. Templates still have their ending.
    pub inside: PathBuf,
    /// Where it leads, if it is a symbolic link.
    pub link: Option<PathBuf>,
}

impl Project {
    /// Lists what `files` stands for now, without the build root and without what it excludes. A link in the place of
    /// `from` is followed, those below it are listed as links.
    ///
    /// # Errors
    ///
    /// If `from` leads out of the project or a folder cannot be read; [`Error::Special`] for what is neither a file, a
    /// folder nor a link.
    pub fn list(&self, files: &FilesDefinition) -> Result<SelectedFiles, Error> {
        match &files.source {
            FilesSource::Local(local) => self.list_local(files, local),
        }
    }

    fn list_local(&self, files: &FilesDefinition, local: &LocalFiles) -> Result<SelectedFiles, Error> {
        let from = self.territory.resolve(&local.from)?;
        let pattern_error = |error: iso::Error| Error::Setting {
            name: format!("exclude of {}", local.from.display()),
            message: error.to_string(),
        };
        let patterns: Vec<&str> = local.exclude.iter().map(|(pattern, _)| pattern.as_str()).collect();
        let mut exclude = Exclude::new(&patterns).map_err(pattern_error)?;
        let mut listing = SelectedFiles::default();
        let mut walk = WalkDir::new(&from).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&from).to_path_buf();
                Error::file("read", &path, error.into())
            })?;
            let (path, kind) = (entry.path(), entry.file_type());
            let relative = path.strip_prefix(&from).unwrap_or(path);
            let is_root = relative.as_os_str().is_empty();
            if path == self.settings.build_root || (!is_root && exclude.excludes(relative, kind.is_dir())) {
                if kind.is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            if kind.is_dir() {
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
            let inside = inside.components().filter(|part| *part != Component::CurDir).collect();
            let name = if is_root { local.from.clone() } else { local.from.join(relative) };
            listing.files.push(SelectedFile { name, source: path.to_path_buf(), inside, link });
        }
        let unused: Vec<&str> = exclude.unused().collect();
        let is_unused = |(pattern, _): &&(Pattern, Origin)| unused.contains(&pattern.as_str());
        listing.unused = local.exclude.iter().filter(is_unused).cloned().collect();
        Ok(listing)
    }
}

/// Where a single file goes: into a folder under its own name, or under the name that `to` gives it.
fn file_target(files: &FilesDefinition, from: &Path) -> PathBuf {
    match from.file_name().filter(|_| files.is_folder) {
        Some(name) => files.to.join(name),
        None => files.to.clone(),
    }
}
