//! `sealift archive sign`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use archive::attestation::{self, ArchiveDescription};
use archive::verify::{Verdict, Verification, VerifyOptions};
use clap::Args;
use content::{AtomicFile, Durability, IoError, LinkPolicy, printable, printable_path};
use trust::{Bundle, PROVENANCE_BUNDLE_MAX, SignedBy, Signer};

use crate::args::trust::ArchiveSigningArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::signatures::ArchiveSignature;
use crate::output::{self, ReportOutput, count};
use crate::progress::Bar;
use crate::remedies::trust as remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    #[command(flatten)]
    signing: ArchiveSigningArguments,
    /// Write the bundle to FILE [default: ARCHIVE.sigstore.json]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Hash files with this many threads [default: one per core]
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Report what would be signed, without writing the bundle
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

/// An archive that was signed, or would be.
pub(crate) struct SignedArchive {
    pub(crate) described: ArchiveDescription,
    pub(crate) bundle: PathBuf,
    /// The bundle of the provenance, if the archive has one.
    pub(crate) provenance: Option<PathBuf>,
    /// Who signed it; `None` if nothing was signed.
    pub(crate) by: Option<SignedBy>,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    // Before the archive is read, which takes minutes.
    let signer = arguments.signing.signer()?.ok_or_else(remedies::no_signer)?;
    let path = &arguments.archive;
    let bundle = arguments.bundle.clone().unwrap_or_else(|| attestation::bundle_path(path));
    let options = VerifyOptions { threads: arguments.jobs, iso_digest: true, ..VerifyOptions::default() };
    let builder_id = arguments.signing.builder_id.as_deref();
    let signed = sign(path, bundle, (&signer, builder_id), &options, arguments.dry_run)?;
    if signer.is_recorded() && !arguments.dry_run && !arguments.signing.is_checked() {
        output::note("the certificate and its record were not verified: --trusted-root FILE does that");
    }
    let document = || {
        let bundles = (signed.bundle.as_path(), signed.provenance.as_deref());
        ArchiveSignature::of(path, bundles, &signed.described, signed.by.as_ref())
    };
    let lines = || lines(&signed, if arguments.dry_run { "would write" } else { "wrote" });
    Ok(arguments.output.report(document, lines)?)
}

/// Verifies an archive and signs it, and the provenance that it has, for which a builder can be named.
pub(crate) fn sign(
    path: &Path,
    bundle: PathBuf,
    (signer, builder_id): (&Signer, Option<&str>),
    options: &VerifyOptions,
    dry_run: bool,
) -> Result<SignedArchive, Failure> {
    refuse_inside(path, &bundle)?;
    refuse_other(&bundle)?;
    refuse_other(&attestation::provenance_bundle_path(&bundle))?;
    let work = Verification::open(path, options)?;
    let (described, report) = {
        let bar = Bar::bytes("verifying", work.bytes());
        attestation::describe(work, &bar).map_err(remedies::signing)?
    };
    // Nobody signs damage.
    if report.verdict() == Verdict::Damaged {
        return Err(remedies::damaged(path, &report));
    }
    let statement = described.statement.render().map_err(|fault| remedies::fault(path, fault))?;
    // A public log would record a signature with a certificate.
    if dry_run && signer.is_recorded() {
        let provenance = described.provenance.is_some().then(|| attestation::provenance_bundle_path(&bundle));
        return Ok(SignedArchive { described, bundle, provenance, by: None });
    }
    let of_provenance = attestation::provenance_bundle_path(&bundle);
    // A log keeps what it records, so the file is there before the signature.
    let file = (!dry_run).then(|| AtomicFile::create(&bundle, 0o644, Durability::Durable)).transpose()?;
    let text = Bundle::sign(&statement, signer, &|| false).map_err(|fault| remedies::signer(path, fault))?;
    let provenance =
        provenance(path, &described, signer, builder_id)?.map(|text| (of_provenance.clone(), text));
    if let Some(file) = file {
        match &provenance {
            Some((path, text)) => AtomicFile::write(path, text.as_bytes(), 0o644, Durability::Durable)?,
            // That of a former archive with this name.
            None => content::remove(&of_provenance)?,
        }
        file.file().write_all(text.as_bytes()).map_err(IoError::at("write", &bundle))?;
        file.commit()?;
    }
    let by = signer.signed_by().map_err(|fault| remedies::signer(path, fault))?;
    Ok(SignedArchive { described, bundle, provenance: provenance.map(|(path, _)| path), by: Some(by) })
}

/// The bundle of the provenance; `None` if the archive has none.
fn provenance(
    archive: &Path,
    described: &ArchiveDescription,
    signer: &Signer,
    builder_id: Option<&str>,
) -> Result<Option<String>, Failure> {
    let Some(statement) = described.provenance_statement(builder_id) else {
        return match builder_id {
            Some(_) => Err(remedies::no_provenance(archive)),
            None => Ok(None),
        };
    };
    let statement = statement.map_err(|fault| remedies::fault(archive, fault))?;
    let text = Bundle::sign_within(&statement, signer, &|| false, PROVENANCE_BUNDLE_MAX)
        .map_err(|fault| remedies::signer(archive, fault))?;
    Ok(Some(text))
}

/// Refuses to replace something else than a bundle, such as the key that signs, and to write through a link.
fn refuse_other(bundle: &Path) -> Result<(), Failure> {
    let Ok(data) = bundle.symlink_metadata() else { return Ok(()) };
    let is_bundle = data.is_file()
        && content::open_read(bundle, LinkPolicy::Refuse, PROVENANCE_BUNDLE_MAX as u64)
            .is_ok_and(|bytes| Bundle::parse_within(&bytes, PROVENANCE_BUNDLE_MAX).is_ok());
    match is_bundle {
        true => Ok(()),
        false => Err(Failure::usage(format!("{} exists, and is not a bundle", printable_path(bundle)))
            .remedy("name another file: --bundle FILE")),
    }
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

/// What was written, in words.
pub(crate) fn lines(signed: &SignedArchive, wrote: &str) -> String {
    let ArchiveDescription { statement, omitted, .. } = &signed.described;
    let mut text = format!(
        "{wrote} {}: {} {}, {}{}\n",
        printable_path(&signed.bundle),
        printable(&statement.name),
        printable(&statement.version),
        count(statement.subjects.len() as u64, "digest"),
        signed.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default(),
    );
    if *omitted > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "the signed SHA256SUMS also covers {} of images and repositories that are not in the statement",
            count(*omitted as u64, "digest")
        );
    }
    if let Some(path) = &signed.provenance {
        text += &format!("{wrote} {}: what it was built from\n", printable_path(path));
    }
    text
}
