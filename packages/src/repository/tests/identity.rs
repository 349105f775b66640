//! What packages are, and two that are the same.

use super::*;

#[test]
fn a_package_is_identified_by_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let found = identify(&package(dir.path(), "tool")).unwrap();
    assert_eq!((found.to_string().as_str(), found.build_time), ("tool-1.2.3-1.noarch", DATE));
    assert_eq!(PackageIdentity { epoch: 2, ..found }.to_string(), "tool-2:1.2.3-1.noarch");
    let text = dir.path().join("text.rpm");
    fs::write(&text, "text".repeat(100)).unwrap();
    assert!(matches!(identify(&text), Err(Error::Rpm { .. })));
    assert!(matches!(identify(&dir.path().join("none.rpm")), Err(Error::Io(_))));
}

#[test]
fn two_packages_of_one_identity_with_different_content_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    for folder in [&one, &two] {
        package(folder, "tool");
    }
    let unique = IndexOptions { revision: DATE, unique: true, ..IndexOptions::default() };
    // Equal content is one package in two places.
    assert_eq!(index_with(dir.path(), &unique).unwrap().warnings, Vec::<String>::new());

    let other: crate::RpmDefinition = serde_saphyr::from_str(
        "{name: tool, version: 1.2.3, release: '1', arch: noarch, summary: other, license: MIT}",
    )
    .unwrap();
    let second = crate::build(&other, &two, DATE, &two).unwrap().path;
    let first = one.join(second.file_name().unwrap());
    let expected = format!(
        "two packages tool-1.2.3-1.noarch with different content: {} and {}",
        first.display(),
        second.display()
    );
    let before = snapshot(dir.path());
    assert_eq!(index_with(dir.path(), &unique).unwrap_err().to_string(), expected);
    assert_eq!(snapshot(dir.path()), before);
    let tolerant = IndexOptions { unique: false, ..unique };
    let index = index_with(dir.path(), &tolerant).unwrap();
    assert_eq!((index.packages, index.warnings), (2, vec![expected]));
}
