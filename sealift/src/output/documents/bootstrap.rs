//! The bring-up of a node.

use node::bootstrap::{BootstrapReport, CheckFinding};
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::Document;

/// The bring-up of a node; with --dry-run what it would do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NodeBootstrap")]
pub(crate) struct BootstrapDocument {
    /// The archive: name and version; null if the checks failed.
    id: Option<String>,
    /// Its ISO or folder; null if the checks failed.
    archive: Option<String>,
    /// What the checks found.
    findings: Vec<Finding>,
    /// The changes in order; empty if there was nothing to do, or if the checks failed.
    changes: Vec<String>,
    /// Warnings.
    notes: Vec<String>,
    /// The address at which clients reach the node; null if the checks failed.
    url: Option<String>,
    /// The file with the authority that clients must trust; null without TLS.
    authority: Option<String>,
}

impl Document for BootstrapDocument {
    const KIND: &'static str = "NodeBootstrap";
}

/// A problem that a check has found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NodeFinding")]
struct Finding {
    /// The check: `os-release`, for example.
    check: String,
    /// Whether the node cannot be brought up; else it is a warning.
    is_error: bool,
    /// The problem.
    problem: String,
    /// What to do.
    help: Option<String>,
}

impl From<&CheckFinding> for Finding {
    fn from(one: &CheckFinding) -> Self {
        Self {
            check: one.check.to_owned(),
            is_error: one.is_error,
            problem: one.problem.clone(),
            help: one.help.clone(),
        }
    }
}

impl From<&BootstrapReport> for BootstrapDocument {
    fn from(report: &BootstrapReport) -> Self {
        Self {
            id: Some(report.id.clone()),
            archive: Some(text(&report.archive)),
            findings: report.findings.iter().map(Into::into).collect(),
            changes: report.changes.clone(),
            notes: report.notes.clone(),
            url: Some(report.url.clone()),
            authority: report.authority.as_ref().map(text),
        }
    }
}

impl BootstrapDocument {
    /// That of a node that did not pass the checks.
    pub(crate) fn refused(findings: &[CheckFinding]) -> Self {
        Self {
            id: None,
            archive: None,
            findings: findings.iter().map(Into::into).collect(),
            changes: Vec::new(),
            notes: Vec::new(),
            url: None,
            authority: None,
        }
    }
}
