//! The check of repositories.

use super::*;

fn findings(pool: &Pool, checked: usize) -> Vec<String> {
    let repositories: Vec<RepositoryId> = pool.repositories().map(|(id, _)| id).take(checked).collect();
    let check = super::super::check(pool, &repositories, &Options::new("x86_64"));
    let text = |one: &Finding| format!("{}: {}", pool.nevra(pool.package(one.package).unwrap()), one.problem);
    check.findings.iter().map(text).collect()
}

#[test]
fn a_package_that_cannot_be_installed_is_named_with_the_reason() {
    for (packages, expected) in [
        (&["A-1-1 R:B", "B-1-1"][..], &[][..]),
        (
            &["A-1-1 R:B >= 2", "B-1-1"],
            &["A-1-1.noarch: A-1-1.noarch requires `B >= 2`, which no package provides"],
        ),
        // dnf repoclosure reports this although the package can be installed.
        (&["A-1-1 R:(B if C)"], &[]),
        (&["A-1-1 R:/opt/x", "B-1-1 F:/opt/x"], &[]),
        (
            &["A-1-1 R:B;R:C", "B-1-1 C:C", "C-1-1"],
            &[
                "A-1-1.noarch: A-1-1.noarch requires `B`, which B-1-1.noarch provides; A-1-1.noarch requires `C`, which \
               C-1-1.noarch provides; B-1-1.noarch conflicts with `C`, which C-1-1.noarch provides",
            ],
        ),
        (
            &["A-1-1 R:B;R:/opt/x;R:C;R:(D if C)", "C-1-1"],
            &[
                "A-1-1.noarch: A-1-1.noarch requires `B`, which no package provides; A-1-1.noarch requires `/opt/x`, which no \
               package provides",
            ],
        ),
        // Each version is checked, and two versions do not contradict each other.
        (
            &["A-1-1", "A-2-1 R:gone"],
            &["A-2-1.noarch: A-2-1.noarch requires `gone`, which no package provides"],
        ),
        (&["A-1-1.aarch64 R:gone", "B-1-1.x86_64"], &[]),
    ] {
        let pool = pool(&[("r", lines(packages))]);
        assert_eq!(findings(&pool, 1), expected, "{packages:?}");
    }
}

#[test]
fn packages_of_a_base_satisfy_and_are_not_checked() {
    let pool = pool(&[("own", lines(&["A-1-1 R:B"])), ("base", lines(&["B-1-1", "C-1-1 R:gone"]))]);
    assert_eq!(findings(&pool, 1), [""; 0]);
    assert_eq!(findings(&pool, 2).len(), 1);
}

#[test]
fn machines_are_told_apart_by_their_packages() {
    for (packages, expected) in [
        (&["A-1-1"][..], &["noarch"][..]),
        (&["A-1-1.x86_64", "B-1-1.i686", "C-1-1", "D-1-1.src"], &["x86_64"]),
        (&["A-1-1.x86_64", "A-1-1.aarch64"], &["aarch64", "x86_64"]),
        (&["A-1-1.i686"], &["i686"]),
    ] {
        assert_eq!(architectures(&pool(&[("r", lines(packages))])), expected, "{packages:?}");
    }
}
