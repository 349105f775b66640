//! `package check` and `archive verify --closure`, on packages that we build.

use std::fs;
use std::path::Path;

use tests::sealift::run;

use super::DATE;

/// Builds a package that requires `requires` into `folder`.
fn package(folder: &Path, name: &str, requires: &[&str]) {
    let definition = serde_json::from_value(serde_json::json!({
        "name": name, "version": "1", "release": "1", "arch": "noarch", "summary": "S", "license": "MIT",
        "requires": requires,
    }));
    packages::build(&definition.unwrap(), folder, DATE, folder).unwrap();
}

#[test]
fn packages_that_cannot_be_installed_are_named_with_the_repositories_that_were_used() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["own", "base"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    package(&dir.path().join("own"), "app", &["library >= 1", "(helper if absent)"]);
    package(&dir.path().join("base"), "library", &["gone"]);

    let (code, out, err) = run(dir.path(), &["package", "check", "own"]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(
        out,
        "app-1-1.noarch: app-1-1.noarch requires `library >= 1`, which no package provides\n\
         noarch: 1 package of own: 1 package cannot be installed, from these alone\n"
    );
    assert!(err.contains("--base"), "{err}");

    let (code, out, _) = run(dir.path(), &["package", "check", "own", "--base", "base"]);
    assert_eq!(code, 1);
    assert!(out.contains("library-1-1.noarch requires `gone`, which no package provides"), "{out}");

    fs::remove_file(dir.path().join("base/library-1-1.noarch.rpm")).unwrap();
    package(&dir.path().join("base"), "library", &[]);
    // The same from metadata as from the packages.
    for _ in 0..2 {
        let (code, out, err) = run(dir.path(), &["package", "check", "own", "--base", "base", "-o", "json"]);
        assert_eq!(code, 0, "{err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["checks"][0]["packages"], 1);
        assert_eq!(report["checks"][0]["bases"], serde_json::json!(["base"]));
        for folder in ["own", "base"] {
            assert_eq!(run(dir.path(), &["package", "index", folder]).0, 0);
        }
    }

    // The same repository in an archive, which has no checksums, so that its verification fails in any case.
    let repository = dir.path().join("root/packages/redhat/8/example-own-el8");
    fs::create_dir_all(repository.parent().unwrap()).unwrap();
    fs::rename(dir.path().join("own"), &repository).unwrap();
    for (arguments, expected, part) in [
        (&["package", "check", "root", "--base", "base"][..], 0, "release 8, noarch: 1 package of"),
        (&["package", "check", "root"], 1, "1 package cannot be installed"),
        (&["archive", "verify", "root", "--closure", "--base", "base"], 1, "all can be installed, with base"),
        (&["archive", "verify", "root", "--closure"], 1, "1 package cannot be installed, from these alone"),
    ] {
        let (code, out, err) = run(dir.path(), arguments);
        assert_eq!(code, expected, "{arguments:?}: {out}{err}");
        assert!(out.contains(part), "{arguments:?}: {out}");
    }
}
