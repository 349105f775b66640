use std::fs;
use std::path::Path;

use images::Digest;

use super::*;
use crate::fixture::{LAYER, image, put, sample};
use crate::tree::Piece;

fn check(root: &Path) -> Report {
    verify(root, &Options::default(), &()).expect("verified")
}

fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

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
fn checksums_that_cannot_be_read_are_a_finding() {
    let folder = sample();
    put(folder.path(), "SHA256SUMS", b"nonsense\n");
    let report = check(folder.path());
    assert_eq!(
        findings(&report),
        ["SHA256SUMS: invalid: SHA256SUMS, line 1: expected 64 hexadecimal digits"]
    );
    assert!(!report.sha256sums && !report.ok());
}

#[test]
fn without_checksums_nothing_vouches_but_blobs_are_held_to_their_names() {
    let folder = sample();
    fs::remove_file(folder.path().join("SHA256SUMS")).expect("removed");
    let work = Work::open(folder.path(), &Options::default()).expect("opened");
    assert!(!work.has_voucher());
    let report = work.run(&());
    assert_eq!((report.verdict(), report.ok(), findings(&report)), (Verdict::Unvouched, false, Vec::new()));
    let path = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    put(folder.path(), &path, &[b'x'; LAYER.len()]);
    let report = check(folder.path());
    assert!(findings(&report)[0].starts_with(&format!("{path}: damaged")), "{:?}", report.findings);
    assert_eq!(report.verdict(), Verdict::Damaged);
}

