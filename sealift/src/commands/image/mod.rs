//! `sealift image`: find, pull, list and check images, and prune the content store.

mod check;
pub(crate) mod content_store;
mod find;
mod gc;
mod ls;
mod pull;

use std::path::PathBuf;

use clap::Subcommand;

use crate::failure::CommandResult;
use crate::output::ReportOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pull images into DIR/<name>/<tag>/, in skopeo's dir: layout
    #[command(
        after_help = "Examples:\n  sealift image pull docker.io/library/alpine:3.20.1 --into images\n  \
                            sealift image pull registry.k8s.io/pause:3.9@sha256:e6f1… --into images --platform linux/amd64\n  \
                            sealift image pull quay.io/team/app:1 --into images --as team/app:1"
    )]
    Pull(Box<pull::Arguments>),
    /// List the images of a folder, with their digests
    #[command(visible_alias = "list")]
    Ls {
        /// The folder, `images` of an archive
        folder: PathBuf,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Find the images that manifests, charts, compose files and Salt files name
    #[command(
        after_help = "Charts are rendered with `helm template` if helm is installed. Without it, their values and templates are read, \
                            and the report says so.\n\n\
                            Examples:\n  sealift image find\n  sealift image find charts manifests -o json\n  \
                            sealift image find --write charts\n  sealift image find --check _build/example.iso charts\n\n\
                            Exit codes: 0 done, 1 the archive of --check lacks an image"
    )]
    Find(find::Arguments),
    /// Prune the content store: remove the least recently used blobs
    #[command(
        after_help = "Blobs that a folder of images shares are kept. Without a limit the command only shows sizes.\n\n\
                            Examples:\n  sealift image gc --max-size 20G\n  sealift image gc --max-age 30 --dry-run"
    )]
    Gc(gc::Arguments),
    /// Check every manifest and blob of a folder of images, or the content store
    #[command(
        after_help = "Damaged content is removed from the content store; the next pull or build fetches it again.\n\n\
                            Examples:\n  sealift image check images\n  sealift image check --store\n\n\
                            Exit codes: 0 intact, 1 a file is missing, extra or damaged, or the folder has no image"
    )]
    Check {
        /// The folder of images
        #[arg(required_unless_present = "store")]
        folder: Option<PathBuf>,
        /// Check the content store [default: SEALIFT_CACHE, else the user's cache folder]
        #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "folder")]
        store: Option<Option<PathBuf>>,
        #[command(flatten)]
        output: ReportOutput,
    },
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Pull(arguments) => pull::run(*arguments),
        Command::Ls { folder, output } => ls::run(&folder, output),
        Command::Check { folder: Some(folder), output, .. } => check::folder(&folder, output),
        Command::Check { folder: None, store, output } => check::store(store.flatten(), output),
        Command::Find(arguments) => find::run(&arguments),
        Command::Gc(arguments) => gc::run(&arguments),
    }
}
