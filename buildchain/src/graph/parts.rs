//! The outputs of a task, taken apart into files, links and folders.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::digest::Digest;
use super::files::{Kind, Seen};
use super::manifest::{Item, Value, items};

/// One output, or something below an output folder.
pub(super) struct Part {
    /// Relative to the root of the graph.
    pub(super) path: PathBuf,
    pub(super) seen: Seen,
}

/// All parts of outputs, folders before what is in them. `None` where a listing is missing or a path leads
/// astray.
pub(super) fn parts<'a>(outputs: &[u8], find: &dyn Fn(Digest) -> Option<&'a [u8]>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for item in items(outputs) {
        match item.value {
            Value::Seen(seen) => parts.push(Part { path: item.path().to_owned(), seen }),
            Value::Listing(digest) => {
                let mut folders = HashSet::new();
                for below in items(find(digest)?) {
                    let part = below_of(&item, &below)?;
                    // Else a file could be written through a link that was just made.
                    let parent = below.path().parent().map(Path::to_owned);
                    if parent.is_some_and(|parent| !folders.contains(&parent)) {
                        return None;
                    }
                    if part.seen.kind == Kind::Folder {
                        folders.insert(below.path().to_owned());
                    }
                    parts.push(part);
                }
            }
            Value::Nothing | Value::Text(_) => return None,
        }
    }
    Some(parts)
}

fn below_of(folder: &Item<'_>, below: &Item<'_>) -> Option<Part> {
    let Value::Seen(seen) = below.value else { return None };
    let straight = below.path().components().all(|part| matches!(part, Component::Normal(_)));
    straight.then(|| Part { path: folder.path().join(below.path()), seen })
}
