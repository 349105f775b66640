//! Damage to the files of an archive.

use super::*;

#[test]
fn an_intact_archive() {
    let folder = sample();
    let report = check(folder.path());
    assert_eq!(findings(&report), [""; 0]);
    assert!(report.ok() && report.sha256sums);
    assert_eq!((report.files, report.implanted_md5), (10, ImplantedMd5::NotChecked));
    assert_eq!(report.images.intact, ["library/app:1.0"]);
    assert_eq!(report.packages.intact, ["packages/redhat/8/sample-scality-el8/x86_64/app-1-1.x86_64.rpm"]);
}

#[test]
fn each_damage_is_named() {
    let layer = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    let package = "packages/redhat/8/sample-scality-el8/x86_64/app-1-1.x86_64.rpm";
    type Damage = fn(&Path, &str);
    let flip: Damage = |root, path| {
        let mut content = fs::read(root.join(path)).expect("read");
        content[3] ^= 1;
        fs::write(root.join(path), content).expect("written");
    };
    let remove: Damage = |root, path| fs::remove_file(root.join(path)).expect("removed");
    let add: Damage = |root, path| put(root, path, b"extra");
    let link: Damage =
        |root, path| std::os::unix::fs::symlink("/etc/passwd", root.join(path)).expect("a link");
    let cases: [(&str, Damage, &[&str], bool, bool); 7] = [
        (&layer, flip, &["damaged: expected SHA-256", "(image library/app:1.0)"], true, false),
        (&layer, remove, &["missing", "incomplete: blob sha256:"], true, false),
        ("images/library/app/1.0/manifest.json", flip, &["damaged"], true, false),
        (package, flip, &["damaged", "(package app-1-1.x86_64 in redhat/8/sample-scality-el8)"], false, true),
        (package, remove, &["missing"], false, true),
        ("salt/more.sls", add, &["not listed in SHA256SUMS (the Salt tree)"], false, false),
        ("salt/link", link, &["leads out of the archive"], false, false),
    ];
    for (path, damage, expected, image_damaged, package_damaged) in cases {
        let folder = sample();
        damage(folder.path(), path);
        let report = check(folder.path());
        let found = findings(&report).join("\n");
        assert!(!report.ok(), "{path}");
        assert!(found.contains(path), "{path}: {found}");
        for words in expected {
            assert!(found.contains(words), "{path}: expected {words:?} in {found}");
        }
        assert_eq!(report.images.damaged.len(), usize::from(image_damaged), "{path}: {found}");
        assert_eq!(report.packages.damaged.len(), usize::from(package_damaged), "{path}: {found}");
    }
}

#[test]
fn without_checksums_an_archive_is_unverifiable_but_blobs_are_compared_with_their_names() {
    let folder = sample();
    fs::remove_file(folder.path().join("SHA256SUMS")).expect("removed");
    let work = Verification::open(folder.path(), &VerifyOptions::default()).expect("opened");
    assert!(!work.can_verify());
    let report = work.run(&());
    assert_eq!(
        (report.verdict(), report.ok(), findings(&report)),
        (Verdict::Unverifiable, false, Vec::new())
    );
    let path = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    put(folder.path(), &path, &[b'x'; LAYER.len()]);
    let report = check(folder.path());
    assert!(findings(&report)[0].starts_with(&format!("{path}: damaged")), "{:?}", report.findings);
    assert_eq!(report.verdict(), Verdict::Damaged);
}

#[test]
fn a_blob_under_a_wrong_name_is_found_though_the_checksums_agree() {
    let folder = sample();
    put(folder.path(), &format!("images/library/app/1.0/{}", "0".repeat(64)), b"mislabeled");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    assert_eq!(check(folder.path()).findings.len(), 1);
}

#[test]
fn shared_content_is_hashed_once_and_blamed_on_all() {
    let folder = sample();
    let (first, second) = ("images/library/app/1.0", "images/library/app/2.0");
    image(folder.path(), "library/app", "2.0", b"{\"os\":\"linux\"}", LAYER);
    let layer = Digest::of(LAYER).hex();
    fs::remove_file(folder.path().join(format!("{second}/{layer}"))).expect("removed");
    fs::hard_link(
        folder.path().join(format!("{first}/{layer}")),
        folder.path().join(format!("{second}/{layer}")),
    )
    .expect("linked");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let before = check(folder.path());
    assert!(before.ok(), "{:?}", before.findings);
    let all = Tree::open(folder.path()).and_then(|tree| tree.walk()).expect("walked");
    let sizes = all.iter().filter(|(path, _)| path != layout::SUMS).map(|(_, entry)| entry.size).sum::<u64>();
    assert_eq!(before.bytes, sizes - LAYER.len() as u64);
    put(folder.path(), &format!("{first}/{layer}"), &[b'x'; LAYER.len()]);
    assert_eq!(check(folder.path()).images.damaged, ["library/app:1.0", "library/app:2.0"]);
}

#[test]
fn a_build_is_held_to_the_rules_of_verify_without_being_read() {
    let folder = sample();
    sign(folder.path());
    index(folder.path());
    let image = iso_of(folder.path());
    let known = |path: &str, _: u64| crate::sums::digest_file(&folder.path().join(path));
    let run =
        || Verification::open(image.path(), &VerifyOptions::default()).expect("opened").run_known(&known);
    assert_eq!(findings(&run()), [""; 0]);
    // What the list says of a file is not what it was made from.
    put(folder.path(), "salt/top.sls", b"another");
    assert!(findings(&run()).join("").starts_with("salt/top.sls: damaged"));
}
