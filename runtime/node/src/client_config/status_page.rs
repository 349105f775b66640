//! The files for package managers that the status page of a server shows.

use std::collections::BTreeSet;
use std::path::Path;

use server::{PackageFile, PackageFiles};

use super::error::Error;
use super::node::NodeAddress;
use super::packages::{ArchivePackages, KeyLocation, PackageSource, apt, dnf};

/// Writes the files of `repository dnf-config` and `repository apt-config` for the status page, one for each release of the
/// distribution.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusPackageFiles;

impl PackageFiles for StatusPackageFiles {
    fn files(&self, archive: &Path, node: &str) -> Result<Vec<PackageFile>, String> {
        files(archive, node).map_err(|error| error.to_string())
    }
}

fn files(archive: &Path, node: &str) -> Result<Vec<PackageFile>, Error> {
    let packages = [ArchivePackages::of(archive)?];
    let nodes: [NodeAddress; 1] = [node.parse()?];
    let [archive] = &packages;
    let mut found = Vec::new();
    let mut add = |manager, release: Option<&str>, files: Vec<super::ClientConfigFile>| {
        let release = release.map(str::to_owned);
        let file = |file: super::ClientConfigFile| PackageFile {
            manager,
            release: release.clone(),
            content: file.content,
        };
        found.extend(files.into_iter().map(file));
    };
    // Repositories of no release are in the file of every release.
    let each = |releases: BTreeSet<&'_ str>, is_any: bool| -> Vec<Option<String>> {
        match releases.len() {
            0 if !is_any => Vec::new(),
            0 => vec![None],
            _ => releases.into_iter().map(|release| Some(release.to_owned())).collect(),
        }
    };
    for release in each(archive.releases(), archive.has_rpm()) {
        let release = release.as_deref();
        let source = PackageSource::Nodes(&nodes);
        add("dnf", release, dnf(&packages, source, KeyLocation::AtNode, release, None)?);
    }
    for release in each(archive.deb_releases(), archive.has_deb()) {
        let release = release.as_deref();
        add("apt", release, apt(&packages, &nodes, KeyLocation::AtNode, release, None)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_a_file_for_its_package_manager() {
        type Expected = (&'static str, Option<&'static str>, &'static str);
        let cases: [(&[&str], &[Expected]); 4] = [
            (&[], &[]),
            (
                &["packages/redhat/8/site-base-el8/repodata/repomd.xml"],
                &[("dnf", Some("8"), "baseurl=http://node:80/site-1.0/redhat/8/base-el8\n")],
            ),
            (
                &["packages/other/plain/repodata/repomd.xml"],
                &[("dnf", None, "baseurl=http://node:80/site-1.0/other/plain\n")],
            ),
            (
                &[
                    "packages/redhat/8/plain/repodata/repomd.xml",
                    "packages/redhat/9/plain/repodata/repomd.xml",
                    "packages/debian/dists/stable/Release",
                ],
                &[
                    ("dnf", Some("8"), "baseurl=http://node:80/site-1.0/redhat/8/plain\n"),
                    ("dnf", Some("9"), "baseurl=http://node:80/site-1.0/redhat/9/plain\n"),
                    ("apt", None, "URIs: http://node:80/site-1.0/debian\n"),
                ],
            ),
        ];
        for (paths, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            for path in paths.iter().chain(&["product.txt"]) {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let release = path.ends_with("Release").then_some("Components: main\n");
                std::fs::write(path, release.unwrap_or("NAME=Site\nVERSION=1.0\n")).unwrap();
            }
            let found = StatusPackageFiles.files(folder.path(), "http://node:80").unwrap();
            assert_eq!(found.len(), expected.len(), "{paths:?}");
            for (file, (manager, release, line)) in found.iter().zip(expected) {
                assert_eq!((file.manager, file.release.as_deref()), (*manager, *release));
                assert!(file.content.contains(line), "{}", file.content);
            }
        }
        let error = StatusPackageFiles.files(Path::new("/missing"), "http://node:80").unwrap_err();
        assert!(!error.contains('\n') && error.contains("/missing"), "{error}");
    }
}
