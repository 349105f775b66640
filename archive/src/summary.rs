//! What identifies the content of an archive, found without reading it all.

use content::Digest;

use crate::tree::TreeEntry;
use crate::{Result, Tree, layout, sums};

/// A digest of the content of an archive: that of its `SHA256SUMS` or, without it, of the paths and sizes of its files. Archives
/// with the same checksums have the same digest, as an ISO, mounted or as a folder.
///
/// # Errors
///
/// The archive cannot be read.
pub fn contents_digest(tree: &Tree) -> Result<Digest> {
    if tree.entry(layout::SUMS)?.is_some() {
        return Ok(Digest::of(&tree.read(layout::SUMS, sums::LIMIT)?));
    }
    let line = |(path, entry): (String, TreeEntry)| format!("{path}\0{}\n", entry.size);
    Ok(Digest::of(tree.walk()?.into_iter().map(line).collect::<String>().as_bytes()))
}

/// The MD5 that is implanted in the ISO, unchecked; `None` for a folder, and for an ISO without one.
#[must_use]
pub fn implanted_md5(tree: &Tree) -> Option<[u8; 16]> {
    match tree {
        Tree::Iso(image) => {
            iso::md5::stored(&**image.file(), tree.path()).ok().flatten().map(|found| found.md5)
        }
        Tree::Folder(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_its_iso_have_the_same_digest_and_only_the_iso_an_md5() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("product.txt"), "NAME=Example\nVERSION=1.0.0\n").unwrap();
        let file = folder.path().join("example.iso");
        for sums_exist in [false, true] {
            if sums_exist {
                sums::write(&root, &sums::digest_file).unwrap();
            }
            let options = iso::IsoOptions { volume_id: "E".into(), ..iso::IsoOptions::default() };
            iso::PlannedIso::from_dir(&root, &options).unwrap().write_file(&file, &()).unwrap();
            let (tree, image) = (Tree::open(&root).unwrap(), Tree::open(&file).unwrap());
            assert_eq!(contents_digest(&tree).unwrap(), contents_digest(&image).unwrap(), "{sums_exist}");
            assert_eq!((implanted_md5(&tree), implanted_md5(&image).is_some()), (None, true));
        }
    }
}
