//! What a report says.

use super::*;

#[test]
fn progress_adds_up() {
    struct Count(std::sync::atomic::AtomicU64);
    impl iso::ByteProgress for Count {
        fn advance(&self, bytes: u64) {
            self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let folder = sample();
    let work = Verification::open(folder.path(), &VerifyOptions { threads: 3, ..VerifyOptions::default() })
        .expect("opened");
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
