use std::fs;
use std::path::Path;

use images::Digest;

use super::*;
use crate::fixture::{LAYER, image, put, sample};

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
    assert!(report.ok && report.sha256sums);
    assert_eq!((report.files, report.implanted_md5), (9, ImplantedMd5::NotChecked));
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
        assert!(!report.ok, "{path}");
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
    assert!(!report.sha256sums && !report.ok);
}

#[test]
fn without_checksums_blobs_are_held_to_their_names() {
    let folder = sample();
    fs::remove_file(folder.path().join("SHA256SUMS")).expect("removed");
    assert_eq!(findings(&check(folder.path())), ["SHA256SUMS: missing"]);
    let path = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    put(folder.path(), &path, &[b'x'; LAYER.len()]);
    let report = check(folder.path());
    assert!(findings(&report)[0].starts_with(&format!("{path}: damaged")), "{:?}", report.findings);
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
    assert!(before.ok, "{:?}", before.findings);
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
    assert!(report.ok && matches!(report.implanted_md5, ImplantedMd5::Passed { .. }), "{report:?}");
    assert_eq!(report.images.intact, ["library/app:1.0"]);

    let layer = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    let mut bytes = fs::read(image.path()).expect("read");
    bytes[usize::try_from(place(image.path(), &layer).offset).expect("small") + 5] ^= 4;
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    assert!(matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.path.as_str(), report.images.damaged.len()), (layer.as_str(), 1));

    // A byte that no file consists of: the MD5 alone finds it.
    let mut bytes = fs::read(iso_of(folder.path()).path()).expect("read");
    bytes[100] ^= 1;
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    assert!(
        !report.ok
            && report.findings.is_empty()
            && matches!(report.implanted_md5, ImplantedMd5::Failed { .. })
    );
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
    assert!(!report.ok && matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
}

#[test]
fn an_iso_is_inspected_in_place() {
    let folder = sample();
    let image = iso_of(folder.path());
    let found = crate::inspect(image.path()).expect("inspected");
    assert_eq!(found.volume_id.as_deref(), Some("Sample 1.0"));
    assert_eq!((found.files, found.images.len(), found.repositories.len()), (9, 1, 1));
    assert_eq!(found.images[0].platforms, ["linux/amd64"]);
}
