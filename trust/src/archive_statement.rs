//! What is signed about an archive.

use content::Digest;
use serde::Serialize;
use serde_json::Value;

use crate::statement::{self, SUBJECTS_LIMIT};
use crate::{Fault, Statement, Subject};

/// The type of the predicate of a statement about an archive.
pub const ARCHIVE_PREDICATE: &str = "https://sealift.dev/attestation/archive/v1";
/// The most subjects of a statement about an archive.
pub const SUBJECTS_MAX: usize = SUBJECTS_LIMIT;
/// The most characters of the name of an archive, and of its version.
const PART_MAX: usize = 64;

/// That an archive has this name, version and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveStatement {
    /// The name of the archive.
    pub name: String,
    /// The version of the archive.
    pub version: String,
    /// The name of the subject that is the ISO; `None` if an archive in a folder was signed.
    pub iso: Option<String>,
    /// The ISO by its file name, and files of the archive by their paths.
    pub subjects: Vec<Subject>,
}

impl ArchiveStatement {
    /// Reads the statement of a bundle.
    ///
    /// # Errors
    ///
    /// [`Fault`]: it is about something else, or a name could be taken for another one.
    pub fn parse(statement: Statement) -> Result<Self, Fault> {
        let Statement { subjects, predicate_type, predicate } = statement;
        if predicate_type != ARCHIVE_PREDICATE {
            return Err(Fault::PredicateType { found: predicate_type, expected: ARCHIVE_PREDICATE });
        }
        let text = |name: &'static str| match predicate.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Fault::WrongType { place: format!("`{name}`"), expected: "text" }),
            None => Err(Fault::MissingField { place: "`predicate`".into(), name }),
        };
        let iso = predicate.contains_key("iso").then(|| text("iso")).transpose()?;
        let parsed = Self { name: text("name")?, version: text("version")?, iso, subjects };
        parsed.check()?;
        Ok(parsed)
    }

    /// The statement as JSON, in one line; equal values give equal text.
    ///
    /// # Errors
    ///
    /// [`Fault`] if [`ArchiveStatement::parse`] would refuse it.
    pub fn render(&self) -> Result<String, Fault> {
        self.check()?;
        let predicate =
            WrittenPredicate { name: &self.name, version: &self.version, iso: self.iso.as_deref() };
        statement::render(&self.subjects, ARCHIVE_PREDICATE, &predicate)
    }

    /// The digest of the subject with this name.
    #[must_use]
    pub fn digest_of(&self, name: &str) -> Option<Digest> {
        self.subjects.iter().find(|subject| subject.name == name).map(|subject| subject.digest)
    }

    fn check(&self) -> Result<(), Fault> {
        let part = |what, name: &str, problem| match problem {
            Some(reason) => Err(Fault::Name { what, name: name.to_owned(), reason }),
            None => Ok(()),
        };
        part("archive name", &self.name, name_problem(&self.name))?;
        part("archive version", &self.version, version_problem(&self.version))?;
        if let Some(iso) = self.iso.as_ref().filter(|iso| self.digest_of(iso).is_none()) {
            return Err(Fault::Name { what: "ISO", name: iso.clone(), reason: "is not a subject" });
        }
        for subject in &self.subjects {
            if let Some(reason) = path_problem(&subject.name) {
                return Err(Fault::Name { what: "subject", name: subject.name.clone(), reason });
            }
        }
        Ok(())
    }
}

/// Why a text is not the name of an archive.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    part_problem(name, "._-")
}

/// Why a text is not the version of an archive.
pub(crate) fn version_problem(version: &str) -> Option<&'static str> {
    part_problem(version, "._-+~")
}

fn part_problem(name: &str, signs: &str) -> Option<&'static str> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || signs.contains(letter);
    if !name.chars().all(allowed) {
        return Some("has a character that is not allowed");
    }
    match name.bytes().next() {
        None => Some("is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => Some("does not start with a letter or digit"),
        _ if name.len() > PART_MAX => Some("has more than 64 characters"),
        _ => None,
    }
}

fn path_problem(path: &str) -> Option<&'static str> {
    if path.chars().any(content::is_unsafe) {
        return Some("has a control character");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("is not a relative path without `.` and `..`");
    }
    None
}

#[derive(Serialize)]
struct WrittenPredicate<'a> {
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iso: Option<&'a str>,
}
