//! What differs between two archives: by image and package, for which only folders and manifests are read, and file by file.

mod files;
mod promotion;
mod sboms;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

pub use files::{Comparing, Comparison, FileDifference, FileState, Sameness};
pub use promotion::{OtherDifference, VersionComparison, compare_promotion};
pub use sboms::ImagePackageDifference;

use crate::inspect::Inspection;

/// The images and packages that differ between two archives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveDiff {
    /// The images that differ, by name.
    pub images: Vec<ImageDifference>,
    /// The packages that differ, by repository, name and architecture.
    pub packages: Vec<PackageDifference>,
}

/// An image that differs: another tag, or another digest for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDifference {
    /// The name below `images/`.
    pub name: String,
    /// Its tags in the first archive that the other one does not have with this digest.
    pub former: Vec<TaggedDigest>,
    /// Its tags in the second archive that the other one does not have with this digest.
    pub new: Vec<TaggedDigest>,
}

/// A tag and its digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaggedDigest {
    /// The tag.
    pub tag: String,
    /// The digest of its manifest; `None` if that cannot be read.
    pub digest: Option<String>,
}

/// A package that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageDifference {
    /// The folder of the repository below `packages/`.
    pub repository: String,
    /// The name.
    pub name: String,
    /// The architecture; empty if the name of the file has none.
    pub arch: String,
    /// Its versions with releases that only the first archive has.
    pub former: Vec<String>,
    /// Its versions with releases that only the second archive has.
    pub new: Vec<String>,
}

/// How a package differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageChange {
    /// Only the second archive has it.
    Added,
    /// Only the first archive has it.
    Removed,
    /// A higher version.
    Upgraded,
    /// A lower version.
    Downgraded,
    /// Other versions: several, or of a Debian package in a repository.
    Changed,
}

impl PackageDifference {
    /// How the package differs.
    #[must_use]
    pub fn change(&self) -> PackageChange {
        match (&self.former[..], &self.new[..]) {
            ([], _) => PackageChange::Added,
            (_, []) => PackageChange::Removed,
            ([former], [new]) if self.repository.starts_with("redhat/") => match compare(former, new) {
                Ordering::Less => PackageChange::Upgraded,
                Ordering::Greater => PackageChange::Downgraded,
                Ordering::Equal => PackageChange::Changed,
            },
            _ => PackageChange::Changed,
        }
    }
}

/// Compares two versions with releases as rpm does. The name of a file has no epoch.
fn compare(one: &str, other: &str) -> Ordering {
    let parts = |text| str::rsplit_once(text, '-').unwrap_or((text, ""));
    let ((version, release), (other_version, other_release)) = (parts(one), parts(other));
    packages::version::compare(version, other_version)
        .then_with(|| packages::version::compare(release, other_release))
}

/// What differs between two archives.
#[must_use]
pub fn diff(former: &Inspection, new: &Inspection) -> ArchiveDiff {
    let images = differing(images(former), images(new));
    let packages = differing(packages(former), packages(new));
    ArchiveDiff {
        images: images.into_iter().map(|(name, former, new)| ImageDifference { name, former, new }).collect(),
        packages: packages
            .into_iter()
            .map(|((repository, name, arch), former, new)| PackageDifference {
                repository,
                name,
                arch,
                former,
                new,
            })
            .collect(),
    }
}

