//! Builds that are killed, that run at the same time, or that are restored from the cache.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tests::{peer, sealift};

use crate::project::{Project, SALT, untimed};

/// The seeds of the moments of the kills; the same in every run of the test.
const SEEDS: [u64; 4] = [0x5ea1_11f7, 0xdead_beef, 42, 0x0f1e_2d3c_4b5a_6978];

/// How often builds are killed, over all seeds.
const KILLS: usize = 200;

/// Numbers that are random enough for this (Marsaglia's xorshift).
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % u64::try_from(below.as_micros()).unwrap().max(1))
    }
}

/// The two states of the project that builds alternate between.
const SALT_TOPS: [&str; 2] = ["base: {}\n", "base:\n  '*':\n    - hello\n"];

#[test]
fn builds_killed_at_any_moment_end_in_the_same_iso() {
    let whole = Project::new();
    let expected = SALT_TOPS.map(|top| {
        whole.write(SALT, top);
        whole.build();
        whole.iso().2
    });
    assert!(expected[0] != expected[1], "the edit is not in the ISO");
    thread::scope(|scope| {
        for (index, seed) in SEEDS.into_iter().enumerate() {
            println!("seed {seed:#x}");
            // With and without a cache, which a killed build may leave unfinished files in.
            let cache_size = if index % 2 == 0 { "0" } else { "100M" };
            let expected = &expected;
            scope.spawn(move || kill_and_build(seed, cache_size, expected));
        }
    });
}

/// Kills builds at moments that `seed` determines. A build that is not killed must make the ISO `expected` for its state.
fn kill_and_build(seed: u64, cache_size: &str, expected: &[Vec<u8>; 2]) {
    let (project, mut moments) = (Project::new(), Moments(seed));
    let command = || {
        let mut command = project.command();
        command.args(["run", "-n", "2"]).env("SEALIFT_CACHE_SIZE", cache_size);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let in_peace = || {
        let began = Instant::now();
        let succeeded = command().status().unwrap().success();
        (succeeded, began.elapsed())
    };
    let (_, mut duration) = in_peace();
    let (mut killed, mut state) = (0, 0);
    while killed < KILLS / SEEDS.len() {
        // Sometimes from nothing, sometimes after an edit.
        if killed % 2 == 0 {
            fs::remove_dir_all(project.path("_build")).unwrap();
        }
        project.write(SALT, SALT_TOPS[state]);
        // Up to seven kills before a build may end.
        for _ in 0..1 + killed % 7 {
            let mut child = command().spawn().unwrap();
            let moment = Instant::now() + moments.next(duration);
            while Instant::now() < moment && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_micros(500));
            }
            child.kill().unwrap();
            killed += usize::from(child.wait().unwrap().signal().is_some());
            if let Ok(iso) = fs::read(project.path("_build/example.iso")) {
                assert!(
                    expected.contains(&iso),
                    "seed {seed:#x}: half an ISO stands there after {killed} kills"
                );
            }
        }
        let (succeeded, took) = in_peace();
        assert!(succeeded, "seed {seed:#x}: after {killed} kills");
        // The machine may have become busier or idler.
        duration = (duration + took) / 2;
        assert!(project.iso().2 == expected[state], "seed {seed:#x}: another ISO after {killed} kills");
        state = 1 - state;
    }
}

/// A build that hangs: its registry accepts the connection and sends nothing.
struct Stuck {
    child: Child,
    _registry: (TcpListener, TcpStream),
}

