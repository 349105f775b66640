//! Packages that clients cannot find: dnf and apt read the metadata of a repository and never list its folder.

use std::collections::{BTreeMap, HashSet};

use content::printable;
use packages::PackageFormat;

use crate::layout::{self, PathOwner};
use crate::tree::{EntryKind, TreeEntry};

/// The most repositories that are named: a forged archive has as many as its maker likes.
const NAMED_MAX: usize = 1000;
/// What makes a folder an RPM repository.
const REPOMD: &str = "/repodata/repomd.xml";
/// The folder that it lies in.
const REPODATA: &str = "/repodata";
/// The folder of the suites of a repository of Debian packages.
const DISTS: &str = "/dists";

/// Packages of a repository that no metadata cover.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnindexedPackages {
    /// The folder of the repository in the archive: `packages/redhat/8/sealift-scality-el8`.
    pub folder: String,
    /// The format of the packages.
    pub format: PackageFormat,
    /// How many packages there are.
    pub packages: u64,
    /// The path of one of them.
    pub example: String,
}

impl std::fmt::Display for UnindexedPackages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, lacks, client) = match self.format {
            PackageFormat::Rpm => ("RPM", "no repodata/repomd.xml", "dnf"),
            PackageFormat::Deb => ("DEB", "no Packages file", "apt"),
        };
        let (s, them) = if self.packages == 1 { ("", "it") } else { ("s", "them") };
        write!(
            f,
            "{}: {} {kind} package{s} without metadata ({lacks}): {client} cannot find {them}",
            printable(&self.folder),
            self.packages
        )
    }
}

impl UnindexedPackages {
    /// What the maker of the archive should do, if the packages come from the folder `source`.
    #[must_use]
    pub fn remedy(&self, source: &str) -> String {
        let source = printable(source);
        format!("run `sealift package index {source}` before the archive is built")
    }
}

/// The packages below `packages/` that no metadata cover, by repository. `files` are the paths of the files of an archive,
/// `links` those of what may lead to a folder. The metadata of a folder cover all below it. At most 1000 repositories are named.
pub fn unindexed<'a, F, L>(files: F, links: L) -> Vec<UnindexedPackages>
where
    F: Iterator<Item = &'a str> + Clone,
    L: Iterator<Item = &'a str> + Clone,
{
    let below = |path: &&str| path.strip_prefix(layout::PACKAGES).is_some_and(|rest| rest.starts_with('/'));
    let mut indexed: HashSet<(PackageFormat, &str)> = HashSet::new();
    indexed.extend(files.clone().filter(below).filter_map(index_of));
    // The folder of the metadata may be a symbolic link.
    let folder = |path: &'a str| {
        let of = |end, format| Some((format, path.strip_suffix(end)?));
        of(REPODATA, PackageFormat::Rpm).or_else(|| of(DISTS, PackageFormat::Deb))
    };
    indexed.extend(links.clone().filter(below).filter_map(|path| folder(path).or_else(|| index_of(path))));
    let mut found: BTreeMap<(String, PackageFormat), UnindexedPackages> = BTreeMap::new();
    for path in files.chain(links).filter(below) {
        let Some(format) = PackageFormat::of(path) else { continue };
        let mut folders = path.match_indices('/').map(|(end, _)| path.get(..end).unwrap_or_default());
        if folders.any(|folder| indexed.contains(&(format, folder))) {
            continue;
        }
        let PathOwner::Package { repository, .. } = layout::owner(path) else { continue };
        let slash = if repository.is_empty() { "" } else { "/" };
        let folder = format!("{}{slash}{repository}", layout::PACKAGES);
        let full = found.len() == NAMED_MAX;
        let key = (folder, format);
        if full && !found.contains_key(&key) {
            continue;
        }
        let folder = key.0.clone();
        let new = || UnindexedPackages { folder, format, packages: 0, example: path.to_owned() };
        found.entry(key).or_insert_with(new).packages += 1;
    }
    found.into_values().collect()
}

