//! The scripts at the root of the archive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::peer;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the project")
        .join("runtime/scripts")
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let Some(shellcheck) = peer::find("shellcheck") else { return };
    let mut command = Command::new(shellcheck);
    command.args(["--external-sources", "--severity=style", "--source-path=SCRIPTDIR"]);
    for entry in fs::read_dir(scripts()).unwrap() {
        command.arg(entry.unwrap().path());
    }
    let output = peer::run(&mut command);
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// An archive's root with the scripts, and programs in its own search path that write down how they are called.
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
        fs::write(archive.path("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0-dev\n").unwrap();
        fs::write(archive.path("bootstrap.yaml"), "kind: BootstrapConfiguration\n").unwrap();
        for iso in ["good.iso", "damaged.iso"] {
            fs::write(archive.path(iso), iso).unwrap();
        }
        let log = archive.path("calls").display().to_string();
        archive.program(
            "bin/sealift",
            &format!("echo sealift \"$@\" >>{log}\ncase $3 in *damaged*) exit 1 ;; esac"),
        );
        archive.program("path/id", "echo 0");
        archive.program("path/systemctl", "exit 0");
        archive.program("path/salt-call", &format!(
            "while [ $# -gt 0 ]; do case $1 in --config-dir) cp \"$2/minion\" {minion}; shift 2 ;; -*) shift ;; *) break ;; esac; done\n\
             echo salt \"$@\" >>{log}",
            minion = archive.path("minion").display(),
        ));
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

    fn iso_manager(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let path = format!("{}:{}", self.path("path").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.path("iso-manager.sh"));
        command.args(arguments).current_dir(self.folder.path()).env("PATH", path);
        command.env("BOOTSTRAP_CONFIG", self.path("bootstrap.yaml")).env("TMPDIR", self.folder.path());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
    }

    /// What was called, one call a line; the archive's root is written as `.`.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let root = fs::canonicalize(self.folder.path()).unwrap().display().to_string();
        text.replace(&root, ".").lines().map(str::to_owned).collect()
    }
}

#[test]
fn iso_manager_verifies_everything_before_it_changes_something() {
    let archive = Archive::new();
    let (code, said) = archive.iso_manager(&["-a", "good.iso", "--archive", "damaged.iso"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("damaged.iso is damaged; nothing was changed"), "{said}");
    assert_eq!(
        archive.calls(),
        ["sealift archive verify ./good.iso", "sealift archive verify ./damaged.iso"]
    );
}

#[test]
fn iso_manager_configures_and_mounts_with_salt() {
    let archive = Archive::new();
    let (code, said) = archive.iso_manager(&["-a", "good.iso"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        archive.calls(),
        [
            "sealift archive verify ./good.iso",
            "salt saltutil.sync_modules saltenv=metalk8s-2.11.0-dev",
            "salt metalk8s.configure_archive ./good.iso ./bootstrap.yaml",
            "salt state.apply metalk8s.archives.mounted,metalk8s.registry.running",
        ]
    );
    let minion = fs::read_to_string(archive.path("minion")).unwrap();
    let root = fs::canonicalize(archive.folder.path()).unwrap();
    for line in [
        "saltenv: metalk8s-2.11.0-dev".to_owned(),
        format!("file_roots: {{metalk8s-2.11.0-dev: [\"{}/salt\"]}}", root.display()),
        format!("metalk8s_sealift: \"{}/bin/sealift\"", root.display()),
    ] {
        assert!(minion.contains(&line), "{line} is not in\n{minion}");
    }
    // Salt's configuration was made for this run and is gone.
    let left = fs::read_dir(archive.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("tmp."));
    assert_eq!(left.count(), 0);
}

#[test]
fn iso_manager_says_what_was_wrong_with_the_command() {
    let archive = Archive::new();
    for (arguments, code, expected) in [
        (&["--help"][..], 0, "Usage: iso-manager.sh"),
        (&[], 3, "no archive given"),
        (&["-a"], 3, "-a needs the path of an archive"),
        (&["--frob"], 3, "unknown argument --frob"),
        (&["-a", "missing.iso"], 3, "missing.iso: no such file"),
    ] {
        let (found, said) = archive.iso_manager(arguments);
        assert!(found == Some(code) && said.contains(expected), "{arguments:?}: {found:?}: {said}");
    }
    fs::remove_file(archive.path("bootstrap.yaml")).unwrap();
    let (code, said) = archive.iso_manager(&["-a", "good.iso"]);
    assert!(code == Some(3) && said.contains("this is no bootstrap node"), "{said}");
    assert_eq!(archive.calls(), [""; 0]);
}
