//! `sealift archive publish`.

use std::path::{Path, PathBuf};

use clap::Args;
use content::{Digest, printable_path};
use images::{Reference, RegistrySession};
use node::publish::{IsoToPublish, Publication};

use crate::args::oci;
use crate::args::registry_client::ClientArguments;
use crate::failure::{CommandResult, Failure};
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
    let planned = plan(&arguments.archive, arguments.to, arguments.bundle.as_deref(), None)?;
    if !planned.publication.is_signed() {
        let (archive, word) = (printable_path(&arguments.archive), output::shell_word(&arguments.archive));
        output::note(&format!("{archive} is not signed: `sealift archive sign {word} --key FILE` signs it"));
    }
    let document = match arguments.dry_run {
        true => planned.document,
        false => {
            let registries = RegistrySession::new(arguments.client.options());
            planned.push(arguments.replace, &registries).map_err(remedies::publish)?
        }
    };
    let text = document.lines();
    Ok(arguments.output.report(|| document, || text)?)
}

/// An archive, and where it goes in a registry.
pub(crate) struct PlannedPublication {
    reference: Reference,
    publication: Publication,
    /// What would be published.
    pub(crate) document: ArchivePublication,
}

/// Plans to publish an ISO with its bundles and its SBOM; without a tag in `to`, under that of its version. The ISO is read, unless its
/// digest is known.
pub(crate) fn plan(
    archive: &Path,
    to: Reference,
    bundle: Option<&Path>,
    known: Option<Digest>,
) -> Result<PlannedPublication, Failure> {
    let iso = IsoToPublish::open(archive).map_err(remedies::publish)?;
    let reference = match to.given_tag() {
        Some(_) => to,
        None => to.with_tag(&iso.tag()).map_err(Failure::usage_by)?,
    };
    let publication = match known {
        Some(digest) => iso.publication_of(digest, bundle),
        None => {
            let bar = Bar::bytes("hashing", iso.bytes());
            iso.publication(bundle, &bar)
        }
    };
    let publication = publication.map_err(remedies::publish)?;
    let document = ArchivePublication::of(archive, &reference, &publication);
    Ok(PlannedPublication { reference, publication, document })
}

impl PlannedPublication {
    /// Publishes the archive. A tag that names something else is moved only if `replace`.
    pub(crate) fn push(
        self,
        replace: bool,
        registries: &RegistrySession,
    ) -> Result<ArchivePublication, node::publish::Error> {
        let mut document = self.document;
        let blobs = Blobs::start("pushing");
        document.pushed(&self.publication.push(&self.reference, replace, registries, &blobs)?);
        Ok(document)
    }
}
