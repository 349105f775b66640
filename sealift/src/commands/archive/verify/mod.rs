//! `sealift archive verify`.

mod files;
pub(super) mod signature;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::requires::{self, Base, Unmet};
use archive::verify::{ImplantedMd5, Verdict, Verification, VerifyOptions, VerifyReport};
use clap::Args;
use content::{printable, printable_path};
use trust::Policy;

use self::signature::SignatureCheck;
use super::without_metadata;
use crate::args::trust::TrustArguments;
use crate::commands::package::check;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::archives::ArchiveVerification;
use crate::output::documents::packages::ClosureCheck;
use crate::output::{self, ReportOutput, count, size};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archives: ISO files, mount points or folders
    #[arg(required = true)]
    archives: Vec<PathBuf>,
    /// Also fail if an archive requires what none of these archives has (repeatable). With --closure, package repositories of
    /// the distribution are accepted as well
    #[arg(long = "base", value_name = "PATH")]
    bases: Vec<PathBuf>,
    /// Also fail if an RPM cannot be installed from the archives, those of --base, and the repositories of --base
    #[arg(long)]
    closure: bool,
    /// Verify only this file of the archive, by its signed checksum, and read no other one (repeatable)
    #[arg(long = "file", value_name = "PATH", conflicts_with_all = ["bases", "closure"])]
    files: Vec<String>,
    /// Hash files with this many threads [default: one per core]
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    output: ReportOutput,
}

/// A verified archive.
struct Verified {
    report: VerifyReport,
    /// The check of its signature; `None` if nothing requires one.
    signature: Option<SignatureCheck>,
    /// What it requires that no base has; `None` if no base was named.
    unmet: Option<Vec<Unmet>>,
    /// The checks of its packages.
    closure: Option<Vec<ClosureCheck>>,
}

impl Verified {
    fn is_fine(&self) -> bool {
        let installable = self.closure.iter().flatten().all(|check| check.findings.is_empty());
        is_whole(&self.report, self.signature.as_ref())
            && self.unmet.iter().flatten().next().is_none()
            && installable
    }
}

/// Whether an archive is what it was. A signature of each byte counts as much as checksums in the archive.
pub(super) fn is_whole(report: &VerifyReport, signature: Option<&SignatureCheck>) -> bool {
    signature.map_or_else(|| report.ok(), SignatureCheck::ok)
}

