//! Package repositories: what is built for them, and the RPMs that exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::{LinkPolicy, printable_path};
use iso::Exclude;
use packages::{PackageFormat, PackageTarget};
use walkdir::WalkDir;

use super::Loader;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{self, PackageFamily};
use crate::project::names::{InnerPath, PathPattern, path_glob};
use crate::project::package;
use crate::project::repository::{PackageDefinition, RepositoryDefinition, RpmFile};

impl Loader {
    /// Reads the package repositories that the project file at `path` lists.
    pub(super) fn packages(&mut self, path: &Path, repositories: &[file::RepositoryEntry]) {
        self.each(path, repositories, |loader, repository| {
            loader.other_family(path, repository);
            if repository.family == PackageFamily::Debian {
                loader.deb_repository(path, repository);
                return;
            }
            let mut entries = loader.entries(path);
            let (name, release) = (entries.name(&repository.name), entries.name(&repository.release));
            if repository.build.is_empty() && repository.rpms.is_empty() && repository.source.is_none() {
                let message = "a repository without packages: expected `build`, `rpms` or `source`";
                loader.wrong(path, &repository.name, message);
            }
            if release.as_ref().is_some_and(|release| {
                release
                    .as_str()
                    .strip_prefix("el")
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }) {
                loader.wrong(
                    path,
                    &repository.release,
                    "expected the release of the distribution without `el`, such as `8`",
                );
            }
            let mut packages = Vec::new();
            let mut specs = Vec::new();
            for folder in &repository.build {
                let Some(inner) = loader.entries(path).path(folder) else { continue };
                if inner.extension().is_some_and(|extension| extension == "spec") {
                    specs.extend(loader.spec(path, repository, folder, inner));
                    continue;
                }
                let target = release.as_ref().map(|release| PackageTarget::release(release.as_str()));
                packages.extend(loader.package(path, folder, &inner, PackageFormat::Rpm, target));
            }
            let rpms = loader.rpms(path, repository);
            if let (Some(name), Some(release)) = (name, release) {
                let upstream = loader.upstream(path, repository, &name, &release);
                let definition = RepositoryDefinition { name, release, packages, specs, rpms, upstream };
                let is_same = |one: &RepositoryDefinition| {
                    (&one.name, &one.release) == (&definition.name, &definition.release)
                };
                if loader.project.repositories.iter().any(is_same) {
                    loader.second_repository(path, repository);
                }
                loader.check_spec_names(&definition);
                loader.project.repositories.push(definition);
            }
        });
    }

    /// Notes an entry whose name and release another one has.
    pub(super) fn second_repository(&mut self, path: &Path, entry: &file::RepositoryEntry) {
        let message = "a second repository of this name for this release: make them one entry";
        self.wrong(path, &entry.name, message);
    }

    /// The package that the `package.yaml` in the folder `inner` defines, with its values for `target`.
    pub(super) fn package(
        &mut self,
        path: &Path,
        folder: &Field<InnerPath>,
        inner: &Path,
        format: PackageFormat,
        target: Option<PackageTarget>,
    ) -> Option<PackageDefinition> {
        let relative = inner.join("package.yaml");
        let located = |from: &str| packages::PackageSource::read(from).path().to_path_buf();
        let read = |path: &Path, text: &str| package::read_in_project(path, text, format, target.as_ref());
        let definition = self.definition(&relative, read, located);
        let definition =
            definition.map_err(|error| error.unreadable_at(path, folder.place(), &self.project.root));
        let definition = self.mistakes.note(definition)?;
        let origin = Origin::new(path, folder.place());
        Some(PackageDefinition { origin, path: relative, definition })
    }

    pub(super) fn wrong<T>(&mut self, path: &Path, field: &Field<T>, message: impl Into<String>) {
        self.mistakes.note::<()>(Err(Error::at(path, field.place(), message.into())));
    }

    /// The RPMs that exist, each once.
    fn rpms(&mut self, path: &Path, repository: &file::RepositoryEntry) -> Vec<RpmFile> {
        let mut entries = self.entries(path);
        let patterns = entries.names(&repository.exclude);
        let patterns: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
        // Each pattern was read before.
        let mut exclude = Exclude::new(&patterns).ok();
        let mut rpms = Vec::new();
        let mut known = Known::default();
        for field in &repository.rpms {
            for name in self.matching(path, field, "rpm") {
                if exclude.as_mut().is_some_and(|exclude| exclude.excludes(&name, false)) {
                    continue;
                }
                let rpm = self.rpm(path, field, name).and_then(|rpm| known.add(rpm));
                match rpm {
                    Ok(rpm) => rpms.extend(rpm),
                    Err(message) => self.wrong(path, field, message),
                }
            }
        }
        rpms
    }

