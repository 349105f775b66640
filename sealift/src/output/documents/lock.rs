//! Documents about the lock file.

use buildchain::locking::{
    EntryChange, LockedSource, PackageChange, PlatformChange, SelectionChange, SourceChange,
};
use buildchain::project::Tag;
use packages::metadata::ChangelogEntry;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::{Document, List};

/// A tag that was resolved, a pattern or range whose tags were chosen, or a source outside the project.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LockedTag {
    /// The reference with its tag; that of the repository of a pattern or range; for a source, the URL of a file, or a repository
    /// and its tag or branch.
    reference: String,
    /// The digest or commit in the lock file before.
    old: Option<String>,
    /// The digest or commit now; null if the project no longer has the image or source.
    new: Option<String>,
    /// The platforms of an index whose manifests changed.
    platforms: Vec<LockedPlatform>,
    /// The pattern or range, which has no digest of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<LockedSelection>,
    /// For a package, with `--changelog`: what its changelog says since the version in the lock file, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changelog: Vec<ChangeDocument>,
}

impl Document for List<LockedTag> {
    const KIND: &'static str = "LockedTagList";
}

/// The tags that a pattern or a range stands for.
#[derive(Debug, Serialize, JsonSchema)]
struct LockedSelection {
    /// As the lock file names it: `latest 2 of semver >=7.2 <8`.
    rule: String,
    /// The tags in the lock file before, the oldest first.
    old: Option<Vec<String>>,
    /// The tags now; null if the project no longer has the selection.
    new: Option<Vec<String>>,
}

/// A platform of an index whose manifest changed.
#[derive(Debug, Serialize, JsonSchema)]
struct LockedPlatform {
    /// `linux/arm64`
    platform: String,
    /// Null if the index did not have the platform.
    old: Option<String>,
    /// Null if the index no longer has the platform.
    new: Option<String>,
}

impl From<&EntryChange> for LockedTag {
    fn from(one: &EntryChange) -> Self {
        let platform = |moved: &PlatformChange| LockedPlatform {
            platform: moved.platform.to_string(),
            old: moved.old.as_ref().map(ToString::to_string),
            new: moved.new.as_ref().map(ToString::to_string),
        };
        Self {
            reference: one.entry.to_string(),
            old: one.old.as_ref().map(ToString::to_string),
            new: one.new.as_ref().map(ToString::to_string),
            platforms: one.platforms.iter().map(platform).collect(),
            selection: None,
            changelog: Vec::new(),
        }
    }
}

impl From<&SelectionChange> for LockedTag {
    fn from(one: &SelectionChange) -> Self {
        let tags = |tags: &Option<Vec<Tag>>| {
            tags.as_ref().map(|tags| tags.iter().map(ToString::to_string).collect())
        };
        let selection =
            LockedSelection { rule: one.selection.clone(), old: tags(&one.old), new: tags(&one.new) };
        Self {
            reference: one.repository.clone(),
            old: None,
            new: None,
            platforms: Vec::new(),
            selection: Some(selection),
            changelog: Vec::new(),
        }
    }
}

impl From<&SourceChange> for LockedTag {
    fn from(one: &SourceChange) -> Self {
        let hash = |locked: &Option<LockedSource>| locked.as_ref().map(LockedSource::hash);
        let (reference, platforms) = (one.source.clone(), Vec::new());
        let changelog = Vec::new();
        Self { reference, old: hash(&one.old), new: hash(&one.new), platforms, selection: None, changelog }
    }
}

/// An entry of the changelog of a package.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChangelogEntry")]
pub(crate) struct ChangeDocument {
    /// The day, in seconds since 1970.
    date: i64,
    /// Who wrote it, often with the version.
    author: String,
    /// What changed.
    text: String,
}

impl From<&ChangelogEntry> for ChangeDocument {
    fn from(one: &ChangelogEntry) -> Self {
        Self { date: one.date, author: one.author.clone(), text: one.text.clone() }
    }
}

impl From<&PackageChange> for LockedTag {
    fn from(one: &PackageChange) -> Self {
        let list = |packages: &[String]| (!packages.is_empty()).then(|| packages.join(", "));
        Self {
            reference: format!("{} {} of {}", one.release, one.package, one.repository),
            old: list(&one.old),
            new: list(&one.new),
            platforms: Vec::new(),
            selection: None,
            changelog: one.changelog.iter().map(ChangeDocument::from).collect(),
        }
    }
}
