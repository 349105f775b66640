//! What the lock file has of Debian packages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use content::Digest;

use crate::project::field::ByName;
use crate::project::file::{LockedDebEntry, LockedDebSetEntry};
use crate::project::names::{DebName, LockedPath, Release, RepositoryName};

/// The packages of each repository, by release. Forms of the project with other requests have sets of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedDebs(BTreeMap<(Release, RepositoryName), Vec<LockedDebSet>>);

/// The packages of a repository for one form of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedDebSet {
    /// The digest of what the project says about them.
    pub inputs: Digest,
    /// The date of the upstream metadata that first had these packages, in seconds since 1970; 0 without metadata.
    pub date: i64,
    /// The packages.
    pub packages: BTreeMap<DebName, LockedDeb>,
}

/// A Debian package that is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedDeb {
    /// Its path from the URL of the repository, or its URL.
    pub path: LockedPath,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The request that it is there for.
    pub by: String,
}

impl LockedDebs {
    pub(in crate::project) fn new(
        releases: ByName<Release, ByName<RepositoryName, Vec<LockedDebSetEntry>>>,
    ) -> Self {
        let package = |(name, entry): (DebName, LockedDebEntry)| {
            let LockedDebEntry { path, digest, size, by } = entry;
            (name, LockedDeb { path: path.0, digest: digest.0, size, by })
        };
        let set = |set: LockedDebSetEntry| LockedDebSet {
            inputs: set.inputs.0,
            date: set.date,
            packages: set.packages.0.into_iter().map(package).collect(),
        };
        let mut all = BTreeMap::new();
        for (release, repositories) in releases.0 {
            for (name, sets) in repositories.0 {
                all.insert((release.clone(), name), sets.into_iter().map(set).collect());
            }
        }
        Self(all)
    }

    /// The set of a repository for a project with these inputs.
    #[must_use]
    pub fn set(&self, release: &Release, name: &RepositoryName, inputs: &Digest) -> Option<&LockedDebSet> {
        self.sets(release, name).iter().find(|set| set.inputs == *inputs)
    }

    /// The set of a repository that is most like one with these inputs: that one, else the first.
    #[must_use]
    pub fn nearest(
        &self,
        release: &Release,
        name: &RepositoryName,
        inputs: &Digest,
    ) -> Option<&LockedDebSet> {
        self.set(release, name, inputs).or_else(|| self.sets(release, name).first())
    }

    fn sets(&self, release: &Release, name: &RepositoryName) -> &[LockedDebSet] {
        self.0.get(&(release.clone(), name.clone())).map(Vec::as_slice).unwrap_or_default()
    }

    /// Locks a set.
    pub fn insert(&mut self, release: Release, name: RepositoryName, set: LockedDebSet) {
        let sets = self.0.entry((release, name)).or_default();
        sets.retain(|other| other.inputs != set.inputs);
        sets.push(set);
        sets.sort_by_key(|set| set.inputs);
    }

    /// Removes the sets that `keep` refuses; returns those of repositories that have no set any more.
    pub fn retain(
        &mut self,
        keep: impl Fn(&Release, &RepositoryName, &Digest) -> bool,
    ) -> Vec<(Release, RepositoryName, LockedDebSet)> {
        let mut gone = Vec::new();
        for ((release, name), sets) in &mut self.0 {
            let removed = sets.extract_if(.., |set| !keep(release, name, &set.inputs));
            let removed: Vec<LockedDebSet> = removed.collect();
            if sets.is_empty() {
                let first = removed.into_iter().next();
                gone.extend(first.map(|set| (release.clone(), name.clone(), set)));
            }
        }
        self.0.retain(|_, sets| !sets.is_empty());
        gone
    }

    /// Appends the section of the lock file.
    pub(in crate::project) fn render(&self, text: &mut String) {
        // A JSON string is one of YAML. Writing to a string cannot fail.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        if !self.0.is_empty() {
            text.push_str("debs:\n");
        }
        let mut last: Option<&Release> = None;
        for ((release, name), sets) in &self.0 {
            if last != Some(release) {
                let _ = writeln!(text, "  {}:", quoted(release.as_str()));
            }
            last = Some(release);
            let _ = writeln!(text, "    {}:", quoted(name.as_str()));
            for LockedDebSet { inputs, date, packages } in sets {
                let none = if packages.is_empty() { " {}" } else { "" };
                let _ =
                    writeln!(text, "      - inputs: {inputs}\n        date: {date}\n        packages:{none}");
                for (package, LockedDeb { path, digest, size, by }) in packages {
                    let _ = writeln!(text, "          {}:", quoted(package.as_str()));
                    let _ = writeln!(text, "            path: {}", quoted(path.as_str()));
                    let _ = writeln!(text, "            digest: {digest}\n            size: {size}");
                    let _ = writeln!(text, "            by: {}", quoted(by));
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
    fn locked_debs_read_back_the_same_and_unused_sets_go() {
        let root = tempfile::tempdir().unwrap();
        let release = |text: &str| Release::parse(text).unwrap();
        let name = |text: &str| RepositoryName::parse(text).unwrap();
        let package = |path: &str| LockedDeb {
            path: LockedPath::parse(path).unwrap(),
            digest: Digest::of(b"a"),
            size: 7,
            by: "a:amd64=1".into(),
        };
        let deb = DebName::parse("libx-y_1:2.0~rc1-1+b1_amd64").unwrap();
        assert_eq!(
            (deb.name().as_str(), deb.place().as_str()),
            ("libx-y:amd64", "pool/main/libx/libx-y/libx-y_2.0~rc1-1+b1_amd64.deb")
        );
        let other = DebName::parse("a_1_all").unwrap();
        let set = |inputs: &[u8]| LockedDebSet {
            inputs: Digest::of(inputs),
            date: 5,
            packages: BTreeMap::from([
                (deb.clone(), package("pool/x.deb")),
                (other.clone(), package("https://h/a.deb")),
            ]),
        };
        let empty = LockedDebSet { inputs: Digest::of(b"3"), date: 0, packages: BTreeMap::new() };
        let mut lock = LockFile::default();
        lock.debs_mut().insert(release("bookworm"), name("a"), set(b"1"));
        lock.debs_mut().insert(release("bookworm"), name("a"), set(b"2"));
        lock.debs_mut().insert(release("22.04"), name("b"), empty.clone());
        lock.write(root.path()).unwrap();
        let mut read = LockFile::read(root.path()).unwrap();
        assert_eq!(read, lock);
        let (of, inputs) = ((release("bookworm"), name("a")), Digest::of(b"9"));
        assert_eq!(read.debs().set(&of.0, &of.1, &inputs), None);
        assert!(read.debs().nearest(&of.0, &of.1, &inputs).is_some());
        let gone = read.debs_mut().retain(|_, _, inputs| *inputs == Digest::of(b"2"));
        assert_eq!(gone, [(release("22.04"), name("b"), empty)]);
        assert_eq!(read.debs().set(&of.0, &of.1, &Digest::of(b"2")), Some(&set(b"2")));
    }
}
