//! `sealift archive push`.

use std::path::{Path, PathBuf};

use clap::Args;
use images::RegistrySession;
use images::push::{PushReport, PushRequest};
use node::push::ArchiveImages;

use crate::args::oci;
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
    let planned = plan(&arguments.archive, &arguments.to, arguments.repository)?;
    if arguments.dry_run {
        let planned = planned.document();
        let text = would(&planned);
        return Ok(arguments.output.report(|| planned, || text)?);
    }
    let report = planned.push(&RegistrySession::new(arguments.client.options()))?;
    Ok(arguments.output.report(|| ArchivePush::from(&report), || summary(&report))?)
}

/// The images of an archive, and where they go.
pub(crate) struct PlannedPush {
    images: ArchiveImages,
    requests: Vec<PushRequest>,
}

/// Plans to push the images of an archive to a registry, below the path `repository`. Without one, that is the name and version of the
/// archive.
pub(crate) fn plan(archive: &Path, to: &str, repository: Option<String>) -> Result<PlannedPush, Failure> {
    let images = ArchiveImages::open(archive).map_err(remedies::archives::push)?;
    let repository = match (repository, images.product()) {
        (Some(repository), _) => repository,
        (None, Some(product)) => product.repository_prefix(),
        (None, None) => return Err(remedies::archives::no_name()),
    };
    oci::check_registry(to)?;
    let to = format!("{}/{repository}", to.trim_end_matches('/'));
    let requests = images.requests(&to).map_err(Failure::usage_by)?;
    if requests.is_empty() {
        return Err(remedies::archives::no_image(archive));
    }
    Ok(PlannedPush { images, requests })
}

impl PlannedPush {
    /// What would be pushed.
    fn document(&self) -> ArchivePushPlan {
        let image = |request: &PushRequest| PlannedImage {
            reference: request.reference.to_string(),
            digest: request.digest.to_string(),
        };
        ArchivePushPlan {
            images: self.requests.iter().map(image).collect(),
            bytes_at_most: self.images.bytes(),
        }
    }

    /// Pushes the images. What the registry has is not sent again.
    pub(crate) fn push(self, registries: &RegistrySession) -> Result<PushReport, Failure> {
        let blobs = Blobs::start("pushing");
        images::push::push(&self.requests, self.images, registries, &blobs).map_err(remedies::images::push)
    }
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

/// What was pushed, in words.
pub(crate) fn summary(report: &PushReport) -> String {
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
