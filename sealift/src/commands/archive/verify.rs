//! `sealift archive verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::requires::{self, Base, Unmet};
use archive::verify::{ImplantedMd5, Verdict, Verification, VerifyOptions, VerifyReport};
use content::{printable, printable_path};

use super::without_metadata;
use crate::commands::package::check;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::archives::ArchiveVerification;
use crate::output::documents::packages::ClosureCheck;
use crate::output::{self, ReportOutput, count, size};
use crate::progress::Bar;

/// A verified archive, what it requires that no base has (`None` if no base was named), and the checks of its packages.
type Verified = (VerifyReport, Option<Vec<Unmet>>, Option<Vec<ClosureCheck>>);

/// Verifies the archives in turn. One that cannot be read does not keep the others from being verified. With `bases`, what
/// they require must be there.
pub(super) fn run(
    archives: &[PathBuf],
    bases: &[PathBuf],
    closure: bool,
    threads: usize,
    output: ReportOutput,
) -> CommandResult {
    let trees: Vec<Tree> = match closure {
        true => bases.iter().map(|path| Tree::open(path)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let mut archive_bases: Vec<Base> = Vec::new();
    for (number, path) in bases.iter().enumerate() {
        if !trees.get(number).is_some_and(archive::closure::is_repository) {
            archive_bases.push(base(path)?);
        }
    }
    let bases = archive_bases;
    let mut reports: Vec<Verified> = Vec::new();
    let mut unreadable = None;
    for path in archives {
        let verified = verify_one(path, &bases, threads).and_then(|(report, unmet)| {
            let checks = closure.then(|| check::checks(&[Tree::open(path)?], &trees)).transpose()?;
            Ok((report, unmet, checks))
        });
        match verified {
            Ok((report, unmet, checks)) => {
                if output.is_text() {
                    output::print(&verdict(path, &report))?;
                    if let Some(checks) = &checks {
                        output::print(&check::text(checks))?;
                    }
                    for unmet in unmet.iter().flatten() {
                        output::print(&format!(
                            "{}: it requires another archive: {unmet}\n",
                            printable_path(path)
                        ))?;
                    }
                }
                reports.push((report, unmet, checks));
            }
            Err(error) if archives.len() == 1 => return Err(error),
            Err(error) => {
                output::failure(&error);
                unreadable = Some(Failure::Reported);
            }
        }
    }
    if !output.is_text() {
        let document = |(report, unmet, checks): &Verified| {
            ArchiveVerification::of(report, unmet.as_deref(), checks.as_deref())
        };
        match &reports[..] {
            [report] if archives.len() == 1 => output.report(|| document(report), String::new)?,
            reports => output.report(|| reports.iter().map(document).collect::<List<_>>(), String::new)?,
        }
    }
    let is_fine = |(report, unmet, checks): &Verified| {
        let installable = checks.iter().flatten().all(|check| check.findings.is_empty());
        report.ok() && unmet.iter().flatten().next().is_none() && installable
    };
    match unreadable {
        Some(failure) => Err(failure),
        None if reports.iter().all(is_fine) => Ok(()),
        None => Err(Failure::Failed(None)),
    }
}

/// An archive that others require.
pub(crate) fn base(path: &Path) -> Result<Base, Failure> {
    let product = archive::product::of(&Tree::open(path)?)?;
    let product = product.ok_or_else(|| crate::remedies::archives::no_base(path))?;
    Ok(Base { path: path.to_path_buf(), product })
}

fn verify_one(
    path: &Path,
    bases: &[Base],
    threads: usize,
) -> Result<(VerifyReport, Option<Vec<Unmet>>), Failure> {
    let work = Verification::open(path, &VerifyOptions { threads, ..VerifyOptions::default() })?;
    let bar = Bar::bytes("verifying", work.bytes());
    let report = work.run(&bar);
    if bases.is_empty() {
        return Ok((report, None));
    }
    let requires = requires::of(&Tree::open(path)?, report.product.as_ref())?;
    Ok((report, Some(requires::unmet(&requires, bases))))
}

pub(super) fn verdict(path: &Path, report: &VerifyReport) -> String {
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
