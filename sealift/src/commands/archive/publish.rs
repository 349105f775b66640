//! `sealift archive publish`.

use std::path::PathBuf;

use clap::Args;
use content::printable_path;
use images::{Reference, RegistrySession};
use node::publish::IsoToPublish;

use crate::args::oci;
use crate::args::registry_client::ClientArguments;
use crate::failure::CommandResult;
use crate::output::documents::publishing::ArchivePublication;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::progress::blobs::Blobs;
use crate::remedies::publishing as remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The ISO file of the archive
    archive: PathBuf,
    /// Push to `oci://HOST[:PORT]/REPOSITORY[:TAG]` [default tag: the version, with `_` for `+` and `~`]
    #[arg(long, value_name = "URL", value_parser = oci::target)]
    to: Reference,
    /// Attach the bundle in FILE [default: ARCHIVE.sigstore.json, if it exists]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Move a tag that names something else
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    client: ClientArguments,
    /// Report what would be pushed, without connecting to the registry
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let iso = IsoToPublish::open(&arguments.archive).map_err(remedies::publish)?;
    let reference = match arguments.to.given_tag() {
        Some(_) => arguments.to,
        None => arguments.to.with_tag(&iso.tag()).map_err(crate::failure::Failure::usage_by)?,
    };
    let publication = {
        let bar = Bar::bytes("hashing", iso.bytes());
        iso.publication(arguments.bundle.as_deref(), &bar).map_err(remedies::publish)?
    };
    let mut document = ArchivePublication::of(&arguments.archive, &reference, &publication);
    if !publication.is_signed() {
        let (archive, word) = (printable_path(&arguments.archive), output::shell_word(&arguments.archive));
        output::note(&format!("{archive} is not signed: `sealift archive sign {word} --key FILE` signs it"));
    }
    if !arguments.dry_run {
        let registries = RegistrySession::new(arguments.client.options());
        let blobs = Blobs::start("pushing");
        let report = publication
            .push(&reference, arguments.replace, &registries, &blobs)
            .map_err(remedies::publish)?;
        document.pushed(&report);
    }
    let text = document.lines();
    Ok(arguments.output.report(|| document, || text)?)
}
