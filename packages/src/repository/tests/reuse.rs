//! Entries that are taken over from existing metadata.

use std::time::{Duration, SystemTime};

use super::*;

fn touch(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

fn update() -> IndexOptions {
    IndexOptions { revision: DATE, reuse: Some(Reuse::default()), ..IndexOptions::default() }
}

/// How many packages were read, and how many there are.
fn count(dir: &Path, options: &IndexOptions) -> (usize, usize) {
    let index = index_with(dir, options).unwrap();
    assert_eq!(index.warnings, [""; 0]);
    (index.read.len(), index.packages)
}

#[test]
fn packages_that_did_not_change_are_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a", "b", "c & d"].map(|name| package(&dir.path().join(name), "tool"));
    paths.iter().for_each(|path| touch(path, 1000));
    assert_eq!(count(dir.path(), &update()), (3, 3));
    let first = snapshot(dir.path());
    assert!(metadata(dir.path(), "primary").contains("<time file=\"1000\" build=\"1700000000\"/>"));
    for compression in [MetadataCompression::Plain, MetadataCompression::Gzip] {
        assert_eq!(count(dir.path(), &IndexOptions { compression, ..update() }), (0, 3));
    }
    assert_eq!(snapshot(dir.path()), first, "as if all were read");

    // One is newer, one is gone, one is new, and one is at another place.
    touch(&paths[0], 1001);
    fs::remove_file(&paths[1]).unwrap();
    touch(&package(dir.path(), "other"), 1000);
    assert_eq!(count(dir.path(), &update()), (2, 3));
    let updated = snapshot(dir.path());
    fs::remove_dir_all(dir.path().join(REPODATA)).unwrap();
    assert_eq!(count(dir.path(), &update()), (3, 3));
    assert_eq!(snapshot(dir.path()), updated);

    // Locations are those of now, and other checksums are computed.
    let elsewhere = IndexOptions { base_url: Some("http://h/".into()), ..update() };
    assert_eq!(count(dir.path(), &elsewhere), (0, 3));
    assert_eq!(metadata(dir.path(), "primary").matches("xml:base=\"http://h/\"").count(), 3);
    assert_eq!(count(dir.path(), &update()), (0, 3));
    assert_eq!(snapshot(dir.path()), updated);
    let stronger = IndexOptions { checksum: ChecksumKind::Sha512, ..update() };
    assert_eq!(count(dir.path(), &stronger), (3, 3));
    assert_eq!(count(dir.path(), &stronger), (0, 3));
}

#[test]
fn other_repositories_and_bare_locations_can_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    package(&one, "tool");
    // Metadata with the time of the build do not tell whether a file changed.
    index(&one, DATE).unwrap();
    assert_eq!(count(&one, &update()), (1, 1));
    let bare = Reuse { by_location_only: true, ..Reuse::default() };
    index(&one, DATE).unwrap();
    assert_eq!(count(&one, &IndexOptions { reuse: Some(bare), ..update() }), (0, 1));

    index_with(&one, &update()).unwrap();
    fs::create_dir(&two).unwrap();
    for entry in fs::read_dir(&one).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        fs::hard_link(&entry, two.join(entry.file_name().unwrap())).unwrap();
    }
    package(&two, "more");
    let also = Reuse { also: vec![one.clone()], ..Reuse::default() };
    assert_eq!(count(&two, &IndexOptions { reuse: Some(also), ..update() }), (1, 2));
    package(&two, "third");
    let same = Reuse { same_packages: true, ..Reuse::default() };
    assert_eq!(count(&two, &IndexOptions { reuse: Some(same), ..update() }), (0, 2));

    let none = Reuse { also: vec![dir.path().to_owned()], ..Reuse::default() };
    let index = index_with(&two, &IndexOptions { reuse: Some(none), ..update() }).unwrap();
    assert_eq!(index.warnings, [format!("{}: it has no metadata", dir.path().display())]);
}

#[test]
fn metadata_that_cannot_be_trusted_are_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    let plain = IndexOptions { compression: MetadataCompression::Plain, ..update() };
    index_with(dir.path(), &plain).unwrap();
    let repodata = dir.path().join(REPODATA);
    let good = snapshot(dir.path());
    let primary = String::from_utf8(good[&repodata.join("primary.xml")].clone()).unwrap();
    let repomd = String::from_utf8(good[&repodata.join("repomd.xml")].clone()).unwrap();
    let unchecked = repomd.replace("checksum", "unchecked");
    let namespace = "xmlns=\"http://linux.duke.edu/metadata/common\"";
    for (repomd, primary, expected) in [
        (repomd.as_str(), primary.replace("tool", "fool"), "the checksum sha256:"),
        ("<repomd/>", primary.clone(), "a file primary, found none"),
        (&unchecked, primary.replace(namespace, ""), "the element metadata with its namespaces"),
        (
            &unchecked,
            primary.replace("<format>", "<format xmlns:x=\"y\">"),
            "the namespaces of the first element",
        ),
        (&unchecked, primary.replace("<format>", "<format><x:y/>"), "elements of packages, found x:y"),
        (&unchecked, primary.replace("<arch>", "<arch>&who;"), "entities of XML itself, found who"),
        (&unchecked, primary.replace("<metadata", "<!DOCTYPE x><metadata"), "no document type"),
        (&unchecked, primary.replace("</format>", ""), "well-formed XML"),
        (&unchecked, primary.replace("</metadata>", ""), "the end of all elements"),
        (&unchecked, primary.replace("<location", "<place"), "a location of each package"),
    ] {
        fs::write(repodata.join("primary.xml"), primary).unwrap();
        fs::write(repodata.join("repomd.xml"), repomd).unwrap();
        let index = index_with(dir.path(), &plain).unwrap();
        assert!(
            index.warnings.len() == 1 && index.warnings[0].contains(expected),
            "{expected}: {:?}",
            index.warnings
        );
        assert_eq!(index.read.len(), 1);
        assert_eq!(snapshot(dir.path()), good);
    }
}
