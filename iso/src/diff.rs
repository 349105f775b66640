//! What changed between two images.

use std::collections::BTreeMap;

use content::{Digest, Hasher};

use crate::image::{EntryFault, IsoEntry, IsoEntryKind, IsoImage, ReadAt};
use crate::{ByteProgress, Result};

/// Bytes that are compared at a time.
const CHUNK: usize = 1 << 18;

/// A path that differs between two images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path from the root.
    pub path: String,
    /// Its state in the first image, if it exists there.
    pub before: Option<EntryState>,
    /// Its state in the second image, if it exists there.
    pub after: Option<EntryState>,
}

/// The state of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryState {
    /// What it is, a link with its target.
    pub kind: IsoEntryKind,
    /// Permission bits.
    pub permissions: u32,
    /// The size of a file's content in bytes, 0 for the rest.
    pub size: u64,
    /// SHA-256 of a file's content.
    pub sha256: Option<Digest>,
    /// What is wrong with the entry, so that its content cannot be compared.
    pub fault: Option<Box<EntryFault>>,
}

/// The paths that differ between two images, in order: added, removed, or with another kind, permissions, content or
/// target. Owners, times and places do not count. A path with a [fault](IsoEntry::fault) in either image is listed too, since
/// it cannot be compared. Both images' contents are read; their bytes are reported to `progress`.
///
/// # Errors
///
/// Those of [`IsoImage::walk`] and [`IsoImage::read_at`].
pub fn diff<A: ReadAt, B: ReadAt>(
    before: &IsoImage<A>,
    after: &IsoImage<B>,
    progress: &dyn ByteProgress,
) -> Result<Vec<Difference>> {
    let mut paths: BTreeMap<String, (Option<IsoEntry>, Option<IsoEntry>)> = BTreeMap::new();
    for (path, entry) in before.walk()? {
        paths.entry(path).or_default().0.get_or_insert(entry);
    }
    for (path, entry) in after.walk()? {
        paths.entry(path).or_default().1.get_or_insert(entry);
    }
    let mut out = Vec::new();
    for (path, (old, new)) in paths {
        let old = old.map(|entry| state(before, &entry, progress)).transpose()?;
        let new = new.map(|entry| state(after, &entry, progress)).transpose()?;
        let faulty = |state: &Option<EntryState>| state.as_ref().is_some_and(|state| state.fault.is_some());
        if old != new || faulty(&old) || faulty(&new) {
            out.push(Difference { path, before: old, after: new });
        }
    }
    Ok(out)
}

fn state<S: ReadAt>(
    image: &IsoImage<S>,
    entry: &IsoEntry,
    progress: &dyn ByteProgress,
) -> Result<EntryState> {
    let is_file = entry.kind == IsoEntryKind::File && entry.fault.is_none();
    Ok(EntryState {
        kind: entry.kind.clone(),
        permissions: entry.mode & 0o7_777,
        size: if is_file { entry.size } else { 0 },
        sha256: if is_file { Some(sha256(image, entry, progress)?) } else { None },
        fault: entry.fault.clone(),
    })
}

fn sha256<S: ReadAt>(image: &IsoImage<S>, file: &IsoEntry, progress: &dyn ByteProgress) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let (mut buffer, mut position) = (vec![0; CHUNK], 0);
    loop {
        let length = image.read_at(file, position, &mut buffer)?;
        if length == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..length).unwrap_or_default());
        position += length as u64;
        progress.advance(length as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::{IsoOptions, PlannedIso};

    fn image(prepare: impl Fn(&Path)) -> (tempfile::TempDir, IsoImage) {
        let scratch = tempfile::tempdir().unwrap();
        let (root, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
        fs::create_dir_all(root.join("folder")).unwrap();
        for (name, content) in [("same", "same"), ("folder/changed", "before"), ("removed", "gone")] {
            fs::write(root.join(name), content).unwrap();
        }
        symlink("same", root.join("link")).unwrap();
        prepare(&root);
        PlannedIso::from_dir(&root, &IsoOptions::default()).unwrap().write_file(&output, &()).unwrap();
        (scratch, IsoImage::open(&output).unwrap())
    }

    #[test]
    fn differences_are_listed_by_path() {
        let (_one, before) = image(|_| {});
        assert_eq!(diff(&before, &before, &()).unwrap(), []);
        let (_two, after) = image(|root| {
            fs::write(root.join("folder/changed"), "after!").unwrap();
            fs::write(root.join("added"), "new").unwrap();
            fs::remove_file(root.join("removed")).unwrap();
            fs::remove_file(root.join("link")).unwrap();
            symlink("added", root.join("link")).unwrap();
        });
        let found = diff(&before, &after, &()).unwrap();
        let found_by_path: Vec<(&str, Option<u64>, Option<u64>)> = found
            .iter()
            .map(|found| {
                let size = |state: &Option<EntryState>| state.as_ref().map(|state| state.size);
                (found.path.as_str(), size(&found.before), size(&found.after))
            })
            .collect();
        assert_eq!(
            found_by_path,
            [
                ("added", None, Some(3)),
                ("folder/changed", Some(6), Some(6)),
                ("link", Some(0), Some(0)),
                ("removed", Some(4), None),
            ]
        );
        assert_eq!(found[1].after.as_ref().unwrap().sha256, Some(Digest::of(b"after!")));
        assert_eq!(found[2].after.as_ref().unwrap().kind, IsoEntryKind::Symlink("added".to_owned()));
    }
}
