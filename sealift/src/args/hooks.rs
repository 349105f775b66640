//! The options of the commands that run hooks, and of the log that they write.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use node::hooks::HookStep;

/// Where the hooks of the site are.
#[derive(Debug, Args)]
pub(crate) struct HooksFolder {
    /// Use the hooks of the site in DIR, which has a folder for each step
    #[arg(long, value_name = "DIR", default_value = "/etc/metalk8s/hooks.d", help_heading = "Hooks")]
    hooks: PathBuf,
}

impl HooksFolder {
    /// The folder that has a folder for each step.
    pub(crate) fn folder(&self) -> std::io::Result<PathBuf> {
        std::path::absolute(&self.hooks)
    }
}

/// How hooks are run, and where their output is kept.
#[derive(Debug, Args)]
pub(crate) struct HookArguments {
    #[command(flatten)]
    folder: HooksFolder,
    /// End a hook that takes longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 7200, value_parser = clap::value_parser!(u64).range(1..=604_800), help_heading = "Hooks")]
    hook_timeout: u64,
    /// Append what is done, and the output of hooks, to FILE [default: /var/log/metalk8s/COMMAND.log]
    #[arg(long, short = 'l', value_name = "FILE", help_heading = "Hooks")]
    log_file: Option<PathBuf>,
}

impl HookArguments {
    /// The folder that has a folder for each step.
    pub(crate) fn folder(&self) -> std::io::Result<PathBuf> {
        self.folder.folder()
    }

    /// How long each hook may take.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(self.hook_timeout)
    }

    /// The log of the command `name`.
    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.log_file.clone().unwrap_or_else(|| format!("/var/log/metalk8s/{name}.log").into())
    }
}

/// The step with this name.
pub(crate) fn step(name: &str) -> Result<HookStep, String> {
    HookStep::ALL.into_iter().find(|step| step.name() == name).ok_or_else(|| {
        let names: Vec<&str> = HookStep::ALL.iter().map(|step| step.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
