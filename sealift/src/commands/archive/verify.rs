//! `sealift archive verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::verify::{ImplantedMd5, Verdict, Verification, VerifyOptions, VerifyReport};
use content::{printable, printable_path};

use super::without_metadata;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::archives::ArchiveVerification;
use crate::output::{self, ReportOutput, count, size};
use crate::progress::Bar;

/// Verifies the archives in turn. One that cannot be read does not keep the others from being verified.
pub(super) fn run(archives: &[PathBuf], threads: usize, output: ReportOutput) -> CommandResult {
    let mut reports = Vec::new();
    let mut unreadable = None;
    for path in archives {
        match verify_one(path, threads) {
            Ok(report) => {
                if output.is_text() {
                    output::print(&verdict(path, &report))?;
                }
                reports.push(report);
            }
            Err(error) if archives.len() == 1 => return Err(error),
            Err(error) => {
                output::failure(&error);
                unreadable = Some(Failure::Reported);
            }
        }
    }
    if !output.is_text() {
        match &reports[..] {
            [report] if archives.len() == 1 => {
                output.report(|| ArchiveVerification::from(report), String::new)?;
            }
            reports => output
                .report(|| reports.iter().map(ArchiveVerification::from).collect::<List<_>>(), String::new)?,
        }
    }
    match unreadable {
        Some(failure) => Err(failure),
        None if reports.iter().all(VerifyReport::ok) => Ok(()),
        None => Err(Failure::Failed(None)),
    }
}

fn verify_one(path: &Path, threads: usize) -> Result<VerifyReport, Failure> {
    let work = Verification::open(path, &VerifyOptions { threads, ..VerifyOptions::default() })?;
    let bar = Bar::bytes("verifying", work.bytes());
    Ok(work.run(&bar))
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
