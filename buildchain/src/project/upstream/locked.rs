//! What the lock file has of upstream packages.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use content::Digest;

use super::ARCHITECTURE;
use crate::project::field::ByName;
use crate::project::file::{LockedPackageEntry, LockedPackageSet, LockedWhyEntry};
use crate::project::names::{LockedPath, Nevra, Release, RepositoryName};

/// The sets of packages of each release. Forms of the project with other requests have sets of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedPackages(BTreeMap<Release, Vec<LockedSet>>);

/// The packages of a release for one form of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSet {
    /// The digest of what the project says about them.
    pub inputs: Digest,
    /// The architecture that they are for.
    pub architecture: String,
    /// The packages, by repository.
    pub repositories: BTreeMap<RepositoryName, LockedRepository>,
}

/// The packages of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedRepository {
    /// When the newest package was built, in seconds since 1970; 0 without packages.
    pub date: i64,
    /// The URLs that a metalink or a list of mirrors gave; empty if the project has the URLs.
    pub mirrors: Vec<String>,
    /// The packages.
    pub packages: BTreeMap<Nevra, LockedPackage>,
}

/// A package that is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its path from the URL of the repository, or its URL.
    pub path: LockedPath,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it is there for.
    pub why: LockedOrigin,
}

/// What a package is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedOrigin {
    /// The kind of the reason.
    pub why: LockedWhy,
    /// The request, or the package that needs it; empty if nothing needs it.
    pub by: String,
    /// What that package needs; empty for a request.
    pub needs: String,
}

/// The kind of a reason.
pub type LockedWhy = LockedWhyEntry;

impl fmt::Display for LockedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, by, needs } = self;
        match why {
            LockedWhy::Requested => write!(f, "requested as {by}"),
            LockedWhy::Required => write!(f, "{by} requires {needs}"),
            LockedWhy::Recommended => write!(f, "{by} recommends {needs}"),
            LockedWhy::Supplements => write!(f, "supplements {needs}"),
            LockedWhy::Accompanies => write!(f, "accompanies {by} of another architecture"),
            LockedWhy::Imported => write!(f, "imported from {by}"),
            LockedWhy::Allows => f.write_str("a conditional dependency needs it"),
        }
    }
}

impl LockedPackages {
    pub(in crate::project) fn new(releases: ByName<Release, Vec<LockedPackageSet>>) -> Self {
        let package = |(name, entry): (Nevra, LockedPackageEntry)| {
            let LockedPackageEntry { path, digest, size, why, by, needs } = entry;
            let why = LockedOrigin { why, by: by.unwrap_or_default(), needs: needs.unwrap_or_default() };
            (name, LockedPackage { path: path.0, digest: digest.0, size, why })
        };
        let set = |set: LockedPackageSet| LockedSet {
            inputs: set.inputs.0,
            architecture: set
                .architecture
                .map_or_else(|| ARCHITECTURE.to_owned(), |architecture| architecture.0.as_str().to_owned()),
            repositories: set
                .repositories
                .0
                .into_iter()
                .map(|(name, repository)| {
                    let mirrors =
                        repository.mirrors.into_iter().map(|url| url.0.as_str().to_owned()).collect();
                    (
                        name,
                        LockedRepository {
                            date: repository.date,
                            mirrors,
                            packages: repository.packages.0.into_iter().map(package).collect(),
                        },
                    )
                })
                .collect(),
        };
        let releases = releases.0.into_iter();
        Self(releases.map(|(release, sets)| (release, sets.into_iter().map(set).collect())).collect())
    }

    /// The set of `release` for a project with these inputs.
    #[must_use]
    pub fn set(&self, release: &Release, inputs: &Digest) -> Option<&LockedSet> {
        self.0.get(release)?.iter().find(|set| set.inputs == *inputs)
    }

    /// Whether a set of `release` has this package with this content.
    #[must_use]
    pub fn has(&self, release: &Release, repository: &RepositoryName, name: &Nevra, digest: &Digest) -> bool {
        let sets = self.0.get(release).into_iter().flatten();
        let mut packages = sets.filter_map(|set| set.repositories.get(repository)?.packages.get(name));
        packages.any(|package| package.digest == *digest)
    }

    /// The set of `release` that is most like one for `architecture` with these inputs: that one, else the first for the
    /// architecture.
    #[must_use]
    pub fn nearest(&self, release: &Release, architecture: &str, inputs: &Digest) -> Option<&LockedSet> {
        let of_architecture = || self.0.get(release)?.iter().find(|set| set.architecture == architecture);
        self.set(release, inputs).or_else(of_architecture)
    }

    /// Locks a set.
    pub fn insert(&mut self, release: Release, set: LockedSet) {
        let sets = self.0.entry(release).or_default();
        sets.retain(|other| other.inputs != set.inputs);
        sets.push(set);
        sets.sort_by_key(|set| set.inputs);
    }

