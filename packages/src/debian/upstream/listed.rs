//! `Packages`, read as they stream by.

use std::io::BufRead;
use std::path::Path;

use content::Digest;

use super::super::package::DebIdentity;
use super::super::stanza::{Stanza, metadata_error};
use crate::error::Result;
use crate::metadata::is_inside;
use crate::repository::HeaderFault;

/// A package that `Packages` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDeb {
    /// What it is.
    pub identity: DebIdentity,
    /// Its path in the repository, which it does not leave.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

/// Reads `Packages`, which are called `path` in messages, and passes on those packages whose names are `wanted`.
///
/// # Errors
///
/// [`Error::Metadata`](crate::Error::Metadata) for a stanza that cannot be read, and for a wanted package without a version,
/// architecture, size or SHA-256, or whose path leads out of the repository. The reader's.
pub fn read_packages(
    input: &mut dyn BufRead,
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut found: impl FnMut(ListedDeb),
) -> Result<()> {
    while let Some(stanza) = Stanza::read(input, "Packages").map_err(metadata_error(path))? {
        let name = stanza.get("Package").unwrap_or_default();
        if wanted(name) {
            found(listed(&stanza).map_err(metadata_error(path))?);
        }
    }
    Ok(())
}

fn listed(stanza: &Stanza) -> Result<ListedDeb, HeaderFault> {
    let identity = DebIdentity::of(stanza)?;
    let path = field(stanza, &identity, "Filename", "a path in the repository", inner)?;
    let size = field(stanza, &identity, "Size", "a number of bytes", |text| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    })?;
    let digest = field(stanza, &identity, "SHA256", "64 digits", |text| Digest::from_hex(text).ok())?;
    Ok(ListedDeb { identity, path, size, digest })
}

/// The path without `./` at its start, if it stays in the repository.
fn inner(location: &str) -> Option<String> {
    let path = location.trim_start_matches("./");
    let is_plain = is_inside(path) && path.split('/').all(|part| !matches!(part, "" | "."));
    is_plain.then(|| path.to_owned())
}

fn field<T>(
    stanza: &Stanza,
    identity: &DebIdentity,
    name: &str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, HeaderFault> {
    let value = stanza.get(name);
    value.and_then(read).ok_or_else(|| {
        let found = value.map_or("none".to_owned(), |value| format!("`{value}`"));
        HeaderFault::new(format!("{identity}, {name}"), expected, found)
    })
}
