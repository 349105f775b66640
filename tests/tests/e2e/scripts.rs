//! The scripts at the root of the archive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the project")
        .join("runtime/scripts")
}

/// The root of an archive with the scripts, and programs that record how they are called.
struct Archive {
    folder: tempfile::TempDir,
}

impl Archive {
    fn new() -> Self {
        let archive = Self { folder: tempfile::tempdir().unwrap() };
        for entry in fs::read_dir(scripts()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), archive.path(&entry.file_name().to_string_lossy())).unwrap();
        }
        let log = archive.path("calls").display().to_string();
        archive.program("bin/sealift", &format!("printf '%s|' \"$@\" >>{log}\nexit 2"));
        archive.program("path/id", "echo 0");
        archive
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn program(&self, relative: &str, body: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script from another folder, as by root.
    fn iso_manager(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.script("iso-manager.sh", arguments)
    }

    fn script(&self, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let path = format!("{}:{}", self.path("path").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.path(name));
        command.args(arguments).current_dir("/").env("PATH", path).env_remove("SEALIFT");
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

#[test]
fn iso_manager_imports_and_ends_as_the_import_does() {
    let archive = Archive::new();
    let (code, said) = archive.iso_manager(&["-a", "/a b.iso", "--dry-run", "--archive", "-c.iso"]);
    assert_eq!(
        (code, archive.calls().as_str()),
        (Some(2), "archive|import|--dry-run|--|/a b.iso|-c.iso|"),
        "{said}"
    );
}

#[test]
fn bootstrap_brings_up_the_node_with_the_archive_that_it_lies_in() {
    for (arguments, options) in [
        (&[][..], ""),
        (&["-n"], "--dry-run|"),
        (&["--dry-run", "-v", "-l", "/a log", "--no-tls"], "--dry-run|--verbose|-l|/a log|--no-tls|"),
    ] {
        let archive = Archive::new();
        let (code, said) = archive.script("bootstrap.sh", arguments);
        let root = fs::canonicalize(archive.folder.path()).unwrap();
        let calls = format!("node|bootstrap|{options}--|{}|", root.display());
        assert_eq!((code, archive.calls()), (Some(2), calls), "{said}");
    }
}

#[test]
fn iso_manager_without_arguments_imports_what_is_configured() {
    for (arguments, calls) in [
        (&[][..], "archive|import|--configured|"),
        (&["-n", "--verbose"], "archive|import|--dry-run|--configured|"),
        (&["--unverified", "-a", "/a.iso"], "archive|import|--unverified|--|/a.iso|"),
        (&["-v", "-a", "/a.iso"], "archive|import|--|/a.iso|"),
    ] {
        let archive = Archive::new();
        let (code, said) = archive.iso_manager(arguments);
        assert_eq!((code, archive.calls().as_str()), (Some(2), calls), "{said}");
        let shown = said.contains("iso-manager.sh: running ") && said.contains("archive import");
        assert_eq!(
            shown,
            arguments.iter().any(|word| word.starts_with("-v") || *word == "--verbose"),
            "{said}"
        );
    }
}

#[test]
fn iso_manager_says_what_was_wrong_with_the_command() {
    let archive = Archive::new();
    for (arguments, code, expected) in [
        (&["--help"][..], 0, "Usage: iso-manager.sh"),
        (&["-a"], 3, "-a needs the path of an archive"),
        (&["--frob"], 3, "unknown argument --frob"),
    ] {
        let (found, said) = archive.iso_manager(arguments);
        assert!(found == Some(code) && said.contains(expected), "{arguments:?}: {found:?}: {said}");
    }
    fs::remove_file(archive.path("bin/sealift")).unwrap();
    let (code, said) = archive.iso_manager(&["-a", "a.iso"]);
    assert!(code == Some(3) && said.contains("run this script from a complete archive"), "{said}");
    archive.program("path/id", "echo 1000");
    let (code, said) = archive.iso_manager(&["-a", "a.iso"]);
    assert!(code == Some(3) && said.contains("must be run by root"), "{said}");
    assert_eq!(archive.calls(), "");
}

#[test]
fn solutions_runs_the_command_of_sealift_that_does_it() {
    for (arguments, code, calls, text) in [
        (&["import", "-a", "/a b.iso", "--dry-run"][..], 2, "solution|import|--dry-run|--|/a b.iso|", ""),
        (
            &["import", "--archive=/a.iso", "--unverified", "--archive", "-b.iso"],
            2,
            "solution|import|--unverified|--|/a.iso|-b.iso|",
            "",
        ),
        (&["unimport", "-a", "/a.iso"], 2, "solution|unimport|--|/a.iso|", ""),
        (&["unimport", "-v", "-a", "/a.iso"], 2, "solution|unimport|--|/a.iso|", "running "),
        (&["list"], 2, "solution|get|", ""),
        (&["get", "-o", "json"], 2, "solution|get|-o|json|", ""),
        (&["--help"], 0, "", "Usage: solutions.sh import"),
        (&["import", "--help"], 0, "", "Usage: solutions.sh import"),
        (&["import"], 3, "", "no archive given"),
        (&["import", "-a"], 3, "", "-a needs the path"),
        (
            &["activate", "--name", "x", "--version", "1 0"],
            2,
            "solution|activate|--name|x|--version|1 0|",
            "",
        ),
        (&["activate", "-n", "x", "-V", "1.0"], 2, "solution|activate|--name|x|--version|1.0|", ""),
        (&["activate", "-n", "x", "-a", "/a.iso"], 3, "", "only import and unimport take --archive"),
        (&["deactivate", "--name", "x", "--dry-run"], 2, "solution|deactivate|--name|x|--dry-run|", ""),
        (
            &["create-env", "-n", "x", "-N", "y", "-d", "a b"],
            2,
            "solution|create-environment|--name|x|--namespace|y|--description|a b|",
            "",
        ),
        (
            &["delete-env", "--name", "x", "--namespace", "y"],
            2,
            "solution|delete-environment|--name|x|--namespace|y|",
            "",
        ),
        (
            &["add-solution", "-n", "x", "-s", "y", "-V", "1.0", "-w"],
            2,
            "solution|add|--name|x|--solution|y|--version|1.0|--webhook|",
            "",
        ),
        (
            &["delete-solution", "--name", "x", "--solution", "y"],
            2,
            "solution|remove|--name|x|--solution|y|",
            "",
        ),
        (&["create-env", "-n", "x", "-a", "/a.iso"], 3, "", "only import and unimport take --archive"),
        (&["nonsense"], 3, "", "unknown command nonsense"),
        (&[], 3, "", "expected a command"),
    ] {
        let archive = Archive::new();
        let (found, said) = archive.script("solutions.sh", arguments);
        assert_eq!((found, archive.calls().as_str()), (Some(code), calls), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[test]
fn solutions_also_writes_its_output_to_a_log_file() {
    let archive = Archive::new();
    archive.program("bin/sealift", "echo out; echo err >&2; exit 1");
    let log = archive.path("log");
    let arguments = ["activate", "-n", "x", "--log-file", log.to_str().unwrap()];
    for time in 1..3 {
        let (code, said) = archive.script("solutions.sh", &arguments);
        assert_eq!((code, said.as_str()), (Some(1), "out\nerr\n"));
        assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\n".repeat(time));
    }
}

#[test]
fn solution_manager_has_the_options_of_2019() {
    for (arguments, code, calls, text) in [
        (&["-a", "/a b.iso"][..], 2, "solution|import|--|/a b.iso|", ""),
        (&["--add", "/a.iso", "--unverified"], 2, "solution|import|--unverified|--|/a.iso|", ""),
        (&["-d", "/a.iso"], 2, "solution|unimport|--|/a.iso|", ""),
        (&["--del", "/a.iso"], 2, "solution|unimport|--|/a.iso|", ""),
        (&["--del"], 3, "", "--del needs the path of an ISO"),
        (&["-h"], 0, "", "Usage: solution-manager.sh -a ISO"),
        (&[], 3, "", "expected --add or --del"),
    ] {
        let archive = Archive::new();
        let (found, said) = archive.script("solution-manager.sh", arguments);
        assert_eq!((found, archive.calls().as_str()), (Some(code), calls), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

/// The scripts run on CentOS 7, too, where bash 4.2 with `set -u` refuses to expand an empty array.
#[test]
fn no_script_expands_an_array_that_can_be_empty() {
    for entry in fs::read_dir(scripts()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let bare = text.replace("${options[@]+\"${options[@]}\"}", "");
        assert!(!bare.contains("\"${options[@]}\""), "{}", path.display());
    }
}

#[test]
fn the_scripts_for_a_whole_node_have_the_documented_options() {
    let version = |archive: &Archive| {
        fs::write(archive.path("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0\n").unwrap()
    };
    for (script, arguments, calls) in [
        (
            "upgrade.sh",
            &["--dry-run", "--verbose"][..],
            "node|upgrade|--dry-run|--destination-version|2.11.0|",
        ),
        ("upgrade.sh", &["--destination-version", "2.11.1"], "node|upgrade|--destination-version|2.11.1|"),
        ("upgrade.sh", &["--abort"], "node|upgrade|--abort|"),
        (
            "downgrade.sh",
            &["--destination-version=2.10.0", "-n"],
            "node|downgrade|--dry-run|--destination-version|2.10.0|",
        ),
        ("backup.sh", &["--keep", "3"], "node|backup|--archive|ROOT|--keep|3|"),
        (
            "restore.sh",
            &["--backup-file", "/b 1.tar.gz", "--apiserver-node-ip", "10.0.0.2"],
            "node|restore|--archive|ROOT|--backup-file|/b 1.tar.gz|--apiserver-node-ip|10.0.0.2|",
        ),
    ] {
        let archive = Archive::new();
        version(&archive);
        let (code, said) = archive.script(script, arguments);
        let root = archive.folder.path().canonicalize().unwrap().display().to_string();
        assert_eq!((code, archive.calls()), (Some(2), calls.replace("ROOT", &root)), "{script}: {said}");
    }
    for (script, arguments, expected, text) in [
        ("downgrade.sh", &[][..], 3, "no version given: use --destination-version"),
        ("restore.sh", &[], 3, "no backup given"),
        ("upgrade.sh", &[], 3, "no version given: use --destination-version"),
        ("upgrade.sh", &["--destination-version"], 3, "needs a version"),
        ("backup.sh", &["--help"], 0, "Usage: backup.sh"),
        ("restore.sh", &["--help"], 0, "`sealift node restore`"),
        ("upgrade.sh", &["-h"], 0, "Usage: upgrade.sh [--destination-version VERSION]"),
        ("downgrade.sh", &["-h"], 0, "Usage: downgrade.sh --destination-version VERSION"),
    ] {
        let archive = Archive::new();
        let (code, said) = archive.script(script, arguments);
        assert_eq!(code, Some(expected), "{script}: {said}");
        assert!(said.contains(text), "{script}: {said}");
        assert_eq!(archive.calls(), "");
    }
}
