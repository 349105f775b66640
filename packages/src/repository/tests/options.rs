//! What options change in the metadata.

use super::*;

fn names(dir: &Path) -> Vec<String> {
    snapshot(dir).into_keys().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn repomd(dir: &Path) -> String {
    fs::read_to_string(dir.join("repodata/repomd.xml")).unwrap()
}

#[test]
fn the_metadata_do_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..40 {
        package(&dir.path().join(format!("{}", number % 3)), &format!("tool{number}"));
    }
    let with = |threads| {
        let threads = std::num::NonZero::new(threads);
        index_with(dir.path(), &IndexOptions { threads, ..IndexOptions::default() }).unwrap();
        snapshot(dir.path())
    };
    let one = with(1);
    for threads in [2, 3, 16] {
        assert_eq!(with(threads), one, "{threads} threads");
    }
}

#[test]
fn metadata_are_named_and_compressed_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    fs::write(dir.path().join("comps.xml"), "<comps/>").unwrap();
    for (compression, suffix, start) in [
        (MetadataCompression::Gzip, ".gz", &b"\x1f\x8b"[..]),
        (MetadataCompression::Zstd, ".zst", b"\x28\xb5\x2f\xfd"),
        (MetadataCompression::Xz, ".xz", b"\xfd7zXZ\0"),
        (MetadataCompression::Plain, "", b"<?xml"),
    ] {
        for (checksum, digits) in [(ChecksumKind::Sha256, 64), (ChecksumKind::Sha512, 128)] {
            for unique_names in [false, true] {
                let options = IndexOptions { compression, checksum, unique_names, ..IndexOptions::default() };
                index_with(dir.path(), &options).unwrap();
                let mut expected =
                    vec![format!("comps.xml{suffix}"), "comps.xml".into(), "repomd.xml".into()];
                expected.extend(["primary", "filelists", "other"].map(|name| format!("{name}.xml{suffix}")));
                let mut found: Vec<_> = names(dir.path())
                    .into_iter()
                    .map(|name| match name.split_once('-') {
                        Some((sum, rest)) => {
                            assert!(unique_names && sum.len() == digits, "{name}");
                            rest.to_owned()
                        }
                        None => name,
                    })
                    .collect();
                found.sort();
                expected.sort();
                expected.dedup();
                assert_eq!(found, expected);
                let primary = names(dir.path()).into_iter().find(|name| name.contains("primary")).unwrap();
                assert!(fs::read(dir.path().join(REPODATA).join(&primary)).unwrap().starts_with(start));
                let repomd = repomd(dir.path());
                assert!(repomd.contains(&format!("<location href=\"repodata/{primary}\"/>")), "{repomd}");
                assert!(repomd.contains(&format!("<checksum type=\"{}\">", checksum.as_str())), "{repomd}");
                assert_eq!(repomd.contains("open-checksum"), compression != MetadataCompression::Plain);
            }
        }
    }
    let options = IndexOptions {
        repomd_checksum: Some(ChecksumKind::Sha512),
        compression: MetadataCompression::Plain,
        ..IndexOptions::default()
    };
    index_with(dir.path(), &options).unwrap();
    assert!(repomd(dir.path()).contains("sha512") && !repomd(dir.path()).contains("sha256"));
    let primary = fs::read_to_string(dir.path().join("repodata/primary.xml")).unwrap();
    assert!(primary.contains("<checksum type=\"sha256\" pkgid=\"YES\">"));
}

#[test]
fn locations_and_tags_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    package(&dir.path().join("a/b"), "tool");
    let file = "tool-1.2.3-1.noarch.rpm";
    for (cut, prefix, base, expected) in [
        (0, None, None, format!("<location href=\"a/b/{file}\"/>")),
        (1, None, None, format!("<location href=\"b/{file}\"/>")),
        (9, None, None, format!("<location href=\"{file}\"/>")),
        (2, Some("x/"), None, format!("<location href=\"x/{file}\"/>")),
        (2, Some("/"), None, format!("<location href=\"/{file}\"/>")),
        (0, Some(""), Some(""), format!("<location href=\"a/b/{file}\"/>")),
        (
            0,
            Some("../y"),
            Some("http://h/?a=1&b"),
            format!("<location xml:base=\"http://h/?a=1&amp;b\" href=\"../y/a/b/{file}\"/>"),
        ),
        (0, None, Some("/srv"), format!("<location xml:base=\"file:///srv\" href=\"a/b/{file}\"/>")),
    ] {
        let options = IndexOptions {
            cut_folders: cut,
            location_prefix: prefix.map(str::to_owned),
            base_url: base.map(str::to_owned),
            ..IndexOptions::default()
        };
        index_with(dir.path(), &options).unwrap();
        let primary = metadata(dir.path(), "primary");
        assert!(primary.contains(&expected), "{expected}\n{primary}");
    }
    let text = |text: &str| text.to_owned();
    let tags = RepositoryTags {
        content: vec![text("a"), text("b")],
        repository: vec![text("r")],
        distributions: vec![(Some(text("cpe:/o:x:1")), text("Name & Co")), (None, text("Other"))],
    };
    let options = IndexOptions { tags, revision_name: Some(text("7<8")), ..IndexOptions::default() };
    index_with(dir.path(), &options).unwrap();
    let repomd = repomd(dir.path());
    let expected = "\n  <revision>7&lt;8</revision>\n  <tags>\n    <content>a</content>\n    <content>b</content>\n    \
                    <repo>r</repo>\n    <distro cpeid=\"cpe:/o:x:1\">Name &amp; Co</distro>\n    \
                    <distro>Other</distro>\n  </tags>\n";
    assert!(repomd.contains(expected), "{repomd}");

    // Two packages cannot be at one place.
    package(&dir.path().join("c"), "tool");
    let options = IndexOptions { cut_folders: 2, ..IndexOptions::default() };
    let error = index_with(dir.path(), &options).unwrap_err().to_string();
    assert!(error.contains("another package has the same location"), "{error}");
}

