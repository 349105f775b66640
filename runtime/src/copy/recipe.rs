//! What an archive is made of.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use archive::tree::{Kind, Location};
use archive::{Tree, layout, sums};
use serde::{Deserialize, Serialize};

use super::Error;

/// Smaller files travel with whatever lies between the larger ones: naming them costs more than sending them.
const SMALLEST: u64 = 16 * 1024;

/// An ISO as the sum of its larger files and of what lies between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name of the ISO file.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its larger files, each content once, in the order of the ISO.
    pub parts: Vec<Part>,
}

/// A file of an ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// A path of it in the archive.
    pub path: String,
    /// The SHA-256 of its content in hexadecimal, as the archive states it.
    pub sha256: String,
    /// Where its bytes lie, one range after another.
    pub ranges: Vec<Range>,
}

/// Bytes of an ISO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

impl Range {
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

impl Recipe {
    /// The recipe of the ISO at `path`, which is read once, for its digest.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] if it is no ISO, [`Error::Io`] if it cannot be read.
    pub fn of(path: &Path, progress: &dyn iso::Progress) -> Result<Self, Error> {
        let failed = |source| Error::Io { operation: "read", path: path.into(), source };
        let unnamed = || failed(std::io::ErrorKind::InvalidFilename.into());
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unnamed)?;
        if !path.is_file() {
            return Err(failed(std::io::Error::other("expected an ISO file; a folder is not copied")));
        }
        let tree = Tree::open(path)?;
        let mut seen = HashSet::new();
        let mut parts: Vec<Part> = Vec::new();
        for (path, sha256) in stated(&tree)? {
            let pieces = tree.locate(&path)?.pieces;
            let ranges: Vec<Range> =
                pieces.iter().map(|piece| Range { offset: piece.offset, bytes: piece.len }).collect();
            // Other names of the same bytes.
            if ranges.first().is_some_and(|range| seen.insert(range.offset)) {
                parts.push(Part { path, sha256, ranges });
            }
        }
        parts.sort_by_key(|part| part.ranges.first().map(|range| range.offset));
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        let sha256 = super::receive::digest_of_file(path, progress).map_err(failed)?;
        Ok(Self { name: name.to_owned(), bytes, sha256, parts })
    }
}

/// The larger files whose digest the archive states, in `SHA256SUMS` or in the name of a blob.
fn stated(tree: &Tree) -> Result<Vec<(String, String)>, Error> {
    let stated: HashMap<String, String> = match tree.entry(layout::SUMS)? {
        Some(_) => {
            let text = tree.read(layout::SUMS, sums::LIMIT)?;
            let sums = sums::parse(&String::from_utf8_lossy(&text))?;
            sums.into_iter().map(|sum| (sum.path, hex::encode(sum.digest))).collect()
        }
        None => HashMap::new(),
    };
    let large = |entry: &archive::tree::Entry| entry.kind == Kind::File && entry.size >= SMALLEST;
    let files = tree.walk()?.into_iter().filter(|(_, entry)| large(entry));
    Ok(files
        .filter_map(|(path, entry)| {
            let blob = || is_sha256(&entry.name).then(|| entry.name.clone());
            let digest = stated.get(&path).cloned().or_else(blob)?;
            Some((path, digest))
        })
        .collect())
}

/// Whether `text` is a SHA-256 in hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The contents that are on this machine already.
pub(super) struct Library {
    trees: Vec<Tree>,
    /// By digest: which tree, and the path in it.
    places: HashMap<String, (usize, String)>,
}

impl Library {
    /// What `archives` hold. One that cannot be read holds nothing.
    pub(super) fn of(archives: &[PathBuf]) -> Self {
        let (mut trees, mut places) = (Vec::new(), HashMap::new());
        for tree in archives.iter().filter_map(|path| Tree::open(path).ok()) {
            for (path, sha256) in stated(&tree).unwrap_or_default() {
                places.entry(sha256).or_insert((trees.len(), path));
            }
            trees.push(tree);
        }
        Self { trees, places }
    }

    /// Where the content with this digest should lie.
    pub(super) fn find(&self, sha256: &str) -> Option<Location> {
        let (tree, path) = self.places.get(sha256)?;
        self.trees.get(*tree)?.locate(path).ok()
    }
}
