//! A candidate that becomes a release.

use crate::project::git::ReleaseTag;

/// A candidate, and the release that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The version of the candidate: `1.2.0-rc1`.
    pub candidate: String,
    /// The version of the release: `1.2.0`.
    pub release: String,
    /// The tag of the release, with the letter that the tag of the candidate has: `v1.2.0`.
    pub tag: String,
}

impl Promotion {
    /// The promotion of the candidate with this tag; `None` if the tag is not one of a candidate.
    #[must_use]
    pub fn of(tag: &str) -> Option<Self> {
        let parsed = ReleaseTag::parse(tag)?;
        parsed.candidate()?;
        let letter = if tag.starts_with('v') { "v" } else { "" };
        let release = parsed.release();
        Some(Self { candidate: parsed.version(), tag: format!("{letter}{release}"), release })
    }
}