/// [`unindexed`] of what a walk over an archive listed.
#[must_use]
pub fn unindexed_of(entries: &[(String, TreeEntry)]) -> Vec<UnindexedPackages> {
    let paths = |wanted: fn(&EntryKind) -> bool| {
        entries.iter().filter(move |(_, entry)| wanted(&entry.kind)).map(|(path, _)| path.as_str())
    };
    unindexed(paths(|kind| *kind == EntryKind::File), paths(|kind| matches!(kind, EntryKind::Symlink(_))))
}

/// The folder whose packages a file of metadata covers.
fn index_of(path: &str) -> Option<(PackageFormat, &str)> {
    if let Some(folder) = path.strip_suffix(REPOMD) {
        return Some((PackageFormat::Rpm, folder));
    }
    let (folder, name) = path.rsplit_once('/')?;
    let is_index = name == "Packages" || name.starts_with("Packages.");
    let folder = folder.split_once("/dists/").map_or(folder, |(root, _)| root);
    is_index.then_some((PackageFormat::Deb, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Vec<(String, PackageFormat, u64)> {
        found_with(paths, &[])
    }

    fn found_with(files: &[&str], links: &[&str]) -> Vec<(String, PackageFormat, u64)> {
        let found = unindexed(files.iter().copied(), links.iter().copied());
        found.into_iter().map(|one| (one.folder, one.format, one.packages)).collect()
    }

    #[test]
    fn packages_are_found_only_where_their_repository_has_metadata() {
        let rpm = "packages/redhat/8/site-base-el8/x86_64/a-1-1.x86_64.rpm";
        let beside = "packages/redhat/8/site-base-el8/b-1-1.noarch.rpm";
        let deb = "packages/debian/12/pool/a_1_amd64.deb";
        let base = || "packages/redhat/8/site-base-el8".to_owned();
        assert_eq!(found(&[rpm, beside, "product.txt"]), [(base(), PackageFormat::Rpm, 2)]);
        assert_eq!(found(&[deb]), [("packages/debian/12/pool".to_owned(), PackageFormat::Deb, 1)]);
        assert_eq!(found(&["packages/a.rpm"]), [("packages".to_owned(), PackageFormat::Rpm, 1)]);
        for metadata in
            ["packages/redhat/8/site-base-el8/repodata/repomd.xml", "packages/redhat/8/repodata/repomd.xml"]
        {
            assert_eq!(found(&[rpm, metadata]), [], "{metadata}");
            assert_eq!(found_with(&[rpm], &[metadata]), [], "{metadata}");
        }
        // A link leads to a folder, a file does not.
        let folder = "packages/redhat/8/site-base-el8/repodata";
        assert_eq!(found_with(&[rpm], &[folder]), []);
        assert_eq!(found(&[rpm, folder]), [(base(), PackageFormat::Rpm, 1)]);
        assert_eq!(found_with(&[], &[rpm]), [(base(), PackageFormat::Rpm, 1)]);
        for metadata in [
            "packages/debian/12/dists/stable/main/binary-amd64/Packages.gz",
            "packages/debian/12/pool/Packages",
            "packages/debian/12/Packages.xz",
        ] {
            assert_eq!(found(&[deb, metadata]), [], "{metadata}");
        }
        // Metadata of something else.
        for metadata in [
            "packages/redhat/8/other-el8/repodata/repomd.xml",
            "packages/redhat/8/site-base-el8/repodata/primary.xml.gz",
            "packages/redhat/8/site-base-el8/Packages",
            "packages/redhat/8/site-base-el8/x86_64/sub/repodata/repomd.xml",
        ] {
            assert_eq!(found(&[rpm, metadata]), [(base(), PackageFormat::Rpm, 1)], "{metadata}");
        }
        // Elsewhere packages are files like others.
        assert_eq!(found(&["operator/a.rpm", "packages.rpm", "salt/b.deb"]), []);
    }

    #[test]
    fn a_forged_archive_has_no_more_repositories_than_are_named() {
        let paths: Vec<String> = (0..NAMED_MAX + 5).map(|n| format!("packages/redhat/8/{n}/a.rpm")).collect();
        assert_eq!(unindexed(paths.iter().map(String::as_str), std::iter::empty()).len(), NAMED_MAX);
    }
}
