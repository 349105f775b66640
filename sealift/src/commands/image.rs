//! `sealift image`: what skopeo and hardlink did.

mod gc;
mod store;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use images::dir_layout::{self, Place};
use images::pull::{Options, Request, redacted};
use images::reference::is_repository;
use images::source::{Local, Source};
use images::{Platform, Reference, Store, check};
use serde_json::json;

use crate::commands::client::Client;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, size};
use crate::progress::blobs::Blobs;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pull images, every byte checked, into DIR/<name>/<tag>/ in skopeo's dir: layout
    #[command(
        after_help = "Examples:\n  sealift image pull docker.io/library/alpine:3.20.1 --into images\n  \
                            sealift image pull registry.k8s.io/pause:3.9@sha256:e6f1… --into images --platform linux/amd64"
    )]
    Pull(Box<Pull>),
    /// List the images of a folder, with their digests
    Ls {
        /// The folder, `images` of an archive
        folder: PathBuf,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Remove from the content store what was not used for longest, until it is small or young enough
    #[command(
        after_help = "What a tree on the same file system uses stays: it takes no room of its own. Without limits nothing is \
                            removed, and the sizes are shown.\n\n\
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
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The images: `[docker://][host/]repository[:tag][@sha256:…]`, or on this machine `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`,
    /// `docker-archive:FILE[:NAME]`, `dir:FOLDER`
    #[arg(required = true)]
    references: Vec<String>,
    /// The folder that takes them
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Which platforms of an index to keep (repeatable) [default: all]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<String>,
    /// The content store [default: SEALIFT_CACHE, else the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Look here first for a registry's images: `docker.io=https://mirror/path` (repeatable)
    #[arg(long, value_name = "HOST=URL")]
    mirror: Vec<String>,
    #[command(flatten)]
    client: Client,
    /// Also take what is attached to the images, signatures and SBOMs, into DIR/<name>/sha256-<digest>/
    #[arg(long)]
    referrers: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// Not the command line's own parser, which would print a password in the URL.
fn mirror(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((host, url)) if !host.is_empty() && url.starts_with("http") => {
            Ok((host.to_owned(), url.to_owned()))
        }
        _ => Err(Failure::usage(format!("--mirror {}: expected HOST=URL", redacted(text)))),
    }
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Pull(arguments) => pull(*arguments),
        Command::Ls { folder, output } => list(&folder, output),
        Command::Check { folder: Some(folder), output, .. } => check(&folder, output),
        Command::Check { folder: None, store, output } => store::check(store.flatten(), output),
        Command::Gc(arguments) => gc::run(&arguments),
    }
}

fn pull(arguments: Pull) -> Outcome {
    let platforms = arguments
        .platform
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Platform>, _>>()
        .map_err(Failure::usage_by)?;
    let mut requests = Vec::new();
    let mut locals = Vec::new();
    for text in &arguments.references {
        match text.parse().map_err(Failure::usage_by)? {
            Source::Registry(reference) => {
                requests.push(request(reference, &platforms, arguments.referrers));
            }
            Source::Local(local) => locals.push(local),
        }
    }
    let mut options = Options { check_tags: true, ..arguments.client.options() };
    for text in &arguments.mirror {
        let (host, url) = mirror(text)?;
        options.mirrors.entry(host).or_default().push(url);
    }
    let store = Store::open(&store::root(arguments.store)?)?;
    let pulled = {
        let blobs = Blobs::start("pulling");
        images::pull::pull(&requests, &store, &options, &blobs)?
    };
    let mut places = Vec::new();
    for image in pulled {
        places.extend(
            image.referrers.into_iter().map(|list| (image.name.clone(), list.tag, list.digest, &[][..])),
        );
        places.push((image.name, image.tag, image.digest, &platforms[..]));
    }
    for local in &locals {
        let (name, tag) = saved_as(local);
        places.push((name, tag, images::source::import(local, &platforms, &store)?, &platforms));
    }
    let mut written = Vec::new();
    for (name, tag, digest, platforms) in places {
        let folder = arguments.into.join(&name).join(&tag);
        dir_layout::write(&store, &digest, platforms, &folder)?;
        written.push(Place { name, tag, folder });
    }
    report(written, arguments.output)
}

/// What an image of this machine is saved as: its own name where it has one, else that of its file or folder.
fn saved_as(local: &Local) -> (String, String) {
    let named = local.name.as_deref().and_then(|name| name.parse::<Reference>().ok());
    match named {
        Some(reference) => (last_part(&reference), reference.tag().unwrap_or("latest").to_owned()),
        None => {
            let stem = local.path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            (if is_repository(&stem) { stem } else { "image".into() }, "latest".to_owned())
        }
    }
}

fn last_part(reference: &Reference) -> String {
    reference.repository().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The name to save an image as is the last part of its repository; without a tag its digest names it.
fn request(reference: Reference, platforms: &[Platform], referrers: bool) -> Request {
    let tag = match (reference.tag(), reference.digest()) {
        (Some(tag), _) => tag.to_owned(),
        (None, Some(digest)) => format!("sha256-{}", digest.hex()),
        (None, None) => "latest".to_owned(),
    };
    let (name, platforms) = (last_part(&reference), platforms.to_vec());
    Request { name, tag, reference, platforms, expected: None, referrers }
}

fn list(folder: &Path, form: Form) -> Outcome {
    report(dir_layout::list(folder)?, form)
}

fn report(places: Vec<Place>, form: Form) -> Outcome {
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
    match form {
        Form::Json => output::json(&rows)?,
        Form::Text => output::print(&text)?,
    }
    Ok(())
}

fn check(folder: &Path, form: Form) -> Outcome {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let report = check::check(folder, threads)?;
    if report.images.is_empty() && report.problems.is_empty() {
        return Err(Failure::failed(anyhow::anyhow!("{}: no image in this folder", folder.display()))
            .remedy("name the folder that holds <name>/<tag>/manifest.json"));
    }
    match form {
        Form::Json => {
            let problems: Vec<_> = report
                .problems
                .iter()
                .map(|problem| json!({"path": problem.path, "problem": problem.to_string()}))
                .collect();
            output::json(&json!({"images": report.images.len(), "problems": problems}))?;
        }
        Form::Text => {
            let mut text: String = report.problems.iter().map(|problem| format!("{problem}\n")).collect();
            let problems = match report.problems.len() {
                1 => "1 problem".to_owned(),
                count => format!("{count} problems"),
            };
            text.push_str(&format!("{} images, {problems}\n", report.images.len()));
            output::print(&text)?;
        }
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

#[cfg(test)]
mod tests {
    use super::mirror;

    #[test]
    fn a_mirror_that_is_wrong_is_named_without_its_password() {
        assert!(mirror("docker.io=https://m.example/hub").is_ok());
        for wrong in
            ["docker.io=ftp://u:hunter2@m", "https://u:hunter2@m", "=http://u:hunter2@m", "hunter2@m"]
        {
            let failure = mirror(wrong).unwrap_err();
            let text = failure.report().unwrap().error.to_string();
            assert!(text.contains("expected HOST=URL") && !text.contains("hunter2"), "{text}");
        }
    }
}
