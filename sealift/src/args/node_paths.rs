//! The options that name the files and folders of a node.

use std::path::{Path, PathBuf};

use clap::Args;
use node::archives::{NodeLayout, served};

use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::remedies;

/// The files and folders of a node.
#[derive(Debug, Args)]
pub(crate) struct NodePaths {
    /// Use the BootstrapConfiguration in FILE [default: /etc/metalk8s/bootstrap.yaml]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    bootstrap_config: Option<PathBuf>,
    /// Use the SolutionsConfiguration in FILE [default: /etc/metalk8s/solutions.yaml]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    solutions_config: Option<PathBuf>,
    /// Use the ArchivesConfiguration in FILE; for nodes without a BootstrapConfiguration [default: /etc/sealift/archives.yaml]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    archives_config: Option<PathBuf>,
    /// Obey the policy in FILE, which says which archives must be signed [default: /etc/sealift/trust.yaml, if it exists]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    trust_config: Option<PathBuf>,
    /// Mount archives in DIR, as NAME-VERSION
    #[arg(long, value_name = "DIR", default_value = "/srv/scality", help_heading = "Node paths")]
    mounts: PathBuf,
    /// Use the systemd units in DIR
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system", help_heading = "Node paths")]
    units: PathBuf,
    /// Read the file systems mounted at boot from FILE
    #[arg(long, value_name = "FILE", default_value = "/etc/fstab", help_heading = "Node paths")]
    fstab: PathBuf,
    /// Lock FILE during changes [default: /run/sealift/archives.lock, for other users a file of their own]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    lock_file: Option<PathBuf>,
}

impl NodePaths {
    pub(crate) fn paths(&self) -> NodeLayout {
        let default = NodeLayout::default();
        let or = |given: &Option<PathBuf>, default: PathBuf| given.clone().unwrap_or(default);
        NodeLayout {
            bootstrap: or(&self.bootstrap_config, default.bootstrap),
            solutions: or(&self.solutions_config, default.solutions),
            archives: or(&self.archives_config, default.archives),
            trust: or(&self.trust_config, default.trust),
            trust_must_exist: self.trust_config.is_some(),
            fstab: self.fstab.clone(),
            mounts: self.mounts.clone(),
            units: self.units.clone(),
            lock: self.lock_file.clone().unwrap_or_else(default_lock),
        }
    }
}

impl NodePaths {
    /// The configurations that are named, with their options.
    fn configurations(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let options = [
            ("--bootstrap-config", &self.bootstrap_config),
            ("--solutions-config", &self.solutions_config),
            ("--archives-config", &self.archives_config),
            ("--trust-config", &self.trust_config),
        ];
        options.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)))
    }

    /// Refuses a configuration that is named and does not exist, for commands that would do less without it.
    pub(crate) fn check_named(&self) -> CommandResult {
        match self.configurations().find(|(_, path)| !path.exists()) {
            Some((option, path)) => {
                let path = content::printable_path(path);
                Err(Failure::usage(format!("{option}: {path} does not exist"))
                    .remedy("name a file that exists, or leave the option out"))
            }
            None => Ok(()),
        }
    }

    /// The archives of this node that its policy accepts: those that a server serves. Warns of the others. Fails if the policy
    /// refuses all of them, since a configuration without archives would take away what clients have.
    pub(crate) fn served_archives(&self) -> Result<Vec<PathBuf>, Failure> {
        let served = served(&self.paths()).map_err(remedies::archives::explained)?;
        for (archive, problem) in &served.refused {
            output::warn(&output::left_out(archive, &problem.to_string()));
        }
        if served.archives.is_empty() && !served.refused.is_empty() {
            return Err(remedies::archives::all_refused());
        }
        Ok(served.archives)
    }

    /// The options that make another command find the same archives and policy, with absolute paths.
    pub(crate) fn options(&self) -> Result<Vec<String>, Failure> {
        let mut found: Vec<(&str, &Path)> = self.configurations().collect();
        if self.mounts != NodeLayout::default().mounts {
            found.push(("--mounts", &self.mounts));
        }
        let mut words = Vec::new();
        for (option, path) in found {
            let path = std::path::absolute(path).map_err(content::IoError::at("find", path))?;
            let not_utf8 = |path: std::ffi::OsString| {
                let path = content::printable_path(Path::new(&path)).to_string();
                Failure::usage(format!("{option}: {path} is not UTF-8"))
            };
            words.extend([option.to_owned(), path.into_os_string().into_string().map_err(not_utf8)?]);
        }
        Ok(words)
    }
}

/// The lock file of this user; root has that of the machine.
fn default_lock() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return NodeLayout::default().lock;
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let own = own.map(|folder| folder.join("sealift"));
    own.unwrap_or_else(|| std::env::temp_dir().join(format!("sealift-{}", user.as_raw())))
        .join("archives.lock")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        paths: NodePaths,
    }

    fn paths(words: &[&str]) -> NodePaths {
        Command::try_parse_from(["x"].iter().chain(words)).unwrap().paths
    }

    #[test]
    fn options_that_are_given_have_absolute_paths_and_the_files_must_exist() {
        assert_eq!(paths(&[]).options().unwrap(), Vec::<String>::new());
        assert!(paths(&[]).check_named().is_ok());
        let words = ["--archives-config", "Cargo.toml", "--trust-config", "/a b", "--mounts", "/m"];
        let here = std::env::current_dir().unwrap().join("Cargo.toml");
        let expected =
            ["--archives-config", here.to_str().unwrap(), "--trust-config", "/a b", "--mounts", "/m"];
        assert_eq!(paths(&words).options().unwrap(), expected);
        assert!(paths(&words[..2]).check_named().is_ok());
        for option in ["--bootstrap-config", "--solutions-config", "--archives-config", "--trust-config"] {
            let refused = paths(&[option, "/missing/file"]).check_named();
            assert!(matches!(refused, Err(Failure::Usage(_))), "{option}");
        }
    }
}
