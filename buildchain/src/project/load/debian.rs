//! Repositories of Debian packages: what is built for them, what exists, and what is downloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::printable_path;
use iso::Exclude;
use packages::{PackageFormat, PackageTarget};
use serde_saphyr::Location;

use super::Loader;
use super::packages::same_content;
use crate::project::debian::{
    ARCHITECTURE, DebDownloads, DebFile, DebRepositoryDefinition, DebRequest, DebSource,
};
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{PackageFamily, RepositoryEntry, SignatureRule, UpstreamEntry};
use crate::project::names::{PathPattern, RepositoryName, Text, pool_place};

impl Loader {
    /// Notes the keys of an entry that count only for packages of another family.
    pub(super) fn other_family(&mut self, path: &Path, entry: &RepositoryEntry) {
        let whole = entry.name.place();
        let given = |is_given: bool| is_given.then_some(whole);
        let source = |place: fn(&UpstreamEntry) -> Option<Location>| entry.source.as_ref().and_then(place);
        let flag = |is_given: fn(&UpstreamEntry) -> bool| given(entry.source.as_ref().is_some_and(is_given));
        let (keys, message): (Vec<(&str, Option<Location>)>, _) = match entry.family {
            PackageFamily::Redhat => (
                vec![
                    ("debs", first(&entry.debs)),
                    ("suite", source(|one| one.suite.as_ref().map(Field::place))),
                    ("components", source(|one| first(&one.components))),
                    ("architectures", source(|one| first(&one.architectures))),
                ],
                "is for DEBs: write `family: debian`",
            ),
            PackageFamily::Debian => (
                vec![
                    ("rpms", first(&entry.rpms)),
                    ("builder", given(entry.builder.is_some())),
                    ("macros", entry.macros.values().next().map(Field::place)),
                    ("rpmlintrc", entry.rpmlintrc.as_ref().map(Field::place)),
                    ("metalink", source(|one| one.metalink.as_ref().map(Field::place))),
                    ("mirrorlist", source(|one| one.mirrorlist.as_ref().map(Field::place))),
                    ("repoFile", source(|one| one.repo_file.as_ref().map(Field::place))),
                    ("id", source(|one| one.id.as_ref().map(Field::place))),
                    ("exclude", source(|one| first(&one.exclude))),
                    ("include", source(|one| first(&one.include))),
                    ("onNodes", flag(|one| one.on_nodes)),
                    ("priority", flag(|one| one.priority.is_some())),
                    ("moduleHotfixes", flag(|one| one.module_hotfixes)),
                ],
                "is for RPMs, and this entry has `family: debian`",
            ),
        };
        for (key, place) in keys {
            let Some(place) = place else { continue };
            let hint = if key == "rpms" { ": name DEBs in `debs`" } else { "" };
            self.mistakes.note::<()>(Err(Error::at(path, place, format!("`{key}` {message}{hint}"))));
        }
    }

    /// Reads an entry with `family: debian`.
    pub(super) fn deb_repository(&mut self, path: &Path, entry: &RepositoryEntry) {
        let mut entries = self.entries(path);
        let (name, release) = (entries.name(&entry.name), entries.name(&entry.release));
        if entry.build.is_empty()
            && entry.debs.is_empty()
            && entry.source.is_none()
            && entry.download.is_empty()
        {
            let message = "a repository without packages: expected `build`, `debs` or `download`";
            self.wrong(path, &entry.name, message);
        }
        let mut packages = Vec::new();
        for folder in &entry.build {
            let Some(inner) = self.entries(path).path(folder) else { continue };
            if inner.extension().is_some_and(|extension| extension == "spec") {
                let message = "a spec file gives RPMs: expected a folder with a `package.yaml`";
                self.wrong(path, folder, message);
                continue;
            }
            let target = release.as_ref().map(|release| PackageTarget::debian(release.as_str()));
            packages.extend(self.package(path, folder, &inner, PackageFormat::Deb, target));
        }
        let debs = self.debs(path, entry);
        let downloads = name.as_ref().and_then(|name| self.deb_downloads(path, entry, name));
        if let (Some(name), Some(release)) = (name, release) {
            let definition = DebRepositoryDefinition { name, release, packages, debs, downloads };
            let is_same = |one: &DebRepositoryDefinition| {
                (&one.name, &one.release) == (&definition.name, &definition.release)
            };
            if self.project.deb_repositories.iter().any(is_same) {
                self.second_repository(path, entry);
            }
            self.project.deb_repositories.push(definition);
        }
    }

    /// The DEBs that exist, each once.
    fn debs(&mut self, path: &Path, entry: &RepositoryEntry) -> Vec<DebFile> {
        let mut entries = self.entries(path);
        let patterns = entries.names(&entry.exclude);
        let patterns: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
        // Each pattern was read before.
        let mut exclude = Exclude::new(&patterns).ok();
        let mut debs: Vec<DebFile> = Vec::new();
        let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
        for field in &entry.debs {
            for name in self.matching(path, field, "deb") {
                if exclude.as_mut().is_some_and(|exclude| exclude.excludes(&name, false)) {
                    continue;
                }
                match self.deb(path, field, name).and_then(|deb| new_place(&mut known, deb)) {
                    Ok(deb) => debs.extend(deb),
                    Err(message) => self.wrong(path, field, message),
                }
            }
        }
        debs
    }

