//! Finding files of equal content, so that they share one extent.

use std::collections::HashMap;
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
            let mut sizes: HashMap<u64, u32> = HashMap::new();
            for content in &tree.contents {
                *sizes.entry(content.size).or_default() += 1;
            }
            mark(tree, |path, size| {
                let alone = sizes.get(&size).is_none_or(|count| *count < 2);
                if alone { Ok(None) } else { sha256(path, size).map(Some) }
            })
        }
    }
}

/// Compares the non-empty contents by size and digest, as far as `digest` knows it.
fn mark(tree: &mut Tree, digest: impl Fn(&Path, u64) -> Result<Option<[u8; 32]>>) -> Result<()> {
    let mut first: HashMap<(u64, [u8; 32]), u32> = HashMap::new();
    for index in 0..tree.contents.len() {
        let Some(content) = tree.contents.get(index).copied().filter(|content| content.size > 0) else {
            continue;
        };
        let Some(digest) = digest(&tree.source(content.node), content.size)? else { continue };
        let index_of = u32::try_from(index).unwrap_or(u32::MAX);
        let known = *first.entry((content.size, digest)).or_insert(index_of);
        if let Some(content) = tree.contents.get_mut(index) {
            content.twin = Some(known).filter(|known| *known != index_of);
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
