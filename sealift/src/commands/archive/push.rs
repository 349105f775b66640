//! `sealift archive push`.

use std::path::PathBuf;

use clap::Args;
use images::RegistrySession;
use images::push::{PushReport, PushRequest};
use node::push::ArchiveImages;

use crate::args::registry_client::ClientArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::node::{ArchivePush, ArchivePushPlan, PlannedImage};
use crate::output::{ReportOutput, count, size};
use crate::progress::blobs::Blobs;
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    /// Push to this registry, with or without a path: `registry.example[:PORT][/PATH]`
    #[arg(long, value_name = "REGISTRY")]
    to: String,
    /// Put PATH, which can be empty, before the names of the images [default: NAME-VERSION of the archive]
    #[arg(long, value_name = "PATH")]
    repository: Option<String>,
    #[command(flatten)]
    client: ClientArguments,
    /// Report what would be pushed, without connecting to the registry
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let images = ArchiveImages::open(&arguments.archive).map_err(remedies::archives::push)?;
    let repository = match (arguments.repository, images.product()) {
        (Some(repository), _) => repository,
        (None, Some(product)) => product.repository_prefix(),
        (None, None) => {
            return Err(remedies::archives::no_name());
        }
    };
    // A name without a dot or port would be taken for a repository of Docker Hub.
    if arguments.to.contains('@') {
        format!("{}/name", arguments.to).parse::<images::Reference>().map_err(Failure::usage_by)?;
    }
    let registry = arguments.to.split('/').next().unwrap_or_default();
    let is_host = registry.contains(['.', ':']) || registry == "localhost";
    if !is_host || format!("{registry}/name:tag").parse::<images::Reference>().is_err() {
        return Err(Failure::usage(format!(
            "`{}` is not a registry: expected a host with a dot or a port, and a path: `registry.example:5000/mirror`",
            arguments.to
        )));
    }
    let to = format!("{}/{repository}", arguments.to.trim_end_matches('/'));
    let requests = images.requests(&to).map_err(Failure::usage_by)?;
    if requests.is_empty() {
        return Err(remedies::archives::no_image(&arguments.archive));
    }
    if arguments.dry_run {
        let image = |request: &PushRequest| PlannedImage {
            reference: request.reference.to_string(),
            digest: request.digest.to_string(),
        };
        let planned =
            ArchivePushPlan { images: requests.iter().map(image).collect(), bytes_at_most: images.bytes() };
        let text = would(&planned);
        return Ok(arguments.output.report(|| planned, || text)?);
    }
    let report = {
        let registries = RegistrySession::new(arguments.client.options());
        let blobs = Blobs::start("pushing");
        images::push::push(&requests, images, &registries, &blobs).map_err(remedies::images::push)?
    };
    Ok(arguments.output.report(|| ArchivePush::from(&report), || summary(&report))?)
}

fn would(planned: &ArchivePushPlan) -> String {
    let mut text = String::new();
    for image in &planned.images {
        text.push_str(&format!("would push {}  {}\n", image.reference, image.digest));
    }
    let images = count(planned.images.len(), "image");
    text.push_str(&format!("{images}; at most {} would be sent\n", size(planned.bytes_at_most)));
    text
}

fn summary(report: &PushReport) -> String {
    let mut text = String::new();
    for image in &report.images {
        let changed = if image.changed { "pushed" } else { "already present" };
        text.push_str(&format!("{}  {}  {changed}\n", image.reference, image.digest));
    }
    let images::push::BlobTotals { present, mounted, uploaded } = report.blobs;
    text.push_str(&format!(
        "{}; blobs: {uploaded} sent ({}), {mounted} mounted, {present} already present\n",
        count(report.images.len(), "image"),
        size(report.bytes)
    ));
    text
}
