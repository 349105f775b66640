//! `sealift image`: what skopeo and hardlink did.

mod gc;
mod pull;
mod store;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use images::check;
use images::dir_layout::{self, Place};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, size};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pull images into DIR/<name>/<tag>/, in skopeo's dir: layout
    #[command(
        after_help = "Examples:\n  sealift image pull docker.io/library/alpine:3.20.1 --into images\n  \
                            sealift image pull registry.k8s.io/pause:3.9@sha256:e6f1… --into images --platform linux/amd64\n  \
                            sealift image pull quay.io/team/app:1 --into images --as team/app:1"
    )]
    Pull(Box<pull::Pull>),
    /// List the images of a folder, with their digests
    #[command(visible_alias = "list")]
    Ls {
        /// The folder, `images` of an archive
        folder: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Prune the content store: remove the least recently used blobs
    #[command(
        after_help = "Blobs that a folder of images on the same file system shares stay. Without limits nothing is removed,\n\
                            and the sizes are shown.\n\n\
                            Examples:\n  sealift image gc --max-size 20G\n  sealift image gc --max-age 30 --dry-run"
    )]
    Gc(gc::Gc),
    /// Check every manifest and blob of a folder of images, or the content store
    #[command(
        after_help = "Damaged content is removed from the store, and the next pull or build fetches it again.\n\n\
                            Examples:\n  sealift image check images\n  sealift image check --store\n\n\
                            Exit codes: 0 whole, 1 something is missing, extra or damaged (all of it is named), or there is no image"
    )]
    Check {
        /// The folder
        #[arg(required_unless_present = "store")]
        folder: Option<PathBuf>,
        /// Check the content store [default: SEALIFT_CACHE, else the user's cache folder]
        #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "folder")]
        store: Option<Option<PathBuf>>,
        #[command(flatten)]
        output: Output,
    },
}

/// The content store that builds use here, if it exists.
pub(crate) fn known_store() -> Option<images::Store> {
    store::known()
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Pull(arguments) => pull::run(*arguments),
        Command::Ls { folder, output } => list(&folder, output),
        Command::Check { folder: Some(folder), output, .. } => check(&folder, output),
        Command::Check { folder: None, store, output } => store::check(store.flatten(), output),
        Command::Gc(arguments) => gc::run(&arguments),
    }
}

fn list(folder: &Path, output: Output) -> Outcome {
    report(dir_layout::list(folder)?, output)
}

fn report(places: Vec<Place>, output: Output) -> Outcome {
    let mut rows = Vec::new();
    let mut text = String::new();
    for place in places {
        let image = dir_layout::read(&place.folder)?;
        let bytes: u64 = image.blobs.iter().map(|blob| blob.size).sum();
        text.push_str(&format!("{}:{}  {}  {}\n", place.name, place.tag, size(bytes), image.digest));
        rows.push(json!({
            "name": place.name, "tag": place.tag, "digest": image.digest.to_string(),
            "mediaType": image.kind.media_type(), "bytes": bytes,
        }));
    }
    Ok(output.report(&rows, || text)?)
}

fn check(folder: &Path, output: Output) -> Outcome {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let report = check::check(folder, threads)?;
    if report.images.is_empty() && report.problems.is_empty() {
        return Err(Failure::failed(anyhow::anyhow!(
            "{}: this folder holds no image",
            content::printable_path(folder)
        ))
        .remedy("name the folder that holds <name>/<tag>/manifest.json"));
    }
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| json!({"path": problem.path, "problem": problem.to_string()}))
        .collect();
    let text = || {
        let mut text: String = report.problems.iter().map(|problem| format!("{problem}\n")).collect();
        let problems = match report.problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let images = match report.images.len() {
            1 => "1 image".to_owned(),
            count => format!("{count} images"),
        };
        text.push_str(&format!("{images}, {problems}\n"));
        text
    };
    output.report(&json!({"images": report.images.len(), "problems": problems}), text)?;
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}