#[test]
fn a_list_names_the_only_packages() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["one", "two", "three"] {
        package(&dir.path().join("a"), name);
    }
    fs::write(dir.path().join("broken.rpm"), "no package").unwrap();
    let path = |name: &str| format!("a/{name}-1.2.3-1.noarch.rpm");
    let index = |only: Vec<String>, exclude: &str, skip_broken| {
        let exclude = vec![exclude.to_owned()];
        let selection =
            PackageSelection { only: Some(only), exclude, skip_broken, ..PackageSelection::default() };
        let options = IndexOptions { selection, ..IndexOptions::default() };
        index_with(dir.path(), &options).map(|index| (index.packages, index.warnings.len()))
    };
    assert_eq!(
        index(vec![path("one"), format!("./{} ", path("two")), String::new()], "three*", false).unwrap(),
        (2, 0)
    );
    assert_eq!(index(vec![], "broken*", false).unwrap(), (0, 0));
    let error = index(vec![path("one"), "../x.rpm".into()], "three*", false).unwrap_err().to_string();
    assert!(error.contains("x.rpm: cannot be part of a package repository: a list names it"), "{error}");
    assert_eq!(index(vec![path("one"), path("four")], "three*", true).unwrap(), (1, 1));
}

#[test]
fn the_metadata_can_go_into_another_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (packages, output) = (dir.path().join("packages"), dir.path().join("new/output"));
    package(&packages, "tool");
    symlink("tool-1.2.3-1.noarch.rpm", packages.join("link.rpm")).unwrap();
    let selection = PackageSelection { skip_links: true, ..PackageSelection::default() };
    let options = IndexOptions { output: Some(output.clone()), selection, ..IndexOptions::default() };
    let index = index_with(&packages, &options).unwrap();
    assert_eq!((index.packages, index.repomd), (1, output.join("repodata/repomd.xml")));
    assert!(!packages.join(REPODATA).exists());
    assert_eq!(fs::read_dir(&output).unwrap().count(), 1);
}

#[test]
fn old_files_about_packages_stay_for_clients_with_an_old_list() {
    let dir = tempfile::tempdir().unwrap();
    let options = IndexOptions { unique_names: true, retain: 2, ..IndexOptions::default() };
    let mut all = Vec::new();
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        package(dir.path(), name);
        index_with(
            dir.path(),
            &IndexOptions { revision: DATE + number as i64, set_file_times: true, ..options.clone() },
        )
        .unwrap();
        let found = names(dir.path())
            .into_iter()
            .find(|name| name.ends_with("primary.xml.gz") && !all.contains(name));
        let primary = found.unwrap();
        let modified = fs::metadata(dir.path().join(REPODATA).join(&primary)).unwrap().modified().unwrap();
        let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(modified, DATE as u64 + number as u64);
        all.push(primary);
    }
    let found = names(dir.path());
    assert_eq!(all.iter().map(|name| found.contains(name)).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(found.len(), 3 * 3 + 1);
    index_with(dir.path(), &IndexOptions { retain: 0, ..options }).unwrap();
    assert_eq!(names(dir.path()).len(), 4);
}

#[test]
fn changelogs_are_cut_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    for (limit, expected) in [(None, 3), (Some(2), 2), (Some(0), 0)] {
        let options = IndexOptions { changelog_entries: limit, ..IndexOptions::default() };
        index_with(dir.path(), &options).unwrap();
        let other = metadata(dir.path(), "other");
        assert_eq!(other.matches("<changelog").count(), expected);
        assert_eq!(other.contains("Third"), expected > 0);
    }
}
