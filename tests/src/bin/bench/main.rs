//! `cargo xtask bench`: measures Sealift and its peers alternately in one run.
//!
//! On a machine that others use too, only the ratio of the two medians is meaningful.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]

mod graph;
mod images;
mod iso;
mod measure;
mod packages;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

type Bench = fn(&std::path::Path) -> std::io::Result<()>;

const BENCHES: [(&str, Bench); 5] = [
    ("graph", graph::run),
    ("images", images::run),
    ("iso", iso::run),
    ("packages", packages::run),
    ("serve", serve::run),
];

#[expect(clippy::print_stderr, reason = "a bench talks to its user")]
fn main() -> ExitCode {
    let (options, asked): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if let Some(unknown) = options.iter().find(|option| *option != "--small") {
        eprintln!("unknown option `{unknown}`; --small only checks that each bench runs");
        return ExitCode::from(3);
    }
    let mut scratch = tests::sealift::repository().join("target/bench");
    if !options.is_empty() {
        measure::make_small();
        scratch.push("small");
    }
    for name in &asked {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
            eprintln!("unknown bench `{name}`; choose from: {}", known.join(", "));
            return ExitCode::from(3);
        }
    }
    for (name, bench) in BENCHES {
        if !asked.is_empty() && !asked.iter().any(|one| one == name) {
            continue;
        }
        let folder: PathBuf = scratch.join(name);
        if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| bench(&folder)) {
            eprintln!("bench {name}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
