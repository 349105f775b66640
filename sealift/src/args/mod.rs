//! The words of the command line.

pub(crate) mod groups;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
pub(crate) mod verbosity;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    archive, cache, clients, image, iso, lock, package, registry, run, serve, solution, tasks,
};
use crate::output::Level;

/// Pack images, packages and states into one verifiable ISO, and serve it
#[derive(Debug, Parser)]
#[command(
    name = "sealift",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 success, 1 a task or a check failed, 2 an error ended the command,\n\
                  3 the command line or the configuration is wrong, 128+n signal n."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Write no notes and no progress; warnings and errors stay
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Write the causes of errors, and the programs that are run
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Color the output: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    color: Color,
}

/// When colors are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Has all that is written from now on follow this.
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl Global {
    /// How much is written.
    ///
    /// # Errors
    ///
    /// Both options are given.
    pub(crate) fn level(&self) -> Result<Level, &'static str> {
        match (self.quiet, self.verbose) {
            (true, true) => Err("--quiet and --verbose exclude each other"),
            (true, false) => Ok(Level::Quiet),
            (false, true) => Ok(Level::Verbose),
            (false, false) => Ok(Level::Normal),
        }
    }

    /// When colors are used.
    pub(crate) fn color(&self) -> Color {
        self.color
    }
}

/// The command line with its groups, the same in every environment and by whatever name it is called.
pub(crate) fn command() -> clap::Command {
    groups::grouped(same_everywhere(Arguments::command().bin_name("sealift")))
}

/// Values from the environment are not part of the help.
fn same_everywhere(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(same_everywhere)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the project's out-of-date tasks
    #[command(
        after_help = "Examples:\n  sealift run\n  sealift run -n 4 images salt_tree\n  sealift run --dry-run iso\n  \
                            sealift run --reporter json iso > build.json"
    )]
    Run(run::Run),
    /// Lint the project's sources
    #[command(after_help = "Examples:\n  sealift lint\n  sealift lint shell yaml\n  sealift lint --continue")]
    Lint(run::Lint),
    /// Run tasks again whenever a file that they read changes
    #[command(after_help = "Example:\n  sealift watch salt_tree")]
    Watch(run::Run),
    /// List the project's tasks
    List(tasks::List),
    /// Show the dependencies, outputs and status of tasks
    Info(tasks::Asked),
    /// Explain why tasks would run: which inputs changed
    Explain(tasks::Asked),
    /// Draw the task graph
    #[command(after_help = "Example:\n  sealift graph iso --output svg > iso.svg")]
    Graph(tasks::Drawing),
    /// Remove the outputs of tasks
    Clean(tasks::Clean),
    /// Forget the results of tasks, so that they run again
    Forget(tasks::Named),
    /// Skip tasks until they are forgotten
    Ignore(tasks::Named),
    /// Mark existing outputs as up to date
    ResetDep(tasks::Named),
    /// Add the digests of new tags to the lock file
    Lock(lock::Lock),
    /// Refresh the digests of all tags, and report which moved
    Update(lock::Update),
    /// Print the JSON Schema of sealift.yaml
    Schema(tasks::Schema),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  sealift completion bash > /etc/bash_completion.d/sealift\n  \
                            sealift completion zsh > /usr/local/share/zsh/site-functions/_sealift\n  \
                            sealift completion fish > ~/.config/fish/completions/sealift.fish")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// What the completion scripts ask
    #[command(hide = true)]
    Complete {
        /// Which word is being typed, from 0
        index: usize,
        /// The command line
        #[arg(last = true)]
        words: Vec<OsString>,
    },
    /// Inspect and prune the task result cache
    #[command(subcommand)]
    Cache(cache::Command),
    /// Create, check, read and mount ISO 9660 images
    #[command(subcommand)]
    Iso(iso::Command),
    /// Pull, list and check container images
    #[command(subcommand)]
    Image(image::Command),
    /// Build OS packages and index their repositories
    #[command(subcommand)]
    Package(package::Command),
    /// Serve images and packages, and configure their clients
    #[command(subcommand)]
    Registry(registry::Command),
    /// Configure dnf and apt
    #[command(subcommand)]
    Repository(clients::Repository),
    /// Verify, inspect, import, mount, copy and push archives
    #[command(subcommand)]
    Archive(archive::Command),
    /// Choose the active version of a Solution
    #[command(subcommand)]
    Solution(solution::Command),
    /// Serve images and packages over HTTP: the same as `registry serve`
    #[command(hide = true)]
    Serve(Box<serve::Serve>),
    /// Write the man pages, one for each command
    #[command(after_help = "Example:\n  sealift man --into /usr/share/man/man1")]
    Man {
        /// Write them into DIR, which is created
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// Print the version
    Version,
}
