//! Releases.

use std::path::Path;

use archive::diff::VersionComparison;
use buildchain::release::{Promotion, ReleaseReport};
use content::Digest;
use schemars::JsonSchema;
use serde::Serialize;
use trust::{SignedBy, Signer};

use super::node::ArchivePush;
use super::publishing::ArchivePublication;
use super::signatures::SignerDocument;
use super::text;
use crate::commands::release::promote::Done;
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

/// A candidate that became a release, or would.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleasePromotion {
    /// The version of the candidate: `1.2.0-rc1`.
    candidate: String,
    /// The version of the release: `1.2.0`.
    release: String,
    /// The tag of the release.
    tag: String,
    /// The hash of the commit.
    commit: String,
    /// Whether all differences are explained by the version, or allowed.
    ok: bool,
    /// The path of the ISO. It was written unless `ok` is false, or with `--dry-run`.
    iso: String,
    /// The digest of the ISO.
    digest: String,
    /// Who signs it, or would. Null if no option says who.
    signer: Option<ReleaseSigner>,
    /// The path of its bundle. Null if it was not signed.
    bundle: Option<String>,
    /// The path of the bundle of its provenance. Null if it was not signed, or does not say what it was built from.
    provenance: Option<String>,
    /// The files that differ in the version only.
    explained: Vec<String>,
    /// All other differences.
    differences: Vec<PromotionDifference>,
    /// The images in the registry. Null without `--push`.
    pushed: Option<ArchivePush>,
    /// The archive in the registry. Null without `--publish`.
    published: Option<ArchivePublication>,
    /// Whether the tag of the release is new; false if the commit had it. Null without `--tag`.
    tagged: Option<bool>,
}

/// Who signs a release.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseSigner {
    /// What signs: `key`, `command` or `certificate`.
    method: &'static str,
    /// The holder of the key or of the certificate; the values are null if nothing has been signed with a certificate yet.
    #[serde(flatten)]
    by: SignerDocument,
}

impl ReleaseSigner {
    /// The signer, as `by` if that is known.
    pub(crate) fn of(signer: &Signer, by: Option<&SignedBy>) -> Self {
        Self { method: signer.method(), by: by.map(Into::into).unwrap_or_default() }
    }
}

/// A difference between a candidate and its release.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PromotionDifference {
    /// The path in the archive: of a file, or the folder of an image.
    path: String,
    /// What differs.
    reason: String,
}

impl Document for ReleasePromotion {
    const KIND: &'static str = "ReleasePromotion";
}

impl ReleasePromotion {
    /// The promotion with what was compared and done.
    pub(crate) fn of(
        promotion: &Promotion,
        commit: &str,
        (iso, digest): (&Path, Digest),
        signer: Option<ReleaseSigner>,
        found: &VersionComparison,
        (done, ok): (Done, bool),
    ) -> Self {
        let Promotion { candidate, release, tag } = promotion.clone();
        let difference = |one: &archive::diff::OtherDifference| PromotionDifference {
            path: one.path.clone(),
            reason: one.reason.clone(),
        };
        let signed = done.signed.as_ref();
        Self {
            candidate,
            release,
            tag,
            commit: commit.to_owned(),
            ok,
            iso: text(iso),
            digest: digest.to_string(),
            signer,
            bundle: signed.map(|signed| text(&signed.bundle.path)),
            provenance: signed.and_then(|signed| signed.provenance.as_ref()).map(|one| text(&one.path)),
            explained: found.explained.clone(),
            differences: found.other.iter().map(difference).collect(),
            pushed: done.pushed.as_ref().map(Into::into),
            published: done.published,
            tagged: done.tagged,
        }
    }
}
