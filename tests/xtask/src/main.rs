//! `cargo xtask`: the entry point for developers.
//!
//! It has no dependencies, so that it compiles in a second. `test` and `bench` are its own; every other word goes to
//! `sealift`, which it builds first, statically and reproducibly: the binary that builds the archive is the binary in it.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]

mod freshness;
mod layer;
mod machine;
mod node_root;
mod peers;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
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
  test [ARGS...]     install the tools that the tests need and run all tests; --release tests
                     the optimized program, other ARGS go to `cargo test`
  bench [NAME...]    measure against other tools; with --small only check that each bench runs
  help COMMAND       show the help of a command, as `cargo xtask COMMAND --help` does
  clean --peers      remove the tools that `test` and `bench` installed below target/peers

Examples:
  cargo xtask                       build the archive
  cargo xtask -n 4 images           build only the images, four tasks at a time
  cargo xtask --profile full iso    build with the upstream images of the platform
  cargo xtask explain iso           explain why the archive would be built again
  cargo xtask test                  run all tests
";

const TEST_HELP: &str = "\
Install the tools that the tests need and run all tests.

Usage: cargo xtask test [--release] [ARGS...]

Options:
  --release   test the optimized program
  ARGS        pass to `cargo test`: `-p sealift`, `--test e2e -- images::`

The tools are installed below target/peers; `cargo xtask clean --peers` removes them.
";

const BENCH_HELP: &str = "\
Install the tools to measure against and run the benches.

Usage: cargo xtask bench [--small] [NAME...]

Options:
  --small   only check that each bench runs
  NAME      run these benches: graph, images, iso, packages, serve [default: all]

The tools are installed below target/peers; `cargo xtask clean --peers` removes them.
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
fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// The help that the command line asks for, if this program has it: `sealift` has the help of its own commands. Words after
/// `--` are for `cargo test`.
fn help(words: &[String]) -> Option<&'static str> {
    let is_flag = |word: &String| matches!(word.as_str(), "-h" | "--help");
    let asks = words.iter().take_while(|word| *word != "--").any(is_flag);
    let word = |place: usize| words.get(place).map(String::as_str);
    match (word(0)?, word(1)) {
        ("-h" | "--help", _) | ("help", None) => Some(HELP),
        ("help", Some("test")) => Some(TEST_HELP),
        ("help", Some("bench")) => Some(BENCH_HELP),
        ("test", _) if asks => Some(TEST_HELP),
        ("bench", _) if asks => Some(BENCH_HELP),
        ("clean", Some("--peers")) if asks => Some(HELP),
        _ => None,
    }
}

fn enter(words: &[String]) -> Result<ExitCode, String> {
    if let Some(text) = help(words) {
        return Ok(print(text));
    }
    let root = root();
    match words.first().map(String::as_str) {
        Some("help") => sealift(&root, words),
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
    let binary = build(root, &profile())?;
    let error =
        Command::new(&binary).args(words).current_dir(root).env("SEALIFT_ENTRY_POINT", "xtask").exec();
    Err(format!("{}: {error}", binary.display()))
}

/// The profile of cargo that the user chose, as the tasks of the project read it.
fn profile() -> String {
    let chosen = env::var("SEALIFT_CARGO_PROFILE").ok().filter(|name| !name.is_empty());
    chosen.unwrap_or_else(|| cargo_static::RELEASE.into())
}

fn places(root: &Path) -> Result<cargo_static::BuildFolders, String> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    cargo_static::BuildFolders::ask(root, &cargo_home).map_err(|error| error.to_string())
}

fn build(root: &Path, profile: &str) -> Result<PathBuf, String> {
    let binary = cargo_static::binary(root, "sealift", profile);
    if freshness::is_fresh(root, &binary) {
        return Ok(binary);
    }
    let mut command = cargo_static::command(&places(root)?, "sealift", profile);
    if binary.exists() {
        command.arg("--quiet");
    }
    let mark = freshness::mark(&binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    succeed(&mut command)?;
    mark.keep().map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(binary)
}

/// Installs the peers, then runs every test against the unoptimized program, with `--release` against the optimized one.
///
/// The unoptimized program and the tests are compiled with the same flags for the same target, so they share what is
/// compiled of their dependencies. The peers, which wait for the network, are installed meanwhile.
fn test(root: &Path, words: &[String]) -> Result<ExitCode, String> {
    let mut words = words.to_vec();
    let release = words.iter().position(|word| word == "--release");
    let profile = if let Some(place) = release {
        words.remove(place);
        cargo_static::RELEASE
    } else {
        "dev"
    };
    let target = cargo_static::target();
    // Not in the environment: programs that the tests start would inherit them.
    let flags = format!("target.{target}.rustflags={:?}", cargo_static::rustflags(&places(root)?));
    let cargo_test = |command: &mut Command| {
        command.args(["--config", &flags, "test", "--locked", "--workspace", "--target", &target]);
        command.current_dir(root).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    };
    let compiled: Vec<&String> = words.iter().take_while(|word| *word != "--").collect();
    let (peers, built) = thread::scope(|scope| {
        let peers = scope.spawn(|| Peers::prepare(root));
        let built = build(root, profile).and_then(|binary| {
            let mut tests = Command::new("cargo");
            cargo_test(&mut tests);
            succeed(tests.args(["--quiet", "--no-run"]).args(compiled)).map(|()| binary)
        });
        (peers.join().map_err(|_| "a thread of the build panicked".to_owned()), built)
    });
    let (peers, binary) = (peers??, built?);
    // This program is a workspace of its own, and so are its tests.
    let own =
        ["test", "--locked", "--manifest-path", "tests/xtask/Cargo.toml", "--target-dir", "target/xtask"];
    succeed(Command::new("cargo").args(own).current_dir(root))?;
    let mut command = peers.command("cargo");
    cargo_test(&mut command);
    // What the tests build of this repository is compiled as the program under test is.
    command.args(words).env("SEALIFT_BINARY", binary).env("SEALIFT_CARGO_PROFILE", profile);
    let skipped = root.join("target/skipped-tests");
    let _ = fs::remove_file(&skipped);
    let passed = succeed(command.env("SEALIFT_SKIPPED", &skipped)).is_ok();
    report_skipped(&fs::read_to_string(&skipped).unwrap_or_default());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says which tests could not run: the test runner counts them among those that passed.
fn report_skipped(lines: &str) {
    let lines: BTreeSet<&str> = lines.lines().collect();
    if !lines.is_empty() {
        let lines: Vec<&str> = lines.into_iter().collect();
        complain(&format!("these tests were skipped, in whole or in part:\n    {}", lines.join("\n    ")));
    }
}

fn bench(root: &Path, words: &[String]) -> Result<ExitCode, String> {
    let peers = Peers::prepare(root)?;
    let binary = build(root, cargo_static::RELEASE)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_printed_without_any_other_work() {
        for (line, expected) in [
            ("--help", Some(HELP)),
            ("-h", Some(HELP)),
            ("help", Some(HELP)),
            ("test --help", Some(TEST_HELP)),
            ("test --release -h", Some(TEST_HELP)),
            ("help test", Some(TEST_HELP)),
            ("bench --help", Some(BENCH_HELP)),
            ("bench iso -h", Some(BENCH_HELP)),
            ("help bench", Some(BENCH_HELP)),
            ("clean --peers --help", Some(HELP)),
            // The test program has this help.
            ("test -- --help", None),
            // `sealift` has this help.
            ("help list", None),
            ("list --help", None),
            ("clean --help", None),
            ("iso --help", None),
            ("", None),
        ] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(help(&words), expected, "{line}");
        }
    }
}
