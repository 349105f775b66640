//! `cargo xtask bench graph`: the task graph beside ninja and doit, by the example that the room itself keeps.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::measure::is_small;

pub(crate) fn run(scratch: &Path) -> io::Result<()> {
    for peer in ["ninja", "doit"] {
        if tests::peer::find(peer).is_none() {
            return Err(io::Error::other(format!("needs {peer}: apt-get install ninja-build python3-doit")));
        }
    }
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--locked"]);
    if !is_small() {
        command.arg("--release");
    }
    let status = command
        .args(["--package", "graph", "--example", "graph_bench", "--", "compare"])
        .arg(scratch)
        .current_dir(tests::sealift::repository())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("graph_bench: {status}"))) }
}
