//! Removing: what tasks left broken, what no task makes any more. Nothing outside the build root is ever
//! touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::Entry;
use super::manifest::{Tag, Value, items};
use super::model::Graph;
use super::paths;
use super::report::{Event, Reporter};
use super::run::RunError;
use super::state::State;
use super::task::{Output, Task};

/// The room for the outputs of a task could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub(super) struct SweepError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes the parents of the outputs, and the folders; removes what an earlier run left there unless the task
/// continues it. An action that writes in place would else write into a file that has other names, in a store
/// or in the cache.
pub(super) fn prepare(graph: &Graph, task: &Task) -> Result<(), SweepError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| SweepError { operation, path, source }
    };
    for output in &task.outputs {
        let path = output.path();
        let whole = graph.root.join(path);
        match output {
            Output::File(_) => {
                if let Some(parent) = whole.parent() {
                    fs::create_dir_all(parent).map_err(failed("make the folder of", path))?;
                }
                if !task.resumes && paths::is_within(path, &graph.build_root) {
                    remove(&whole).map_err(failed("remove the old", path))?;
                }
            }
            Output::Folder(_) => {
                if !task.resumes {
                    remove(&whole).map_err(failed("empty", path))?;
                }
                fs::create_dir_all(&whole).map_err(failed("make", path))?;
            }
        }
    }
    Ok(())
}

/// Removes what a task that did not succeed may have left.
pub(super) fn remove_outputs(graph: &Graph, task: &Task) -> Result<(), SweepError> {
    if task.resumes {
        return Ok(());
    }
    for path in task.outputs.iter().map(Output::path).filter(|path| paths::is_within(path, &graph.build_root))
    {
        remove(&graph.root.join(path)).map_err(|source| SweepError {
            operation: "remove",
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Removes a file, a link or a folder with all below it. Nothing there is fine. Links are not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        removed => removed,
    }
}

/// Removes the files of records that no task of the graph makes, and forgets tasks that are no more.
pub(super) fn prune(graph: &Graph, state: &mut State, reporter: &mut dyn Reporter) -> Result<(), RunError> {
    let mut gone: Vec<String> = Vec::new();
    let mut stale: Vec<PathBuf> = Vec::new();
    for (name, record) in &state.tasks {
        let declared = graph.find(name).map(|id| &graph.task(id).outputs);
        if declared.is_none() {
            gone.push(name.clone());
        }
        let same = declared.is_some_and(|outputs| {
            outputs
                .iter()
                .map(|output| output.path().as_path())
                .eq(items(&record.outputs).map(|item| item.path()))
        });
        if same {
            continue;
        }
        for item in items(&record.outputs) {
            match item.value {
                Value::Listing(digest) if item.tag == Tag::Folder => {
                    let listing = state.listings.get(&digest).map(|bytes| &**bytes).unwrap_or_default();
                    stale.extend(items(listing).map(|below| item.path().join(below.path())));
                }
                _ => stale.push(item.path().to_owned()),
            }
        }
    }
    stale.retain(|path| {
        paths::is_within(path, &graph.build_root) && *path != graph.build_root && graph.maker(path).is_none()
    });
    // What lies deepest goes first, so that folders are empty when their turn comes.
    stale.sort_by(|a, b| paths::order(b, a));
    stale.dedup();
    for path in stale {
        let failed = |source| RunError::Prune { path: path.clone(), source };
        if remove_one(&graph.root.join(&path)).map_err(failed)? {
            reporter.event(&Event::Pruned { path: &path });
        }
        for folder in paths::upwards(&path).skip(1) {
            // Not empty: something of value is in it.
            if folder == graph.build_root || fs::remove_dir(graph.root.join(folder)).is_err() {
                break;
            }
        }
    }
    let forget: Vec<_> = gone.iter().map(|name| Entry::Forget { name }).collect();
    if !forget.is_empty() {
        state.write(&forget)?;
    }
    Ok(())
}

/// Removes a file or a link, or a folder if it is empty. Says whether it did.
fn remove_one(path: &Path) -> io::Result<bool> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(fs::remove_dir(path).is_ok()),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