/// The keys whose sets differ, each with what only one of the two has.
fn differing<K: Ord + Clone, V: Ord + Clone>(
    former: BTreeMap<K, BTreeSet<V>>,
    new: BTreeMap<K, BTreeSet<V>>,
) -> Vec<(K, Vec<V>, Vec<V>)> {
    let keys: BTreeSet<&K> = former.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    keys.into_iter()
        .filter_map(|key| {
            let (before, after) = (former.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
            let gone: Vec<V> = before.difference(after).cloned().collect();
            let come: Vec<V> = after.difference(before).cloned().collect();
            (!gone.is_empty() || !come.is_empty()).then(|| (key.clone(), gone, come))
        })
        .collect()
}

fn images(archive: &Inspection) -> BTreeMap<String, BTreeSet<TaggedDigest>> {
    let mut found: BTreeMap<String, BTreeSet<TaggedDigest>> = BTreeMap::new();
    for image in &archive.images {
        let tagged = TaggedDigest { tag: image.tag.clone(), digest: image.digest.clone() };
        found.entry(image.name.clone()).or_default().insert(tagged);
    }
    found
}

fn packages(archive: &Inspection) -> BTreeMap<(String, String, String), BTreeSet<String>> {
    let mut found: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    for repository in &archive.repositories {
        for file in &repository.packages {
            let (name, version, arch) = package_parts(file);
            let key = (repository.folder.clone(), name.to_owned(), arch.to_owned());
            found.entry(key).or_default().insert(version.to_owned());
        }
    }
    found
}

/// The name, the version with the release, and the architecture in the name of a file without its extension:
/// `NAME-VERSION-RELEASE.ARCH` of an RPM, `NAME_VERSION_ARCH` of a Debian package.
#[must_use]
pub fn package_parts(file: &str) -> (&str, &str, &str) {
    let debian = || {
        let (name, rest) = file.split_once('_')?;
        let (version, arch) = rest.rsplit_once('_')?;
        Some((name, version, arch))
    };
    let rpm = || {
        let (rest, arch) = file.rsplit_once('.')?;
        let (name, _) = rest.rsplit_once('-')?.0.rsplit_once('-')?;
        Some((name, rest.get(name.len() + 1..)?, arch))
    };
    // The release of an RPM may have an underscore, and a Debian version a hyphen.
    let looks_like_rpm = file.rsplit_once('.').is_some_and(|(rest, arch)| {
        rest.matches('-').count() >= 2
            && arch.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    let is_debian = file.matches('_').count() == 2 && !file.ends_with("x86_64");
    match (looks_like_rpm && !is_debian, is_debian) {
        (true, _) => rpm(),
        (_, true) => debian(),
        _ => None,
    }
    .unwrap_or((file, "", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{LAYER, image, sample};
    use crate::inspect;

    #[test]
    fn images_and_packages_that_differ_are_listed() {
        let (former, new) = (sample(), sample());
        let digest = image(new.path(), "other", "2", b"{}", LAYER).to_string();
        let repository = new.path().join("packages/redhat/8/sample-scality-el8/x86_64");
        std::fs::rename(repository.join("app-1-1.x86_64.rpm"), repository.join("app-1-2.x86_64.rpm"))
            .unwrap();
        let of = |folder: &tempfile::TempDir| inspect(folder.path()).unwrap();
        let found = diff(&of(&former), &of(&new));
        let other = TaggedDigest { tag: "2".into(), digest: Some(digest) };
        assert_eq!(
            found.images,
            [ImageDifference { name: "other".into(), former: vec![], new: vec![other] }]
        );
        let package = PackageDifference {
            repository: "redhat/8/sample-scality-el8".into(),
            name: "app".into(),
            arch: "x86_64".into(),
            former: vec!["1-1".into()],
            new: vec!["1-2".into()],
        };
        assert_eq!(found.packages, [package]);
        assert_eq!(diff(&of(&new), &of(&new)), ArchiveDiff::default());
    }

    #[test]
    fn a_package_goes_up_or_down() {
        for (repository, former, new, expected) in [
            ("redhat/8/a", &["1.9-1.el8"][..], &["1.10-1.el8"][..], PackageChange::Upgraded),
            ("redhat/8/a", &["1-10.el8"], &["1-9.el8"], PackageChange::Downgraded),
            ("redhat/8/a", &[], &["1-1"], PackageChange::Added),
            ("redhat/8/a", &["1-1"], &[], PackageChange::Removed),
            ("redhat/8/a", &["1-1"], &["1-2", "1-3"], PackageChange::Changed),
            ("debian/12/a", &["1-1"], &["1-2"], PackageChange::Changed),
        ] {
            let list = |versions: &[&str]| versions.iter().map(ToString::to_string).collect();
            let package = PackageDifference {
                repository: repository.into(),
                name: "a".into(),
                arch: "noarch".into(),
                former: list(former),
                new: list(new),
            };
            assert_eq!(package.change(), expected, "{package:?}");
        }
    }

    #[test]
    fn names_of_packages_have_parts() {
        for (file, expected) in [
            ("salt-minion-3002.9-1.el8.noarch", ("salt-minion", "3002.9-1.el8", "noarch")),
            ("python3-3.6.8-51.el8_8.x86_64", ("python3", "3.6.8-51.el8_8", "x86_64")),
            ("kernel-4.18.0-425_3.el8_7.x86_64", ("kernel", "4.18.0-425_3.el8_7", "x86_64")),
            ("libc6_2.36-9+deb12u3_amd64", ("libc6", "2.36-9+deb12u3", "amd64")),
            ("odd", ("odd", "", "")),
        ] {
            assert_eq!(package_parts(file), expected, "{file}");
        }
    }
}
