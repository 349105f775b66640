//! What is new between two releases.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use content::printable_path;

use super::changelog::sections;
use crate::project::git::ReleaseTag;
use crate::project::{Error, Project, read_text};

/// The version before the first release.
const NO_RELEASE: &str = "0.0.0";

/// Why there are no notes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotesError {
    /// The project cannot be read.
    #[error(transparent)]
    Project(#[from] Error),
    /// A name is no tag or version of a release.
    #[error("`{}` is not X.Y.Z, vX.Y.Z or X.Y.Z-rcN", content::printable(name))]
    Name {
        /// The name.
        name: String,
    },
    /// The first release is not before the second one.
    #[error("{from} is not before {to}")]
    Order {
        /// The first release.
        from: String,
        /// The second one.
        to: String,
    },
    /// The changelog has nothing about the release.
    #[error("{changelog} has no section for {version}")]
    NoSection {
        /// The changelog, relative to the project.
        changelog: String,
        /// The version of the release.
        version: String,
    },
    /// The repository has no tag of a release.
    #[error("the repository has no tag for {name}")]
    NoTag {
        /// The release, as the caller names it.
        name: String,
        /// How to get the tags of the remote repository.
        fetching: &'static str,
    },
    /// Old commits are missing.
    #[error("without a changelog, the notes are the commits between two tags, and this clone is shallow")]
    Shallow {
        /// How to get the other commits.
        fetching: &'static str,
    },
}

/// The notes of the release `to` for users of `from`, in Markdown: the sections of the changelog after `from` up to `to`, in its order.
/// Without a changelog, the subjects of the commits between the two tags; `0.0.0` stands for the time before the first release.
///
/// A candidate has the section of its release, or its own.
///
/// # Errors
///
/// [`NotesError`].
pub fn notes(project: &Project, from: &str, to: &str) -> Result<String, NotesError> {
    let parse =
        |name: &str| ReleaseTag::parse(name).ok_or_else(|| NotesError::Name { name: name.to_owned() });
    let (first, last) = (parse(from)?, parse(to)?);
    if first >= last {
        return Err(NotesError::Order { from: first.to_string(), to: last.to_string() });
    }
    let Some(file) = &project.release.changelog else { return of_commits(project, &first, &last) };
    let changelog = read_text(&project.root.join(file))?;
    let release = last.release();
    let mut text = String::new();
    let mut links = BTreeSet::new();
    let mut has_last = false;
    for section in sections(&changelog) {
        let Some(version) = ReleaseTag::parse(&section.version) else { continue };
        let is_last = version == last || version.version() == release;
        if version > first && (version < last || is_last) {
            has_last |= is_last;
            let blank = if text.is_empty() { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{blank}## {}\n\n{}", section.heading, section.text);
            links.extend(section.links);
        }
    }
    if !has_last {
        return Err(NotesError::NoSection { changelog: printable_path(file).to_string(), version: release });
    }
    if !links.is_empty() {
        let _ = writeln!(text, "\n{}", links.into_iter().collect::<Vec<_>>().join("\n"));
    }
    Ok(text)
}

/// The subjects of the commits between the tags of two releases.
fn of_commits(project: &Project, first: &ReleaseTag, last: &ReleaseTag) -> Result<String, NotesError> {
    let repository = project.repository()?;
    let fetching = repository.fetching();
    if repository.is_shallow() {
        return Err(NotesError::Shallow { fetching });
    }
    let tags = repository.tags()?;
    let tag_of = |release: &ReleaseTag| {
        let name = release.to_string();
        let exact = tags.iter().find(|tag| tag.name == name);
        // A version is named with or without `v`.
        let found = exact.or_else(|| {
            tags.iter().find(|tag| ReleaseTag::parse(&tag.name).is_some_and(|other| other == *release))
        });
        found.map(|tag| tag.name.as_str()).ok_or(NotesError::NoTag { name, fetching })
    };
    let from = match tag_of(first) {
        Err(NotesError::NoTag { .. }) if first.version() == NO_RELEASE => None,
        found => Some(found?),
    };
    let subjects = repository.subjects(from, tag_of(last)?)?;
    let mut text = format!("## {}\n\n", last.version());
    subjects.iter().for_each(|subject| _ = writeln!(text, "- {subject}"));
    Ok(text)
}
