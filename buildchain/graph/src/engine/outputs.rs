//! The outputs of a task before and after its action: old ones are moved aside, and those of an unsuccessful run are removed.
//! Nothing outside of the build root: for output folders there, see [`project`](super::project).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use content::IoError;

use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::paths;
use crate::model::task::{Task, TaskOutput};

/// The old outputs of a task, moved aside while it runs. An action that writes in place would otherwise write into files that
/// have hard links, in the content store or in the cache.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    folder: PathBuf,
    /// The paths of each output before and after.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// The folder for outputs that are moved aside. It is in the build root, so on the same file system, and part of no output.
const ASIDE: &str = ".aside";

/// The folder for outputs that are moved aside, relative to the root.
pub(crate) fn aside(graph: &Graph) -> PathBuf {
    graph.build_root.join(ASIDE)
}

/// Moves the outputs of a task aside, unless it resumes from them.
pub(crate) fn set_aside(graph: &Graph, id: TaskId) -> Result<Aside, IoError> {
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
            // It cannot be moved, from another mount for instance: then it is removed.
            Err(_) => {
                if let Err(error) = remove(&from) {
                    let _ = aside.put_back();
                    return Err(IoError::at("remove the old", path)(error));
                }
            }
        }
    }
    Ok(aside)
}

impl Aside {
    /// Removes the old outputs, since the task succeeded.
    pub(crate) fn discard(self) -> io::Result<()> {
        if self.moved.is_empty() { Ok(()) } else { remove(&self.folder) }
    }

    /// Moves the old outputs back, since the task did not succeed.
    pub(crate) fn put_back(self) -> io::Result<()> {
        for (from, to) in &self.moved {
            fs::rename(to, from)?;
        }
        self.discard()
    }
}

/// Removes the outputs that a killed run had moved aside.
pub(crate) fn clear_aside(graph: &Graph) -> Result<(), IoError> {
    let path = aside(graph);
    remove(&graph.root.join(&path)).map_err(IoError::at("remove", &path))
}

/// Creates the parents of output files, and output folders. Removes what an earlier attempt left there.
pub(crate) fn prepare(graph: &Graph, task: &Task) -> Result<(), IoError> {
    remove_outputs(graph, task)?;
    for output in &task.outputs {
        let path = output.path();
        let whole = graph.root.join(path);
        let folder = match output {
            TaskOutput::File(_) => whole.parent(),
            TaskOutput::Folder(_) => Some(whole.as_path()),
        };
        folder
            .map_or(Ok(()), content::create_folder)
            .map_err(|error| IoError::at("create the folder for", path)(error.source))?;
    }
    Ok(())
}

/// Removes what an unsuccessful task may have left.
pub(crate) fn remove_outputs(graph: &Graph, task: &Task) -> Result<(), IoError> {
    for path in removable(graph, task) {
        remove(&graph.root.join(path)).map_err(IoError::at("remove", path))?;
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

/// Whether a folder of the build root above `path` is a symbolic link. What is behind it was not produced by tasks, and is
/// never removed.
pub(crate) fn is_behind_link(graph: &Graph, path: &Path) -> bool {
    paths::upwards(path)
        .skip(1)
        .take_while(|folder| paths::is_within(folder, &graph.build_root) && **folder != graph.build_root)
        .any(|folder| graph.root.join(folder).is_symlink())
}

/// Removes a file, a link or a folder with all below it. A missing path is not an error. Links are not followed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).or_else(|error| {
            if error.kind() != io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            // A task may leave read-only folders.
            make_writable(path)?;
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

/// Lets the owner list and write to a folder and all folders below it.
fn make_writable(folder: &Path) -> io::Result<()> {
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
