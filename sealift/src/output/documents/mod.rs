//! The content of each document, by the room that it is about.

pub(crate) mod archives;
pub(crate) mod error;
pub(crate) mod images;
pub(crate) mod iso;
pub(crate) mod node;
pub(crate) mod packages;
pub(crate) mod project;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::Value;

use super::document::{List, schema};

/// A kind of document, and the function that makes its JSON Schema.
pub(crate) type Kind = (&'static str, fn() -> Value);

/// The kinds of documents in alphabetical order.
pub(crate) const KINDS: &[Kind] = &[
    ("ArchiveChangeList", schema::<List<node::ArchiveChange>>),
    ("ArchiveComparisonList", schema::<List<node::ArchiveComparison>>),
    ("ArchiveCopyList", schema::<List<node::ArchiveCopy>>),
    ("ArchiveCopyPlanList", schema::<List<node::ArchiveCopyPlan>>),
    ("ArchiveInspection", schema::<archives::ArchiveInspection>),
    ("ArchiveList", schema::<List<node::Archive>>),
    ("ArchivePush", schema::<node::ArchivePush>),
    ("ArchivePushPlan", schema::<node::ArchivePushPlan>),
    ("ArchiveVerification", schema::<archives::ArchiveVerification>),
    ("ArchiveVerificationList", schema::<List<archives::ArchiveVerification>>),
    ("CachePruning", schema::<project::CachePruning>),
    ("CacheUsage", schema::<project::CacheUsage>),
    ("ClientConfiguration", schema::<node::ClientConfiguration>),
    ("ContentStoreCheck", schema::<images::ContentStoreCheck>),
    ("ContentStorePruning", schema::<images::ContentStorePruning>),
    ("Error", schema::<error::Error>),
    ("ImageCheck", schema::<images::ImageCheck>),
    ("ImageList", schema::<List<images::Image>>),
    ("Iso", schema::<iso::Iso>),
    ("IsoCheck", schema::<iso::IsoCheck>),
    ("IsoDifferenceList", schema::<List<iso::IsoDifference>>),
    ("IsoExtraction", schema::<iso::IsoExtraction>),
    ("IsoFileList", schema::<List<iso::IsoFile>>),
    ("IsoInformation", schema::<iso::IsoInformation>),
    ("IsoPlan", schema::<iso::IsoPlan>),
    ("IsoSum", schema::<iso::IsoSum>),
    ("LockedTagList", schema::<List<project::LockedTag>>),
    ("NginxConfiguration", schema::<node::NginxConfiguration>),
    ("Package", schema::<packages::Package>),
    ("PackageIndex", schema::<packages::PackageIndex>),
    ("RegistryIndex", schema::<images::RegistryIndex>),
    ("RemovalList", schema::<List<project::Removal>>),
    ("Run", schema::<project::Run>),
    ("SolutionActivation", schema::<node::SolutionActivation>),
    ("TaskExplanationList", schema::<List<project::TaskExplanation>>),
    ("TaskGraph", schema::<project::TaskGraph>),
    ("TaskInformationList", schema::<List<project::TaskInformation>>),
    ("TaskList", schema::<List<project::Task>>),
    ("TaskResetList", schema::<List<project::TaskReset>>),
    ("TaskSelection", schema::<project::TaskSelection>),
    ("Version", schema::<project::Version>),
];

/// A path as text; a byte that is not UTF-8 becomes U+FFFD.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}
