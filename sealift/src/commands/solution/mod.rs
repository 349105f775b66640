//! `sealift solution`: Solutions of vendors, those of a node, and environments of a cluster.

mod activate;
mod add;
mod build;
pub(crate) mod check;
mod crds;
mod create_environment;
mod delete_environment;
mod described;
mod environment;
mod get;
mod get_environment;
mod manifest;
mod new;
mod operator_config;
mod remove;

use clap::Subcommand;
use node::archives::{LATEST, Only};

use super::archive::{delete, import};
use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import Solutions: verify, mount where possible, add them to the configuration
    #[command(after_help = "Examples:\n  sealift solution import example-1.0.0.iso\n  \
                            sealift solution import example-1.0.0.iso other-2.0.0.iso --unverified\n\n\
                            Re-run the command to finish an interrupted import. A failed import changes nothing.")]
    Import(import::Arguments),
    /// Remove Solutions from this node; their files stay
    #[command(after_help = "Examples:\n  sealift solution unimport example-1.0.0\n  \
                            sealift solution unimport /archives/example-1.0.0.iso\n\n\
                            An active version is not removed: deactivate it first, or activate another version.")]
    Unimport(delete::Arguments),
    /// Show the Solutions of this node: versions, images, health
    #[command(
        visible_aliases = ["list", "ls"],
        after_help = "Examples:\n  sealift solution get\n  sealift solution get example 1.0.0\n  \
                      sealift solution get example -o json | jq -r '.items[] | select(.active).version'\n\n\
                      The content of the archives is not read: `sealift archive verify` checks it."
    )]
    Get(get::Arguments),
    /// Activate a version of a Solution; at most one is active
    #[command(after_help = "Examples:\n  sealift solution activate --name example --version 1.0.0\n  \
                            sealift solution activate --name example\n\n\
                            The command changes the SolutionsConfiguration, and deploys the custom resource definitions of the version if a \
                            cluster is configured.")]
    Activate {
        /// The version; `latest` is the newest imported one
        #[arg(long, default_value = LATEST)]
        version: String,
        /// Also activate a version that requires archives that this node does not have
        #[arg(long)]
        ignore_requires: bool,
        #[command(flatten)]
        crds: crds::CrdArguments,
        #[command(flatten)]
        arguments: activate::Arguments,
    },
    /// Deactivate a Solution; its custom resource definitions stay in the cluster
    #[command(after_help = "Example:\n  sealift solution deactivate --name example")]
    Deactivate(activate::Arguments),
    /// Write the project of a new Solution, which builds at once
    #[command(
        after_help = "Examples:\n  sealift solution new my-app\n  sealift solution new my-app --version 1.0.0 --into src/my-app"
    )]
    New(new::Arguments),
    /// Build the ISO of a Solution, from a project or from options
    #[command(
        after_help = "Examples:\n  sealift solution build\n  sealift solution build my-app --set release=1.1.0\n  \
                            sealift solution build FOLDER --name my-app --version 1.0.0 \\\n    \
                            --operator-image my-operator 1.0.0 --extra-image base-server 2.0.0 \\\n    \
                            --source my-operator=docker://registry.example.com/team/my-operator:1.0.0\n\n\
                            With --name, the options describe the Solution, and FOLDER needs no sealift.yaml. An image without --source is \
                            `images/NAME/TAG` in FOLDER, as `skopeo copy … dir:images/NAME/TAG` writes it, or is built from `images/NAME`. \
                            `operator/deploy` in FOLDER has the manifests of the operator. The digests of tags are written to \
                            FOLDER/sealift.lock."
    )]
    Build(Box<build::Arguments>),
    /// Print the manifest of a Solution: of a project, of an archive, or from options
    #[command(
        after_help = "Examples:\n  sealift solution manifest\n  sealift solution manifest my-app.iso\n  \
                            sealift solution manifest --name my-app --version 1.0.0 --operator-image my-operator 1.0.0 \\\n    \
                            --annotation build-host \"$(hostname)\" > manifest.yaml\n\n\
                            Options alone write no timestamp and no revision."
    )]
    Manifest(Box<manifest::Arguments>),
    /// Check whether a Solution can be imported and deployed
    ///
    /// Checks it by the guidelines of MetalK8s: the form of the ISO, the manifest, the images, what files name, what the operator needs, and the registry configuration.
    /// The archive can come from anybody. Nothing is mounted or unpacked.
    #[command(
        after_help = "Examples:\n  sealift solution check example.iso\n  sealift solution check example.iso --base metalk8s.iso\n  \
                      sealift solution check root/ --output sarif > check.sarif\n\n\
                      The book lists all checks on the page “Checks of Solutions”.\n\n\
                      Exit codes: 0 no finding is an error, 1 one is, 2 the archive cannot be read or is not a Solution"
    )]
    Check(check::Arguments),
    /// Print the OperatorConfig for all imported versions of a Solution
    #[command(after_help = "Examples:\n  sealift solution operator-config example\n  \
                            sealift solution operator-config example --registry registry.example.com/site")]
    OperatorConfig(operator_config::Arguments),
    /// Create an environment: a namespace for Solutions
    #[command(
        after_help = "Examples:\n  sealift solution create-environment --name prod --description 'For customers'\n  \
                            sealift solution create-environment --name prod --namespace prod-eu\n  \
                            sealift solution create-environment --name prod --dry-run -o yaml"
    )]
    CreateEnvironment(create_environment::Arguments),
    /// Delete an environment, or one of its namespaces, with everything in it
    #[command(after_help = "Examples:\n  sealift solution delete-environment --name prod --dry-run\n  \
                            sealift solution delete-environment --name prod --namespace prod-eu")]
    DeleteEnvironment(delete_environment::Arguments),
    /// List the environments of the cluster and their Solutions
    #[command(after_help = "Examples:\n  sealift solution get-environment\n  \
                            sealift solution get-environment --name prod -o json")]
    GetEnvironment(get_environment::Arguments),
    /// Deploy a version of a Solution in an environment, or replace its version
    #[command(
        after_help = "Examples:\n  sealift solution add --name prod --solution example --version 1.0.0\n  \
                            sealift solution add --name prod --solution example --version 1.0.0 --dry-run -o yaml"
    )]
    Add(add::Arguments),
    /// Remove a Solution from an environment; its custom resources stay
    #[command(after_help = "Example:\n  sealift solution remove --name prod --solution example")]
    Remove(remove::Arguments),
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Import(arguments) => import::run(&arguments, Only::Solutions),
        Command::Unimport(arguments) => delete::run(&arguments, Only::Solutions),
        Command::Get(arguments) => get::run(&arguments),
        Command::Activate { version, ignore_requires, crds, arguments } => {
            activate::activate(&arguments, &version, ignore_requires, &crds)
        }
        Command::Check(arguments) => check::run(&arguments),
        Command::Deactivate(arguments) => activate::deactivate(&arguments),
        Command::OperatorConfig(arguments) => operator_config::run(&arguments),
        Command::CreateEnvironment(arguments) => create_environment::run(&arguments),
        Command::DeleteEnvironment(arguments) => delete_environment::run(&arguments),
        Command::GetEnvironment(arguments) => get_environment::run(&arguments),
        Command::Add(arguments) => add::run(&arguments),
        Command::Remove(arguments) => remove::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => build::run(*arguments),
        Command::Manifest(arguments) => manifest::run(*arguments),
    }
}
