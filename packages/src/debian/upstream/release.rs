//! `Release`, read.

use std::path::Path;

use content::Digest;
use jiff::fmt::rfc2822::DateTimeParser;

use super::super::package::is_architecture;
use super::super::release::listed_files;
use super::super::stanza::{Stanza, metadata_error};
use crate::error::Result;
use crate::repository::HeaderFault;

/// The most bytes of a `Release` or `InRelease`.
pub const MAX_RELEASE: u64 = 16 << 20;
/// The forms of `Packages`, the smallest first.
const FORMS: [&str; 5] = [".xz", ".zst", ".bz2", ".gz", ""];

/// A file that `Release` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its path from the folder of `Release`, which it does not leave.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

impl ReleaseFile {
    /// The path of the same file by its digest: `main/binary-amd64/by-hash/SHA256/…`.
    #[must_use]
    pub fn by_hash(&self) -> String {
        let (folder, _) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let separator = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{separator}by-hash/SHA256/{}", self.digest.hex())
    }
}

/// The content of a `Release`: what a repository is, and the checksums of its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The name of the suite: `stable`.
    pub suite: Option<String>,
    /// The code name: `bookworm`.
    pub codename: Option<String>,
    /// When it was written, in Unix seconds.
    pub date: Option<i64>,
    /// When it stops counting, in Unix seconds.
    pub valid_until: Option<i64>,
    /// Its components; empty for a repository without suites.
    pub components: Vec<String>,
    /// Its architectures, which may include `all`.
    pub architectures: Vec<String>,
    /// Whether files can be fetched by their digests.
    pub has_by_hash: bool,
    /// Whether packages for all machines are listed for each architecture.
    pub lists_all_everywhere: bool,
    files: Vec<ReleaseFile>,
}

impl Release {
    /// Reads a `Release`, which is called `path` in messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) if it is not one stanza, if a date cannot be read, and if it lists no file with a SHA-256.
    pub fn read(text: &[u8], path: &Path) -> Result<Self> {
        let wrong = |place: &str, expected: &str, found: &str| {
            metadata_error(path)(HeaderFault::new(place, expected, found))
        };
        let mut stanzas = Stanza::read_all(text, path)?;
        let count = stanzas.len();
        let Some(stanza) = stanzas.pop().filter(|_| count == 1) else {
            return Err(wrong("Release", "one stanza", &count.to_string()));
        };
        let files: Vec<ReleaseFile> = listed_files(&stanza)
            .into_iter()
            .filter_map(|file| {
                Some(ReleaseFile {
                    path: file.path,
                    size: file.size,
                    digest: Digest::from_hex(&file.digest).ok()?,
                })
            })
            .collect();
        if files.is_empty() {
            let expected = "the field `SHA256` with the checksums of files: MD5 and SHA-1 do not count";
            return Err(wrong("Release", expected, "none"));
        }
        let date = |field: &str| match stanza.get(field) {
            None => Ok(None),
            Some(value) => seconds(value)
                .map(Some)
                .ok_or_else(|| wrong(field, "a date such as `Thu, 01 Jan 1970 00:00:00 UTC`", value)),
        };
        let text = |field: &str| stanza.get(field).filter(|value| !value.is_empty()).map(str::to_owned);
        let words = |field: &str| {
            stanza.get(field).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let architectures = words("Architectures");
        if let Some(wrong_name) = architectures.iter().find(|name| !is_architecture(name)) {
            return Err(wrong("Architectures", "architectures such as `amd64`", wrong_name));
        }
        Ok(Self {
            suite: text("Suite"),
            codename: text("Codename"),
            date: date("Date")?,
            valid_until: date("Valid-Until")?,
            components: words("Components"),
            architectures,
            has_by_hash: stanza.get("Acquire-By-Hash").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            lists_all_everywhere: words("No-Support-for-Architecture-all")
                .iter()
                .any(|one| one == "Packages"),
            files,
        })
    }

    /// The forms of `Packages` in `folder`, such as `main/binary-amd64/`, the smallest first.
    #[must_use]
    pub fn packages(&self, folder: &str) -> Vec<&ReleaseFile> {
        let form = |end: &&str| {
            let path = format!("{folder}Packages{end}");
            self.files.iter().find(|file| file.path == path)
        };
        FORMS.iter().filter_map(form).collect()
    }

    /// The end of its validity, if that is before `now`, in Unix seconds.
    #[must_use]
    pub fn expired(&self, now: i64) -> Option<String> {
        let until = self.valid_until.filter(|until| *until < now)?;
        jiff::Timestamp::from_second(until).ok().map(|time| time.to_string())
    }

    /// Whether it is the suite of this name: by its code name, or by its name.
    #[must_use]
    pub fn is_suite(&self, name: &str) -> bool {
        let own = [&self.suite, &self.codename];
        own.iter().all(|one| one.is_none()) || own.iter().any(|one| one.as_deref() == Some(name))
    }
}

/// A date of RFC 2822, or one that ends with `UTC` as those of repositories do.
fn seconds(text: &str) -> Option<i64> {
    let universal = ["UTC", "GMT", "Z"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = universal.map_or_else(|| text.to_owned(), |time| format!("{} +0000", time.trim_end()));
    let parser = DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(&text).ok().map(jiff::Timestamp::as_second)
}

/// For tests of this folder.
#[cfg(test)]
pub(super) fn seconds_of(text: &str) -> Option<i64> {
    seconds(text)
}
