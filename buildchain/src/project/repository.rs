//! Package repositories of the archive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::Digest;
use packages::spec::SpecFault;
use packages::{Dependency, ExpandOptions, ExpandedDefinition, PackageFile};

use super::error::Origin;
use super::image::BaseImage;
use super::model::Project;
use super::names::{FileUrl, PackageName, Pattern, Release, RepositoryName};
use super::upstream::Upstream;

/// A package repository of the archive.
#[derive(Debug)]
pub struct RepositoryDefinition {
    /// Its name: `scality`.
    pub name: RepositoryName,
    /// The release of the distribution: `8`.
    pub release: Release,
    /// The packages to build for it.
    pub packages: Vec<PackageDefinition>,
    /// The spec files to build for it.
    pub specs: Vec<SpecPackage>,
    /// The packages that exist.
    pub rpms: Vec<RpmFile>,
    /// The upstream repository, if it has one.
    pub upstream: Option<Upstream>,
}

/// A package to build, and the file that defines it.
#[derive(Debug)]
pub struct PackageDefinition {
    /// The entry that asks for it.
    pub origin: Origin,
    /// Its `package.yaml`, relative to the project.
    pub path: PathBuf,
    /// The definition for the release of the repository, rendered.
    pub definition: packages::RpmDefinition,
}

/// The macros that each build of a spec file sets: where it works, and what makes two builds equal.
pub(crate) const MACROS_SET: [&str; 6] = [
    "_topdir",
    "_tmppath",
    "_buildhost",
    "use_source_date_epoch_as_buildtime",
    "clamp_mtime_to_source_date_epoch",
    // The same since rpm 4.20.
    "build_mtime_policy",
];
/// The macros of the folders below `_topdir`, where the results are collected.
pub(super) const MACROS_OF_FOLDERS: [&str; 6] =
    ["_builddir", "_buildrootdir", "_rpmdir", "_sourcedir", "_specdir", "_srcrpmdir"];

/// A package to build from a spec file.
#[derive(Debug, Clone)]
pub struct SpecPackage {
    /// The entry that asks for it.
    pub origin: Origin,
    /// The name of the spec file, without `.spec`.
    pub name: PackageName,
    /// The spec file, relative to the project.
    pub path: PathBuf,
    /// The sources and patches that lie beside it, relative to the project.
    pub files: Vec<PathBuf>,
    /// The sources and patches that are fetched.
    pub downloads: Vec<SpecDownload>,
    /// The macros that rpmbuild gets.
    pub macros: BTreeMap<String, String>,
    /// Where it is built.
    pub builder: SpecBuilder,
    /// The configuration of rpmlint, relative to the project, if the packages are checked.
    pub rpmlintrc: Option<PathBuf>,
    /// Packages to leave out.
    pub exclude: Vec<Pattern>,
    /// The date of its newest changelog entry, in seconds since 1970.
    pub date: Option<i64>,
    /// What its packages require when they are installed.
    pub needs: SpecNeeds,
}

/// What the packages of a spec file require when they are installed, without those that are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecNeeds {
    /// The names of the packages, and of what they provide.
    pub provides: Vec<String>,
    /// What they require of others.
    pub requires: Vec<Dependency>,
    /// The requirements that only rpmbuild knows, each with its line.
    pub unknown: Vec<SpecFault>,
}

/// A source of a spec file that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecDownload {
    /// Where it is; the lock file names it by this URL.
    pub url: FileUrl,
    /// The name of the file.
    pub name: String,
    /// The digest in the lock file.
    pub digest: Option<Digest>,
}

/// Where spec files are built.
#[derive(Debug, Clone)]
pub enum SpecBuilder {
    /// With the rpmbuild of this machine.
    Host,
    /// In a container of this image.
    Image(BaseImage),
}

/// An RPM that is copied as it is.
#[derive(Debug, Clone)]
pub struct RpmFile {
    /// The entry that asks for it.
    pub origin: Origin,
    /// What the project calls it: its path before symbolic links are followed.
    pub name: PathBuf,
    /// Where it is.
    pub path: PathBuf,
    /// Its name in the repository.
    pub file_name: String,
    /// Its architecture, which is its folder in the repository.
    pub arch: String,
    /// When it was built, in seconds since 1970; unknown for one that a task produces.
    pub build_time: Option<i64>,
}

impl Project {
    /// The definition of a package with the files that its folders and patterns name when this is called. Folders that tasks write stay as
    /// they are.
    ///
    /// # Errors
    ///
    /// A sentence, if a folder leads out of the project or cannot be read, if what it has cannot be in a package, and if a task
    /// writes a file that an entry takes.
    pub fn expand_package(&self, package: &PackageDefinition) -> Result<ExpandedDefinition, String> {
        for file in &package.definition.files {
            self.check_package_folder(file)?;
        }
        let left_out = [self.settings.build_root.clone()];
        let keeps = |file: &PackageFile| self.makes_package_folder(file);
        let options = ExpandOptions { base_dir: &self.root, left_out: &left_out, keeps: &keeps };
        package.definition.expand_with(&options).map_err(|error| error.to_string())
    }

    /// Whether an entry stands for files in a folder that tasks write.
    #[must_use]
    pub fn makes_package_folder(&self, file: &PackageFile) -> bool {
        let source = file.source();
        let folder = self.root.join(source.path());
        !source.is_file() && (folder.starts_with(&self.settings.build_root) || self.produced.writes(&folder))
    }

    fn check_package_folder(&self, file: &PackageFile) -> Result<(), String> {
        let source = file.source();
        let folder = self.root.join(source.path());
        if source.is_file() {
            let shown = content::printable(&file.from);
            return if folder.is_dir() {
                Err(format!("`{shown}` is a folder: write `{shown}/` for the files in it"))
            } else {
                Ok(())
            };
        }
        self.territory.resolve(source.path()).map_err(|outside| outside.to_string())?;
        if folder == self.settings.build_root {
            return Err(format!(
                "`{}` is in the build root itself: expected a folder in it",
                content::printable(&file.from)
            ));
        }
        // What tasks write need not exist yet, and must not change the package once it does.
        for output in self.produced.below(&folder) {
            let is_in_build_root = output.path.starts_with(&self.settings.build_root);
            let Some(inner) = output.path.strip_prefix(&folder).ok().and_then(Path::to_str) else { continue };
            let takes = file.takes(inner).map_err(|error| error.to_string())?;
            if !is_in_build_root && !self.makes_package_folder(file) && takes {
                return Err(format!(
                    "a task writes {}: exclude it from `{}`, and name it in an entry of its own",
                    content::printable_path(output.path.strip_prefix(&self.root).unwrap_or(&output.path)),
                    content::printable(&file.from)
                ));
            }
        }
        Ok(())
    }
}
