//! Finding content by the digests that archives record.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use archive::tree::{EntryKind, Location, TreeEntry};
use archive::{Tree, sums};
use content::Digest;

use super::error::Error;

/// The minimum size of a file in a recipe. Smaller ones are sent with the bytes between: naming them costs more.
const SMALLEST: u64 = 16 * 1024;

/// A larger file whose digest is recorded in the archive.
pub(super) struct StatedFile {
    pub(super) path: String,
    pub(super) entry: TreeEntry,
    pub(super) digest: Digest,
}

/// The larger files whose digest is recorded in the archive, in `SHA256SUMS` or as the name of a blob, and is `wanted`.
pub(super) fn stated(tree: &Tree, wanted: &dyn Fn(&Digest) -> bool) -> Result<Vec<StatedFile>, Error> {
    let mut large: Vec<(String, TreeEntry, Option<Digest>)> = Vec::new();
    tree.each_folder("", &mut |folder, entries| {
        for entry in
            entries.into_iter().filter(|entry| entry.kind == EntryKind::File && entry.size >= SMALLEST)
        {
            let named = Digest::from_hex(&entry.name).ok();
            let path =
                if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            large.push((path, entry, named));
        }
        Ok(())
    })?;
    large.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
    sums::each(tree, &mut |sum| {
        let found = large.binary_search_by(|(path, ..)| path.cmp(&sum.path));
        if let Some((.., digest)) = found.ok().and_then(|found| large.get_mut(found)) {
            *digest = Some(sum.digest);
        }
        Ok(())
    })?;
    let stated = large.into_iter().filter_map(|(path, entry, digest)| {
        let digest = digest.filter(|digest| wanted(digest))?;
        Some(StatedFile { path, entry, digest })
    });
    Ok(stated.collect())
}

/// Content that this node has already.
pub(super) struct Library {
    trees: Vec<Tree>,
    /// By digest: the index of the tree, and the path in it.
    places: HashMap<Digest, (usize, String)>,
}

impl Library {
    /// The content with these digests in `archives`. One that cannot be read has none.
    pub(super) fn of(archives: &[PathBuf], wanted: &HashSet<Digest>) -> Self {
        let (mut trees, mut places) = (Vec::new(), HashMap::new());
        for tree in archives.iter().filter_map(|path| Tree::open(path).ok()) {
            for StatedFile { path, digest, .. } in
                stated(&tree, &|digest| wanted.contains(digest)).unwrap_or_default()
            {
                places.entry(digest).or_insert((trees.len(), path));
            }
            trees.push(tree);
        }
        Self { trees, places }
    }

    /// The position of the content with this digest.
    pub(super) fn find(&self, digest: &Digest) -> Option<Location> {
        let (tree, path) = self.places.get(digest)?;
        self.trees.get(*tree)?.locate(path).ok()
    }
}
