//! Peers: the real tools that read what Sealift writes.
//!
//! A test names the peers it needs and returns early if one is missing, which is reported on standard error and in the file that
//! `SEALIFT_SKIPPED` names: the test runner shows nothing of a test that passes, so `cargo xtask test` prints the file.
//! In CI (`CI` set) a missing peer is a failure: nothing is skipped there.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The path of the tool `name`, or `None` if it is not installed, which is reported on standard error.
///
/// # Panics
///
/// In CI, where every peer must be installed.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    });
    if found.is_none() {
        skip(&format!("the peer `{name}` is not installed; `cargo xtask test` installs it"));
    }
    found
}

/// Reports on standard error why a test cannot run here.
///
/// # Panics
///
/// In CI, where every test must run; if the file of `SEALIFT_SKIPPED` cannot be written.
#[expect(clippy::print_stderr, reason = "a skip must be visible")]
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "a test cannot run: {why}");
    eprintln!("SKIPPED: {why}");
    if let Some(file) = std::env::var_os("SEALIFT_SKIPPED") {
        let thread = std::thread::current();
        let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
        let opened = std::fs::File::options().append(true).create(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// Runs a peer to its end with an empty standard input. Unless it exits with 0, fails the test with its output.
///
/// # Panics
///
/// If the peer cannot be started or exits with anything but 0.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}
