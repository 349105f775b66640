//! `sealift archive sign`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::attestation::{self, ArchiveDescription};
use archive::verify::{Verdict, Verification, VerifyOptions};
use clap::Args;
use content::{AtomicFile, Durability, LinkPolicy, printable, printable_path};
use trust::{Bundle, KEY_MAX, PROVENANCE_BUNDLE_MAX, Signer};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::signatures::ArchiveSignature;
use crate::output::{ReportOutput, count};
use crate::progress::Bar;
use crate::remedies::trust as remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    /// Sign with the private key in FILE (PEM): ECDSA P-256 or Ed25519
    #[arg(long, value_name = "FILE", required_unless_present = "sign_command", help_heading = "Signing")]
    key: Option<PathBuf>,
    /// Sign with COMMAND: it reads the data from standard input and writes the signature to standard output
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with = "key",
        requires = "public_key",
        help_heading = "Signing"
    )]
    sign_command: Option<String>,
    /// Check the signature of COMMAND with the public key in FILE (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "sign_command",
        conflicts_with = "key",
        help_heading = "Signing"
    )]
    public_key: Option<PathBuf>,
    /// Write the bundle to FILE [default: ARCHIVE.sigstore.json]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Name the builder in the signed provenance by a URI [default: https://sealift.dev/builder/v1]
    #[arg(long, value_name = "URI")]
    builder_id: Option<String>,
    /// Hash files with this many threads [default: one per core]
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Report what would be signed, without writing the bundle
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

impl Arguments {
    fn signer(&self) -> Result<Signer, Failure> {
        match (&self.key, &self.sign_command, &self.public_key) {
            (Some(key), ..) => {
                let bytes = content::open_read(key, LinkPolicy::Follow, KEY_MAX)?;
                Signer::with_key(&bytes).map_err(|fault| remedies::key(key, fault))
            }
            (None, Some(command), Some(public_key)) => {
                let words = crate::args::signing::command_words(command)?;
                Ok(Signer::with_command(words, crate::args::trust::public_key(public_key)?))
            }
            _ => Err(Failure::usage("the key that signs is missing")),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    // Before the archive is read, which takes minutes.
    let signer = arguments.signer()?;
    let path = &arguments.archive;
    let bundle = arguments.bundle.clone().unwrap_or_else(|| attestation::bundle_path(path));
    refuse_inside(path, &bundle)?;
    let options = VerifyOptions { threads: arguments.jobs, iso_digest: true, ..VerifyOptions::default() };
    let work = Verification::open(path, &options)?;
    let (described, report) = {
        let bar = Bar::bytes("verifying", work.bytes());
        attestation::describe(work, &bar).map_err(remedies::signing)?
    };
    // Nobody signs damage.
    if report.verdict() == Verdict::Damaged {
        return Err(remedies::damaged(path, &report));
    }
    let statement = described.statement.render().map_err(|fault| remedies::fault(path, fault))?;
    let text = Bundle::sign(&statement, &signer, &|| false).map_err(|fault| remedies::signer(path, fault))?;
    let provenance = provenance(arguments, &bundle, &described, &signer)?;
    if !arguments.dry_run {
        if let Some((path, text)) = &provenance {
            AtomicFile::write(path, text.as_bytes(), 0o644, Durability::Durable)?;
        }
        AtomicFile::write(&bundle, text.as_bytes(), 0o644, Durability::Durable)?;
    }
    let provenance = provenance.as_ref().map(|(path, _)| path.as_path());
    let document = || ArchiveSignature::of(path, (&bundle, provenance), &described, signer.public_key());
    let lines = || {
        let wrote = if arguments.dry_run { "would write" } else { "wrote" };
        let mut text = lines(&described, &signer, &format!("{wrote} {}", printable_path(&bundle)));
        if let Some(path) = provenance {
            text += &format!("{wrote} {}: what it was built from\n", printable_path(path));
        }
        text
    };
    Ok(arguments.output.report(document, lines)?)
}

/// The bundle of the provenance, with its path. `None` if the archive has no provenance.
fn provenance(
    arguments: &Arguments,
    bundle: &Path,
    described: &ArchiveDescription,
    signer: &Signer,
) -> Result<Option<(PathBuf, String)>, Failure> {
    let archive = &arguments.archive;
    let Some(statement) = described.provenance_statement(arguments.builder_id.as_deref()) else {
        if arguments.builder_id.is_some() {
            return Err(remedies::no_provenance(archive));
        }
        return Ok(None);
    };
    let statement = statement.map_err(|fault| remedies::fault(archive, fault))?;
    let text = Bundle::sign_within(&statement, signer, &|| false, PROVENANCE_BUNDLE_MAX)
        .map_err(|fault| remedies::signer(archive, fault))?;
    Ok(Some((attestation::provenance_bundle_path(bundle), text)))
}

/// Refuses a bundle that would replace the archive, or be one of its files.
fn refuse_inside(archive: &Path, bundle: &Path) -> Result<(), Failure> {
    let folder = bundle.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What cannot be read is reported where it is read or written.
    let (Ok(archive), Ok(folder)) = (std::fs::canonicalize(archive), std::fs::canonicalize(folder)) else {
        return Ok(());
    };
    if !folder.join(bundle.file_name().unwrap_or_default()).starts_with(archive) {
        return Ok(());
    }
    let bundle = printable_path(bundle);
    Err(Failure::usage(format!("{bundle} is a part of the archive, which signing must not change"))
        .remedy("name a file outside the archive: --bundle FILE"))
}

fn lines(described: &ArchiveDescription, signer: &Signer, wrote: &str) -> String {
    let ArchiveDescription { statement, omitted, .. } = described;
    let key = signer.public_key();
    let mut text = format!(
        "{wrote}: {} {}, {}, by the key {} ({})\n",
        printable(&statement.name),
        printable(&statement.version),
        count(statement.subjects.len() as u64, "digest"),
        key.id(),
        key.algorithm().name(),
    );
    if *omitted > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "the signed SHA256SUMS also covers {} of images and repositories that are not in the statement",
            count(*omitted as u64, "digest")
        );
    }
    text
}
