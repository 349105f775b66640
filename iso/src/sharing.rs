//! Finding files of equal content, so that they share one extent.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::tree::Tree;
use crate::{Error, Result, Sharing, read_ahead};

/// Makes later files with the bytes of an earlier one its twins.
pub(crate) fn find_twins(tree: &mut Tree, sharing: &Sharing) -> Result<()> {
    match sharing {
        Sharing::HardLinks => Ok(()),
        Sharing::Known(digest) => mark(tree, |path, _| Ok(digest(path))),
        Sharing::Content => {
            let mut sizes: Vec<u64> = tree.contents.iter().map(|content| content.size).collect();
            sizes.sort_unstable();
            mark(tree, |path, size| {
                let first = sizes.partition_point(|other| *other < size);
                let alone = sizes.get(first + 1) != Some(&size);
                if alone { Ok(None) } else { sha256(path, size).map(Some) }
            })
        }
    }
}

/// Compares the non-empty contents by size and digest, as far as `digest` knows it.
fn mark(tree: &mut Tree, digest: impl Fn(&Path, u64) -> Result<Option<[u8; 32]>>) -> Result<()> {
    let mut known = Vec::new();
    for (index, content) in (0..).zip(&tree.contents).filter(|(_, content)| content.size > 0) {
        if let Some(digest) = digest(&tree.source(content.node), content.size)? {
            known.push((digest, index));
        }
    }
    // Sorted, equal ones stand together, the earliest first; a map would take several times the memory.
    let size = |tree: &Tree, index: u32| tree.contents.get(index as usize).map_or(0, |content| content.size);
    known.sort_unstable_by_key(|(digest, index)| (*digest, size(tree, *index), *index));
    let mut first = None;
    for (digest, index) in known {
        let this = (digest, size(tree, index));
        match (first, tree.contents.get_mut(index as usize)) {
            (Some((other, twin)), Some(content)) if other == this => content.twin = Some(twin),
            _ => first = Some((this, index)),
        }
    }
    Ok(())
}

/// SHA-256 of a file that must be `size` bytes long.
fn sha256(path: &Path, size: u64) -> Result<[u8; 32]> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let (mut sha256, mut read) = (Sha256::new(), 0);
    // One byte more, to see whether the file has grown.
    read_ahead::each_chunk(&file, path, size + 1, |_, chunk| {
        sha256.update(&chunk);
        read += chunk.len() as u64;
        ControlFlow::Continue(())
    })?;
    if read == size {
        return Ok(sha256.finalize().into());
    }
    Err(Error::Changed { path: path.to_owned(), planned: size, found: format!("{read} bytes or more") })
}
