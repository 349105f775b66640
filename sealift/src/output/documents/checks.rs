//! Solutions: what a check found.

use archive::check::{CheckReport, Finding as CheckFinding, Severity as CheckSeverity};
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::Document;

/// What a check of a Solution found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SolutionCheck {
    /// The path of the archive, as it was given.
    archive: String,
    /// The ID, `NAME-VERSION`; null if name or version are missing or invalid.
    id: Option<String>,
    /// Whether no finding is an error.
    ok: bool,
    /// The number of findings that are errors.
    errors: usize,
    /// The number of warnings.
    warnings: usize,
    /// The number of notes.
    notes: usize,
    /// The findings, the most severe first, then by place; at most 1000 of each check.
    findings: Vec<FindingOfCheck>,
    /// The number of further findings.
    omitted: u64,
    /// The number of files.
    files: u64,
    /// The bytes that were hashed. Shared content counts once.
    bytes: u64,
}

impl Document for SolutionCheck {
    const KIND: &'static str = "SolutionCheck";
}

/// One thing that a check found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FindingOfCheck {
    /// The name of the check; see the page of checks.
    code: &'static str,
    /// How bad it is.
    severity: Severity,
    /// The file or folder, relative to the root of the archive; null for the archive as a whole.
    path: Option<String>,
    /// The line, from 1; null if it is not known.
    line: Option<u64>,
    /// What is wrong.
    problem: String,
    /// What to do about it.
    remedy: &'static str,
}

/// How bad a finding is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Severity {
    /// `solution import` refuses the archive.
    Error,
    /// The Solution works, but probably not as its vendor means it, or not on every site.
    Warning,
    /// Something that could not be checked, or that people may want to know.
    Note,
}

impl From<&CheckReport> for SolutionCheck {
    fn from(report: &CheckReport) -> Self {
        let verified = &report.verification;
        Self {
            archive: text(&verified.archive),
            id: verified.product.as_ref().map(|product| product.id().to_string()),
            ok: report.ok(),
            errors: report.count(CheckSeverity::Error),
            warnings: report.count(CheckSeverity::Warning),
            notes: report.count(CheckSeverity::Note),
            findings: report.findings.iter().map(FindingOfCheck::from).collect(),
            omitted: report.omitted,
            files: verified.files,
            bytes: verified.bytes,
        }
    }
}

impl From<&CheckFinding> for FindingOfCheck {
    fn from(finding: &CheckFinding) -> Self {
        let place = &finding.place;
        Self {
            code: finding.code(),
            severity: match finding.severity() {
                CheckSeverity::Error => Severity::Error,
                CheckSeverity::Warning => Severity::Warning,
                CheckSeverity::Note => Severity::Note,
            },
            path: (!place.path.is_empty()).then(|| place.path.clone()),
            line: place.line,
            problem: finding.problem.clone(),
            remedy: finding.remedy(),
        }
    }
}
