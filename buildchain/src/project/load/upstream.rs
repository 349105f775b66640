//! Upstream repositories: where they are, and what the lock file has of them.

use std::path::{Path, PathBuf};

use packages::source::{RepoFile, RepoSection, SOURCE_MAX, Variables};

use super::Loader;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{DistributionEntry, RepositoryEntry, SignatureRule, UpstreamEntry};
use crate::project::names::{InnerPath, ParsedName as _, Release, RepositoryName, RepositoryUrl};
use crate::project::upstream::{DistributionDefinition, PRIORITY, Upstream, UpstreamLocation, UpstreamPart};

impl Loader {
    /// Reads how the packages of releases are chosen.
    pub(super) fn distributions(&mut self, path: &Path, distributions: &[DistributionEntry]) {
        self.each(path, distributions, |loader, entry| {
            let mut entries = loader.entries(path);
            let release = entries.name(&entry.release);
            let architecture = entry.architecture.as_ref().map(|field| entries.name(field));
            let requests = entries.names(&entry.download);
            let requests = requests.iter().map(|request| request.as_str().to_owned()).collect();
            let modules = entries.names(&entry.modules).iter().map(|name| name.as_str().to_owned()).collect();
            let exclude = entries.names(&entry.exclude).iter().map(|text| text.as_str().to_owned()).collect();
            let architectures = entries.names(&entry.architectures);
            let Some(release) = release else { return };
            for (at, field) in entry.architectures.iter().enumerate() {
                let earlier = entry.architectures.iter().take(at);
                if earlier.into_iter().any(|other| other.written() == field.written()) {
                    loader.note(path, field, "a second entry for this architecture");
                }
            }
            if let (Some(field), false) = (&entry.architecture, entry.architectures.is_empty()) {
                loader.note(path, field, "expected one of `architecture` and `architectures`");
            }
            if loader.project.distributions.iter().any(|other| other.release == release) {
                loader.note(path, &entry.release, format!("a second entry for the release {release}"));
                return;
            }
            let mut definition = DistributionDefinition::new(release);
            let architectures: Vec<String> = architecture
                .flatten()
                .into_iter()
                .chain(architectures)
                .map(|architecture| architecture.as_str().to_owned())
                .collect();
            if !architectures.is_empty() {
                definition.architectures = architectures;
            }
            definition.requests = requests;
            definition.weak_dependencies = entry.weak_dependencies;
            (definition.modules, definition.exclude) = (modules, exclude);
            loader.project.distributions.push(definition);
        });
    }

    fn note<T>(&mut self, path: &Path, field: &Field<T>, message: impl Into<String>) {
        self.mistakes.note::<()>(Err(Error::at(path, field.place(), message.into())));
    }

    /// The upstream repository of an entry, if it has one.
    pub(super) fn upstream(
        &mut self,
        path: &Path,
        repository: &RepositoryEntry,
        name: &RepositoryName,
        release: &Release,
    ) -> Option<Upstream> {
        let requests = self.entries(path).names(&repository.download);
        let Some(entry) = &repository.source else {
            if let Some(request) = repository.download.first() {
                self.note(path, request, "`download` needs `source`: where the upstream repository is");
            }
            return None;
        };
        if entry.on_nodes && !requests.is_empty() {
            self.note(path, &repository.name, "nothing is downloaded from a repository with `onNodes`");
        }
        let section = match &entry.repo_file {
            Some(file) => Some(self.section(path, entry, file, name)?),
            None => None,
        };
        let mut parts = Vec::new();
        for architecture in self.project.distribution(release).architectures {
            let variables = Variables::new(release.as_str(), &architecture);
            // What is wrong for the first is wrong for all.
            let location = self.location(path, &repository.name, entry, section.as_ref(), &variables);
            let Some(location) = location else { break };
            parts.push(UpstreamPart { architecture, location, locked: None });
        }
        let mut keys: Vec<PathBuf> = Vec::new();
        for field in &entry.keys {
            let Some(inner) = self.entries(path).existing(field) else { continue };
            if keys.contains(&inner) {
                self.note(path, field, "a second entry for this file");
            }
            keys.push(inner);
        }
        let signatures = entry.signatures.unwrap_or_else(|| {
            let checks = section.as_ref().map(|one| (one.checks_packages, one.checks_metadata));
            match checks {
                Some((Some(false), Some(true))) => SignatureRule::Metadata,
                Some((Some(false), _)) => SignatureRule::None,
                Some((_, Some(true))) => SignatureRule::All,
                _ => SignatureRule::Packages,
            }
        });
        if signatures != SignatureRule::None && entry.keys.is_empty() {
            self.note(
                path,
                &repository.name,
                "signatures need keys: name their files in `keys`, or write `signatures: none`",
            );
        }
        let mut entries = self.entries(path);
        let mut exclude: Vec<String> =
            entries.names(&entry.exclude).iter().map(|text| text.as_str().to_owned()).collect();
        let mut include: Vec<String> =
            entries.names(&entry.include).iter().map(|text| text.as_str().to_owned()).collect();
        let mut priority = entry.priority;
        let mut module_hotfixes = entry.module_hotfixes;
        if let Some(section) = section {
            exclude.extend(section.exclude);
            include.extend(section.include);
            priority = priority.or(section.priority);
            module_hotfixes |= section.module_hotfixes;
        }
        let root = &self.project.root;
        let keys: Vec<PathBuf> = keys.into_iter().map(|inner| root.join(inner)).collect();
        self.project.sources.extend(keys.iter().cloned());
        Some(Upstream {
            origin: Origin::new(path, repository.name.place()),
            parts,
            keys,
            signatures,
            on_nodes: entry.on_nodes,
            priority: priority.unwrap_or(PRIORITY),
            exclude,
            include,
            module_hotfixes,
            requests: requests.iter().map(|request| request.as_str().to_owned()).collect(),
        })
    }