#[test]
fn a_blob_under_a_wrong_name_is_found_though_the_checksums_agree() {
    let folder = sample();
    put(folder.path(), &format!("images/library/app/1.0/{}", "0".repeat(64)), b"mislabelled");
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
fn progress_adds_up() {
    struct Count(std::sync::atomic::AtomicU64);
    impl iso::Progress for Count {
        fn advance(&self, bytes: u64) {
            self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let folder = sample();
    let work = Work::open(folder.path(), &Options { threads: 3, ..Options::default() }).expect("opened");
    let (total, count) = (work.bytes(), Count(0.into()));
    let report = work.run(&count);
    assert_eq!((count.0.into_inner(), report.bytes), (total, total));
}

#[test]
fn the_report_as_json() {
    let folder = sample();
    put(folder.path(), "salt/top.sls", b"[]\n");
    let mut report = check(folder.path());
    report.archive = "sample".into();
    let json = serde_json::to_value(&report).expect("json");
    assert_eq!(json["findings"][0]["path"], "salt/top.sls");
    assert_eq!(json["findings"][0]["owner"]["kind"], "salt");
    assert_eq!(json["findings"][0]["problem"], "differs");
    assert_eq!(json["findings"][0]["found"].as_str().map(str::len), Some(64));
    assert_eq!(json["form"], "folder");
    assert_eq!(json["implanted_md5"]["status"], "not-checked");
    assert_eq!(json["product"]["name"], "Sample");
    assert_eq!(json["ok"], false);
}

/// An ISO of the sample, and where in it a file lies.
fn iso_of(root: &Path) -> tempfile::NamedTempFile {
    let options = iso::Options { volume_id: "Sample 1.0".into(), source_date: 1, ..iso::Options::default() };
    let image = tempfile::NamedTempFile::new().expect("a file");
    iso::Plan::from_dir(root, &options).and_then(|plan| plan.write_file(image.path(), &())).expect("written");
    image
}

fn place(image: &Path, path: &str) -> Piece {
    Tree::open(image).and_then(|tree| tree.locate(path)).expect("located").pieces[0]
}

#[test]
fn an_iso_is_held_to_both_sums() {
    let folder = sample();
    let image = iso_of(folder.path());
    let report = check(image.path());
    assert_eq!(findings(&report), [""; 0]);
    assert!(report.ok() && matches!(report.implanted_md5, ImplantedMd5::Passed { .. }), "{report:?}");
    assert_eq!(report.images.intact, ["library/app:1.0"]);

    let layer = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    let mut bytes = fs::read(image.path()).expect("read");
    bytes[usize::try_from(place(image.path(), &layer).offset).expect("small") + 5] ^= 4;
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    assert!(matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.path.as_str(), report.images.damaged.len()), (layer.as_str(), 1));
}

#[test]
fn damage_outside_of_files_is_a_finding_with_its_place() {
    let folder = sample();
    for tag in 0..200_u8 {
        put(folder.path(), &format!("salt/{tag}/state.sls"), &vec![tag; 9000]);
    }
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let image = iso_of(folder.path());
    let whole = fs::read(image.path()).expect("read");
    let first = Work::open(image.path(), &Options::default()).expect("opened").contents.first_byte();
    let first = usize::try_from(first.expect("files")).expect("small");
    // The last byte of a file's last sector.
    let padding = place(image.path(), "salt/199/state.sls").offset + 5 * 2048 - 1;
    let field = 16 * 2048 + 883;
    for (what, at, value, expected) in [
        ("the system area", 100, 1, "the volume descriptors, the folders or the MD5 itself"),
        (
            "a date of a folder",
            first - 2048 * 3 + 20,
            1,
            "the volume descriptors, the folders or the MD5 itself",
        ),
        ("the padding behind a file", usize::try_from(padding).expect("small"), 1, "between the files"),
        ("a digit of the MD5", field + 14, b'g', "its text in the volume descriptor is damaged"),
        ("the name of the MD5", field, b'X', "its text in the volume descriptor is damaged"),
        ("another digit of the MD5", field + 14, whole[field + 14] ^ 1, "the MD5 itself"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = if value == 1 { bytes[at] ^ 1 } else { value };
        fs::write(image.path(), &bytes).expect("written");
        let report = check(image.path());
        let found = findings(&report).join("\n");
        assert!(!report.ok() && !report.findings.is_empty(), "{what}");
        assert!(found.contains(expected) && found.contains("copy the image again"), "{what}: {found}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_a_finding_and_the_others_are_checked() {
    let folder = sample();
    put(folder.path(), "documentation/a/b/page.html", b"page");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let image = iso_of(folder.path());
    let mut bytes = fs::read(image.path()).expect("read");
    // The record of the folder `b` with its Rock Ridge name, in the folder `a` of the primary tree.
    let name = b"NM\x06\x01\x00b";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a record");
    let record =
        (at - 400..at).rev().find(|at| bytes[at + 32] == 1 && bytes[at + 33] == b'B').expect("a record");
    bytes[record + 2..record + 6].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    bytes[record + 6..record + 10].copy_from_slice(&[0x0f, 0xff, 0xff, 0xff]);
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    let found = findings(&report).join("\n");
    assert!(!report.ok() && found.contains("documentation/a"), "{found}");
    assert_eq!(report.images.intact, ["library/app:1.0"], "{found}");
}

#[test]
fn an_iso_that_lost_its_last_sector_is_a_finding() {
    let image = iso_of(sample().path());
    let whole = fs::metadata(image.path()).expect("there").len();
    fs::File::options()
        .write(true)
        .open(image.path())
        .and_then(|file| file.set_len(whole - 2048))
        .expect("cut");
    let report = check(image.path());
    let expected =
        format!("the archive: truncated: the image file has {} bytes, {whole} are needed", whole - 2048);
    assert_eq!((findings(&report), report.ok()), (vec![expected], false));
}

/// Adds `registry/`, as a build does, and writes the lists again.
fn index(root: &Path) {
    images::registry::index(&root.join("images"), &root.join("registry")).expect("indexed");
    crate::sums::write(root, &crate::sums::digest_file).expect("written");
}

/// A signature of the image `library/app:1.0`.
fn sign(root: &Path) {
    let manifest = fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read");
    image(root, "library/app", "sha256-sig", b"{\"signature\":1}", b"a signature");
    let path = root.join("images/library/app/sha256-sig/manifest.json");
    let mut signature: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    signature["subject"] = serde_json::json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": Digest::of(&manifest).to_string(),
        "size": manifest.len(),
    });
    signature["annotations"] = serde_json::json!({"signed by": "somebody"});
    fs::write(path, signature.to_string()).expect("written");
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
            "registry/v2/library/app/manifests/2.0: not what images/ gives: it leads to `sha256/",
        ),
        (
            "a tag is taken away",
            |root| {
                fs::remove_file(root.join("registry/v2/library/app/manifests/1.0")).expect("removed");
            },
            "registry/v2/library/app/manifests/1.0: not what images/ gives: the link to `sha256/",
        ),
        (
            "a tag comes",
            |root| {
                let digest =
                    Digest::of(&fs::read(root.join("images/library/app/1.0/manifest.json")).expect("read"));
                link(root, "registry/v2/library/app/manifests/3.0", &format!("sha256/{}", digest.hex()));
            },
            "registry/v2/library/app/manifests/3.0: not what images/ gives: no image gives it",
        ),
        (
            "a name comes",
            |root| put(root, "registry/v2/evil/tags/list", b"{}"),
            "registry/v2/evil/tags/list: not what images/ gives: no image gives it",
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
            "not what images/ gives: it is missing",
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

#[test]
fn links_are_held_to_their_list() {
    type Change = fn(&Path);
    fn link(root: &Path, path: &str, target: &str) {
        let path = root.join(path);
        fs::remove_file(&path).ok();
        std::os::unix::fs::symlink(target, path).expect("a link");
    }
    let cases: [(&str, Change, &str); 4] = [
        (
            "another target",
            |root| link(root, "salt/link", "../product.txt"),
            "salt/link: leads to `../product.txt`, expected `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
        (
            "missing",
            |root| fs::remove_file(root.join("salt/link")).expect("removed"),
            "salt/link: missing: expected a symbolic link to `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
        (
            "one more",
            |root| link(root, "salt/more", "top.sls"),
            "salt/more: a symbolic link that is not listed in LINKS.mtree (the Salt tree)",
        ),
        (
            "hidden",
            |root| link(root, "pillar/link", "../product.txt"),
            "pillar/link: leads to `../product.txt`, expected `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
    ];
    for (what, change, expected) in cases {
        let folder = sample();
        put(folder.path(), "pillar/top.sls", b"{}");
        link(folder.path(), "salt/link", "top.sls");
        link(folder.path(), "pillar/link", "top.sls");
        crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
        let report = check(folder.path());
        assert!(report.ok() && report.links && report.symbolic_links == 2, "{:?}", report.findings);
        change(folder.path());
        assert_eq!(findings(&check(folder.path())), [expected], "{what}");
        fs::remove_file(folder.path().join("LINKS.mtree")).expect("removed");
        let found = findings(&check(folder.path()));
        assert_eq!(found, ["LINKS.mtree: missing"], "{what}: the list is covered by SHA256SUMS");
    }
}

#[test]
fn an_archive_without_a_list_of_links_is_intact_and_says_so() {
    let folder = sample();
    std::os::unix::fs::symlink("top.sls", folder.path().join("salt/link")).expect("a link");
    fs::remove_file(folder.path().join("LINKS.mtree")).expect("removed");
    let sums = fs::read_to_string(folder.path().join("SHA256SUMS")).expect("read");
    let older: Vec<&str> = sums.lines().filter(|line| !line.ends_with("LINKS.mtree")).collect();
    put(folder.path(), "SHA256SUMS", format!("{}\n", older.join("\n")).as_bytes());
    let report = check(folder.path());
    assert_eq!((report.verdict(), report.links, report.symbolic_links), (Verdict::Intact, false, 1));
}

#[test]
fn what_is_hidden_is_covered_and_not_in_the_public_list() {
    let folder = sample();
    put(folder.path(), "pillar/secret.sls", b"password: 1234\n");
    put(folder.path(), "pillar/deeper/secret.sls", b"password: 5678\n");
    std::os::unix::fs::symlink("secret.sls", folder.path().join("pillar/link")).expect("a link");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).expect("read");
    let public = read("SHA256SUMS");
    assert!(!public.contains("secret") && public.contains("  pillar/SHA256SUMS\n"), "{public}");
    assert!(!read("LINKS.mtree").contains("pillar"));
    let hidden = crate::sums::parse(&read("pillar/SHA256SUMS")).expect("parsed");
    let paths: Vec<&str> = hidden.iter().map(|sum| sum.path.as_str()).collect();
    assert_eq!(paths, ["pillar/LINKS.mtree", "pillar/deeper/secret.sls", "pillar/secret.sls"]);
    assert!(check(folder.path()).ok());
    for (path, content) in [("pillar/secret.sls", "password: 4321\n"), ("pillar/SHA256SUMS", "")] {
        let before = read(path);
        put(folder.path(), path, content.as_bytes());
        let found = findings(&check(folder.path())).join("\n");
        assert!(found.contains(&format!("{path}: damaged")), "{found}");
        put(folder.path(), path, before.as_bytes());
    }
    // Archives that list everything in one file are read, too.
    let mut all = crate::sums::parse(&public).expect("parsed");
    all.retain(|sum| sum.path != "pillar/SHA256SUMS");
    all.extend(hidden);
    fs::remove_file(folder.path().join("pillar/SHA256SUMS")).expect("removed");
    put(folder.path(), "SHA256SUMS", crate::sums::render(&all).as_bytes());
    assert_eq!(findings(&check(folder.path())), [""; 0]);
}

#[test]
fn a_hidden_list_speaks_about_hidden_files_only() {
    let folder = sample();
    put(folder.path(), "pillar/top.sls", b"{}");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let line = format!("{}  product.txt\n", "0".repeat(64));
    put(folder.path(), "pillar/SHA256SUMS", line.as_bytes());
    let found = findings(&check(folder.path())).join("\n");
    assert!(found.contains("pillar/SHA256SUMS, line 1: \"product.txt\" is not below pillar"), "{found}");
}

#[test]
fn a_list_that_names_what_is_not_there_a_thousand_times_keeps_a_bounded_report() {
    let folder = sample();
    let mut text = fs::read_to_string(folder.path().join("SHA256SUMS")).expect("read");
    for line in 0..20_000 {
        text.push_str(&format!("{}  images/none/{line}/x\n", "0".repeat(64)));
    }
    put(folder.path(), "SHA256SUMS", text.as_bytes());
    let report = check(folder.path());
    assert_eq!((report.findings.len(), report.omitted, report.verdict()), (10_000, 10_000, Verdict::Damaged));
    assert_eq!(report.images.intact, ["library/app:1.0"]);
    let lines = format!("{}  a\n", "0".repeat(64)).repeat(crate::tree::ENTRIES + 1);
    put(folder.path(), "SHA256SUMS", lines.as_bytes());
    let found = findings(&check(folder.path())).join("\n");
    assert!(
        found.contains("the number of lines of SHA256SUMS: 500001 is above the limit of 500000"),
        "{found}"
    );
}

#[test]
fn names_from_an_archive_stay_on_their_line() {
    let folder = sample();
    put(folder.path(), "salt/a\nintact\u{1b}[2J", b"x");
    std::os::unix::fs::symlink("/\u{1b}[2J\n", folder.path().join("link")).expect("a link");
    put(folder.path(), "images/a\n/\u{7}/manifest.json", b"{");
    for finding in check(folder.path()).findings {
        assert!(!finding.to_string().contains(char::is_control), "{finding:?}");
    }
}

#[test]
fn a_build_is_held_to_the_rules_of_verify_without_being_read() {
    let folder = sample();
    sign(folder.path());
    index(folder.path());
    let image = iso_of(folder.path());
    let known = |path: &str, _: u64| crate::sums::digest_file(&folder.path().join(path));
    let run = || Work::open(image.path(), &Options::default()).expect("opened").run_known(&known);
    assert_eq!(findings(&run()), [""; 0]);
    // What the list says of a file is not what it was made from.
    put(folder.path(), "salt/top.sls", b"another");
    assert!(findings(&run()).join("").starts_with("salt/top.sls: damaged"));
}

#[test]
fn a_truncated_iso_names_what_is_lost() {
    let folder = sample();
    let image = iso_of(folder.path());
    let whole = fs::metadata(image.path()).expect("there").len();
    let top = place(image.path(), "salt/top.sls").offset;
    fs::File::options().write(true).open(image.path()).and_then(|file| file.set_len(top)).expect("cut");
    let report = check(image.path());
    let found = findings(&report).join("\n");
    let first = format!("the archive: truncated: the image file has {top} bytes, {whole} are needed");
    assert!(found.starts_with(&first), "{found}");
    assert!(found.contains("salt/top.sls: truncated"), "{found}");
    assert!(!report.ok() && matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
}

/// The kernel takes the mode, we the record: it would mount a folder where a file was verified.
#[test]
fn an_iso_that_readers_see_differently_is_not_intact() {
    let folder = sample();
    let image = iso_of(folder.path());
    let mut bytes = fs::read(image.path()).expect("read");
    let find = |bytes: &[u8], from: usize, what: &[u8]| {
        from + bytes[from..].windows(what.len()).position(|window| window == what).expect("there")
    };
    let record = find(&bytes, 0, b"PRODUCT.TXT;1");
    let mode = find(&bytes, record, b"PX") + 4;
    bytes[mode..mode + 4].copy_from_slice(&0o040_555_u32.to_le_bytes());
    fs::write(image.path(), bytes).expect("written");
    iso::md5::implant(image.path(), true, &()).expect("implanted");
    let report = check(image.path());
    assert!(!report.ok() && matches!(report.implanted_md5, ImplantedMd5::Passed { .. }), "{report:?}");
    let found = findings(&report).join("\n");
    assert!(found.contains("product.txt: invalid: its mode says that it is a folder"), "{found}");
}

#[test]
fn packages_without_metadata_are_a_warning_and_no_damage() {
    let folder = sample();
    assert_eq!(check(folder.path()).unindexed, []);
    let repository = "packages/redhat/8/sample-scality-el8";
    fs::remove_dir_all(folder.path().join(repository).join("repodata")).expect("removed");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("checksums");
    let image = iso_of(folder.path());
    for archive in [folder.path(), image.path()] {
        let report = check(archive);
        assert!(report.ok(), "{report:?}");
        let found: Vec<String> = report.unindexed.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [format!(
                "{repository}: 1 RPM package without metadata (no repodata/repomd.xml): dnf cannot find it"
            )]
        );
        assert_eq!(crate::inspect(archive).expect("inspected").unindexed, report.unindexed);
        let document = serde_json::to_value(&report).expect("JSON");
        assert_eq!(
            document["unindexed"],
            serde_json::json!([{
                "folder": repository,
                "format": "rpm",
                "packages": 1,
                "example": format!("{repository}/x86_64/app-1-1.x86_64.rpm"),
            }])
        );
    }
}

#[test]
fn an_iso_is_inspected_in_place() {
    let folder = sample();
    let image = iso_of(folder.path());
    let found = crate::inspect(image.path()).expect("inspected");
    assert_eq!(found.volume_id.as_deref(), Some("Sample 1.0"));
    assert_eq!((found.files, found.images.len(), found.repositories.len()), (10, 1, 1));
    assert_eq!(found.images[0].platforms, ["linux/amd64"]);
}
