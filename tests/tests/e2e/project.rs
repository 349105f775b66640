//! Projects: what a build does, what it does not repeat, and how it reports invalid input.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::mounts::Disk;
use tests::{peer, sealift};

/// A project with everything but a compiler: an image, a package, a Salt tree, a script that is a template.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

pub(crate) const SALT: &str = "salt/top.sls";

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.write(
            "sealift.yaml",
            "apiVersion: sealift.dev/v1alpha1\n\
             kind: Platform\n\
             metadata: {name: Example, version: 1.2.3}\n\
             spec:\n  \
               images: {build: [images/hello]}\n  \
               packages: [{name: base, release: \"8\", build: [packages/hello]}]\n  \
               files:\n    \
                 - {from: salt, to: salt}\n    \
                 - {from: scripts, to: ., exclude: ['*.md']}\n",
        );
        project.write(
            "images/hello/image.yaml",
            "files: [{from: hello.sh, to: /hello, mode: '0755'}]\nentrypoint: [/hello]\n",
        );
        project.write(
            "packages/hello/package.yaml",
            "{name: hello, version: '{{ version }}', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
             files: [{from: hello.sh, to: /usr/bin/hello, mode: '0755'}]}\n",
        );
        project.write("hello.sh", "#!/bin/sh\necho hello\n");
        project.write(SALT, "base:\n  '*':\n    - hello\n");
        project.write("salt/hello/init.sls", "hello: test.nop\n");
        project.write("scripts/hello.sh.in", "#!/bin/sh\necho {{ name }} {{ version }}\n");
        project.write("scripts/notes.md", "not shipped\n");
        let script = project.path("scripts/hello.sh.in");
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = sealift::command(self.folder.path());
        // A content store of its own, so that tests do not see each other's files.
        command.env("SEALIFT_CACHE", self.path(".cache")).env("SOURCE_DATE_EPOCH", "1700000000");
        command
    }

    /// Runs `sealift` here: exit code, standard output, standard error.
    pub(crate) fn sealift(&self, arguments: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command().args(arguments).output().unwrap())
    }

    /// Commits all files.
    pub(crate) fn commit(&self) {
        self.write(".gitignore", "/_build\n/.cache\n");
        let author = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
        for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "all"], &["tag", "-f", "v1"]]
        {
            let mut git = Command::new("git");
            peer::run(git.args(author).args(arguments).current_dir(self.folder.path()));
        }
    }

    /// Builds, which must succeed; returns the titles of the tasks that ran.
    pub(crate) fn build(&self) -> Vec<String> {
        Self::titles(&mut self.command())
    }

    /// As [`Project::build`], without `SOURCE_DATE_EPOCH`.
    fn build_dated_by_git(&self) -> Vec<String> {
        Self::titles(self.command().env_remove("SOURCE_DATE_EPOCH"))
    }

    fn titles(command: &mut Command) -> Vec<String> {
        let (code, out, err) = sealift::told(&command.args(["run", "-n", "2"]).output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        let mut ran: Vec<String> = out
            .lines()
            .filter_map(|line| line.strip_prefix(".  "))
            .map(|title| untimed(title).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        ran.sort();
        ran
    }

    /// What would change if the ISO were written again.
    pub(crate) fn iso(&self) -> (u64, i64, Vec<u8>) {
        let path = self.path("_build/example.iso");
        let metadata = fs::metadata(&path).unwrap();
        (metadata.ino(), metadata.mtime_nsec(), fs::read(path).unwrap())
    }
}

/// The line of a task without its duration and bytes.
pub(crate) fn untimed(line: &str) -> &str {
    match line.strip_suffix(')').and_then(|line| line.rsplit_once(" (")) {
        Some((title, figures)) if figures.starts_with(|c: char| c.is_ascii_digit()) => title,
        _ => line,
    }
}

#[test]
fn a_project_beside_the_current_folder_is_built() {
    let project = Project::new();
    let folder = project.path("").canonicalize().unwrap();
    let beside = Path::new("..").join(folder.file_name().unwrap());
    let current = project.path("salt");
    let far = Path::new("../..").join(folder.file_name().unwrap());
    for (start, named) in [(project.path(""), beside), (current, far)] {
        let mut command = sealift::command(&start);
        let output = command.args(["run", "iso", "--project"]).arg(&named).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(project.path("_build/example.iso").exists());
}

#[test]
fn a_second_build_runs_nothing_and_leaves_the_iso_untouched() {
    let project = Project::new();
    let ran = project.build();
    for title in [
        "MKISOFS _build/example.iso",
        "RENDER ENV _build/root/product.txt",
        "RENDER _build/root/hello.sh",
        "IMG BUILD hello:1.2.3",
        "BUILD RPM REPO _build/root/packages/redhat/8/example-base-el8",
        "COPY _build/root/salt/top.sls",
    ] {
        assert!(ran.iter().any(|one| one == title), "{title} is not in {ran:?}");
    }
    assert_eq!(
        fs::read_to_string(project.path("_build/root/hello.sh")).unwrap(),
        "#!/bin/sh\necho Example 1.2.3\n"
    );
    assert_eq!(fs::metadata(project.path("_build/root/hello.sh")).unwrap().mode() & 0o777, 0o755);
    assert!(!project.path("_build/root/notes.md").exists());
    let before = project.iso();

    assert_eq!(project.build(), [""; 0]);
    assert_eq!(project.iso(), before);
    let (code, out, _) = project.sealift(&["info", "iso"]);
    assert_eq!(code, 0, "{out}");
    let (_, out, _) = project.sealift(&["explain", "iso"]);
    assert_eq!(out, "everything is up to date\n");
}

#[test]
fn a_folder_of_somebody_elses_is_not_built_in() {
    let project = Project::new();
    project.write("dist/root/mine", "precious");
    for _ in 0..2 {
        let (code, _, err) = project.sealift(&["run", "--build-root", "dist", "salt_tree"]);
        assert!(
            code == 3 && err.contains("dist/root contains files") && err.contains("--build-root"),
            "{code}: {err}"
        );
    }
    assert_eq!(fs::read_to_string(project.path("dist/root/mine")).unwrap(), "precious");
}

#[test]
fn empty_folders_of_tasks_that_are_no_more_are_not_in_the_iso() {
    let project = Project::new();
    project.build();
    let before = project.iso();
    // The files of a pull whose image got another name before it succeeded.
    fs::create_dir_all(project.path("_build/root/images/typo/1.0")).unwrap();
    assert_eq!(project.build(), [""; 0]);
    assert!(!project.path("_build/root/images/typo").exists());
    assert_eq!(project.iso(), before);
    fs::create_dir_all(project.path("_build/root/images/typo/1.0")).unwrap();
    let (code, out, err) = project.sealift(&["clean"]);
    assert!(code == 0 && out.contains("removing dir '_build/root/images/typo'"), "{code}: {out}{err}");
    assert!(!project.path("_build").exists());
}

#[test]
fn a_touched_file_of_equal_content_runs_nothing() {
    let project = Project::new();
    project.build();
    let before = project.iso();
    let content = fs::read(project.path(SALT)).unwrap();
    fs::remove_file(project.path(SALT)).unwrap();
    fs::write(project.path(SALT), content).unwrap();
    assert_eq!(project.build(), [""; 0]);
    assert_eq!(project.iso(), before);
}

#[test]
fn a_changed_salt_file_makes_its_copy_the_iso_and_the_checksums_again() {
    let project = Project::new();
    project.build();
    project.write(SALT, "base: {}\n");
    let (_, out, _) = project.sealift(&["explain", "iso"]);
    assert!(out.contains("salt/top.sls"), "{out}");
    assert_eq!(
        project.build(),
        [
            "COPY _build/root/salt/top.sls",
            "MKISOFS _build/example.iso",
            "SHA256SUM _build/example.iso",
            "SHA256SUMS _build/root/SHA256SUMS",
        ]
    );
}

#[test]
fn a_commit_changes_the_product_information_and_the_iso_and_nothing_that_it_does_not_touch() {
    let project = Project::new();
    project.write("README.md", "Nobody reads this.\n");
    project.commit();
    project.build_dated_by_git();
    let product = || fs::read_to_string(project.path("_build/root/product.txt")).unwrap();
    let revision =
        || product().lines().find_map(|line| line.strip_prefix("GIT=").map(str::to_owned)).unwrap();
    let clean = revision();
    assert!(clean.len() == 40 && product().contains("BUILD_TIMESTAMP="), "{}", product());

    // A file that no task reads changes no archive.
    project.write("README.md", "Nobody reads this either.\n");
    assert_eq!(project.build_dated_by_git(), [""; 0]);
    let iso_and = |more: &[&str]| {
        let mut titles = vec![
            "MKISOFS _build/example.iso",
            "RENDER ENV _build/root/product.txt",
            "SHA256SUM _build/example.iso",
            "SHA256SUMS _build/root/SHA256SUMS",
        ];
        titles.extend(more);
        titles.sort_unstable();
        titles.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    project.commit();
    assert_eq!(project.build_dated_by_git(), iso_and(&[]));
    assert_ne!(revision(), clean);

    // The files differ from the commit: one is edited, one is new, one is deleted.
    let committed = revision();
    project.write(SALT, "base: {}\n");
    assert_eq!(project.build_dated_by_git(), iso_and(&["COPY _build/root/salt/top.sls"]));
    assert_eq!(revision(), format!("{committed}-dirty"));
    project.write("salt/new.sls", "new: test.nop\n");
    assert_eq!(
        project.build_dated_by_git(),
        [
            "COPY _build/root/salt/new.sls",
            "MKISOFS _build/example.iso",
            "SHA256SUM _build/example.iso",
            "SHA256SUMS _build/root/SHA256SUMS",
        ]
    );
    fs::remove_file(project.path("salt/hello/init.sls")).unwrap();
    let (code, _, err) = project.sealift(&["run", "--release"]);
    assert!(
        code == 3 && err.contains("\n  salt/hello/init.sls\n  salt/new.sls\n  salt/top.sls\n"),
        "{code}: {err}"
    );
    assert!(!err.contains("README"), "{err}");

    project.commit();
    let (code, out, err) = project.sealift(&["run", "--release"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(revision().len(), 40);
    let elsewhere = Project::new();
    let (code, _, err) = elsewhere.sealift(&["run", "--release"]);
    assert!(code == 3 && err.contains("not a checkout of a commit"), "{code}: {err}");
}

#[test]
fn equal_commits_give_equal_archives_whatever_the_clone_its_umask_and_the_user() {
    let project = Project::new();
    project.commit();
    let source = format!("file://{}", project.folder.path().display());
    let clones = tempfile::tempdir().unwrap();
    let mut isos = Vec::new();
    let clone = |name: &str, umask: &str, options: &str| {
        let command = format!("umask {umask} && git clone -q {options} '{source}' '{name}'");
        peer::run(Command::new("sh").args(["-c", &command]).current_dir(clones.path()));
    };
    for (name, umask, options) in
        [("full", "022", ""), ("shallow", "077", "--depth=1"), ("without-tags", "002", "--no-tags")]
    {
        clone(name, umask, options);
        let folder = clones.path().join(name);
        let mut command = sealift::command(&folder);
        command.env("SEALIFT_CACHE", folder.join(".cache")).env_remove("SOURCE_DATE_EPOCH");
        // As a hook is called.
        command.env("GIT_DIR", "/nowhere").env("LC_ALL", "de_DE.UTF-8");
        let (code, out, err) = sealift::told(&command.arg("run").output().unwrap());
        assert_eq!(code, 0, "{name}: {out}{err}");
        isos.push(fs::read(folder.join("_build/example.iso")).unwrap());
    }
    assert!(isos.iter().all(|iso| *iso == isos[0]), "the ISOs of clones differ");
}

#[test]
fn what_nobody_makes_any_more_leaves_the_archive() {
    let project = Project::new();
    project.build();
    fs::remove_file(project.path("salt/hello/init.sls")).unwrap();
    project.write("_build/root/salt/dropped-in-by-hand", "");
    project.build();
    assert!(!project.path("_build/root/salt/hello/init.sls").exists());
    assert!(!project.path("_build/root/salt/dropped-in-by-hand").exists());

    // A build from nothing gives the same ISO: it does not depend on past builds.
    let (_, _, bytes) = project.iso();
    fs::remove_dir_all(project.path("_build")).unwrap();
    project.build();
    assert!(project.iso().2 == bytes, "the ISO of a build from nothing differs");
}

#[test]
fn clean_removes_all_that_was_made() {
    let project = Project::new();
    project.build();
    let (code, planned, _) = project.sealift(&["clean", "--dry-run"]);
    assert_eq!(code, 0);
    let (code, done, err) = project.sealift(&["clean"]);
    assert_eq!((code, planned), (0, done), "{err}");
    assert!(!project.path("_build").exists());
}

#[test]
fn reports_for_programs_are_json() {
    let project = Project::new();
    let (code, out, _) = project.sealift(&["run", "--reporter", "json"]);
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let task = |name: &str| {
        report["tasks"].as_array().unwrap().iter().find(|task| task["name"] == name).cloned().unwrap()
    };
    assert_eq!(task("_iso_build")["result"], "success");
    let (_, out, _) = project.sealift(&["list", "--all", "--private", "--status", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|task| task["name"] == "_iso_build" && task["status"] == "U")
    );
    let (_, out, _) = project.sealift(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["metadata"].is_object());
}

#[test]
fn wrong_input_is_named_with_the_right_exit_code() {
    let project = Project::new();
    project.build();
    let before = project.iso();
    let good = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let cases: [(&str, &str, i32, &str); 5] = [
        ("images: {build", "imges: {build", 3, "sealift.yaml:5:3: unknown key `imges`"),
        ("images/hello", "images/nothing", 3, "images/nothing/image.yaml"),
        ("release: \"8\"", "release: 8/../..", 3, "cannot name a release"),
        ("{from: salt, to: salt}", "{from: nowhere, to: salt}", 3, "nowhere"),
        ("Platform", "Spaceship", 3, "sealift.yaml:2:7"),
    ];
    for (from, to, code, message) in cases {
        assert!(good.contains(from), "{from}");
        project.write("sealift.yaml", &good.replace(from, to));
        let (found, _, err) = project.sealift(&["run"]);
        assert!(found == code && err.contains(message), "{to}: {found}: {err}");
    }
    project.write("sealift.yaml", &good);
    for (arguments, message) in [
        (&["run", "isso"][..], "`isso` is neither a task nor a file"),
        (&["run", "nothing*"], "no task matches `nothing*`"),
        (&["run", "--profile", "full"], "no profile `full`"),
        (&["run", "-n", "many"], "many"),
    ] {
        let (code, _, err) = project.sealift(arguments);
        assert!(code == 3 && err.contains(message), "{arguments:?}: {code}: {err}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, _, err) = sealift::run(elsewhere.path(), &["run"]);
    assert!(code == 3 && err.contains("no sealift.yaml"), "{err}");
    assert_eq!(project.iso(), before, "wrong input changed what was there");
}

#[test]
fn images_that_are_not_locked_are_reported_before_anything_is_built() {
    let project = Project::new();
    let good = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let images = "images: {build: [images/hello], pull: [{name: a, source: registry.invalid/a, tag: '1'}]}";
    project.write("sealift.yaml", &good.replace("images: {build: [images/hello]}", images));
    project.write("images/hello/image.yaml", "base: registry.invalid/base:3\nentrypoint: [/hello]\n");
    let (code, out, err) = project.sealift(&["run"]);
    assert_eq!(code, 3, "{out}{err}");
    for expected in [
        "sealift.yaml:5:20: registry.invalid/base:3 is not locked",
        "sealift.yaml:5:49: registry.invalid/a:1 is not locked",
        "help: run `sealift lock`",
    ] {
        assert!(err.contains(expected), "{expected}: {err}");
    }
    assert!(!project.path("_build").exists() && !out.contains(".  "), "{out}");
    let (code, out, err) = project.sealift(&["run", "salt_tree"]);
    assert!(code == 0 && project.path("_build/root/salt/top.sls").exists(), "{code}: {out}{err}");
}

#[test]
fn a_full_disk_is_named_and_the_next_build_finishes() {
    let project = Project::new();
    let build_root = project.path("_build");
    fs::create_dir(&build_root).unwrap();
    // Room for the tree, not for an image of it.
    project.write("scripts/payload", &"payload\n".repeat(200_000));
    let Some(disk) = Disk::mount(&build_root, "size=2500k") else { return };
    let (code, out, err) = project.sealift(&["run"]);
    let text = format!("{out}{err}");
    assert!(code == 2 && text.contains("example.iso") && text.contains("No space left"), "{code}: {text}");
    assert!(!project.path("_build/example.iso").exists(), "half an ISO");
    disk.resize("size=16m");
    let ran = project.build();
    assert_eq!(ran, ["MKISOFS _build/example.iso", "SHA256SUM _build/example.iso"]);
}

#[test]
fn a_build_root_may_lie_outside_the_project_and_starts_from_the_shells_folder() {
    let project = Project::new();
    let shell = project.path("shell");
    fs::create_dir(&shell).unwrap();
    let out = shell.join("out");
    let run = |arguments: &[&str]| {
        let mut command = project.command();
        let elsewhere = tempfile::tempdir_in(&shell).unwrap();
        // The project is a folder of its own, outside of all folders that are written to.
        for name in ["sealift.yaml", "images", "packages", "hello.sh", "salt", "scripts"] {
            let (from, to) = (project.path(name), elsewhere.path().join(name));
            peer::run(Command::new("cp").arg("-r").arg(from).arg(to));
        }
        command.current_dir(&shell).args(arguments).arg("--project").arg(elsewhere.path());
        command.args(["--build-root", "out"]);
        sealift::told(&command.output().unwrap())
    };
    let (code, said, err) = run(&["run"]);
    assert_eq!(code, 0, "{said}{err}");
    let iso = out.join("example.iso");
    let first = fs::read(&iso).unwrap();
    fs::remove_dir_all(out.join("root")).unwrap();
    let (code, said, err) = run(&["run"]);
    assert_eq!(code, 0, "{said}{err}");
    assert!(fs::read(&iso).unwrap() == first, "another ISO from another folder");
    let (code, said, err) = sealift::run(&shell, &["archive", "verify", "out/example.iso"]);
    assert_eq!(code, 0, "{said}{err}");
    let (code, said, err) = run(&["clean"]);
    assert!(code == 0 && !out.join("root").exists() && !iso.exists(), "{code}: {said}{err}");
}

#[test]
fn a_project_that_leads_outside_or_builds_a_refused_archive_ends_before_anything_is_written() {
    let project = Project::new();
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("secret"), "secret\n").unwrap();
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, project.path(name)).unwrap();
    let secret = host.path().join("secret");
    let good = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    for (place, name, target, expected) in [
        ("{from: salt, to: salt}", "linked", host.path(), "outside the project"),
        ("{from: salt, to: salt}", "linked", secret.as_path(), "outside the project"),
        ("", "salt/absolute", secret.as_path(), "salt/absolute: link to"),
        ("", "salt/round", Path::new("round"), "salt/round: link to `round`: too many symbolic links"),
        ("", "_build", host.path(), "leads through a symbolic link"),
    ] {
        if !place.is_empty() {
            project.write("sealift.yaml", &good.replace(place, "{from: linked, to: salt}"));
        }
        link(target, name);
        let (code, out, err) = project.sealift(&["run"]);
        assert!(code == 3 && err.contains(expected), "{name}: {code}: {out}{err}");
        fs::remove_file(project.path(name)).unwrap();
        assert!(
            !project.path("_build").exists() && tests::folder::names(host.path()) == ["secret"],
            "{name}"
        );
        project.write("sealift.yaml", &good);
    }
    project.build();
}

/// A program with generated code, which panics with the path of the file that it is in.
#[test]
fn a_program_compiled_in_two_folders_is_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let build = |name: &str| {
        let folder = scratch.path().join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        for (file, text) in [
            ("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"1.0.0\"\nedition = \"2024\"\n"),
            ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"hello\"\nversion = \"1.0.0\"\n"),
            (
                "build.rs",
                "fn main() {
                     let file = std::path::Path::new(&std::env::var_os(\"OUT_DIR\").unwrap()).join(\"generated.rs\");
                     std::fs::write(file, \"fn pick(n: usize) -> u8 { [1, 2, 3][n] }\").unwrap();
                 }",
            ),
            (
                "src/main.rs",
                "include!(concat!(env!(\"OUT_DIR\"), \"/generated.rs\"));
                 fn main() { println!(\"{}\", pick(std::env::args().count())); }",
            ),
            (
                "sealift.yaml",
                "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\n\
                 spec:\n  binaries:\n    - {cargo: hello, to: bin/hello}\n",
            ),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        let (code, out, err) = sealift::run(&folder, &["run"]);
        assert_eq!(code, 0, "{out}{err}");
        let panicked = Command::new(folder.join("_build/bin/hello")).args(["a", "b"]).output().unwrap();
        let said = String::from_utf8_lossy(&panicked.stderr).into_owned();
        assert!(said.contains("/project/target/") && said.contains("generated.rs"), "{said}");
        fs::read(folder.join("_build/example.iso")).unwrap()
    };
    assert!(build("one") == build("another folder"), "the ISOs differ");
}

/// Compiles all of Sealift again in the other folder, in the profile of the program under test.
#[test]
fn the_same_commit_in_two_folders_gives_the_same_iso() {
    let here = sealift::archive();
    let elsewhere = sealift::repository().join("target/e2e/another folder/sealift");
    copy_repository(&elsewhere);
    let mut command = Command::new("cargo");
    command.args(["xtask", "iso"]).current_dir(&elsewhere).env_remove("CARGO_TARGET_DIR");
    // Built there, not restored from a result of this folder.
    command.env("SEALIFT_CACHE_SIZE", "0");
    peer::run(&mut command);
    let bytes = |path: &Path| fs::read(path).unwrap();
    let there = elsewhere.join("_build/metalk8s.iso");
    if bytes(&there) != bytes(&here.iso) {
        let (one, other) = (here.iso.to_string_lossy(), there.to_string_lossy());
        let (_, out, err) = sealift::run(&elsewhere, &["iso", "diff", &one, &other]);
        panic!("the ISOs differ:\n{out}{err}");
    }
}

/// A clone of the repository with the uncommitted changes. Former results of the compiler stay.
fn copy_repository(target: &Path) {
    let root = sealift::repository();
    let git = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new("git");
        String::from_utf8(peer::run(command.arg("-C").arg(folder).args(arguments)).stdout).unwrap()
    };
    if target.join(".git").exists() {
        git(&["fetch", "--quiet", "--tags", "origin", "HEAD"], target);
        git(&["reset", "--quiet", "--hard", "FETCH_HEAD"], target);
        git(&["clean", "--quiet", "-fd"], target);
    } else {
        fs::create_dir_all(target).unwrap();
        git(&["clone", "--quiet", ".", &target.to_string_lossy()], root);
    }
    for name in git(&["ls-files", "-z", "--modified", "--others", "--exclude-standard"], root).split('\0') {
        let (from, to) = (root.join(name), target.join(name));
        if name.is_empty() {
            continue;
        }
        match fs::read(&from) {
            Ok(content) => {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(&to, content).unwrap();
                fs::set_permissions(&to, fs::metadata(&from).unwrap().permissions()).unwrap();
            }
            Err(_) => fs::remove_file(&to).unwrap(),
        }
    }
}