    /// The section of a `.repo` file that an entry means.
    fn section(
        &mut self,
        path: &Path,
        entry: &UpstreamEntry,
        field: &Field<InnerPath>,
        name: &RepositoryName,
    ) -> Option<RepoSection> {
        let id = match &entry.id {
            Some(id) => self.entries(path).name(id)?.as_str().to_owned(),
            None => name.as_str().to_owned(),
        };
        let inner = self.entries(path).existing(field)?;
        let file = self.project.root.join(inner);
        let text = content::open_text(&file, content::LinkPolicy::Follow, SOURCE_MAX);
        let read = text.map_err(|error| error.to_string());
        let read = read.and_then(|text| {
            RepoFile::read(&text).map_err(|fault| format!("{}: {fault}", content::printable_path(&file)))
        });
        self.project.sources.push(file);
        let message = match read {
            Ok(read) => match read.section(&id) {
                Some(section) => return Some(section.clone()),
                None => {
                    let known: Vec<&str> = read.sections.iter().map(|section| section.id.as_str()).collect();
                    format!(
                        "the file has no section `{id}`; it has: {}",
                        content::printable(&known.join(", "))
                    )
                }
            },
            Err(message) => message,
        };
        self.note(path, field, message);
        None
    }

    fn location(
        &mut self,
        path: &Path,
        name: &Field<RepositoryName>,
        entry: &UpstreamEntry,
        section: Option<&RepoSection>,
        variables: &Variables,
    ) -> Option<UpstreamLocation> {
        let given =
            [entry.url.is_some(), entry.metalink.is_some(), entry.mirrorlist.is_some(), section.is_some()];
        if given.iter().filter(|is_given| **is_given).count() != 1 {
            self.note(
                path,
                name,
                "expected one of `url`, `metalink`, `mirrorlist` and `repoFile` in `source`",
            );
            return None;
        }
        if let (Some(mirror), None) = (entry.mirrors.first(), &entry.url) {
            self.note(path, mirror, "`mirrors` belongs to `url`, which this entry does not have");
        }
        let mut expanded = |field: &Field<RepositoryUrl>| {
            let url = self.entries(path).name(field)?;
            match variables.expand(url.as_str()) {
                Ok(url) => Some(url),
                Err(unknown) => {
                    self.note(path, field, unknown_variable(&unknown));
                    None
                }
            }
        };
        if let Some(url) = &entry.url {
            let urls = std::iter::once(url).chain(&entry.mirrors).map(&mut expanded);
            return urls.collect::<Option<Vec<_>>>().map(UpstreamLocation::Urls);
        }
        if let Some(url) = &entry.metalink {
            return expanded(url).map(UpstreamLocation::Metalink);
        }
        if let Some(url) = &entry.mirrorlist {
            return expanded(url).map(UpstreamLocation::Mirrorlist);
        }
        let section = section?;
        let field = entry.repo_file.as_ref()?;
        let mut checked = |url: &String| {
            let expanded = variables.expand(url).map_err(|unknown| unknown_variable(&unknown));
            expanded.and_then(|url| RepositoryUrl::parse(&url).map(|url| url.as_str().to_owned()))
        };
        let found = if !section.urls.is_empty() {
            section.urls.iter().map(&mut checked).collect::<Result<Vec<_>, _>>().map(UpstreamLocation::Urls)
        } else if let Some(url) = &section.metalink {
            checked(url).map(UpstreamLocation::Metalink)
        } else if let Some(url) = &section.mirrorlist {
            checked(url).map(UpstreamLocation::Mirrorlist)
        } else {
            Err(format!(
                "the section `{}` has no `baseurl`, `metalink` or `mirrorlist`",
                content::printable(&section.id)
            ))
        };
        found.map_err(|message| self.note(path, field, message)).ok()
    }

    /// Takes the packages from the lock file, for the releases whose set is that of this project.
    pub(super) fn locked_packages(&mut self) {
        let releases: Vec<Release> = self.project.upstream_releases().into_iter().cloned().collect();
        for release in releases {
            for architecture in self.project.distribution(&release).architectures {
                let inputs = self.project.package_inputs(&release, &architecture);
                let Some(set) = self.lock.packages().set(&release, &inputs) else { continue };
                for repository in self.project.repositories.iter_mut().filter(|one| one.release == release) {
                    let upstream = repository.upstream.as_mut().filter(|upstream| !upstream.on_nodes);
                    let parts = upstream.into_iter().flat_map(|upstream| &mut upstream.parts);
                    for part in parts.filter(|part| part.architecture == architecture) {
                        let locked = set.repositories.get(&repository.name);
                        part.locked = Some(locked.cloned().unwrap_or_default());
                    }
                }
            }
        }
    }
}

fn unknown_variable(name: &str) -> String {
    let name = content::printable(name);
    format!("`${name}` has no value: expected `$releasever`, `$basearch` or `$arch`")
}
