//! Packages that are built from spec files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use iso::Exclude;
use packages::spec::{SpecFile, SpecSource};

use super::Loader;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{BuilderEntry, RepositoryEntry};
use crate::project::names::{FileUrl, InnerPath, MacroName, PackageName, ParsedName as _, Pattern};
use crate::project::read::read;
use crate::project::repository::{
    MACROS_OF_FOLDERS, MACROS_SET, RepositoryDefinition, SpecBuilder, SpecDownload, SpecNeeds, SpecPackage,
};

/// A path of the project without `..`; `None` if it leads out of the project.
fn inner(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inner.push(name),
            Component::ParentDir if inner.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(inner)
}

/// The sources of a spec file: those beside it, and those that are fetched.
#[derive(Default)]
struct Sources {
    files: Vec<PathBuf>,
    downloads: Vec<SpecDownload>,
}

impl Loader {
    /// Reads the spec file `relative`, which the entry `field` of the project file at `path` names. `None` if something is wrong, which
    /// is noted.
    pub(super) fn spec(
        &mut self,
        path: &Path,
        repository: &RepositoryEntry,
        field: &Field<InnerPath>,
        relative: PathBuf,
    ) -> Option<SpecPackage> {
        let builder = match &repository.builder {
            Some(builder) => self.builder(path, field, &builder.0),
            None => {
                let message = "a spec file needs a `builder`: `{image: REFERENCE}` or `host`";
                self.wrong(path, field, message);
                None
            }
        };
        let stem = relative.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.entries(path).name::<PackageName>(&field.renamed(stem));
        let macros = self.macros(path, repository);
        let rpmlintrc = match &repository.rpmlintrc {
            Some(file) => Some(self.entries(path).existing(file)?),
            None => None,
        };
        let exclude = self.entries(path).names(&repository.exclude);
        let file = self.project.root.join(&relative);
        let text = read(&file).map_err(|error| error.unreadable_at(path, field.place(), &self.project.root));
        let text = self.mistakes.note(text)?;
        self.project.sources.push(file.clone());
        let spec = match SpecFile::read(&text, &macros) {
            Ok(spec) => spec,
            Err(faults) => {
                for fault in faults {
                    self.at_line(&file, fault.line, fault.message);
                }
                return None;
            }
        };
        let mut sources = Sources::default();
        for source in &spec.sources {
            if let Err(message) = self.source_of_spec(&relative, source, &mut sources) {
                self.at_line(&file, source.line, format!("{}: {message}", source.tag));
            }
        }
        let date = spec.date;
        let needs = Self::needs_of_spec(spec, &exclude);
        let Sources { files, downloads } = sources;
        let (name, builder, origin) = (name?, builder?, Origin::new(path, field.place()));
        Some(SpecPackage {
            origin,
            name,
            path: relative,
            files,
            downloads,
            macros,
            builder,
            rpmlintrc,
            exclude,
            date,
            needs,
        })
    }

    /// What the packages of a spec file require, without those that `exclude` leaves out.
    fn needs_of_spec(spec: SpecFile, exclude: &[Pattern]) -> SpecNeeds {
        let patterns: Vec<String> = exclude.iter().map(ToString::to_string).collect();
        let mut without = Exclude::new(&patterns).ok();
        let mut excludes =
            |name: &str| without.as_mut().is_some_and(|without| without.excludes(Path::new(name), false));
        let left_out: Vec<bool> = spec.packages.iter().map(|one| excludes(&one.file_name)).collect();
        let is_left_out = |package: Option<usize>| package.is_some_and(|at| left_out.get(at) == Some(&true));
        let names = spec.packages.into_iter().map(|package| package.name);
        let requires = spec.requires.into_iter().filter(|one| !is_left_out(one.package));
        SpecNeeds {
            provides: names.chain(spec.provides).collect(),
            requires: requires.map(|one| one.dependency).collect(),
            unknown: spec.unknown,
        }
    }

    fn at_line(&mut self, path: &Path, line: u64, message: String) {
        self.mistakes.note::<()>(Err(Error::of(&Origin { path: path.into(), line, column: 1 }, message)));
    }

