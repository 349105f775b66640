//! Looking at the inputs and outputs of a task: the traversal that makes its manifest.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use globset::GlobSet;

use crate::model::graph::{Graph, Node};
use crate::model::paths;
use crate::model::selection::Selection;
use crate::model::task::{Discover, Input, Output};
use crate::model::tree::Tree;
use crate::record::digest::Digest;
use crate::record::files::{Files, Kind, LookError, Seen};
use crate::record::manifest::{Item, Tag, Value, put};

/// A listing, for the state to keep: its digest stands in the manifest.
pub(crate) type Listing = (Digest, Vec<u8>);

/// The inputs of a task could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurveyError {
    #[error("input {} is missing", content::printable_path(.0))]
    Missing(PathBuf),
    #[error("its inputs cannot be discovered: {0}")]
    Discover(String),
    #[error(
        "it discovered {}, which `{maker}` makes, and does not come after it",
        content::printable_path(path)
    )]
    TooEarly { path: PathBuf, maker: String },
    #[error("a glob it discovered is none")]
    Glob(#[from] globset::Error),
    #[error(transparent)]
    Look(#[from] LookError),
}

/// The layout of a manifest. Changing anything a key is made of changes this, and every task runs once more.
const VERSION: &[u8] = b"3";

/// Writes the manifest of a task into `bytes`. Fails once `stop` turns true.
pub(crate) fn inputs(
    graph: &Graph,
    node: &Node,
    files: &Files,
    stop: &AtomicBool,
    listings: &mut Vec<Listing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    put(bytes, &Item { tag: Tag::Value, name: b"manifest", value: Value::Text(VERSION) });
    for output in &node.task.outputs {
        let tag = match output {
            Output::File(_) => Tag::MakesFile,
            Output::Folder(_) => Tag::MakesFolder,
        };
        put(bytes, &Item { tag, name: output.path().as_os_str().as_bytes(), value: Value::Nothing });
    }
    put_inputs(graph, &node.task.inputs, &node.trees, files, stop, listings, bytes)?;
    if let Some(discover) = &node.task.discover {
        let (inputs, trees) = discovered(graph, node, discover)?;
        put_inputs(graph, &inputs, &trees, files, stop, listings, bytes)?;
    }
    Ok(())
}

/// The inputs a task discovers now, made normal, and the trees among them.
fn discovered(
    graph: &Graph,
    node: &Node,
    discover: &Discover,
) -> Result<(Vec<Input>, Vec<Tree>), SurveyError> {
    let mut inputs = discover(&graph.root).map_err(|error| SurveyError::Discover(error.to_string()))?;
    let mut trees = Vec::new();
    for input in &mut inputs {
        input.normalise(&graph.root);
        trees.extend(Tree::of(input).transpose()?);
    }
    // Made before, or it would be looked at too early.
    let before = graph.all_needs(node);
    for path in inputs.iter().filter_map(Input::path) {
        if let Some(maker) = graph.maker(path).filter(|maker| !before.contains(maker)) {
            return Err(SurveyError::TooEarly { path: path.clone(), maker: graph.task(maker).name.clone() });
        }
    }
    Ok((inputs, trees))
}

fn put_inputs(
    graph: &Graph,
    inputs: &[Input],
    trees: &[Tree],
    files: &Files,
    stop: &AtomicBool,
    listings: &mut Vec<Listing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    let mut trees = trees.iter();
    let (mut paths, mut items): (Vec<&Path>, Vec<(Tag, &[u8])>) = Default::default();
    for input in inputs {
        match input {
            Input::File(path) => {
                paths.push(path);
                items.push((Tag::File, path.as_os_str().as_bytes()));
            }
            Input::Named { name, path } => {
                paths.push(path);
                items.push((Tag::Named, name.as_bytes()));
            }
            Input::Value { name, value } => put(
                bytes,
                &Item { tag: Tag::Value, name: name.as_bytes(), value: Value::Text(value.as_bytes()) },
            ),
            Input::Folder { .. } | Input::Glob { .. } => {
                if let Some(tree) = trees.next() {
                    let modes = Modes::Executable;
                    let listed = list(&graph.root, &graph.build_root, tree, modes, files, stop, listings)?;
                    let value =
                        Value::Listing(listed.ok_or_else(|| SurveyError::Missing(tree.root.clone()))?);
                    let tag = if tree.only.is_some() { Tag::Glob } else { Tag::Folder };
                    put(bytes, &Item { tag, name: tree.root.as_os_str().as_bytes(), value });
                }
            }
        }
    }
    for ((path, (tag, name)), seen) in paths.iter().zip(items).zip(files.look_all(&paths, true, stop)) {
        let seen = seen?.ok_or_else(|| SurveyError::Missing((*path).to_owned()))?;
        if seen.kind == Kind::Folder {
            return Err(LookError::NotAFile { path: (*path).to_owned(), found: "a folder" }.into());
        }
        put(bytes, &Item { tag, name, value: Value::Seen(Modes::Executable.of(seen)) });
    }
    Ok(())
}

/// Which permissions count.
#[derive(Clone, Copy)]
enum Modes {
    /// All: those of outputs, which are put back as they were.
    Exact,
    /// Whether a file may be executed, as in git: those of inputs, the rest of which is the umask of whoever made the
    /// checkout. Machines with other umasks share results.
    Executable,
}

impl Modes {
    fn of(self, seen: Seen) -> Seen {
        match (self, seen.kind) {
            (Self::Exact, _) | (_, Kind::Link) => seen,
            (Self::Executable, Kind::File) if seen.mode & 0o100 == 0 => Seen { mode: 0o644, ..seen },
            (Self::Executable, Kind::File | Kind::Folder) => Seen { mode: 0o755, ..seen },
        }
    }
}

/// Writes what the outputs of a task are now into `bytes`; what is not there, as nothing.
/// Fails once `stop` turns true.
pub(crate) fn outputs(
    root: &Path,
    node: &Node,
    files: &Files,
    stop: &AtomicBool,
    listings: &mut Vec<Listing>,
    bytes: &mut Vec<u8>,
) -> Result<(), LookError> {
    for output in &node.task.outputs {
        let path = output.path();
        let (tag, value) = match output {
            Output::File(_) => match files.look_at_link(path, stop)? {
                // A folder stands in the place of the file: the file is not there.
                Some(seen) if seen.kind != Kind::Folder => (Tag::File, Value::Seen(seen)),
                _ => (Tag::File, Value::Nothing),
            },
            Output::Folder(_) => {
                let tree = Tree { root: path.clone(), only: None, exclude: GlobSet::empty() };
                let listed = list(root, Path::new(""), &tree, Modes::Exact, files, stop, listings)?;
                (Tag::Folder, listed.map_or(Value::Nothing, Value::Listing))
            }
        };
        put(bytes, &Item { tag, name: path.as_os_str().as_bytes(), value });
    }
    Ok(())
}

/// Lists a tree; the digest of the listing. `None` if there is no such folder.
fn list(
    root: &Path,
    build_root: &Path,
    tree: &Tree,
    modes: Modes,
    files: &Files,
    stop: &AtomicBool,
    listings: &mut Vec<Listing>,
) -> Result<Option<Digest>, LookError> {
    let Some(found) = walk(root, build_root, tree)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(found.len() * 64);
    if tree.only.is_none() {
        let Some(seen) = files.look(&tree.root)? else { return Ok(None) };
        put_seen(&mut bytes, Path::new(""), modes.of(seen));
    }
    let whole: Vec<PathBuf> = found.iter().map(|path| tree.root.join(path)).collect();
    let refs: Vec<&Path> = whole.iter().map(PathBuf::as_path).collect();
    // A folder is copied with its links, the files that match a glob are read through theirs.
    let follow = tree.only.is_some();
    for ((path, whole), seen) in found.iter().zip(&refs).zip(files.look_all(&refs, follow, stop)) {
        let seen = match seen? {
            // Nothing can be read through a link to a folder, or to nothing: the link is all there is.
            None | Some(Seen { kind: Kind::Folder, .. }) if follow => files.look_at_link(whole, stop)?,
            seen => seen,
        };
        // What vanished since it was listed is as if it had never been there.
        if let Some(seen) = seen {
            put_seen(&mut bytes, path, modes.of(seen));
        }
    }
    let digest = Digest::of(&bytes);
    listings.push((digest, bytes));
    Ok(Some(digest))
}

fn put_seen(bytes: &mut Vec<u8>, path: &Path, seen: Seen) {
    put(bytes, &Item { tag: Tag::File, name: path.as_os_str().as_bytes(), value: Value::Seen(seen) });
}

/// The paths of a tree that count, relative to it, in the order of the graph: a build root below it does not. `None` if
/// there is no such folder; a glob below none matches nothing.
pub(crate) fn walk(root: &Path, build_root: &Path, tree: &Tree) -> Result<Option<Vec<PathBuf>>, LookError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = tree.root.join(&folder);
        let failed = |error: io::Error| LookError::io("list", &path, error);
        let entries = match fs::read_dir(root.join(&path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !folder.as_os_str().is_empty() || tree.only.is_some() {
                    continue;
                }
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let child = folder.join(entry.file_name());
            if tree.exclude.is_match(&child) || tree.root.join(&child) == build_root {
                continue;
            }
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            match &tree.only {
                None => found.push(child.clone()),
                Some(only) if !is_folder && only.is_match(&child) => found.push(child.clone()),
                Some(_) => {}
            }
            if is_folder {
                folders.push(child);
            }
        }
    }
    found.sort_by(|a, b| paths::order(a, b));
    Ok(Some(found))
}