    /// The DEB at `name`, with the place that its name says. It is read when it is indexed.
    fn deb(&self, path: &Path, field: &Field<PathPattern>, name: PathBuf) -> Result<DebFile, String> {
        let resolved = self.project.territory.resolve(&name).map_err(|outside| outside.to_string())?;
        let file = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || "+._~:%-".contains(c);
        let package = file.split_once('_').map_or("", |(package, _)| package);
        let is_plain = package.starts_with(|c: char| c.is_ascii_alphanumeric()) && file.chars().all(legal);
        if !is_plain || !file.ends_with(".deb") {
            return Err(format!(
                "`{}` is not named like a package: expected `NAME_VERSION_ARCHITECTURE.deb`",
                printable_path(&name)
            ));
        }
        let place = pool_place(package, file);
        Ok(DebFile { origin: Origin::new(path, field.place()), name, path: resolved, place })
    }

    fn deb_downloads(
        &mut self,
        path: &Path,
        entry: &RepositoryEntry,
        name: &RepositoryName,
    ) -> Option<DebDownloads> {
        let mut requests: Vec<DebRequest> = Vec::new();
        for field in &entry.download {
            let Some(text) = self.entries(path).name(field) else { continue };
            match DebRequest::parse(text.as_str()) {
                Err(message) => self.wrong(path, field, message),
                Ok(request) if requests.contains(&request) => {
                    self.wrong(path, field, format!("a second request for `{request}`"));
                }
                Ok(request @ DebRequest::Package { .. }) if entry.source.is_none() => {
                    let message = format!(
                        "`{request}` needs `source`: where the upstream repository is, or write the URL of the DEB"
                    );
                    self.wrong(path, field, message);
                }
                Ok(request) => requests.push(request),
            }
        }
        let origin = Origin::new(path, entry.name.place());
        let source = match &entry.source {
            Some(source) => Some(self.deb_source(path, entry, source)?),
            None => None,
        };
        let is_used = requests.iter().any(|one| matches!(one, DebRequest::Package { .. }));
        if source.is_some() && !is_used && requests.len() == entry.download.len() {
            let message =
                format!("nothing is downloaded from the `source` of {name}: name packages in `download`");
            self.wrong(path, &entry.name, message);
        }
        (!requests.is_empty()).then_some(DebDownloads { origin, source, requests, locked: None })
    }

    fn deb_source(
        &mut self,
        path: &Path,
        entry: &RepositoryEntry,
        source: &UpstreamEntry,
    ) -> Option<DebSource> {
        let mut entries = self.entries(path);
        let urls = source.url.iter().chain(&source.mirrors);
        let urls =
            urls.map(|url| Some(entries.name(url)?.as_str().to_owned())).collect::<Option<Vec<String>>>();
        let suite = source.suite.as_ref().map(|suite| entries.name(suite));
        let components = entries.names(&source.components);
        let mut components: Vec<String> = components.iter().map(ToString::to_string).collect();
        let architectures = entries.names(&source.architectures);
        let mut architectures: Vec<String> = architectures.iter().map(ToString::to_string).collect();
        let mut keys: Vec<PathBuf> = Vec::new();
        for field in &source.keys {
            let Some(inner) = self.entries(path).existing(field) else { continue };
            if keys.contains(&inner) {
                self.wrong(path, field, "a second entry for this file");
            }
            keys.push(inner);
        }
        if source.url.is_none() {
            self.wrong(path, &entry.name, "expected `url` in `source`: the folder that has `dists/`");
        }
        if let (Some(component), None) = (source.components.first(), &source.suite) {
            self.wrong(path, component, "`components` belongs to `suite`, which this entry does not have");
        }
        let is_signed = match source.signatures {
            Some(SignatureRule::None) => false,
            Some(SignatureRule::Packages) => {
                let message =
                    "DEBs have no signatures of their own: expected `all`, that of `Release`, or `none`";
                self.wrong(path, &entry.name, message);
                return None;
            }
            Some(SignatureRule::All | SignatureRule::Metadata) | None => true,
        };
        if is_signed && source.keys.is_empty() {
            let message = "signatures need keys: name their files in `keys`, or write `signatures: none`";
            self.wrong(path, &entry.name, message);
        }
        if components.is_empty() && suite.is_some() {
            components.push("main".to_owned());
        }
        if architectures.is_empty() {
            architectures.push(ARCHITECTURE.to_owned());
        }
        if let Some(field) = source.architectures.iter().find(|one| one.written() == "all") {
            self.wrong(
                path,
                field,
                "`all` is no architecture of a node: packages for `all` are always found",
            );
        }
        let keys: Vec<PathBuf> = keys.into_iter().map(|inner| self.project.root.join(inner)).collect();
        self.project.sources.extend(keys.iter().cloned());
        let suite = suite.map_or(Some(None), |suite| suite.map(|suite| Some(suite.to_string())))?;
        let urls = urls.filter(|urls| !urls.is_empty())?;
        let variable = urls.iter().find(|url| url.contains('$'));
        if let (Some(_), Some(field)) = (variable, &source.url) {
            let field: Field<Text> = field.renamed(field.written().to_owned());
            self.wrong(path, &field, "URLs of repositories for apt have no variables: write the value");
            return None;
        }
        Some(DebSource { urls, suite, components, architectures, keys, is_signed })
    }
}

/// The place of the first of several names.
fn first<T>(fields: &[Field<T>]) -> Option<Location> {
    fields.first().map(Field::place)
}

/// A DEB whose place is free; `None` if the repository has the same file already.
fn new_place(known: &mut BTreeMap<String, PathBuf>, deb: DebFile) -> Result<Option<DebFile>, String> {
    let Some(first) = known.get(&deb.place) else {
        known.insert(deb.place.clone(), deb.path.clone());
        return Ok(Some(deb));
    };
    if *first == deb.path || same_content(first, &deb.path).map_err(|error| error.to_string())? {
        return Ok(None);
    }
    let (first, second) = (printable_path(first), printable_path(&deb.path));
    Err(format!("two packages of one name with different content: {first} and {second}"))
}
