//! Removing stale outputs: files that an earlier run produced and that no task produces now.

use std::io;
use std::path::{Path, PathBuf};

use content::{FileKind, Root};

use crate::engine::error::RunError;
use crate::engine::outputs::is_behind_link;
use crate::engine::project;
use crate::model::graph::Graph;
use crate::model::paths;
use crate::record::files::KnownFiles;
use crate::record::journal::JournalEntry;
use crate::record::key::{ItemTag, ItemValue, items};
use crate::record::own;
use crate::record::state::ProjectState;
use crate::report::events::{Reporter, RunEvent};

/// The stale outputs of the task with this name: what it produced in an earlier run and no task produces now, the deepest
/// paths first. Nothing outside of the build root: [`project::stale`] has those.
pub(crate) fn stale_outputs(graph: &Graph, state: &ProjectState, name: &str) -> Vec<PathBuf> {
    let Some(record) = state.records.get(name) else { return Vec::new() };
    let same = graph.find(name).is_some_and(|id| {
        let declared = graph.task(id).outputs.iter().map(|output| output.path().as_path());
        declared.eq(items(&record.outputs).map(|item| item.path()))
    });
    if same {
        return Vec::new();
    }
    let mut found = Vec::new();
    for item in items(&record.outputs) {
        match item.value {
            ItemValue::Listing(digest) if item.tag == ItemTag::Folder => {
                let listing = state.listings.get(&digest).map(|bytes| &**bytes).unwrap_or_default();
                found.extend(items(listing).map(|below| item.path().join(below.path())));
            }
            _ => found.push(item.path().to_owned()),
        }
    }
    // A folder joined with an empty name ends in a slash.
    found.iter_mut().for_each(|path| *path = path.components().collect());
    found.retain(|path| {
        paths::is_normal(path.strip_prefix("/").unwrap_or(path))
            && paths::is_within(path, &graph.build_root)
            && *path != graph.build_root
            && graph.producer(path).is_none()
            && !is_behind_link(graph, path)
    });
    found.sort_by(|a, b| paths::order(b, a));
    found
}

/// Removes stale outputs, and the records of tasks that the graph no longer has. Links in their paths are not followed.
pub(crate) fn prune(
    graph: &Graph,
    files: &KnownFiles,
    state: &mut ProjectState,
    reporter: &mut dyn Reporter,
) -> Result<(), RunError> {
    let gone: Vec<String> = state.records.keys().filter(|name| graph.find(name).is_none()).cloned().collect();
    let mut stale: Vec<PathBuf> =
        state.records.keys().flat_map(|name| stale_outputs(graph, state, name)).collect();
    // The deepest paths first, so that folders are empty when they are removed.
    stale.sort_by(|a, b| paths::order(b, a));
    stale.dedup();
    if !stale.is_empty() {
        let root = Root::open(&graph.root.join(&graph.build_root))?;
        for path in stale {
            let Some(inside) = paths::relative_to(&path, &graph.build_root) else { continue };
            if remove_one(&root, inside)? {
                reporter.event(&RunEvent::Pruned { path: &path });
            }
            for folder in paths::upwards(inside).skip(1) {
                // Fails if other files are in it.
                if root.remove_dir(folder).is_err() {
                    break;
                }
            }
        }
    }
    let forget: Vec<_> = gone.iter().map(|name| JournalEntry::Forget { name }).collect();
    if !forget.is_empty() {
        state.write(&forget)?;
    }
    prune_own(graph, files, state, reporter)
}

/// Removes the files that tasks created in folders of the project that are no longer their outputs. Those that the user edited
/// are kept.
fn prune_own(
    graph: &Graph,
    files: &KnownFiles,
    state: &mut ProjectState,
    reporter: &mut dyn Reporter,
) -> Result<(), RunError> {
    let mut names: Vec<String> = state.own.keys().cloned().collect();
    names.sort();
    for name in names {
        let (stale, rest) = project::stale(graph, state, &name);
        if stale.is_empty() {
            continue;
        }
        let mut removed = |path: &Path| reporter.event(&RunEvent::Pruned { path });
        for path in project::remove_own(graph, files, &stale, &mut removed)? {
            let path = content::printable_path(&path);
            let text = format!("{path} was edited, so it is kept although no task produces it any more");
            reporter.event(&RunEvent::Warned { text: &text });
        }
        state.write(&[JournalEntry::Own { name: &name, files: &own::list(rest) }])?;
    }
    Ok(())
}

/// Removes a file or a link, or a folder if it is empty. Whether it did: a path through a link is not removed.
fn remove_one(root: &Root, path: &Path) -> Result<bool, content::IoError> {
    let remove = || {
        root.metadata(path).and_then(|found| match found.kind {
            FileKind::Folder => Ok(root.remove_dir(path).is_ok()),
            _ => root.remove_file(path).map(|()| true),
        })
    };
    let removed = remove().or_else(|error| match path.parent() {
        // A task may leave read-only folders.
        Some(folder) if error.kind() == io::ErrorKind::PermissionDenied && !folder.as_os_str().is_empty() => {
            root.set_mode(folder, 0o700)?;
            remove()
        }
        _ => Err(error),
    });
    match removed {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(false)
        }
        removed => removed,
    }
}