/// Verifies the archives in turn. One that cannot be read does not keep the others from being verified. With bases, what
/// they require must be there.
pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let Arguments { archives, closure, output, .. } = arguments;
    let policy = arguments.trust.policy()?;
    if arguments.trust.bundle.is_some() && archives.len() > 1 {
        return Err(Failure::usage("--bundle is the bundle of one archive, and several are named"));
    }
    if !arguments.files.is_empty() {
        return files::run(arguments, policy.as_ref());
    }
    let trees: Vec<Tree> = match closure {
        true => arguments.bases.iter().map(|path| Tree::open(path)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let mut bases: Vec<Base> = Vec::new();
    for (number, path) in arguments.bases.iter().enumerate() {
        if !trees.get(number).is_some_and(archive::closure::is_repository) {
            bases.push(base(path)?);
        }
    }
    let mut done: Vec<Verified> = Vec::new();
    let mut unreadable = None;
    for path in archives {
        let verified = verify_one(arguments, path, policy.as_ref(), &bases).and_then(|verified| {
            let closure = closure.then(|| check::checks(&[Tree::open(path)?], &trees)).transpose()?;
            Ok(Verified { closure, ..verified })
        });
        match verified {
            Ok(verified) => {
                if output.is_text() {
                    print(path, &verified)?;
                }
                done.push(verified);
            }
            Err(error) if archives.len() == 1 => return Err(error),
            Err(error) => {
                output::failure(&error);
                unreadable = Some(Failure::Reported);
            }
        }
    }
    if !output.is_text() {
        let document = |one: &Verified| {
            let signature = one.signature.as_ref().map(Into::into);
            ArchiveVerification::of(&one.report, signature, one.unmet.as_deref(), one.closure.as_deref())
        };
        match &done[..] {
            [report] if archives.len() == 1 => output.report(|| document(report), String::new)?,
            reports => output.report(|| reports.iter().map(document).collect::<List<_>>(), String::new)?,
        }
    }
    match unreadable {
        Some(failure) => Err(failure),
        None if done.iter().all(Verified::is_fine) => Ok(()),
        None => Err(Failure::Failed(None)),
    }
}

fn print(path: &Path, verified: &Verified) -> std::io::Result<()> {
    let proven = verified.signature.as_ref().is_some_and(SignatureCheck::ok);
    output::print(&verdict(path, &verified.report, proven))?;
    if let Some(signature) = &verified.signature {
        output::print(&signature.text(path))?;
    }
    if let Some(checks) = &verified.closure {
        output::print(&check::text(checks))?;
    }
    for unmet in verified.unmet.iter().flatten() {
        output::print(&format!("{}: it requires another archive: {unmet}\n", printable_path(path)))?;
    }
    Ok(())
}

/// An archive that others require.
pub(crate) fn base(path: &Path) -> Result<Base, Failure> {
    let product = archive::product::of(&Tree::open(path)?)?;
    let product = product.ok_or_else(|| crate::remedies::archives::no_base(path))?;
    Ok(Base { path: path.to_path_buf(), product })
}

fn verify_one(
    arguments: &Arguments,
    path: &Path,
    policy: Option<&Policy>,
    bases: &[Base],
) -> Result<Verified, Failure> {
    let options = VerifyOptions { threads: arguments.jobs, ..VerifyOptions::default() };
    let (report, signature) =
        verify_tree(Tree::open(path)?, options, arguments.trust.bundle.as_deref(), policy)?;
    let unmet = if bases.is_empty() {
        None
    } else {
        let requires = requires::of(&Tree::open(path)?, report.product.as_ref())?;
        Some(requires::unmet(&requires, bases))
    };
    Ok(Verified { report, signature, unmet, closure: None })
}

/// Verifies an archive, and checks its signature if a policy requires one. One open file: what is checked is what is verified.
pub(super) fn verify_tree(
    tree: Tree,
    mut options: VerifyOptions,
    bundle: Option<&Path>,
    policy: Option<&Policy>,
) -> Result<(VerifyReport, Option<SignatureCheck>), Failure> {
    let check = match policy {
        Some(policy) => signature::check(&tree, bundle, policy)?,
        None => None,
    };
    options.iso_digest |= check.as_ref().is_some_and(SignatureCheck::needs_iso_digest);
    let work = Verification::of(tree, &options)?;
    let report = {
        let bar = Bar::bytes("verifying", work.bytes());
        work.run(&bar)
    };
    let signature = check.map(|check| check.complete(&report));
    Ok((report, signature))
}

/// The result for people. `proven` says that a signature covers each byte or file.
pub(super) fn verdict(path: &Path, report: &VerifyReport, proven: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for finding in &report.findings {
        let _ = writeln!(text, "{finding}");
    }
    if report.omitted > 0 {
        let _ = writeln!(text, "and {} more", report.omitted);
    }
    if report.implanted_md5 == ImplantedMd5::Absent {
        text.push_str("no MD5 is implanted\n");
    }
    if !report.sha256sums {
        text.push_str(
            "no readable SHA256SUMS: only images could be checked, against the names of their blobs\n",
        );
    }
    if report.sha256sums && !report.links && report.symbolic_links > 0 {
        let _ = writeln!(
            text,
            "no readable LINKS.mtree: of {} symbolic links only those of registry/ could be checked",
            report.symbolic_links
        );
    }
    for line in output::bounded(&without_metadata(&report.unindexed), "repositories without metadata") {
        let _ = writeln!(text, "warning: {line}");
    }
    for (what, health) in [("images", &report.images), ("packages", &report.packages)] {
        if !health.damaged.is_empty() {
            let names = health.damaged.join(", ");
            let _ = writeln!(text, "{what} that cannot be served: {}", printable(&names));
        }
    }
    let name = printable_path(path);
    let _ = match report.verdict() {
        Verdict::Intact => {
            let md5 = matches!(report.implanted_md5, ImplantedMd5::Passed { .. });
            let checked = if md5 { "implanted MD5 and " } else { "" };
            writeln!(text, "{name}: intact: {checked}{}, {}", count(report.files, "file"), size(report.bytes))
        }
        Verdict::Unverifiable if proven => {
            writeln!(text, "{name}: no findings in {}, {}", count(report.files, "file"), size(report.bytes))
        }
        Verdict::Unverifiable => writeln!(
            text,
            "{name}: unverifiable: it has neither SHA256SUMS nor an implanted MD5; no findings in {}\n\
             compare its SHA-256 with the one that its vendor publishes, then `sealift archive import --unverified`",
            count(report.files, "file")
        ),
        Verdict::Damaged => {
            let findings = count(report.findings.len() as u64 + report.omitted, "finding");
            writeln!(text, "{name}: NOT intact: {findings} in {}", count(report.files, "file"))
        }
    };
    text
}
