//! The registry tree against the images.

use images::original_names::OriginalNamesFile;

use super::*;

/// Replaces the original names of the images.
fn names(root: &Path, entries: &[(&str, &str)]) {
    let mut file = OriginalNamesFile::open(&root.join("images")).expect("opened");
    file.names.retain(|_| false);
    for (place, reference) in entries {
        file.names.insert(&place.parse().expect("a place"), &reference.parse().expect("a reference"));
    }
    file.save().expect("saved");
}

#[test]
fn the_registry_tree_is_held_to_the_images() {
    type Change = fn(&Path);
    fn link(root: &Path, path: &str, target: &str) {
        let path = root.join(path);
        fs::remove_file(&path).ok();
        std::os::unix::fs::symlink(target, path).expect("a link");
    }
    fn referrers(root: &Path) -> std::path::PathBuf {
        let folder = root.join("registry/v2/library/app/referrers/sha256");
        fs::read_dir(folder).expect("listed").next().expect("a list").expect("listed").path()
    }
    fn digest_of(root: &Path, tag: &str) -> String {
        Digest::of(&fs::read(root.join(format!("images/library/app/{tag}/manifest.json"))).expect("read"))
            .hex()
    }
    let cases: [(&str, Change, &str); 15] = [
        (
            "a tag is rolled back",
            |root| {
                let older =
                    Digest::of(&fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read"));
                link(root, "registry/v2/library/app/manifests/2.0", &format!("sha256/{}", older.hex()));
            },
            "registry/v2/library/app/manifests/2.0: does not match images/: it leads to `sha256/",
        ),
        (
            "a tag is taken away",
            |root| {
                fs::remove_file(root.join("registry/v2/library/app/manifests/1.0")).expect("removed");
            },
            "registry/v2/library/app/manifests/1.0: does not match images/: the link to `sha256/",
        ),
        (
            "a tag comes",
            |root| {
                let digest =
                    Digest::of(&fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read"));
                link(root, "registry/v2/library/app/manifests/3.0", &format!("sha256/{}", digest.hex()));
            },
            "registry/v2/library/app/manifests/3.0: does not match images/: no image has it",
        ),
        (
            "a name comes",
            |root| put(root, "registry/v2/evil/tags/list", b"{}"),
            "registry/v2/evil/tags/list: does not match images/: no image has it",
        ),
        (
            "a list of tags is another",
            |root| put(root, "registry/v2/library/app/tags/list", b"{}"),
            "registry/v2/library/app/tags/list: damaged",
        ),
        (
            "a list of referrers is another",
            |root| fs::write(referrers(root), "{}").expect("written"),
            "registry/v2/library/app/referrers/sha256/",
        ),
        (
            "a blob is missing",
            |root| {
                fs::remove_file(root.join("registry/blobs/sha256").join(Digest::of(LAYER).hex()))
                    .expect("removed");
            },
            "does not match images/: it is missing",
        ),
        (
            "a blob is another",
            |root| {
                let path = root.join("registry/blobs/sha256").join(Digest::of(LAYER).hex());
                fs::remove_file(&path).expect("removed");
                fs::write(path, "another").expect("written");
            },
            &format!("registry/blobs/sha256/{}: damaged", Digest::of(LAYER).hex()),
        ),
        (
            "an original tag is another image",
            |root| {
                let older =
                    Digest::of(&fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read"));
                let path = "registry/hosts/quay.io/team/app/_manifests/2";
                link(root, path, &format!("sha256/{}", older.hex()));
            },
            "registry/hosts/quay.io/team/app/_manifests/2: does not match images/: it leads to `sha256/",
        ),
        (
            "an original tag comes",
            |root| {
                let older = digest_of(root, "1.0");
                link(root, "registry/hosts/quay.io/team/app/_manifests/1", &format!("sha256/{older}"));
            },
            "registry/hosts/quay.io/team/app/_manifests/1: does not match images/: no image has it",
        ),
        (
            "a host comes",
            |root| {
                put(root, "registry/hosts/ghcr.io/x/_tags/list", b"{}");
            },
            "registry/hosts/ghcr.io/x/_tags/list: does not match images/: no image has it",
        ),
        (
            "a host is taken away",
            |root| fs::remove_dir_all(root.join("registry/hosts/quay.io")).expect("removed"),
            "registry/hosts/quay.io/team/app/_tags/list: does not match images/: it is missing",
        ),
        (
            "an original name comes",
            |root| {
                names(root, &[("library/app:1.0", "ghcr.io/x:1"), ("library/app:2.0", "quay.io/team/app:2")])
            },
            "registry/hosts/ghcr.io/x/_manifests/1: does not match images/: the link to `sha256/",
        ),
        (
            "an original name is given to two images",
            |root| names(root, &[("library/app:1.0", "x:1"), ("library/app:2.0", "x:1")]),
            "images/original-names.json: invalid: `docker.io/library/x:1` names two images",
        ),
        (
            "the original names are not JSON",
            |root| fs::write(root.join("images/original-names.json"), "{").expect("written"),
            "images/original-names.json: invalid: invalid JSON: ",
        ),
    ];
    for (what, change, expected) in cases {
        let folder = sample();
        let root = folder.path();
        image(root, "library/app", "2.0", b"{\"os\":\"linux\"}", b"a newer layer");
        sign(root);
        names(
            root,
            &[
                ("library/app:2.0", "quay.io/team/app:2"),
                ("library/app:sha256-sig", "quay.io/team/app:sha256-sig"),
            ],
        );
        index(root);
        assert_ne!(digest_of(root, "1.0"), digest_of(root, "2.0"));
        let report = check(root);
        assert_eq!((findings(&report), report.verdict()), (Vec::new(), Verdict::Intact), "before");
        change(root);
        // Whoever can change the archive can make its lists agree.
        crate::sums::write(root, &crate::sums::digest_file).expect("written");
        for path in [root, iso_of(root).path()] {
            let report = check(path);
            let found = findings(&report).join("\n");
            assert!(!report.ok() && found.contains(expected), "{what}: {found}");
        }
    }
}

#[test]
fn the_registry_tree_of_an_image_that_is_damaged_is_passed_over() {
    let folder = sample();
    index(folder.path());
    fs::remove_file(folder.path().join("images/library/app/1.0").join(Digest::of(LAYER).hex()))
        .expect("removed");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let found = findings(&check(folder.path()));
    assert!(found.len() == 1 && found[0].contains("incomplete: blob sha256:"), "{found:?}");
}

#[test]
fn an_original_repository_of_a_damaged_image_is_passed_over_and_others_are_not() {
    let folder = sample();
    let root = folder.path();
    image(root, "other", "1", b"{\"os\":\"linux\"}", b"another layer");
    let app = ("library/app:1.0", "quay.io/app:1");
    names(root, &[app, ("other:1", "quay.io/other:1"), ("gone:1", "quay.io/gone:1")]);
    index(root);
    fs::remove_file(root.join("images/library/app/1.0").join(Digest::of(LAYER).hex())).expect("removed");
    fs::remove_file(root.join("registry/hosts/quay.io/other/_manifests/1")).expect("removed");
    crate::sums::write(root, &crate::sums::digest_file).expect("written");
    let found = findings(&check(root));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|found| found.contains("incomplete: blob sha256:")), "{found:?}");
    assert!(found.iter().any(|found| found.starts_with("registry/hosts/quay.io/other/")), "{found:?}");
}

#[test]
fn a_signature_in_two_repositories_is_listed_in_both() {
    let folder = sample();
    let root = folder.path();
    sign(root);
    let copy = root.join("images/library/app/sha256-again");
    fs::create_dir(&copy).expect("created");
    for file in fs::read_dir(root.join("images/library/app/sha256-sig")).expect("listed") {
        let file = file.expect("listed");
        fs::copy(file.path(), copy.join(file.file_name())).expect("copied");
    }
    names(root, &[("library/app:1.0", "quay.io/app:1"), ("library/app:sha256-sig", "quay.io/app:sig")]);
    index(root);
    assert_eq!(findings(&check(root)), [""; 0]);
}