    /// Removes the sets that `keep` refuses; returns those of releases and architectures that have no set any more.
    pub fn retain(&mut self, keep: impl Fn(&Release, &Digest) -> bool) -> Vec<(Release, LockedSet)> {
        let mut gone = Vec::new();
        for (release, sets) in &mut self.0 {
            let mut removed: Vec<LockedSet> =
                sets.extract_if(.., |set| !keep(release, &set.inputs)).collect();
            removed.retain(|set| !sets.iter().any(|other| other.architecture == set.architecture));
            removed.sort_by(|one, other| one.architecture.cmp(&other.architecture));
            removed.dedup_by(|one, other| one.architecture == other.architecture);
            gone.extend(removed.into_iter().map(|set| (release.clone(), set)));
        }
        self.0.retain(|_, sets| !sets.is_empty());
        gone
    }

    /// Appends the section of the lock file.
    pub(in crate::project) fn render(&self, text: &mut String) {
        // A JSON string is one of YAML. Writing to a string cannot fail.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        if !self.0.is_empty() {
            text.push_str("packages:\n");
        }
        for (release, sets) in &self.0 {
            let _ = writeln!(text, "  {}:", quoted(release.as_str()));
            for set in sets {
                let _ = writeln!(text, "    - inputs: {}", set.inputs);
                let _ = writeln!(text, "      architecture: {}", set.architecture);
                if !set.repositories.is_empty() {
                    text.push_str("      repositories:\n");
                }
                for (name, repository) in &set.repositories {
                    let _ = writeln!(
                        text,
                        "        {}:\n          date: {}",
                        quoted(name.as_str()),
                        repository.date
                    );
                    if !repository.mirrors.is_empty() {
                        text.push_str("          mirrors:\n");
                    }
                    for url in &repository.mirrors {
                        let _ = writeln!(text, "            - {}", quoted(url));
                    }
                    text.push_str(if repository.packages.is_empty() {
                        "          packages: {}\n"
                    } else {
                        "          packages:\n"
                    });
                    for (nevra, package) in &repository.packages {
                        let _ = writeln!(text, "            {}:", quoted(nevra.as_str()));
                        let LockedPackage { path, digest, size, why: LockedOrigin { why, by, needs } } =
                            package;
                        let _ = writeln!(text, "              path: {}", quoted(path.as_str()));
                        let _ = writeln!(text, "              digest: {digest}\n              size: {size}");
                        let _ = writeln!(text, "              why: {}", why.as_str());
                        for (key, value) in [("by", by), ("needs", needs)] {
                            if !value.is_empty() {
                                let _ = writeln!(text, "              {key}: {}", quoted(value));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::LockFile;
    use crate::project::names::ParsedName as _;

    #[test]
    fn locked_packages_read_back_the_same_and_unused_sets_go() {
        let root = tempfile::tempdir().unwrap();
        let release = |text: &str| Release::parse(text).unwrap();
        let package = |why, by: &str, needs: &str| LockedPackage {
            path: LockedPath::parse("p/a #1: \"x\".rpm").unwrap(),
            digest: Digest::of(b"a"),
            size: 7,
            why: LockedOrigin { why, by: by.into(), needs: needs.into() },
        };
        let names = ["a-1:1.0^git~x-1.el8.x86_64", "b-1-1.noarch"].map(|name| Nevra::parse(name).unwrap());
        let packages = names.clone().into_iter().zip([
            package(LockedWhy::Requested, "a", ""),
            package(LockedWhy::Required, "a-1:1.0^git~x-1.el8.x86_64", "(b if c)"),
        ]);
        let repository =
            LockedRepository { date: 7, mirrors: vec!["https://m/8/".into()], packages: packages.collect() };
        let epel = RepositoryName::parse("epel").unwrap();
        let set = |inputs: &[u8]| LockedSet {
            inputs: Digest::of(inputs),
            architecture: if inputs == b"4" { "aarch64" } else { "x86_64" }.into(),
            repositories: BTreeMap::from([(epel.clone(), repository.clone())]),
        };
        let mut lock = LockFile::default();
        lock.packages_mut().insert(release("8"), set(b"1"));
        lock.packages_mut().insert(release("8"), set(b"2"));
        lock.packages_mut().insert(release("8"), set(b"4"));
        lock.packages_mut().insert(release("9"), LockedSet { repositories: BTreeMap::new(), ..set(b"3") });
        lock.write(root.path()).unwrap();
        let mut read = LockFile::read(root.path()).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.packages().set(&release("8"), &Digest::of(b"2")), Some(&set(b"2")));
        assert_eq!(read.packages().set(&release("8"), &Digest::of(b"9")), None);
        let nearest = |architecture| read.packages().nearest(&release("8"), architecture, &Digest::of(b"9"));
        assert!(nearest("x86_64").is_some_and(|set| set.architecture == "x86_64"));
        assert_eq!(nearest("aarch64"), Some(&set(b"4")));
        assert_eq!(nearest("s390x"), None);
        let gone = read.packages_mut().retain(|_, inputs| *inputs == Digest::of(b"2"));
        let gone: Vec<_> = gone.into_iter().map(|(release, set)| (release, set.architecture)).collect();
        assert_eq!(gone, [(release("8"), "aarch64".to_owned()), (release("9"), "x86_64".to_owned())]);
        assert_eq!(
            (names[0].name().as_str(), names[0].file_name().as_str()),
            ("a.x86_64", "a-1.0^git~x-1.el8.x86_64.rpm")
        );
        assert_eq!(names[1].arch(), "noarch");
    }
}