    /// Where the spec files of an entry are built; `field` is one of them.
    fn builder(
        &mut self,
        path: &Path,
        field: &Field<InnerPath>,
        entry: &BuilderEntry,
    ) -> Option<SpecBuilder> {
        if let Some(host) = &entry.host {
            return self.entries(path).name(host).map(|_| SpecBuilder::Host);
        }
        let Some(image) = &entry.image else {
            self.wrong(path, field, "`builder` needs `image`");
            return None;
        };
        let reference = self.entries(path).name(image)?;
        if reference.tag().is_none() && reference.digest().is_none() {
            self.wrong(path, image, "the image of a builder needs a tag or a digest");
            return None;
        }
        Some(SpecBuilder::Image(self.base(reference)))
    }

    fn macros(&mut self, path: &Path, repository: &RepositoryEntry) -> BTreeMap<String, String> {
        let mut macros = BTreeMap::new();
        for (name, field) in &repository.macros {
            let Some(value) = self.entries(path).text(field) else { continue };
            if let Err(message) = MacroName::parse(name) {
                self.wrong(path, field, message);
            } else if MACROS_SET.iter().chain(&MACROS_OF_FOLDERS).any(|set| set == name) {
                self.wrong(path, field, format!("Sealift sets the macro `{name}`: leave it out"));
            } else if value.contains(|c: char| c.is_control()) {
                self.wrong(path, field, format!("the value of the macro `{name}` has a control character"));
            } else {
                macros.insert(name.clone(), value);
            }
        }
        macros
    }

    /// Takes a source of the spec file `spec`. A file that lies beside the spec file is not fetched.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    fn source_of_spec(&self, spec: &Path, source: &SpecSource, found: &mut Sources) -> Result<(), String> {
        let project = &self.project;
        let folder = inner(&spec.with_file_name(&source.folder));
        let folder = folder.ok_or_else(|| format!("`{}` leads out of the project", source.folder))?;
        let beside = folder.join(&source.name);
        let shown = content::printable_path(&beside).to_string();
        let place = project.root.join(&beside);
        let exists = place.symlink_metadata().is_ok() || project.produced.concerns(&place);
        let other = found.downloads.iter().find(|other| other.name == source.name);
        match &source.url {
            None if !exists => Err(format!("{shown} does not exist")),
            None if other.is_some() => Err(format!("another source has the name `{}`", source.name)),
            _ if exists => {
                project.territory.resolve(&beside).map_err(|outside| outside.to_string())?;
                if place.is_dir() {
                    return Err(format!("{shown} is a folder"));
                }
                if let Some(other) = found.files.iter().find(|other| other.file_name() == beside.file_name())
                {
                    let other_shown = content::printable_path(other);
                    return if *other == beside {
                        Ok(())
                    } else {
                        Err(format!("{other_shown} has the same name"))
                    };
                }
                found.files.push(beside);
                Ok(())
            }
            Some(url) => {
                let url = FileUrl::parse(url)?;
                match other {
                    Some(other) if other.url == url => return Ok(()),
                    Some(other) => return Err(format!("`{}` also comes from {}", source.name, other.url)),
                    None => {}
                }
                let digest = self.lock.sources().download(&url).map(|file| file.digest);
                found.downloads.push(SpecDownload { url, name: source.name.clone(), digest });
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Refuses two spec files of one name in one release: their tasks would have one name.
    pub(super) fn check_spec_names(&mut self, new: &RepositoryDefinition) {
        for (at, spec) in new.specs.iter().enumerate() {
            let of_release = self.project.repositories.iter().filter(|other| other.release == new.release);
            let mut others = of_release.flat_map(|other| &other.specs).chain(new.specs.iter().take(at));
            if let Some(other) = others.find(|other| other.name == spec.name) {
                let message = format!(
                    "a second spec file `{}` for release {}: the first is {}",
                    spec.name,
                    new.release,
                    content::printable_path(&other.path)
                );
                self.mistakes.note::<()>(Err(Error::of(&spec.origin, message)));
            }
        }
    }
}
