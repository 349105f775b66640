//! What is new between two releases.

use std::fmt::Write as _;

use content::printable_path;

use super::changelog::sections;
use crate::project::git::ReleaseTag;
use crate::project::{Error, Project, read_text};

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
}

/// The notes of the release `to` for users of `from`, in Markdown: the sections of the changelog after `from` up to `to`, the newest
/// first. Without a changelog, the subjects of the commits between the two tags.
///
/// A candidate has the section of its release.
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
    let Some(file) = &project.release.changelog else {
        let subjects = project.repository()?.subjects(from, to)?;
        let mut text = format!("## {}\n\n", last.version());
        // Writing to a String cannot fail.
        subjects.iter().for_each(|subject| _ = writeln!(text, "- {subject}"));
        return Ok(text);
    };
    let changelog = read_text(&project.root.join(file))?;
    let last = parse(&last.release())?;
    let mut text = String::new();
    let mut has_last = false;
    for section in sections(&changelog) {
        let Some(version) = ReleaseTag::parse(section.version) else { continue };
        if version > first && version <= last {
            has_last |= version == last;
            let blank = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{blank}## {}\n\n{}", section.heading, section.text);
        }
    }
    if !has_last {
        return Err(NotesError::NoSection {
            changelog: printable_path(file).to_string(),
            version: last.release(),
        });
    }
    Ok(text)
}
