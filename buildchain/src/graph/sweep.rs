//! Removing: what tasks left broken, what no task makes any more. Nothing outside the build root is ever
//! touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::Entry;
use super::manifest::{Tag, Value, items};
use super::model::{Graph, TaskId};
use super::paths;
use super::report::{Event, Reporter};
use super::run::RunError;
use super::state::State;
use super::task::{Output, Task};

/// Room for outputs cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct SweepError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What earlier runs of a task left, out of the way while it runs: an action that writes in place would else
/// write into a file that has other names, in a store or in the cache.
#[derive(Debug, Default)]
pub(super) struct Aside {
    folder: PathBuf,
    /// Where it stood, and where it stands now.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// Where outputs stand aside: beside all other results, so on the same file system, and part of none.
const ASIDE: &str = ".aside";

/// The folder where outputs stand aside, relative to the root.
pub(super) fn aside(graph: &Graph) -> PathBuf {
    graph.build_root.join(ASIDE)
}

/// Moves the outputs of a task out of the way, unless it continues what is in them.
pub(super) fn set_aside(graph: &Graph, id: TaskId) -> Result<Aside, SweepError> {
    let task = graph.task(id);
    let folder = graph.root.join(aside(graph)).join(id.index().to_string());
    let mut aside = Aside { folder, moved: Vec::new() };
    for (index, path) in removable(graph, task).enumerate() {
        let from = graph.root.join(path);
        if from.symlink_metadata().is_err() {
            continue;
        }
        let to = aside.folder.join(index.to_string());
        let moved = fs::create_dir_all(&aside.folder).and_then(|()| fs::rename(&from, &to));
        match moved {
            Ok(()) => aside.moved.push((from, to)),
            // Where it cannot be kept, on a mount of its own for instance, it goes.
            Err(_) => {
                if let Err(error) = remove(&from) {
                    let _ = aside.put_back();
                    return Err(failed("remove the old", path)(error));
                }
            }
        }
    }
    Ok(aside)
}

impl Aside {
    /// The task has succeeded: what it left before is of no use any more.
    pub(super) fn discard(self) -> io::Result<()> {
        if self.moved.is_empty() { Ok(()) } else { remove(&self.folder) }
    }

    /// The task has not succeeded: all is as it was before.
    pub(super) fn put_back(self) -> io::Result<()> {
        for (from, to) in &self.moved {
            fs::rename(to, from)?;
        }
        self.discard()
    }
}

/// Removes what a killed run had moved out of the way.
pub(super) fn clear_aside(graph: &Graph) -> Result<(), SweepError> {
    let path = aside(graph);
    remove(&graph.root.join(&path)).map_err(failed("remove", &path))
}

/// Makes the parents of the outputs, and the folders; removes what another attempt left there.
pub(super) fn prepare(graph: &Graph, task: &Task) -> Result<(), SweepError> {
    remove_outputs(graph, task)?;
    for output in &task.outputs {
        let path = output.path();
        let whole = graph.root.join(path);
        let folder = match output {
            Output::File(_) => whole.parent(),
            Output::Folder(_) => Some(whole.as_path()),
        };
        folder.map_or(Ok(()), fs::create_dir_all).map_err(failed("make the folder for", path))?;
    }
    Ok(())
}

/// Removes what a task that did not succeed may have left.
pub(super) fn remove_outputs(graph: &Graph, task: &Task) -> Result<(), SweepError> {
    for path in removable(graph, task) {
        remove(&graph.root.join(path)).map_err(failed("remove", path))?;
    }
    Ok(())
}

/// The outputs of a task that may be removed.
fn removable<'a>(graph: &'a Graph, task: &'a Task) -> impl Iterator<Item = &'a Path> {
    let within = |path: &&Path| {
        !task.resumes && paths::is_within(path, &graph.build_root) && !is_behind_link(graph, path)
    };
    task.outputs.iter().map(|output| output.path().as_path()).filter(within)
}

/// Whether a folder of the build root above `path` is a symbolic link. What lies behind it was not made by tasks, and is
/// never removed.
pub(super) fn is_behind_link(graph: &Graph, path: &Path) -> bool {
    paths::upwards(path)
        .skip(1)
        .take_while(|folder| paths::is_within(folder, &graph.build_root) && **folder != graph.build_root)
        .any(|folder| graph.root.join(folder).is_symlink())
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SweepError {
    let path = path.to_owned();
    move |source| SweepError { operation, path, source }
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
        paths::is_within(path, &graph.build_root)
            && *path != graph.build_root
            && graph.maker(path).is_none()
            && !is_behind_link(graph, path)
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