impl Stuck {
    /// Starts it, and waits until it hangs with all its locks.
    fn start(project: &Project) -> Self {
        let registry = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = registry.local_addr().unwrap();
        let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
        let pull = format!(
            "spec:\n  registries: [{{host: registry.invalid, mirrors: ['http://{address}']}}]\n  \
             images: {{build: [images/hello], pull: [{{name: far, source: registry.invalid/far, tag: '1', \
             digest: 'sha256:{}'}}]}}\n",
            "a".repeat(64)
        );
        let text = text.replace("spec:\n", "").replace("  images: {build: [images/hello]}\n", &pull);
        project.write("sealift.yaml", &text);
        let mut command = project.command();
        let child = command
            .args(["run", "_image_pull:far:1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let call = registry.accept().unwrap().0;
        Self { child, _registry: (registry, call) }
    }

    /// The message for commands that wait for it.
    fn name(&self) -> String {
        format!("process {} (sealift run _image_pull:far:1) on ", self.child.id())
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command and reads its first line of standard error.
fn first_words(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    (child, said)
}

#[test]
fn a_second_run_waits_for_its_turn_or_says_whose_it_is() {
    let project = Project::new();
    let mut first = Stuck::start(&project);
    let (code, _, err) = project.sealift(&["run", "--no-wait"]);
    assert!(code == 2 && err.contains(&first.name()) && err.contains("help"), "{code}: {err}");
    // Queries never wait.
    for (look, expected) in [
        (&["list", "--status"][..], 0),
        (&["info", "iso"], 1),
        (&["explain", "iso"], 0),
        (&["run", "--dry-run"], 0),
    ] {
        let (code, out, err) = project.sealift(look);
        assert_eq!(code, expected, "{look:?}: {out}{err}");
    }
    let (mut second, said) = first_words(project.command().args(["run", "salt_tree"]));
    assert!(said.contains("waiting for") && said.contains(&first.name()), "{said}");
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    let (mut stopped, _) = first_words(project.command().args(["run", "salt_tree"]));
    peer::run(Command::new("kill").args(["-TERM", &stopped.id().to_string()]));
    assert_eq!(stopped.wait().unwrap().code(), Some(128 + 15));
    first.end();
    assert!(second.wait().unwrap().success());
    assert!(project.path("_build/root/salt/top.sls").exists());
}

#[test]
fn commands_that_wait_for_one_that_erases_the_state_begin_anew() {
    let project = Project::new();
    let mut first = Stuck::start(&project);
    let (mut clean, _) = first_words(project.command().arg("clean"));
    let mut runs: Vec<_> =
        (0..2).map(|_| first_words(project.command().args(["run", "salt_tree"])).0).collect();
    first.end();
    assert!(clean.wait().unwrap().success());
    for run in &mut runs {
        assert!(run.wait().unwrap().success());
    }
    let (code, out, err) = project.sealift(&["clean"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!project.path("_build").exists());
}

/// Mode and content of every file of the tree, by path.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                open.push(path);
            } else if metadata.is_file() {
                found.insert(path.clone(), (metadata.mode(), fs::read(path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn what_was_cleaned_comes_back_from_the_cache() {
    let project = Project::new();
    let sealift = |arguments: &[&str]| {
        let mut command = project.command();
        command.env_remove("SEALIFT_CACHE_SIZE");
        let (code, out, err) = sealift::told(&command.args(arguments).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    assert!(sealift(&["run"]).contains(".  MKISOFS"));
    let (whole, iso) = (tree(&project.path("_build/root")), project.iso().2);
    let shown: serde_json::Value =
        serde_json::from_str(&sealift(&["cache", "show", "--output", "json"])).unwrap();
    assert_eq!(shown["folder"], project.path(".cache/outputs").to_str().unwrap());
    assert!(
        shown["results"].as_u64() > Some(8) && shown["bytes"].as_u64() > Some(iso.len() as u64),
        "{shown}"
    );
    assert_eq!(shown["limit"], 10_000_000_000_u64);

    sealift(&["clean"]);
    assert!(!project.path("_build").exists());
    let out = sealift(&["run"]);
    let made: Vec<_> = out.lines().map(untimed).filter(|line| line.starts_with(".  ")).collect();
    // The index is not cached: it is updated, not written again.
    assert!(out.contains("<- MKISOFS") && made == [".  REGISTRY       _build/root/registry"], "{out}");
    assert_eq!((tree(&project.path("_build/root")), project.iso().2), (whole.clone(), iso.clone()));
    // Linked or cloned where possible, not copied.
    let copy = fs::metadata(project.path("_build/example.iso")).unwrap();
    assert!(copy.nlink() > 1 || copy.permissions().mode() & 0o200 != 0);

    // A change written through such a name is detected, and the file is built again.
    let product = project.path("_build/root/product.txt");
    fs::set_permissions(&product, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&product, "NAME=Evil\n").unwrap();
    let out = sealift(&["run"]);
    assert!(
        out.contains(".  RENDER ENV     _build/root/product.txt") && !out.contains(".  MKISOFS"),
        "{out}"
    );
    assert_eq!((tree(&project.path("_build/root")), project.iso().2), (whole, iso));

    assert!(sealift(&["cache", "gc", "--size", "0"]).starts_with("removed "));
    let shown: serde_json::Value =
        serde_json::from_str(&sealift(&["cache", "show", "--output", "json"])).unwrap();
    assert_eq!((&shown["results"], &shown["bytes"]), (&0.into(), &0.into()));
    sealift(&["clean"]);
    assert!(sealift(&["run"]).contains(".  MKISOFS"));

    // The option overrides the environment, which overrides `.env`.
    sealift(&["cache", "gc", "--size", "0"]);
    project.write(".env", "export SEALIFT_CACHE_SIZE=0\n");
    sealift(&["clean"]);
    sealift(&["run"]);
    sealift(&["clean"]);
    assert!(sealift(&["run", "--cache-size", "1G"]).contains(".  MKISOFS"));
    sealift(&["clean"]);
    assert!(sealift(&["run", "--cache-size", "1G"]).contains("<- MKISOFS"));
    let mut command = project.command();
    let (code, _, err) = sealift::told(&command.args(["run", "--cache-size", "much"]).output().unwrap());
    assert!(code == 3 && err.contains("10G"), "{code}: {err}");
}

#[test]
fn clean_takes_what_it_says_and_leaves_nothing() {
    let project = Project::new();
    project.build();
    let lines = |arguments: &[&str]| -> Vec<String> {
        let (code, out, err) = project.sealift(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out.lines().map(str::to_owned).collect()
    };
    // Only the named task, then also its dependencies.
    assert_eq!(
        lines(&["clean", "--dry-run", "_iso_digest"]),
        ["_iso_digest - removing file '_build/SHA256SUM'"]
    );
    let with_needs = lines(&["clean", "--dry-run", "--clean-dep", "_iso_digest"]);
    assert!(
        with_needs.iter().any(|line| line == "_iso_build - removing file '_build/example.iso'"),
        "{with_needs:?}"
    );
    // Files of a killed build and of a user are removed too.
    project.write("_build/root/stray", "");
    project.write("_build/.aside/7/0", "");
    let said = lines(&["clean", "--dry-run"]);
    for stray in ["removing file '_build/root/stray'", "removing dir '_build/.aside'"] {
        assert!(said.iter().any(|line| line == stray), "{said:?}");
    }
    assert!(project.path("_build/root/stray").exists());
    assert_eq!(lines(&["clean"]), said);
    assert!(!project.path("_build").exists());
}

#[test]
fn watch_runs_again_after_an_edit_and_ends_when_told() {
    let project = Project::new();
    let mut command = project.command();
    let mut child =
        command.args(["watch", "salt_tree"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |word: &str| while !said.next().unwrap().unwrap().contains(word) {};
    until("watching for changes");
    for top in SALT_TOPS {
        project.write(SALT, top);
        until("salt/top.sls changed");
        until("watching for changes");
        assert_eq!(fs::read_to_string(project.path("_build/root/salt/top.sls")).unwrap(), top);
    }
    // The project file is watched too; while it is invalid, nothing runs.
    let sound = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    for (text, answer) in [("apiVersion: none", "error"), (&sound, "sealift.yaml changed")] {
        project.write("sealift.yaml", text);
        until(answer);
        until("watching for changes");
    }
    // So does a file that no task knew.
    project.write("salt/new.sls", "new: {}\n");
    until("salt/new.sls changed");
    until("watching for changes");
    assert!(project.path("_build/root/salt/new.sls").exists());
    project.write(SALT, "last: {}\n");
    until("salt/top.sls changed");
    until("watching for changes");
    assert_eq!(fs::read_to_string(project.path("_build/root/salt/top.sls")).unwrap(), "last: {}\n");
    peer::run(Command::new("kill").args(["-TERM", &child.id().to_string()]));
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

/// One machine of several that share a registry: a project and caches of its own.
struct Machine {
    project: Project,
    repository: String,
}

impl Machine {
    fn new(port: u16) -> Self {
        let project = Project::new();
        let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
        let registry = format!("spec:\n  registries: [{{host: '127.0.0.1:{port}', plainHttp: true}}]\n");
        project.write("sealift.yaml", &text.replace("spec:\n", &registry));
        Self { project, repository: format!("127.0.0.1:{port}/team/cache") }
    }

    /// Runs all tasks, which must succeed; returns the output.
    fn run(&self, mode: &str) -> String {
        let mut command = self.project.command();
        command.args(["run", "--remote-cache-mode", mode]);
        command.env("SEALIFT_CACHE_SIZE", "1G").env("SEALIFT_REMOTE_CACHE", &self.repository);
        let (code, out, err) = sealift::told(&command.output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        out + &err
    }
}

#[test]
fn results_cross_from_machine_to_machine_through_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let port = tests::daemon::free_port();
    let Some(registry) = tests::registry::start(folder.path(), port) else { return };
    let storage = folder.path().join("registry-storage");
    let first = Machine::new(port);
    // A machine that may only read finds nothing, reports nothing and sends nothing.
    let said = first.run("read");
    assert!(said.contains(".  MKISOFS") && !said.contains("cache"), "{said}");
    assert!(!storage.exists() || tree(&storage).is_empty());
    peer::run(
        Command::new("rm").arg("-rf").arg(first.project.path("_build")).arg(first.project.path(".cache")),
    );
    let said = first.run("read-write");
    assert!(said.contains(".  MKISOFS") && !said.contains("cache"), "{said}");
    let (whole, iso) = (tree(&first.project.path("_build/root")), first.project.iso().2);
    let relative = |project: &Project| -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let root = project.path("_build/root");
        tree(&root)
            .into_iter()
            .map(|(path, file)| (path.strip_prefix(&root).unwrap().to_owned(), file))
            .collect()
    };

    let second = Machine::new(port);
    let said = second.run("read");
    // Only what is faster to build than to fetch.
    let made: Vec<_> = said.lines().filter(|line| line.starts_with(".  ")).collect();
    assert!(
        said.contains("<- MKISOFS") && said.contains("<- IMG BUILD") && said.contains("<- BUILD RPM"),
        "{said}"
    );
    let quick = [".  COPY ", ".  RENDER ", ".  REGISTRY "];
    assert!(made.iter().all(|line| quick.iter().any(|title| line.starts_with(title))), "{made:?}");
    assert_eq!((relative(&second.project), second.project.iso().2), (relative(&first.project), iso.clone()));
    assert_eq!(whole.len(), relative(&second.project).len());

    // The disk of the registry corrupts the ISO.
    let third = Machine::new(port);
    let rotten = tree(&storage).into_iter().find(|(_, (_, content))| *content == iso).unwrap().0;
    let mut content = iso.clone();
    content[iso.len() / 2] ^= 1;
    fs::write(&rotten, &content).unwrap();
    let said = third.run("read");
    assert!(said.contains(".  MKISOFS") && said.contains("<- IMG BUILD"), "{said}");
    assert!(
        said.contains("the remote cache entry is corrupt") && said.contains("does not match its digest"),
        "{said}"
    );
    assert!(third.project.iso().2 == iso);

    // An unreachable registry is one warning.
    drop(registry);
    let fourth = Machine::new(port);
    let said = fourth.run("read-write");
    assert!(said.contains(".  MKISOFS"), "{said}");
    assert_eq!(said.matches("cannot use the remote cache").count(), 1, "{said}");
    assert!(fourth.project.iso().2 == iso);
}