/// What tells one state of a file from another without reading it.
pub(crate) type Stamp = (u64, u64, u64, i64, i64, u32);

/// The stamps of all files that the selected tasks, and all they need, read and no task makes; and of `others`, of folders
/// with all below them. What lies below the build root or one of `own` is what runs write, and is left out.
pub(crate) fn sources(
    graph: &Graph,
    selection: &Selection,
    others: &[PathBuf],
    own: &[PathBuf],
) -> Result<BTreeMap<PathBuf, Stamp>, LookError> {
    let mut paths = Vec::new();
    let add_trees = |paths: &mut Vec<PathBuf>, trees: &[Tree]| -> Result<(), LookError> {
        for tree in trees {
            let found = walk(&graph.root, &graph.build_root, tree)?.unwrap_or_default();
            paths.extend(found.into_iter().map(|path| tree.root.join(path)));
        }
        Ok(())
    };
    let add_files = |paths: &mut Vec<PathBuf>, inputs: &[Input]| {
        paths.extend(inputs.iter().filter_map(|input| match input {
            Input::File(path) | Input::Named { path, .. } => Some(path.clone()),
            _ => None,
        }));
    };
    for other in others {
        let path = paths::normal(&graph.root, other);
        if graph.root.join(&path).is_dir() {
            add_trees(&mut paths, &[Tree { root: path, only: None, exclude: GlobSet::empty() }])?;
        } else {
            paths.push(path);
        }
    }
    for id in graph.cone(selection) {
        let node = graph.node(id);
        add_trees(&mut paths, &node.trees)?;
        add_files(&mut paths, &node.task.inputs);
        // What cannot be discovered now is told by the run.
        if let Some(Ok((inputs, trees))) =
            node.task.discover.as_ref().map(|discover| discovered(graph, node, discover))
        {
            add_trees(&mut paths, &trees)?;
            add_files(&mut paths, &inputs);
        }
    }
    let own: Vec<PathBuf> = own.iter().map(|path| paths::normal(&graph.root, path)).collect();
    paths.retain(|path| {
        let folders = own.iter().chain([&graph.build_root]);
        !folders.into_iter().any(|folder| paths::is_within(path, folder)) && graph.maker(path).is_none()
    });
    let mut stamps = BTreeMap::new();
    for path in paths {
        if let Ok(metadata) = fs::metadata(graph.root.join(&path)) {
            // What is in a folder is listed itself; the times of the folder also move when a run writes into it.
            let changes = if metadata.is_dir() {
                (0, 0, 0)
            } else {
                (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
            };
            let stamp = (metadata.dev(), metadata.ino(), changes.0, changes.1, changes.2, metadata.mode());
            stamps.insert(path, stamp);
        }
    }
    Ok(stamps)
}
