//! In-toto statements, version 1 (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>).

use std::collections::HashSet;

use content::Digest;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Fault;
use crate::json::{self, Fields};

/// The type of a statement.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The most subjects that sigstore's tools read.
pub(crate) const SUBJECTS_LIMIT: usize = 1024;
/// The most digests of a subject that they read.
const DIGESTS_MAX: usize = 32;

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name; empty if it has none.
    pub name: String,
    /// The SHA-256 of its content.
    pub digest: Digest,
}

/// A statement about the content of files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// What it is about, 1 to 1024. Names that are not empty are different.
    pub subjects: Vec<Subject>,
    /// The URI that says what the predicate means.
    pub predicate_type: String,
    /// The predicate; empty if the statement has no predicate.
    pub predicate: Map<String, Value>,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// [`Fault`] for all that breaks the format, and subjects without a SHA-256 in lower case.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut fields = Fields::of(json::parse(bytes, "the statement")?, "the statement")?;
        let kind = fields.text("_type")?;
        if kind != STATEMENT_TYPE {
            return Err(Fault::StatementType(kind));
        }
        let subjects = fields.list("subject")?;
        let predicate_type = fields.text("predicateType")?;
        let predicate = match fields.optional("predicate") {
            Some(value) => Fields::of(value, "`predicate`")?.rest(),
            None => Map::new(),
        };
        fields.end()?;
        if subjects.is_empty() {
            return Err(Fault::NoSubject);
        }
        if subjects.len() > SUBJECTS_LIMIT {
            return Err(Fault::TooManySubjects { found: subjects.len(), limit: SUBJECTS_LIMIT });
        }
        let subjects: Vec<Subject> = subjects.into_iter().map(subject).collect::<Result<_, _>>()?;
        let mut names = HashSet::new();
        let twice = subjects.iter().find(|one| !one.name.is_empty() && !names.insert(&one.name));
        if let Some(subject) = twice {
            return Err(Fault::DuplicateSubject(subject.name.clone()));
        }
        Ok(Self { subjects, predicate_type, predicate })
    }
}

/// A statement as JSON, in one line; equal values give equal text.
///
/// # Errors
///
/// [`Fault`] if [`Statement::parse`] would refuse it.
pub(crate) fn render(
    subjects: &[Subject],
    predicate_type: &str,
    predicate: &impl Serialize,
) -> Result<String, Fault> {
    let subject = |one: &Subject| WrittenSubject {
        name: one.name.clone(),
        digest: WrittenDigest { sha256: one.digest.hex() },
    };
    let subject = subjects.iter().map(subject).collect();
    let written = Written { kind: STATEMENT_TYPE, subject, predicate_type, predicate };
    let text = serde_json::to_string(&written)
        .map_err(|error| Fault::NotJson { what: "the statement", reason: error.to_string() })?;
    Statement::parse(text.as_bytes())?;
    Ok(text)
}

#[derive(Serialize)]
struct Written<'a, P> {
    #[serde(rename = "_type")]
    kind: &'a str,
    subject: Vec<WrittenSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: &'a P,
}

#[derive(Serialize)]
struct WrittenSubject {
    name: String,
    digest: WrittenDigest,
}

#[derive(Serialize)]
struct WrittenDigest {
    sha256: String,
}

fn subject(value: Value) -> Result<Subject, Fault> {
    let mut fields = Fields::of(value, "`subject`")?;
    let name = fields.optional_text("name")?.unwrap_or_default();
    let digests = fields.object("digest")?.rest();
    // The other fields of a resource, which change nothing.
    for field in ["uri", "content", "downloadLocation", "mediaType", "annotations"] {
        let _ = fields.optional(field);
    }
    fields.end()?;
    let fault = |reason| Fault::SubjectDigest { name: name.clone(), reason };
    if digests.len() > DIGESTS_MAX {
        return Err(fault("has more than 32 digests"));
    }
    let text = match (digests.get("sha256"), digests.contains_key("SHA256")) {
        (Some(Value::String(text)), _) => text,
        (Some(_), _) => return Err(fault("has a digest that is not text")),
        (None, true) => return Err(fault("has the digest `SHA256`: expected `sha256` in lower case")),
        (None, false) => return Err(fault("has no SHA-256")),
    };
    let digest = Digest::from_hex(text).map_err(|_| {
        fault(match text.len() {
            64 if text.bytes().all(|letter| letter.is_ascii_hexdigit()) => "has a SHA-256 in upper case",
            64 => "has a SHA-256 with letters that are not hexadecimal digits",
            _ => "has a SHA-256 that does not have 64 digits",
        })
    })?;
    Ok(Subject { name, digest })
}
