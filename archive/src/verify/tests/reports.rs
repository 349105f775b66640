//! What a report says.

use super::*;
use crate::layout::PathOwner;
use crate::{PackageFormat, UnindexedPackages};

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
fn the_report_of_a_changed_file() {
    let folder = sample();
    put(folder.path(), "salt/top.sls", b"[]\n");
    let report = check(folder.path());
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    assert_eq!((finding.path.as_str(), &finding.owner), ("salt/top.sls", &PathOwner::Salt));
    let Problem::Differs { found, .. } = &finding.problem else { panic!("{finding:?}") };
    assert_eq!(found.len(), 64);
    assert_eq!((report.form, &report.implanted_md5), (ArchiveForm::Folder, &ImplantedMd5::NotChecked));
    assert_eq!(report.product.as_ref().map(|product| product.name.as_str()), Some("Sample"));
    assert_eq!((report.ok(), report.verdict()), (false, Verdict::Damaged));
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
        assert_eq!(
            report.unindexed,
            [UnindexedPackages {
                folder: repository.into(),
                format: PackageFormat::Rpm,
                packages: 1,
                example: format!("{repository}/x86_64/app-1-1.x86_64.rpm"),
            }]
        );
    }
}
