//! Releases.

use buildchain::release::ReleaseReport;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::Document;

/// Whether a tag can be released.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseDocument {
    /// The tag; empty if the commit has none.
    pub(crate) tag: String,
    /// The version of what the tag builds: `1.2.0-rc0`. Empty if the tag has another form.
    pub(crate) version: String,
    /// The version of the release: `1.2.0`. Empty if the tag has another form.
    pub(crate) release: String,
    /// Whether it can be released.
    pub(crate) ok: bool,
    /// What was checked. `annotated` and `commit` are checked if the tag exists.
    pub(crate) checks: Vec<ReleaseCheckDocument>,
}

/// A check of a tag.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseCheckDocument {
    /// `name`, `annotated`, `commit`, `order`, `clean`, `version`, `files`, `changelog`, `lock` or `dependencies`.
    pub(crate) rule: &'static str,
    /// What is wrong, as a sentence; `null` if nothing is.
    pub(crate) problem: Option<String>,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Document for ReleaseDocument {
    const KIND: &'static str = "ReleaseCheck";
}

impl From<&ReleaseReport> for ReleaseDocument {
    fn from(report: &ReleaseReport) -> Self {
        let checks = report.checks.iter().map(|check| ReleaseCheckDocument {
            rule: check.rule.word(),
            problem: check.problem.as_ref().map(|problem| problem.text.clone()),
            help: check.problem.as_ref().map(|problem| problem.remedy.clone()),
        });
        Self {
            tag: report.tag.clone(),
            version: report.version.clone(),
            release: report.release.clone(),
            ok: report.is_good(),
            checks: checks.collect(),
        }
    }
}
