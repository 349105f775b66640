//! The registry tree against the images.

use super::*;

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
    let digest = |tag: &str, root: &Path| {
        Digest::of(&fs::read(root.join(format!("images/library/app/{tag}/manifest.json"))).expect("read"))
            .hex()
    };
    let cases: [(&str, Change, &str); 8] = [
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
    ];
    for (what, change, expected) in cases {
        let folder = sample();
        let root = folder.path();
        image(root, "library/app", "2.0", b"{\"os\":\"linux\"}", b"a newer layer");
        sign(root);
        index(root);
        assert_ne!(digest("1.0", root), digest("2.0", root));
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
