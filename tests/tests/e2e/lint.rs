//! `lint`, `format` and `check_for`: the linters for the languages of a project.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{peer, sealift};

/// A project in shell, YAML, Salt templates and Rust without a finding.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        (
            "sealift.yaml",
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\n\
             spec:\n  files:\n    - {from: salt, to: salt}\n    - {from: scripts, to: .}\n",
        ),
        ("salt/hello/init.sls", "hello:\n  test.nop: []\n"),
        ("scripts/hello.sh", "#!/bin/sh\necho \"hello $1\"\n"),
        ("Cargo.toml", "[package]\nname = \"hello\"\nedition = \"2024\"\n"),
        ("src/lib.rs", "//! Hello.\n"),
    ] {
        write(folder.path(), name, content);
    }
    peer::run(Command::new("cargo").args(["generate-lockfile", "--offline"]).current_dir(folder.path()));
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_linter_runs_when_what_it_looks_at_changed_and_names_the_file_it_dislikes() {
    if ["shellcheck", "yamllint", "salt-lint"].iter().any(|program| peer::find(program).is_none()) {
        return;
    }
    let project = project();
    let folder = project.path();
    let (code, out, err) = sealift::run(folder, &["lint"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, _) = sealift::run(folder, &["lint"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.lines().all(|line| line.starts_with("-- ")), "{out}");

    for (language, file, content) in [
        ("shell", "scripts/hello.sh", "#!/bin/sh\necho hello $1\n"),
        ("salt", "salt/hello/init.sls", "hello:\n  test.nop: []   \n"),
        (
            "yaml",
            "sealift.yaml",
            &format!("{}   \n", fs::read_to_string(folder.join("sealift.yaml")).unwrap()),
        ),
        ("rust", "src/lib.rs", "//! Hello.\nfn unused() {}\n"),
    ] {
        let before = fs::read_to_string(folder.join(file)).unwrap();
        write(folder, file, content);
        let (code, out, err) = sealift::run(folder, &["lint", "--continue"]);
        assert_eq!(code, 1, "{language}: {out}{err}");
        assert!(out.contains(file), "{language}: {out}{err}");
        let passed = out.lines().filter(|line| line.starts_with("-- LINT")).count();
        assert_eq!(passed, 3, "only {language} is looked at again: {out}");
        write(folder, file, &before);
        assert_eq!(sealift::run(folder, &["lint"]).0, 0, "{file} is as it was");
    }
}

#[test]
fn a_missing_linter_is_named_with_what_brings_it() {
    let project = project();
    let mut command = sealift::command(project.path());
    let output =
        command.args(["lint", "shell"]).env("SHELLCHECK_BIN", "shellcheck-of-another-name").output().unwrap();
    let (code, out, err) = sealift::told(&output);
    assert_eq!(code, 1, "{out}{err}");
    for said in ["check_for:shellcheck", "shellcheck-of-another-name", "SHELLCHECK_BIN"] {
        assert!(out.contains(said), "{said} is not in {out}{err}");
    }
}

#[test]
fn format_formats_and_then_has_nothing_to_do() {
    let project = project();
    write(project.path(), "src/lib.rs", "//! Hello.\n/// One.\npub   const ONE:u8=1;\n");
    let (code, out, err) = sealift::run(project.path(), &["run", "format"]);
    assert_eq!(code, 0, "{out}{err}");
    let formatted = fs::read_to_string(project.path().join("src/lib.rs")).unwrap();
    assert_eq!(formatted, "//! Hello.\n/// One.\npub const ONE: u8 = 1;\n");
    assert_eq!(sealift::run(project.path(), &["run", "format"]).0, 0);
    let (_, out, _) = sealift::run(project.path(), &["run", "format"]);
    assert!(out.contains("-- FORMAT"), "{out}");
}

#[test]
fn the_linters_have_nothing_to_say_of_this_repository() {
    if ["shellcheck", "yamllint", "salt-lint"].iter().any(|program| peer::find(program).is_none()) {
        return;
    }
    let build_root = sealift::repository().join("target/e2e/lint").display().to_string();
    let arguments = ["lint", "--build-root", &build_root, "shell", "yaml", "salt"];
    let (code, out, err) = sealift::run(sealift::repository(), &arguments);
    assert_eq!(code, 0, "{out}{err}");
}
