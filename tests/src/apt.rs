//! apt on an empty system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A client with files of its own, which takes nothing from the system's configuration.
#[derive(Debug)]
pub struct Apt {
    program: PathBuf,
    root: PathBuf,
}

impl Apt {
    /// A client below `root`, whose sources lie in `etc/apt/sources.list.d/`.
    #[must_use]
    pub fn new(program: PathBuf, root: &Path) -> Self {
        for folder in ["state/lists/partial", "cache/archives/partial", "etc/apt/sources.list.d"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        Self { program, root: root.to_owned() }
    }

    /// Replaces the sources by this file of them, and forgets what was downloaded.
    pub fn use_source(&self, sources: &str) {
        for folder in ["state", "cache", "etc/apt/sources.list.d"] {
            fs::remove_dir_all(self.root.join(folder)).unwrap();
        }
        let _ = Self::new(self.program.clone(), &self.root);
        fs::write(self.root.join("etc/apt/sources.list.d/site.sources"), sources).unwrap();
    }

    /// A command that has `root` as its folder.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root).arg("-q").env("APT_CONFIG", "/dev/null");
        for (setting, place) in [
            ("Dir::Etc::SourceList", "none"),
            ("Dir::Etc::SourceParts", "etc/apt/sources.list.d"),
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            command.args(["-o", &format!("{setting}={}", self.root.join(place).display())]);
        }
        for option in [
            "APT::Architecture=amd64",
            "APT::Architectures=amd64",
            "APT::Sandbox::User=root",
            "Acquire::Retries=0",
            "Acquire::http::Proxy=false",
            "Acquire::Check-Valid-Until=true",
            "Acquire::Check-Date=true",
        ] {
            command.args(["-o", option]);
        }
        command.args(arguments);
        command
    }
}