    /// The files that a pattern stands for, relative to the project, sorted; `extension` is that of packages.
    pub(super) fn matching(
        &mut self,
        path: &Path,
        field: &Field<PathPattern>,
        extension: &str,
    ) -> Vec<PathBuf> {
        let Some(pattern) = self.entries(path).name(field) else { return Vec::new() };
        let pattern = Path::new(pattern.as_str()).components().collect::<PathBuf>();
        let text = pattern.to_string_lossy().into_owned();
        let is_fixed = |part: &std::path::Component<'_>| {
            !part.as_os_str().to_string_lossy().contains(['*', '?', '[', ']', '{', '}', '\\'])
        };
        let base: PathBuf = pattern.components().take_while(is_fixed).collect();
        let inner: Field<InnerPath> = field.renamed(base.to_string_lossy().into_owned());
        if base == pattern {
            if self.is_built(&base) {
                return self.entries(path).path(&inner).into_iter().collect();
            }
            let Some(name) = self.entries(path).existing(&inner) else { return Vec::new() };
            if self.project.root.join(&name).is_file() {
                return vec![name];
            }
            let message = format!(
                "`{text}` is not a file: expected a file, or a pattern such as `{text}/*.{extension}`"
            );
            self.wrong(path, field, message);
            return Vec::new();
        }
        if !base.as_os_str().is_empty() && self.entries(path).path(&inner).is_none() {
            return Vec::new();
        }
        let Ok(glob) = path_glob(&text) else { return Vec::new() };
        let root = self.project.root.clone();
        let folder = root.join(&base);
        let mut found = Vec::new();
        let build_root = self.project.settings.build_root.clone();
        let walk = WalkDir::new(&folder).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.path() != build_root && entry.file_name() != ".git") {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => break,
                Err(error) => {
                    let file = error.path().unwrap_or(&folder).to_path_buf();
                    self.mistakes.note::<()>(Err(Error::file("read", &file, error.into())));
                    break;
                }
            };
            let Ok(name) = entry.path().strip_prefix(&root) else { continue };
            if !entry.file_type().is_dir() && glob.is_match(name) {
                found.push(name.to_path_buf());
            }
        }
        if found.is_empty() {
            self.wrong(path, field, format!("no file matches `{text}`"));
        }
        found
    }

    /// Whether `name` is in the build root, where tasks produce files.
    fn is_built(&self, name: &Path) -> bool {
        self.project.root.join(name).starts_with(&self.project.settings.build_root)
    }

    /// The RPM at `name`, with what its header says; for one that a task produces, with what its name says.
    fn rpm(&self, path: &Path, field: &Field<PathPattern>, name: PathBuf) -> Result<Rpm, String> {
        let shown = printable_path(&name).to_string();
        let resolved = self.project.territory.resolve(&name).map_err(|outside| outside.to_string())?;
        let file_name = name.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".rpm"));
        let file_name =
            file_name.ok_or_else(|| format!("`{shown}` is not named like a package: expected `*.rpm`"))?;
        let file_name = file_name.to_owned();
        let origin = Origin::new(path, field.place());
        if self.is_built(&name) {
            let arch = file_name.strip_suffix(".rpm").and_then(|stem| Some(stem.rsplit_once('.')?.1));
            let arch = arch.filter(|arch| !arch.is_empty() && *arch != "src" && *arch != "nosrc");
            let arch = arch.map(str::to_owned).ok_or_else(|| {
                format!("`{shown}` does not name its architecture: expected `NAME-VERSION-RELEASE.ARCH.rpm`")
            })?;
            let rpm = RpmFile { origin, name, path: resolved, file_name, arch, build_time: None };
            return Ok(Rpm { rpm, identity: None });
        }
        let identity = packages::repository::identify(&resolved).map_err(|error| error.to_string())?;
        if identity.is_source() {
            return Err(format!(
                "`{shown}` is a source package, which no node installs: leave it out with `exclude: ['*.src.rpm']`"
            ));
        }
        if !is_folder_name(&identity.arch) {
            let arch = content::printable(&identity.arch);
            return Err(format!("`{shown}` has the architecture `{arch}`, which cannot name a folder"));
        }
        let (arch, build_time) = (identity.arch.clone(), Some(identity.build_time));
        let rpm = RpmFile { origin, name, path: resolved, file_name, arch, build_time };
        Ok(Rpm { rpm, identity: Some(identity.to_string()) })
    }
}

/// Whether an architecture, which comes from the header of a package, can be the name of a folder.
fn is_folder_name(arch: &str) -> bool {
    !arch.is_empty()
        && arch.len() <= 64
        && arch.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// An RPM, and what it is by its header.
struct Rpm {
    rpm: RpmFile,
    identity: Option<String>,
}

/// The RPMs of a repository: by their place, and by what they are.
#[derive(Default)]
struct Known {
    by_place: BTreeMap<(String, String), PathBuf>,
    by_identity: BTreeMap<String, PathBuf>,
}

impl Known {
    /// Takes an RPM; `None` if the repository has it already.
    ///
    /// # Errors
    ///
    /// A sentence, if another package is in its place, or if a package of the same identity has different content.
    fn add(&mut self, Rpm { rpm, identity }: Rpm) -> Result<Option<RpmFile>, String> {
        let place = (rpm.arch.clone(), rpm.file_name.clone());
        let by_identity = identity.as_ref().and_then(|identity| self.by_identity.get(identity));
        let first = by_identity.or_else(|| self.by_place.get(&place));
        if let Some(first) = first {
            let same =
                first == &rpm.path || same_content(first, &rpm.path).map_err(|error| error.to_string())?;
            let what = identity.as_deref().unwrap_or(&rpm.file_name);
            let (what, first) = (content::printable(what), printable_path(first));
            return if same {
                Ok(None)
            } else {
                Err(format!(
                    "two packages {what} with different content: {first} and {}",
                    printable_path(&rpm.path)
                ))
            };
        }
        if let Some(identity) = identity {
            self.by_identity.insert(identity, rpm.path.clone());
        }
        self.by_place.insert(place, rpm.path.clone());
        Ok(Some(rpm))
    }
}

pub(super) fn same_content(one: &Path, other: &Path) -> Result<bool, content::IoError> {
    let digest = |path| content::hash_file(path, LinkPolicy::Follow);
    Ok(digest(one)? == digest(other)?)
}
