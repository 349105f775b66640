//! The commands: a folder for each noun, a file for each verb.

pub(crate) mod archive;
pub(crate) mod image;
pub(crate) mod iso;
pub(crate) mod man;
pub(crate) mod node;
pub(crate) mod package;
pub(crate) mod project;
pub(crate) mod registry;
pub(crate) mod release;
pub(crate) mod repository;
pub(crate) mod solution;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;

use crate::completion;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::output::documents::project::VersionDocument;
use crate::reference;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a project file for what lies in a folder
    #[command(
        after_help = "Examples:\n  sealift init\n  sealift init charts/web --name web --version 1.2.0\n  sealift init --dry-run\n  \
                      sealift init --ci github"
    )]
    Init(project::init::Arguments),
    /// Run the project's out-of-date tasks
    #[command(
        after_help = "Examples:\n  sealift run\n  sealift run -n 4 images salt_tree\n  sealift run --dry-run iso\n  \
                            sealift run --reporter json iso > build.json"
    )]
    Run(project::run::RunArguments),
    /// Lint the project's sources
    #[command(after_help = "Examples:\n  sealift lint\n  sealift lint shell yaml\n  sealift lint --continue")]
    Lint(project::run::LintArguments),
    /// Run tasks again whenever a file that they read changes
    #[command(after_help = "Example:\n  sealift watch salt_tree")]
    Watch(project::run::RunArguments),
    /// List the project's tasks
    List(project::list::Arguments),
    /// Show the dependencies, outputs and status of tasks
    Info(project::info::Arguments),
    /// Explain why tasks would run: which inputs changed
    Explain(project::info::Arguments),
    /// Draw the task graph
    #[command(after_help = "Example:\n  sealift graph iso --output svg > iso.svg")]
    Graph(project::graph::Arguments),
    /// Remove the outputs of tasks
    Clean(project::clean::Arguments),
    /// Forget the results of tasks, so that they run again
    Forget(project::state::Arguments),
    /// Skip tasks until they are forgotten
    Ignore(project::state::Arguments),
    /// Mark existing outputs as up to date
    ResetDep(project::state::Arguments),
    /// Add the digests of new tags and sources to the lock file
    Lock(project::lock::LockArguments),
    /// Refresh tags and sources in the lock file, and report which moved
    Update(project::lock::UpdateArguments),
    /// Print the JSON Schema of sealift.yaml or of a kind of report
    Schema(project::schema::Arguments),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  sealift completion bash > /etc/bash_completion.d/sealift\n  \
                            sealift completion zsh > /usr/local/share/zsh/site-functions/_sealift\n  \
                            sealift completion fish > ~/.config/fish/completions/sealift.fish")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Complete a command line, for the completion scripts
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
    Cache(project::cache::Command),
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
    Repository(repository::Command),
    /// Verify, inspect, import, mount, copy and push archives
    #[command(subcommand)]
    Archive(archive::Command),
    /// Upgrade, downgrade, back up and restore the node
    #[command(subcommand)]
    Node(node::Command),
    /// Check tags of releases, and print release notes
    #[command(subcommand)]
    Release(release::Command),
    /// Build, import, list and activate Solutions
    #[command(subcommand)]
    Solution(solution::Command),
    /// Serve images and packages over HTTP: the same as `registry serve`
    #[command(hide = true)]
    Serve(Box<registry::serve::Arguments>),
    /// Write the man pages, one for each command
    #[command(after_help = "Example:\n  sealift man --into /usr/share/man/man1")]
    Man {
        /// Write them into DIR, which is created
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// Write the pages of the reference that follow from the program: commands, documents, exit codes
    #[command(hide = true)]
    Reference {
        /// Write them into DIR, which is created
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// Print the version
    Version {
        #[command(flatten)]
        output: ReportOutput,
    },
}

/// Runs `command`. `command_line` describes all commands, for those that document or complete them.
pub(crate) fn dispatch(command: Command, command_line: fn() -> clap::Command) -> CommandResult {
    match command {
        Command::Init(arguments) => project::init::run(&arguments),
        Command::Run(arguments) => project::run::run(&arguments),
        Command::Lint(arguments) => project::run::lint(&arguments),
        Command::Watch(arguments) => project::watch::run(&arguments),
        Command::List(arguments) => project::list::run(&arguments),
        Command::Info(arguments) => project::info::run(&arguments),
        Command::Explain(arguments) => project::explain::run(&arguments),
        Command::Graph(arguments) => project::graph::run(&arguments),
        Command::Clean(arguments) => project::clean::run(&arguments),
        Command::Forget(arguments) => project::state::forget(&arguments),
        Command::Ignore(arguments) => project::state::ignore(&arguments),
        Command::ResetDep(arguments) => project::state::reset_dep(&arguments),
        Command::Lock(arguments) => project::lock::lock(&arguments),
        Command::Update(arguments) => project::lock::update(&arguments),
        Command::Schema(arguments) => project::schema::run(&arguments),
        Command::Cache(command) => project::cache::run(&command),
        Command::Completion { shell } => completion::script(shell, command_line),
        Command::Complete { index, words } => completion::complete(index, words, command_line),
        Command::Iso(command) => iso::run(command),
        Command::Package(command) => package::run(command),
        Command::Release(command) => release::run(&command),
        Command::Image(command) => image::run(command),
        Command::Registry(command) => registry::run(command),
        Command::Archive(command) => archive::run(command),
        Command::Solution(command) => solution::run(command),
        Command::Node(command) => node::run(&command),
        Command::Serve(arguments) => registry::serve::run(*arguments),
        Command::Reference { into } => reference::write(&into, command_line),
        Command::Man { into } => man::write(&into, command_line),
        Command::Version { output } => {
            let version = env!("CARGO_PKG_VERSION");
            Ok(output.report(|| VersionDocument { version }, || format!("sealift {version}\n"))?)
        }
        Command::Repository(command) => repository::run(&command),
    }
}
