//! What is common to every command: global options, forms of reports, help.

use std::fs;
use std::process::Command;

use tests::sealift;

use crate::project::Project;

/// A folder with an ISO file of one file, `one.iso`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    fs::write(folder.path().join("tree/file"), "content").unwrap();
    let create = ["iso", "create", "tree", "--file", "one.iso", "--volume-id", "One"];
    assert_eq!(sealift::run(folder.path(), &create).0, 0);
    folder
}

#[test]
fn a_report_in_yaml_holds_what_it_holds_in_json() {
    let folder = folder();
    let project = Project::new();
    let tree = folder.path().join("tree").display().to_string();
    fs::create_dir(folder.path().join("rpms")).unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    for arguments in [
        &["iso", "ls", "one.iso"][..],
        &["iso", "info", "one.iso"],
        &["iso", "check", "one.iso"],
        &["iso", "diff", "one.iso", "one.iso"],
        &["iso", "implant", "--force", "one.iso"],
        &["archive", "verify", "one.iso"],
        &["archive", "inspect", "one.iso"],
        &["archive", "inspect", &tree],
        &["archive", "inspect", "missing.iso"],
        &["package", "index", "rpms"],
        &["image", "find", "tree"],
        &["image", "ls", "images"],
        &["image", "check", "images"],
        &["registry", "index", "images"],
        &["list", "--all", "--status"],
        &["info", "salt_tree"],
        &["explain", "salt_tree"],
        &["cache", "show"],
        &["cache", "gc"],
        &["clean", "--dry-run"],
        &["forget"],
        &["lock"],
    ] {
        let run = |form: &str| {
            let words: Vec<&str> = arguments.iter().copied().chain(["-o", form]).collect();
            match arguments.first() {
                Some(&("iso" | "archive" | "package" | "image" | "registry")) => {
                    sealift::run(folder.path(), &words)
                }
                _ => project.sealift(&words),
            }
        };
        // A command that fails reports on standard error.
        let report = |(code, out, err): (i32, String, String)| (code, if out.is_empty() { err } else { out });
        let ((code, json), (yaml_code, yaml)) = (report(run("json")), report(run("yaml")));
        assert_eq!(code, yaml_code, "{arguments:?}: {json}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(json, yaml, "{arguments:?}");
    }
}

#[test]
fn a_run_reports_in_yaml_and_quietly() {
    let project = Project::new();
    let (code, out, err) = project.sealift(&["run", "salt_tree", "-o", "yaml"]);
    assert_eq!(code, 0, "{err}");
    let report: serde_json::Value = serde_saphyr::from_str(&out).unwrap();
    assert!(report["tasks"].as_array().unwrap().iter().any(|task| task["name"] == "salt_tree"), "{out}");
    assert_eq!(project.sealift(&["-q", "run", "salt_tree"]), (0, String::new(), String::new()));
    let (code, out, _) = project.sealift(&["run", "-v", "2", "salt_tree"]);
    assert!(code == 0 && out.contains("-- "), "{code}: {out}");
}

#[test]
fn a_failure_has_its_causes_with_verbose_and_its_colors_as_asked() {
    let folder = folder();
    fs::write(folder.path().join("package.yaml"), b"\xff").unwrap();
    let (code, out, err) = sealift::run(folder.path(), &["package", "build", "package.yaml", "-v"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("\ncaused by: invalid utf-8"), "{err}");
    let (_, _, plain) = sealift::run(folder.path(), &["package", "build", "package.yaml"]);
    assert!(!plain.contains("caused by"), "{plain}");
    let colored = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command: Command = sealift::command(folder.path());
        command.args(arguments).envs(variables.iter().copied());
        command.output().unwrap().stderr.contains(&b'\x1b')
    };
    let fails = ["iso", "info", "missing.iso"];
    for (flags, variables, expected) in [
        (&[][..], &[][..], false),
        (&["--color", "always"], &[], true),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
    ] {
        assert_eq!(colored(&[flags, &fails].concat(), variables), expected, "{flags:?} {variables:?}");
        assert_eq!(colored(&[&fails, flags].concat(), variables), expected, "{flags:?} {variables:?}");
        // Messages of the parser itself.
        assert_eq!(colored(&[flags, &["archve"]].concat(), variables), expected, "{flags:?} {variables:?}");
    }
}

#[test]
fn help_and_near_misses_have_their_exit_codes() {
    let folder = folder();
    for (arguments, code, expected) in [
        (&["help"][..], 0, "Node:"),
        (&["help", "archive", "verify"], 0, "Usage: sealift archive verify"),
        (&["archive", "help", "verify"], 0, "Usage: sealift archive verify"),
        (&["version"], 0, concat!("sealift ", env!("CARGO_PKG_VERSION"))),
        (&["serve", "--help"], 0, "Usage: sealift serve"),
        (&["verify", "one.iso"], 3, "archive verify"),
        (&["archive", "rm", "one"], 3, "delete"),
        (&["help", "archve"], 3, "archve"),
        (&["-q", "-v", "version"], 3, "--quiet"),
    ] {
        let (found, out, err) = sealift::run(folder.path(), arguments);
        assert_eq!(found, code, "{arguments:?}: {err}");
        assert!([&out, &err].iter().any(|text| text.contains(expected)), "{arguments:?}: {out}{err}");
    }
}
