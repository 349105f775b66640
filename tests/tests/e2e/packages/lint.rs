//! The packages of the examples and of Sealift itself, as rpmlint judges them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{peer, sealift};

use super::build_own;

/// Debian's rpmlint has no list of licenses. Signatures are made after the build. Man pages are packaged as they are, and rpmlint knows
/// compressed ones only.
const CONFIGURATION: &str = r#"
ValidLicenses = ["Apache-2.0"]
Filters = [" no-signature", " manpage-not-compressed", " no-manual-page-for-binary"]
"#;

/// What rpmlint finds in Sealift's own package: it has no home page, systemd looks for units in `/usr/lib`, and the program of
/// the tests is a text.
const OWN: [&str; 4] = ["only-non-binary-in-usr-lib", "package-with-huge-docs", "no-binary", "no-url-tag"];

/// What rpmlint finds in the packages, a line for each finding.
fn findings(rpmlint: &Path, scratch: &Path, packages: &[PathBuf]) -> Vec<String> {
    let configuration = scratch.join("rpmlint.toml");
    fs::write(&configuration, CONFIGURATION).unwrap();
    let mut command = Command::new(rpmlint);
    command.env("LC_ALL", "C.UTF-8").arg("-c").arg(configuration).args(packages);
    let output = command.output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let checked = format!(" {} packages and 0 specfiles checked", packages.len());
    assert!(text.contains(&checked), "{text}");
    let is_finding = |line: &&str| [": E: ", ": W: "].iter().any(|kind| line.contains(kind));
    text.lines().filter(is_finding).map(|line| line.trim_end().to_owned()).collect()
}

/// Builds the packages of an example in a copy of it.
fn build(example: &str, scratch: &Path) -> PathBuf {
    let project = scratch.join(example);
    let source = sealift::repository().join("examples").join(example);
    peer::run(Command::new("cp").arg("-r").arg(source).arg(&project));
    let output = sealift::command(&project).args(["run", "packaging"]).output().unwrap();
    let (code, out, err) = sealift::told(&output);
    assert_eq!(code, 0, "{out}{err}");
    project.join("_build/root/packages/redhat")
}

#[test]
fn rpmlint_finds_nothing_in_a_complete_package() {
    let Some(rpmlint) = peer::find("rpmlint") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let folder = build("platform", scratch.path());
    let mut packages: Vec<PathBuf> = ["8", "9"]
        .map(|release| {
            folder.join(format!("{release}/lighthouse-base-el{release}/noarch/hello-3.1.0-1.noarch.rpm"))
        })
        .into();
    packages
        .push(build("minimal", scratch.path()).join("8/example-base-el8/noarch/hello-1.0.0-1.noarch.rpm"));
    packages.push(build_own("2.11.0", scratch.path(), scratch.path()));
    let mut found = findings(&rpmlint, scratch.path(), &packages);
    found.retain(|line| !(line.starts_with("sealift.") && OWN.iter().any(|own| line.contains(own))));
    assert_eq!(found, [""; 0]);
}
