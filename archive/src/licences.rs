//! The licences of the packages of an archive.

use std::collections::BTreeMap;

use ::packages::metadata::{Pool, Repository};

use crate::closure::Source;

/// The licences of the RPMs in `source` by the names of their files without extension, as its metadata state them. Empty for a
/// repository of Debian packages, whose metadata have no licences. A package whose licence is unknown is not listed.
///
/// # Errors
///
/// The metadata cannot be read, or are not those that `repomd.xml` names.
pub fn of_packages(source: &Source<'_>) -> ::packages::Result<BTreeMap<String, String>> {
    let mut pool = Pool::new();
    let repository = pool.add_repository(Repository::new(source.folder.clone()));
    if pool.read_repository_files(repository, source)?.is_none() {
        return Ok(BTreeMap::new());
    }
    let licence = |package: &::packages::metadata::Package| {
        let name = pool.text(package.location).rsplit('/').next()?.strip_suffix(".rpm")?;
        let licence = pool.text(package.license);
        (!licence.is_empty()).then(|| (name.to_owned(), licence.to_owned()))
    };
    Ok(pool.packages().filter_map(|(_, package)| licence(package)).collect())
}

#[cfg(test)]
mod tests {
    use content::Digest;

    use super::*;
    use crate::Tree;
    use crate::fixture::put;

    #[test]
    fn licences_are_those_of_the_metadata() {
        let folder = tempfile::tempdir().unwrap();
        let package = |name: &str, licence: &str, digit: &str| {
            format!(
                "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch><version epoch=\"0\" ver=\"1\" rel=\"2\"/>\
                 <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><location href=\"noarch/{name}-1-2.noarch.rpm\"/>\
                 <format>{licence}</format></package>",
                digit.repeat(64)
            )
        };
        let packages = package("a", "<rpm:license>GPL-2.0-or-later &amp; MIT</rpm:license>", "a")
            + &package("b", "", "b");
        let primary = format!(
            "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">{packages}</metadata>"
        );
        let repomd = format!(
            "<repomd><data type=\"primary\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/primary.xml\"/></data></repomd>",
            Digest::of(primary.as_bytes()).hex()
        );
        put(folder.path(), "packages/redhat/8/a/repodata/primary.xml", primary.as_bytes());
        put(folder.path(), "packages/redhat/8/a/repodata/repomd.xml", repomd.as_bytes());
        let tree = Tree::open(folder.path()).unwrap();
        let source = |folder: &str| Source { tree: &tree, folder: folder.to_owned() };
        let found = of_packages(&source("packages/redhat/8/a")).unwrap();
        let expected = BTreeMap::from([("a-1-2.noarch".to_owned(), "GPL-2.0-or-later & MIT".to_owned())]);
        assert_eq!(found, expected);
        assert_eq!(of_packages(&source("packages/debian/12/a")).unwrap(), BTreeMap::new());
        put(folder.path(), "packages/redhat/8/a/repodata/primary.xml", b"<metadata/>");
        assert!(of_packages(&source("packages/redhat/8/a")).is_err());
    }
}
