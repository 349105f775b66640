//! Removing: what tasks left broken, what no task makes any more. Nothing outside the build root is ever
//! touched.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use content::{Kind, Root};

use crate::engine::run::RunError;
use crate::model::graph::{Graph, TaskId};
use crate::model::paths;
use crate::model::task::{Output, Task};
use crate::record::journal::Entry;
use crate::record::manifest::{Tag, Value, items};
use crate::record::state::State;
use crate::report::events::{Event, Reporter};

/// Room for outputs cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", content::printable_path(path))]
pub struct SweepError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What earlier runs of a task left, out of the way while it runs: an action that writes in place would else
/// write into a file that has other names, in a store or in the cache.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    folder: PathBuf,
    /// Where it stood, and where it stands now.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// Where outputs stand aside: beside all other results, so on the same file system, and part of none.
const ASIDE: &str = ".aside";

/// The folder where outputs stand aside, relative to the root.
pub(crate) fn aside(graph: &Graph) -> PathBuf {
    graph.build_root.join(ASIDE)
}

/// Moves the outputs of a task out of the way, unless it continues what is in them.
pub(crate) fn set_aside(graph: &Graph, id: TaskId) -> Result<Aside, SweepError> {
    let task = graph.task(id);
    let folder = graph.root.join(aside(graph)).join(id.index().to_string());
    let mut aside = Aside { folder, moved: Vec::new() };
    for (index, path) in removable(graph, task).enumerate() {
        let from = graph.root.join(path);
        if from.symlink_metadata().is_err() {
            continue;
        }
        let to = aside.folder.join(index.to_string());
        let moved = content::create_folder(&aside.folder)
            .map_err(io::Error::from)
            .and_then(|()| fs::rename(&from, &to));
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
    pub(crate) fn discard(self) -> io::Result<()> {
        if self.moved.is_empty() { Ok(()) } else { remove(&self.folder) }
    }

    /// The task has not succeeded: all is as it was before.
    pub(crate) fn put_back(self) -> io::Result<()> {
        for (from, to) in &self.moved {
            fs::rename(to, from)?;
        }
        self.discard()
    }
}

/// Removes what a killed run had moved out of the way.
pub(crate) fn clear_aside(graph: &Graph) -> Result<(), SweepError> {
    let path = aside(graph);
    remove(&graph.root.join(&path)).map_err(failed("remove", &path))
}

/// Makes the parents of the outputs, and the folders; removes what another attempt left there.
pub(crate) fn prepare(graph: &Graph, task: &Task) -> Result<(), SweepError> {
    remove_outputs(graph, task)?;
    for output in &task.outputs {
        let path = output.path();
        let whole = graph.root.join(path);
        let folder = match output {
            Output::File(_) => whole.parent(),
            Output::Folder(_) => Some(whole.as_path()),
        };
        folder
            .map_or(Ok(()), content::create_folder)
            .map_err(|error| failed("make the folder for", path)(error.source))?;
    }
    Ok(())
}

/// Removes what a task that did not succeed may have left.
pub(crate) fn remove_outputs(graph: &Graph, task: &Task) -> Result<(), SweepError> {
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
pub(crate) fn is_behind_link(graph: &Graph, path: &Path) -> bool {
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
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).or_else(|error| {
            if error.kind() != io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            // A task may leave folders that not even their owner may write to.
            open_folders(path)?;
            fs::remove_dir_all(path)
        }),
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

/// Lets their owner list and write to a folder and all below it.
fn open_folders(folder: &Path) -> io::Result<()> {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// What the task of this name made in an earlier run and no task of the graph makes any more, what lies deepest first.
/// Nothing outside the build root.
pub(crate) fn outgrown(graph: &Graph, state: &State, name: &str) -> Vec<PathBuf> {
    let Some(record) = state.tasks.get(name) else { return Vec::new() };
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
            Value::Listing(digest) if item.tag == Tag::Folder => {
                let listing = state.listings.get(&digest).map(|bytes| &**bytes).unwrap_or_default();
                found.extend(items(listing).map(|below| item.path().join(below.path())));
            }
            _ => found.push(item.path().to_owned()),
        }
    }
    // One that joins a folder and an empty name ends in a slash.
    found.iter_mut().for_each(|path| *path = path.components().collect());
    found.retain(|path| {
        paths::is_normal(path.strip_prefix("/").unwrap_or(path))
            && paths::is_within(path, &graph.build_root)
            && *path != graph.build_root
            && graph.maker(path).is_none()
            && !is_behind_link(graph, path)
    });
    found.sort_by(|a, b| paths::order(b, a));
    found
}

/// Removes the files of records that no task of the graph makes, and forgets tasks that are no more. Links on the way to
/// them are not followed.
pub(crate) fn prune(graph: &Graph, state: &mut State, reporter: &mut dyn Reporter) -> Result<(), RunError> {
    let gone: Vec<String> = state.tasks.keys().filter(|name| graph.find(name).is_none()).cloned().collect();
    let mut stale: Vec<PathBuf> = state.tasks.keys().flat_map(|name| outgrown(graph, state, name)).collect();
    // What lies deepest goes first, so that folders are empty when their turn comes.
    stale.sort_by(|a, b| paths::order(b, a));
    stale.dedup();
    if !stale.is_empty() {
        let failed = |error: content::IoError| RunError::Prune { path: error.path, source: error.source };
        let root = Root::open(&graph.root.join(&graph.build_root)).map_err(failed)?;
        for path in stale {
            let Some(inside) = paths::relative_to(&path, &graph.build_root) else { continue };
            if remove_one(&root, inside).map_err(failed)? {
                reporter.event(&Event::Pruned { path: &path });
            }
            for folder in paths::upwards(inside).skip(1) {
                // Not empty: something of value is in it.
                if root.remove_dir(folder).is_err() {
                    break;
                }
            }
        }
    }
    let forget: Vec<_> = gone.iter().map(|name| Entry::Forget { name }).collect();
    if !forget.is_empty() {
        state.write(&forget)?;
    }
    Ok(())
}

/// Removes a file or a link, or a folder if it is empty. Says whether it did. What lies behind a link is not there.
fn remove_one(root: &Root, path: &Path) -> Result<bool, content::IoError> {
    let remove = || {
        root.metadata(path).and_then(|found| match found.kind {
            Kind::Folder => Ok(root.remove_dir(path).is_ok()),
            _ => root.remove_file(path).map(|()| true),
        })
    };
    let removed = remove().or_else(|error| match path.parent() {
        // A task may leave folders that not even their owner may write to.
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
