//! `sealift archive reproduce`.

use std::path::{Path, PathBuf};

use archive::diff::{Comparing, Comparison, Sameness};
use archive::{Tree, attestation};
use buildchain::project::Checkout;
use clap::Args;
use content::{Digest, printable, printable_path};
use trust::Provenance;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::signatures::ArchiveReproduction;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::rebuild::{self, Workshop};
use crate::remedies::trust as remedies;
use crate::session::SettingsSelector;
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO
    archive: PathBuf,
    /// Build from the git repository in DIR, which has the commit
    #[arg(long, value_name = "DIR")]
    source: PathBuf,
    /// Build in DIR, and keep what was built [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsSelector,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let path = arguments.archive.as_path();
    let tree = Tree::open(path)?;
    if !matches!(tree, Tree::Iso(_)) {
        return Err(Failure::usage(format!("{} is not an ISO", printable_path(path)))
            .remedy("name the ISO that was published; a folder does not show all bytes of the ISO"));
    }
    let provenance = attestation::provenance(&tree)?.ok_or_else(|| remedies::no_provenance(path))?;
    let commit = buildable(path, &provenance)?.to_owned();
    let parameters = &provenance.build_definition.external_parameters;
    rebuild::check(path, parameters)?;
    let settings = arguments.settings.settings()?;
    let signals = Signals::catch()?;
    let source = std::path::absolute(&arguments.source)?;
    let workshop = Workshop::open(&settings, arguments.keep.as_deref())?;
    let checkout = Checkout::new(&settings, &source, &commit, &workshop.path("source"))
        .map_err(crate::remedies::project::project)?;
    let version = &provenance.build_definition.internal_parameters.version;
    let built = rebuild::set_version(&checkout, parameters, &workshop, version)
        .and_then(|()| rebuild::build(&checkout, parameters, (&workshop, "build"), &signals))
        .map_err(|failure| workshop.explained(&checkout, failure))?;
    let comparing = Comparing::open(path, &built.iso)?;
    let found = {
        let bar = Bar::bytes("comparing", comparing.bytes());
        comparing.run(&bar)?
    };
    let document = || ArchiveReproduction::of(path, &commit, built.digest, &found);
    let kept = arguments.keep.is_some();
    arguments.output.report(document, || text(path, &commit, built.digest, &found, kept))?;
    match found.sameness {
        Sameness::Identical => Ok(()),
        Sameness::SameFiles | Sameness::Different => Err(Failure::Failed(None)),
    }
}

/// The commit that an archive was built from, if this program can build it.
fn buildable<'a>(path: &Path, provenance: &'a Provenance) -> Result<&'a str, Failure> {
    let path = printable_path(path);
    let (commit, dirty) = provenance.commit().ok_or_else(|| {
        Failure::usage(format!("{path} was not built from a commit, so nobody can build it again"))
    })?;
    if dirty {
        let message = format!(
            "{path} was built from files that differ from the commit {}, so nobody can build it again",
            printable(commit)
        );
        return Err(Failure::usage(message).remedy("build archives for others with `sealift run --release`"));
    }
    let architecture = &provenance.build_definition.internal_parameters.architecture;
    if architecture != std::env::consts::ARCH {
        let message = format!(
            "{path} was built on {}, this machine is {}",
            printable(architecture),
            std::env::consts::ARCH
        );
        return Err(Failure::usage(message).remedy("run the command on a machine of that architecture"));
    }
    let (built_by, own) = (provenance.builder_version().unwrap_or_default(), env!("CARGO_PKG_VERSION"));
    if built_by != own {
        output::warn(&format!(
            "sealift {} built the archive, and this is sealift {own}: the archives can differ",
            printable(built_by)
        ));
    }
    Ok(commit)
}

fn text(path: &Path, commit: &str, digest: Digest, found: &Comparison, kept: bool) -> String {
    let (path, commit) = (printable_path(path), printable(commit));
    if found.sameness == Sameness::Identical {
        return format!("{path} is what the commit {commit} builds: {digest}\n");
    }
    let hint = if kept { "" } else { "; --keep DIR keeps what was built" };
    format!("{path} is not what the commit {commit} builds{hint}\n{}", super::diff::text(found))
}
