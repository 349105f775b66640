//! The file `Release`: what a repository is, and the checksums of its metadata.

use super::options::DebIndexOptions;
use super::stanza::Stanza;
use crate::error::{Error, Result};

/// A file that `Release` lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListedFile {
    pub(super) path: String,
    pub(super) size: u64,
    /// The SHA-256 in hexadecimal.
    pub(super) digest: String,
}

/// The content of `Release`.
pub(super) fn release(
    options: &DebIndexOptions,
    date: i64,
    architectures: &[String],
    files: &mut [ListedFile],
) -> Result<Vec<u8>> {
    let mut stanza = Stanza::default();
    let mut set = |name: &'static str, value: Option<&str>| -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        if value.is_empty() || value.trim() != value || value.chars().any(char::is_control) {
            return Err(Error::Value { expected: "text on one line", found: value.to_owned() });
        }
        stanza.set(name, value);
        Ok(())
    };
    set("Origin", options.origin.as_deref())?;
    set("Label", options.label.as_deref())?;
    if let Some(suite) = &options.suite {
        set("Suite", Some(&suite.name))?;
        set("Codename", Some(suite.codename.as_ref().unwrap_or(&suite.name)))?;
    }
    set("Date", Some(&shown(date)?))?;
    set("Architectures", Some(&architectures.join(" ")))?;
    if let Some(suite) = &options.suite {
        set("Components", Some(&suite.components.join(" ")))?;
    }
    set("Description", options.description.as_deref())?;
    if options.suite.is_some() {
        set("Acquire-By-Hash", Some("yes"))?;
    }
    files.sort_unstable();
    let width = files.iter().map(|file| file.size.to_string().len()).max().unwrap_or(0);
    let mut sums = String::new();
    for ListedFile { path, size, digest } in files.iter() {
        sums.push_str(&format!("\n {} {size:>width$} {path}", digest));
    }
    stanza.set("SHA256", sums);
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = stanza.write(&mut bytes);
    Ok(bytes)
}

/// `Thu, 01 Jan 1970 00:00:00 UTC`.
fn shown(seconds: i64) -> Result<String> {
    let time = jiff::Timestamp::from_second(seconds)
        .map_err(|_| Error::Value { expected: "a date in seconds since 1970", found: seconds.to_string() })?;
    Ok(time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string())
}

/// The size and SHA-256 of each file that `Release` lists.
pub(super) fn listed_files(release: &Stanza) -> Vec<ListedFile> {
    let lines = release.get("SHA256").unwrap_or_default().lines();
    let listed = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
        let is_inside =
            !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let file = ListedFile { path: path.to_owned(), size: size.parse().ok()?, digest: digest.to_owned() };
        Some(file).filter(|_| is_inside)
    });
    listed.collect()
}
