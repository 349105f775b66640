//! `sealift archive sign`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::attestation::{self, ArchiveDescription};
use archive::verify::{Verdict, Verification, VerifyOptions};
use clap::Args;
use content::{AtomicFile, Digest, Durability, IoError, LinkPolicy, printable, printable_path};
use trust::{BUNDLE_MAX, Bundle, PROVENANCE_BUNDLE_MAX, SignedBy, Signer};

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
    pub(crate) bundle: BundleFile,
    /// The bundle of the provenance, if the archive has one.
    pub(crate) provenance: Option<BundleFile>,
    /// Who signed it; `None` if nothing was signed.
    pub(crate) by: Option<SignedBy>,
}

/// A bundle that was written, or would be.
pub(crate) struct BundleFile {
    pub(crate) path: PathBuf,
    /// Whether it existed, with a signature by the same key of the same statement.
    pub(crate) is_kept: bool,
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
        let bundles =
            (signed.bundle.path.as_path(), signed.provenance.as_ref().map(|one| one.path.as_path()));
        ArchiveSignature::of(path, bundles, &signed.described, signed.by.as_ref())
    };
    let lines = || lines(&signed, arguments.dry_run);
    Ok(arguments.output.report(document, lines)?)
}

/// Verifies an archive and signs it, and the provenance that it has, for which a builder can be named. A bundle that has the same
/// statement, signed by the same key, is kept.
fn sign(
    path: &Path,
    bundle: PathBuf,
    signing: (&Signer, Option<&str>),
    options: &VerifyOptions,
    dry_run: bool,
) -> Result<SignedArchive, Failure> {
    check_target(path, &bundle)?;
    let work = Verification::open(path, options)?;
    let (described, report) = {
        let bar = Bar::bytes("verifying", work.bytes());
        attestation::describe(work, &bar).map_err(remedies::signing)?
    };
    // Nobody signs damage.
    if report.verdict() == Verdict::Damaged {
        return Err(remedies::damaged(path, &report));
    }
    write(path, described, bundle, signing, dry_run)
}

/// Signs the ISO in `tree` as [`sign`] does, which the build has just verified. Its digest is known: only lists are read. `check`
/// says whether they are still those of that ISO.
pub(crate) fn sign_built(
    tree: &Tree,
    digest: Digest,
    check: impl FnOnce() -> Result<(), Failure>,
    signing: (&Signer, Option<&str>),
) -> Result<SignedArchive, Failure> {
    let (path, bundle) = (tree.path(), attestation::bundle_path(tree.path()));
    check_target(path, &bundle)?;
    let described = attestation::describe_built(tree, digest).map_err(remedies::signing)?;
    check()?;
    write(path, described, bundle, signing, false)
}

fn check_target(archive: &Path, bundle: &Path) -> Result<(), Failure> {
    refuse_inside(archive, bundle)?;
    refuse_other(bundle)?;
    refuse_other(&attestation::provenance_bundle_path(bundle))
}

/// Signs what is described, and writes the bundles.
fn write(
    path: &Path,
    described: ArchiveDescription,
    bundle: PathBuf,
    (signer, builder_id): (&Signer, Option<&str>),
    dry_run: bool,
) -> Result<SignedArchive, Failure> {
    let statement = described.statement.render().map_err(|fault| remedies::fault(path, fault))?;
    let of_provenance = attestation::provenance_bundle_path(&bundle);
    let provenance = provenance(path, &described, builder_id)?;
    let is_kept = is_signed(&bundle, &statement, signer, BUNDLE_MAX);
    let keeps_provenance = provenance
        .as_ref()
        .is_some_and(|statement| is_signed(&of_provenance, statement, signer, PROVENANCE_BUNDLE_MAX));
    // A public log would record a signature with a certificate.
    let is_signing = !(dry_run && signer.is_recorded());
    if is_signing {
        // A log keeps what it records, so the file is there before the signature.
        let is_written = !dry_run && !is_kept;
        let file = is_written.then(|| AtomicFile::create(&bundle, 0o644, Durability::Durable)).transpose()?;
        let sign = |statement: &str, limit| {
            Bundle::sign_within(statement, signer, &|| false, limit)
                .map_err(|fault| remedies::signer(path, fault))
        };
        let text = if is_kept { None } else { Some(sign(&statement, BUNDLE_MAX)?) };
        let new = provenance.as_ref().filter(|_| !keeps_provenance);
        let new = new.map(|statement| sign(statement, PROVENANCE_BUNDLE_MAX)).transpose()?;
        match (dry_run, &provenance, new) {
            (false, _, Some(text)) => {
                AtomicFile::write(&of_provenance, text.as_bytes(), 0o644, Durability::Durable)?;
            }
            // That of a former archive with this name.
            (false, None, None) => content::remove(&of_provenance)?,
            _ => {}
        }
        if let (Some(file), Some(text)) = (file, text) {
            file.file().write_all(text.as_bytes()).map_err(IoError::at("write", &bundle))?;
            file.commit()?;
        }
    }
    let by = is_signing.then(|| signer.signed_by().map_err(|fault| remedies::signer(path, fault)));
    let provenance = provenance.map(|_| BundleFile { path: of_provenance, is_kept: keeps_provenance });
    Ok(SignedArchive {
        described,
        bundle: BundleFile { path: bundle, is_kept },
        provenance,
        by: by.transpose()?,
    })
}

/// Whether the file at `bundle` has a signature of this statement by the key of `signer`. With a certificate each signature has a key
/// of its own.
fn is_signed(bundle: &Path, statement: &str, signer: &Signer, limit: usize) -> bool {
    let Ok(bytes) = content::open_read(bundle, LinkPolicy::Refuse, limit as u64) else { return false };
    Bundle::parse_within(&bytes, limit).is_ok_and(|bundle| bundle.is_of(statement, signer.public_key()))
}

/// The statement about the provenance; `None` if the archive has none.
fn provenance(
    archive: &Path,
    described: &ArchiveDescription,
    builder_id: Option<&str>,
) -> Result<Option<String>, Failure> {
    match (described.provenance_statement(builder_id), builder_id) {
        (Some(statement), _) => statement.map(Some).map_err(|fault| remedies::fault(archive, fault)),
        (None, Some(_)) => Err(remedies::no_provenance(archive)),
        (None, None) => Ok(None),
    }
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

/// What was written, or would be in a dry run, in words.
pub(crate) fn lines(signed: &SignedArchive, dry_run: bool) -> String {
    let done = |bundle: &BundleFile| {
        let word = match (bundle.is_kept, dry_run) {
            (false, false) => "wrote",
            (false, true) => "would write",
            (true, false) => "kept",
            (true, true) => "would keep",
        };
        format!("{word} {}", printable_path(&bundle.path))
    };
    let ArchiveDescription { statement, omitted, .. } = &signed.described;
    let mut text = format!(
        "{}: {} {}, {}{}\n",
        done(&signed.bundle),
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
    if let Some(bundle) = &signed.provenance {
        text += &format!("{}: what it was built from\n", done(bundle));
    }
    text
}
