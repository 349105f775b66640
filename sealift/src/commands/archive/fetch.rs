//! `sealift archive fetch`.

use std::path::PathBuf;

use clap::Args;
use images::{Reference, RegistrySession};
use node::publish::PublishedArchive;

use crate::args::oci;
use crate::args::registry_client::ClientArguments;
use crate::failure::CommandResult;
use crate::output::documents::publishing::ArchiveFetch;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::progress::blobs::Blobs;
use crate::remedies::publishing as remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: `oci://HOST[:PORT]/REPOSITORY:TAG`, or with `@DIGEST` for `:TAG`
    #[arg(value_name = "URL", value_parser = oci::source)]
    archive: Reference,
    /// Write the ISO and its bundle to this folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    /// Replace files with the same names and other content
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    client: ClientArguments,
    /// Report what would be downloaded, without writing files
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let registries = RegistrySession::new(arguments.client.options());
    let found = {
        let blobs = Blobs::start("looking up");
        PublishedArchive::find(&arguments.archive, &registries, &blobs).map_err(remedies::fetch)?
    };
    let plan = {
        let bar = Bar::bytes("checking", found.iso.blob.size);
        found.compare(&arguments.into, arguments.replace, &bar).map_err(remedies::fetch)?
    };
    if !arguments.dry_run {
        let blobs = Blobs::start("pulling");
        plan.fetch(&registries, &blobs).map_err(remedies::fetch)?;
    }
    let document = ArchiveFetch::of(&found, &plan, arguments.dry_run);
    let text = document.lines();
    arguments.output.report(|| document, || text)?;
    if !arguments.dry_run {
        let iso = arguments.into.join(found.iso.name.as_str());
        let iso = output::shell_word(&iso);
        output::note(&match found.bundles.len() {
            0 => format!(
                "the registry has no signature of it; check it for damage: `sealift archive verify {iso}`"
            ),
            _ => format!("verify its signature: `sealift archive verify {iso} --key FILE`"),
        });
    }
    Ok(())
}
