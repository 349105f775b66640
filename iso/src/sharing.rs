//! Files of equal content share one extent.
//!
//! Which files do is a function of the contents alone: a copy, a hard link and a reflink give the same image. That two
//! names are one inode only spares reading it twice.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::Path;

use content::{Digest, Hasher, LinkPolicy, parallel};

use crate::tree::{SharedContent, SourceNodeKind, SourceTree};
use crate::{Error, Result};

/// Bytes that are read at a time: they stay in the processor's cache.
const CHUNK: usize = 1 << 18;

/// Returns the SHA-256 of the regular file at a path if it is known without reading it.
pub type KnownDigest<'a> = dyn Fn(&Path) -> Option<Digest> + 'a;

/// The most threads that read and hash.
const THREADS: usize = 4;

/// Gives all files of equal content one extent. Only files of equal size are read, if `known` does not return their digest.
pub(crate) fn share(tree: &mut SourceTree, known: &KnownDigest<'_>) -> Result<()> {
    let mut sizes: Vec<u64> =
        tree.contents.iter().map(|content| content.size).filter(|size| *size > 0).collect();
    sizes.sort_unstable();
    let alone = |size: u64| {
        let first = sizes.partition_point(|other| *other < size);
        sizes.get(first + 1) != Some(&size)
    };
    let (mut digests, mut unknown) = (Vec::new(), Vec::new());
    for (index, content) in (0..).zip(&tree.contents) {
        if content.size > 0 && !alone(content.size) {
            match known(&tree.source(content.node)) {
                Some(digest) => digests.push((digest, content.size, index)),
                None => unknown.push((content.size, index)),
            }
        }
    }
    digests.extend(read(tree, &unknown)?);
    // Sorted, equal ones stand together, the earliest first; a map would take several times the memory.
    digests.sort_unstable();
    let mut first = None;
    for (digest, size, index) in digests {
        match (first, tree.contents.get_mut(index as usize)) {
            (Some((other, twin)), Some(content)) if other == (digest, size) => content.twin = Some(twin),
            _ => first = Some(((digest, size), index)),
        }
    }
    count_links(tree);
    Ok(())
}

/// Makes hard links of the names that share an extent and all attributes of the image, and counts them.
fn count_links(tree: &mut SourceTree) {
    let SourceTree { nodes, contents, .. } = tree;
    let mut names: HashMap<u32, u32> = HashMap::new();
    let first = |contents: &[SharedContent], content: u32| {
        contents.get(content as usize).and_then(|content| content.twin).unwrap_or(content)
    };
    for node in nodes.iter() {
        if let SourceNodeKind::File { content } = node.kind {
            *names.entry(first(contents, content)).or_default() += 1;
        }
    }
    names.retain(|_, names| *names > 1);
    let mut links = HashMap::new();
    for node in nodes.iter_mut() {
        let SourceNodeKind::File { content } = node.kind else { continue };
        let first = first(contents, content);
        let Some(of_first) = contents.get(first as usize).filter(|_| names.contains_key(&first)).copied()
        else {
            continue;
        };
        let link = *links.entry((first, node.mode, node.uid, node.gid, node.time)).or_insert_with(|| {
            // The first set of attributes keeps the content that is written; each other one gets a twin of it.
            if of_first.links == 0 {
                return first;
            }
            contents.push(SharedContent { twin: Some(first), links: 0, ..of_first });
            u32::try_from(contents.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(content) = contents.get_mut(link as usize) {
            content.links += 1;
        }
        node.kind = SourceNodeKind::File { content: link };
    }
}

/// The digests of contents, given by size and index. If several cannot be read, the first is the error.
fn read(tree: &SourceTree, contents: &[(u64, u32)]) -> Result<Vec<(Digest, u64, u32)>> {
    let threads = parallel::processors().get().min(THREADS);
    parallel::try_map_with(
        threads,
        contents,
        || vec![0; CHUNK],
        |buffer, (size, index)| {
            let node = tree.contents.get(*index as usize).map_or(0, |content| content.node);
            Ok((sha256(&tree.source(node), *size, buffer)?, *size, *index))
        },
    )
}

/// SHA-256 of a file that must be `size` bytes long.
fn sha256(path: &Path, size: u64, buffer: &mut [u8]) -> Result<Digest> {
    let mut file = content::open(path, LinkPolicy::Refuse)?;
    let (mut hasher, mut read) = (Hasher::new(), 0);
    loop {
        let length = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length.map_err(Error::io("read", path))?,
        };
        read += length as u64;
        if length == 0 || read > size {
            break;
        }
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
    if read == size {
        return Ok(hasher.finish());
    }
    Err(Error::Changed { path: path.to_owned(), planned: size, found: format!("{read} bytes or more") })
}
