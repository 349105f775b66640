//! Whether the signatures of package repositories fit the keys beside them.

use std::io;

use ::packages::openpgp::{KEYS_MAX, Keys, SIGNATURE_MAX, ValidAt};
use ::packages::repository::{check_signature_of, is_unsigned_package};

use crate::closure::Content;
use crate::tree::{EntryKind, Location, Tree};
use crate::{Error, Result};

/// The metadata of a repository, and their signature.
pub const REPOMD: &str = "repodata/repomd.xml";
/// How the names of keys begin.
const KEY: &str = "RPM-GPG-KEY-";
/// The most bytes of `repomd.xml`.
const REPOMD_MAX: u64 = 16 << 20;

/// Something that has no valid signature by a key of its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFinding {
    /// The file, as a path in the archive.
    pub path: String,
    /// What is wrong, in words.
    pub reason: String,
}

/// Checks the signature of the metadata in `folder` (empty for the root), if it has one and keys are beside the packages, or
/// `repomd.xml.key` beside the metadata. A repository without keys has nothing to check against: clients trust it as it is. A key that
/// cannot be used is a finding, too.
///
/// # Errors
///
/// The folder cannot be read.
pub fn check_metadata(tree: &Tree, folder: &str, at: ValidAt) -> Result<Option<SignatureFinding>> {
    let repomd = below(folder, REPOMD);
    let signature = format!("{repomd}.asc");
    let found = match keys(tree, folder)? {
        // `package index` writes the key beside the metadata.
        Ok(keys) if keys.is_empty() => {
            keys_in(tree, &below(folder, "repodata"), |name| name == "repomd.xml.key")?
        }
        found => found,
    };
    let keys = match found {
        Ok(keys) if keys.is_empty() => return Ok(None),
        Ok(keys) => keys,
        Err(finding) => return Ok(Some(finding)),
    };
    if tree.entry(&signature)?.is_none() {
        return Ok(None);
    }
    let (data, signature_bytes) = (tree.read(&repomd, REPOMD_MAX)?, tree.read(&signature, SIGNATURE_MAX)?);
    let fault = keys.verify(&data, &signature_bytes, at).err();
    Ok(fault.map(|fault| SignatureFinding { path: repomd, reason: fault.to_string() }))
}

/// Checks the signatures of all packages in `folder`, if keys are beside them. Only headers are read, whose digests cover the
/// payload. `checked` is called after each package.
///
/// # Errors
///
/// The folder cannot be read.
pub fn check_packages(
    tree: &Tree,
    folder: &str,
    at: ValidAt,
    checked: &dyn Fn(),
) -> Result<Vec<SignatureFinding>> {
    let keys = match keys(tree, folder)? {
        Ok(keys) if keys.is_empty() => return Ok(Vec::new()),
        Ok(keys) => keys,
        // The check of the metadata has this finding.
        Err(_) => return Ok(Vec::new()),
    };
    let mut findings = Vec::new();
    for (path, location) in packages(tree, folder)? {
        let open = || Ok(Box::new(reader(&location)) as Box<dyn io::Read>);
        if let Err(reason) = check_signature_of(&open, &keys, at) {
            findings.push(SignatureFinding { path, reason });
        }
        checked();
    }
    Ok(findings)
}

/// Whether a package in `folder` has no signature at all.
///
/// # Errors
///
/// The folder cannot be read.
pub fn has_unsigned_packages(tree: &Tree, folder: &str) -> Result<bool> {
    Ok(packages(tree, folder)?.iter().any(|(_, location)| is_unsigned_package(reader(location))))
}

fn reader(location: &Location) -> impl io::Read + use<> {
    io::BufReader::new(Content::new(location.clone()))
}

/// The packages in a folder, but for those of sources.
fn packages(tree: &Tree, folder: &str) -> Result<Vec<(String, Location)>> {
    let mut found = Vec::new();
    for (path, entry) in tree.walk_below(folder)? {
        if entry.kind == EntryKind::Directory || !path.ends_with(".rpm") || path.ends_with(".src.rpm") {
            continue;
        }
        match tree.locate(&path) {
            Ok(location) => found.push((path, location)),
            // A link to nothing.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The keys beside the packages; a finding if one cannot be used.
fn keys(tree: &Tree, folder: &str) -> Result<std::result::Result<Keys, SignatureFinding>> {
    keys_in(tree, folder, |name| name.starts_with(KEY))
}

fn keys_in(
    tree: &Tree,
    folder: &str,
    is_key: impl Fn(&str) -> bool,
) -> Result<std::result::Result<Keys, SignatureFinding>> {
    let mut keys = Keys::default();
    if tree.entry(folder)?.is_none() {
        return Ok(Ok(keys));
    }
    for entry in tree.read_dir(folder)? {
        if !is_key(&entry.name) || entry.kind == EntryKind::Directory {
            continue;
        }
        let path = below(folder, &entry.name);
        match Keys::read(&tree.read(&path, KEYS_MAX)?) {
            Ok(more) => keys.extend(more),
            Err(fault) => return Ok(Err(SignatureFinding { path, reason: fault.to_string() })),
        }
    }
    Ok(Ok(keys))
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
