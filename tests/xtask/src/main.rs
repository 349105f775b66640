//! `cargo xtask`: the entry point for developers.
//!
//! It has no dependencies, so that it compiles in a second. `test` and `bench` are its own; every other word goes to
//! `sealift`, which it builds first, statically and reproducibly: the binary that builds the archive is the binary in it.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]

mod freshness;
mod layer;
mod machine;
mod peers;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;

use crate::peers::Peers;

const HELP: &str = "\
Build, inspect and test this project.

Usage: cargo xtask [OPTIONS] [TASK...]      run tasks (default: iso)
       cargo xtask COMMAND [ARGS...]

Tasks:
  iso            the archive: _build/metalk8s.iso and _build/SHA256SUM
  populate_iso   the tree of the archive: _build/root
  images packaging salt_tree documentation binaries
  lint format    lint the sources, format them
  `cargo xtask list --all` lists them all

Commands:
  list info explain graph clean forget ignore reset-dep watch cache lock update schema completion
                     as `sealift COMMAND`; each has --help
  test [ARGS...]     install the tools of the tests and run all tests; --all adds slow ones,
                     other ARGS go to `cargo test`
  bench [NAME...]    measure against the peers; with --small only check that each bench runs
  help COMMAND       show the help of a command
  clean --peers      remove the tools that `test` and `bench` installed below target/peers

Examples:
  cargo xtask                       build the archive
  cargo xtask -n 4 images           build only the images, four tasks at a time
  cargo xtask --profile full iso    build with the upstream images of the platform
  cargo xtask explain iso           explain why the archive would be built again
  cargo xtask test                  run all tests
";

/// The verbs of `sealift` that are not tasks.
const VERBS: [&str; 15] = [
    "run",
    "list",
    "info",
    "explain",
    "graph",
    "clean",
    "forget",
    "ignore",
    "reset-dep",
    "watch",
    "cache",
    "completion",
    "lock",
    "update",
    "schema",
];

fn main() -> ExitCode {
    let words: Result<Vec<String>, _> = env::args_os().skip(1).map(OsString::into_string).collect();
    let entered =
        words.map_err(|word| format!("{}: expected text", word.display())).and_then(|words| enter(&words));
    match entered {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors go to the user")]
fn complain(text: &str) {
    eprintln!("cargo xtask: {text}");
}

#[expect(clippy::print_stdout, reason = "help goes to standard output")]
fn help() -> ExitCode {
    print!("{HELP}");
    ExitCode::SUCCESS
}

fn enter(words: &[String]) -> Result<ExitCode, String> {
    let root = root();
    match words.first().map(String::as_str) {
        Some("help") if words.len() > 1 => sealift(&root, words),
        Some("-h" | "--help" | "help") => Ok(help()),
        Some("test") => test(&root, &words[1..]),
        Some("bench") => bench(&root, &words[1..]),
        Some("clean") if words[1..] == ["--peers"] => peers::clean(&root).map(|()| ExitCode::SUCCESS),
        Some(verb) if VERBS.contains(&verb) => sealift(&root, words),
        _ => sealift(&root, &[&["run".to_owned()], words].concat()),
    }
}

/// The root of the workspace: the folder two above this package's.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// Builds `sealift` and becomes it, in the project's root.
fn sealift(root: &Path, words: &[String]) -> Result<ExitCode, String> {
    let binary = build(root)?;
    let error =
        Command::new(&binary).args(words).current_dir(root).env("SEALIFT_ENTRY_POINT", "xtask").exec();
    Err(format!("{}: {error}", binary.display()))
}

fn build(root: &Path) -> Result<PathBuf, String> {
    let binary = cargo_static::binary(root, "sealift");
    if freshness::is_fresh(root, &binary) {
        return Ok(binary);
    }
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    let places = cargo_static::Places::ask(root, &cargo_home).map_err(|error| error.to_string())?;
    let mut command = cargo_static::command(&places, "sealift");
    if binary.exists() {
        command.arg("--quiet");
    }
    let mark = freshness::mark(&binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    succeed(&mut command)?;
    mark.keep().map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(binary)
}

/// Installs the peers, then runs every test with the binary at hand; with `--all` also those that take minutes.
///
/// The binary, the tests and the peers are made at the same time: each of the first two compiles its last crates one
/// after the other, and the third waits for the network.
fn test(root: &Path, words: &[String]) -> Result<ExitCode, String> {
    let mut words = words.to_vec();
    let all = words.iter().position(|word| word == "--all");
    if let Some(place) = all {
        words.remove(place);
    }
    let compiled: Vec<&String> = words.iter().take_while(|word| *word != "--").collect();
    let mut tests = Command::new("cargo");
    tests.args(["test", "--quiet", "--no-run", "--locked", "--workspace"]).args(compiled).current_dir(root);
    let (peers, binary, compiled) = thread::scope(|scope| {
        let tests = scope.spawn(|| succeed(&mut tests));
        let peers = scope.spawn(|| Peers::prepare(root));
        let binary = build(root);
        let joined = |_| "a thread of the build panicked".to_owned();
        (peers.join().map_err(joined), binary, tests.join().map_err(joined))
    });
    let (peers, binary) = (peers??, binary?);
    compiled??;
    // This program is a workspace of its own, and so are its tests.
    let own =
        ["test", "--locked", "--manifest-path", "tests/xtask/Cargo.toml", "--target-dir", "target/xtask"];
    succeed(Command::new("cargo").args(own).current_dir(root))?;
    if all.is_some() {
        words.extend(["--".to_owned(), "--include-ignored".to_owned()]);
    }
    let mut command = peers.command("cargo");
    command.args(["test", "--locked", "--workspace"]).args(words).current_dir(root);
    command.env("SEALIFT_BINARY", binary);
    Ok(if succeed(&mut command).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench(root: &Path, words: &[String]) -> Result<ExitCode, String> {
    let peers = Peers::prepare(root)?;
    let binary = build(root)?;
    let mut command = peers.command("cargo");
    command
        .args(["run", "--locked", "--release", "--package", "tests", "--bin", "bench", "--"])
        .args(words)
        .current_dir(root)
        .env("SEALIFT_BINARY", binary);
    Ok(if succeed(&mut command).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", command.get_program().display())) }
}
