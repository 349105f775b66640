//! The words of the command line.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::commands::{archive, cache, clients, image, iso, lock, package, registry, run, solution, tasks};

/// Pack container images, OS packages and deployment states into one verifiable ISO, and serve it from that file.
#[derive(Debug, Parser)]
#[command(
    name = "sealift",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 success, 1 a task or a verification failed, 2 the command broke off,\n\
                  3 the command line or the configuration is wrong, 128+n signal n."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the project's tasks, as far as they are not up to date
    #[command(
        after_help = "Examples:\n  sealift run\n  sealift run -n 4 images salt_tree\n  sealift run --dry-run iso\n  \
                            sealift run --reporter json iso > build.json"
    )]
    Run(run::Run),
    /// Run the linters of what the project is written in
    #[command(after_help = "Examples:\n  sealift lint\n  sealift lint shell yaml\n  sealift lint --continue")]
    Lint(run::Lint),
    /// Run tasks, and again whenever a file that they read changes
    #[command(after_help = "Example:\n  sealift watch salt_tree")]
    Watch(run::Run),
    /// List the project's tasks
    List(tasks::List),
    /// Show what a task needs, makes, and whether it would run
    Info(tasks::Asked),
    /// Say why tasks would run: which input changed, from what to what
    Explain(tasks::Asked),
    /// Draw the graph of tasks
    #[command(after_help = "Example:\n  sealift graph iso --form svg > iso.svg")]
    Graph(tasks::Drawing),
    /// Remove what tasks made
    Clean(tasks::Clean),
    /// Forget that tasks ever ran
    Forget(tasks::Named),
    /// Leave tasks out from now on, until they are forgotten
    Ignore(tasks::Named),
    /// Take what is there now for the results of successful runs
    ResetDep(tasks::Named),
    /// Look up the digests of tags that the lock file does not hold yet
    Lock(lock::Lock),
    /// Look up the digests of all tags again, and say which moved
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
    /// The kept results of tasks: how much there is, and removing them
    #[command(subcommand)]
    Cache(cache::Command),
    /// ISO 9660 images: create, check, look inside
    #[command(subcommand)]
    Iso(iso::Command),
    /// Container images: pull, list, check
    #[command(subcommand)]
    Image(image::Command),
    /// OS packages: build, index
    #[command(subcommand)]
    Package(package::Command),
    /// Image registries and package repositories: serve, index, configure nginx
    #[command(subcommand)]
    Registry(registry::Command),
    /// Package repositories: configure dnf and apt
    #[command(subcommand)]
    Repository(clients::Repository),
    /// Archives: verify, look inside, import on the bootstrap node
    #[command(subcommand)]
    Archive(archive::Command),
    /// Solutions: which version is active
    #[command(subcommand)]
    Solution(solution::Command),
}
