//! The inputs and outputs of a task as they are now: the traversal that writes its manifest.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use content::Digest;
use globset::GlobSet;

use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::linked::LinkedTask;
use crate::model::task::{Discover, TaskInput, TaskOutput};
use crate::model::tree::InputTree;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::files::KnownFiles;
use crate::record::key::{ItemTag, ItemValue, ManifestItem, items, put};
use crate::record::walk::walk;

/// The listing of a folder, for the state. The manifest has its digest.
pub(crate) type FolderListing = (Digest, Vec<u8>);

/// Why the inputs of a task cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurveyError {
    #[error("input {} is missing", content::printable_path(.0))]
    Missing(PathBuf),
    #[error("cannot discover its inputs: {0}")]
    Discover(String),
    #[error(
        "it discovered {}, which `{producer}` produces, without depending on that task",
        content::printable_path(path)
    )]
    NoDependency { path: PathBuf, producer: String },
    #[error("it discovered an invalid glob")]
    Glob(#[from] globset::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

/// The version of the manifest. Whoever changes what keys are computed from changes it: then every task runs once more.
const VERSION: &[u8] = b"3";

/// Appends the manifest of a task to `bytes`. Fails once `stop` is true.
pub(crate) fn inputs(
    graph: &Graph,
    linked: &LinkedTask,
    files: &KnownFiles,
    stop: &AtomicBool,
    listings: &mut Vec<FolderListing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    declared(graph, linked, files, stop, listings, bytes)?;
    if let Some(discover) = &linked.task.discover {
        let (inputs, trees) = discovered(graph, linked, discover)?;
        put_inputs(graph, &inputs, &trees, files, stop, listings, bytes)?;
    }
    Ok(())
}

/// Appends the first part of the manifest of a task, without the inputs that it discovers.
pub(crate) fn declared(
    graph: &Graph,
    linked: &LinkedTask,
    files: &KnownFiles,
    stop: &AtomicBool,
    listings: &mut Vec<FolderListing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    put(bytes, &ManifestItem { tag: ItemTag::Value, name: b"manifest", value: ItemValue::Text(VERSION) });
    for output in &linked.task.outputs {
        let tag = match output {
            TaskOutput::File(_) => ItemTag::OutputFile,
            TaskOutput::Folder(_) => ItemTag::OutputFolder,
        };
        put(
            bytes,
            &ManifestItem { tag, name: output.path().as_os_str().as_bytes(), value: ItemValue::Nothing },
        );
    }
    put_inputs(graph, &linked.task.inputs, &linked.trees, files, stop, listings, bytes)
}

/// Whether the files among the inputs of a manifest, or of a part of one, are as they were. Other inputs are not checked. Fails
/// once `stop` is true.
pub(crate) fn may_be_same(files: &KnownFiles, manifest: &[u8], stop: &AtomicBool) -> bool {
    let of_files = |item: ManifestItem<'_>| match item.value {
        ItemValue::Entry(entry) if item.tag == ItemTag::File => Some((item.path().to_owned(), entry)),
        _ => None,
    };
    let (paths, entries): (Vec<PathBuf>, Vec<FileEntry>) = items(manifest).filter_map(of_files).unzip();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let found = files.entries(&paths, true, stop);
    found
        .into_iter()
        .zip(entries)
        .all(|(now, entry)| matches!(now, Ok(Some(now)) if Modes::Executable.of(now) == entry))
}

/// The inputs that a task discovers now, with normalized paths, and the trees among them.
pub(crate) fn discovered(
    graph: &Graph,
    linked: &LinkedTask,
    discover: &Discover,
) -> Result<(Vec<TaskInput>, Vec<InputTree>), SurveyError> {
    let mut inputs = discover(&graph.root).map_err(|error| SurveyError::Discover(error.to_string()))?;
    let mut trees = Vec::new();
    for input in &mut inputs {
        input.normalize(&graph.root);
        trees.extend(InputTree::of(input).transpose()?);
    }
    // An input that another task produces must exist by now.
    let before = graph.all_needs(linked);
    for path in inputs.iter().filter_map(TaskInput::path) {
        if let Some(producer) = graph.producer(path).filter(|producer| !before.contains(producer)) {
            let producer = graph.task(producer).name.clone();
            return Err(SurveyError::NoDependency { path: path.clone(), producer });
        }
    }
    Ok((inputs, trees))
}

fn put_inputs(
    graph: &Graph,
    inputs: &[TaskInput],
    trees: &[InputTree],
    files: &KnownFiles,
    stop: &AtomicBool,
    listings: &mut Vec<FolderListing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    let mut trees = trees.iter();
    let (mut paths, mut items): (Vec<&Path>, Vec<(ItemTag, &[u8])>) = Default::default();
    for input in inputs {
        match input {
            TaskInput::File(path) => {
                paths.push(path);
                items.push((ItemTag::File, path.as_os_str().as_bytes()));
            }
            TaskInput::Named { name, path } => {
                paths.push(path);
                items.push((ItemTag::Named, name.as_bytes()));
            }
            TaskInput::Value { name, value } => put(
                bytes,
                &ManifestItem {
                    tag: ItemTag::Value,
                    name: name.as_bytes(),
                    value: ItemValue::Text(value.as_bytes()),
                },
            ),
            TaskInput::Folder { .. } | TaskInput::Glob { .. } => {
                if let Some(tree) = trees.next() {
                    let modes = Modes::Executable;
                    let listed = list(&graph.root, &graph.build_root, tree, modes, files, stop, listings)?;
                    let value =
                        ItemValue::Listing(listed.ok_or_else(|| SurveyError::Missing(tree.root.clone()))?);
                    let tag = if tree.only.is_some() { ItemTag::Glob } else { ItemTag::Folder };
                    put(bytes, &ManifestItem { tag, name: tree.root.as_os_str().as_bytes(), value });
                }
            }
        }
    }
    for ((path, (tag, name)), found) in paths.iter().zip(items).zip(files.entries(&paths, true, stop)) {
        let entry = found?.ok_or_else(|| SurveyError::Missing((*path).to_owned()))?;
        if entry.kind == FileEntryKind::Folder {
            return Err(FileError::NotAFile { path: (*path).to_owned(), found: "a folder" }.into());
        }
        put(bytes, &ManifestItem { tag, name, value: ItemValue::Entry(Modes::Executable.of(entry)) });
    }
    Ok(())
}

/// Which permissions are part of the manifest.
#[derive(Clone, Copy)]
enum Modes {
    /// All: for outputs, which are restored as they were.
    Exact,
    /// Whether a file is executable, as in git: for inputs. The other bits depend on the umask of the checkout, and machines
    /// with different umasks share results.
    Executable,
}

impl Modes {
    fn of(self, entry: FileEntry) -> FileEntry {
        match (self, entry.kind) {
            (Self::Exact, _) | (_, FileEntryKind::Link) => entry,
            (Self::Executable, FileEntryKind::File) if entry.mode & 0o100 == 0 => {
                FileEntry { mode: 0o644, ..entry }
            }
            (Self::Executable, FileEntryKind::File | FileEntryKind::Folder) => {
                FileEntry { mode: 0o755, ..entry }
            }
        }
    }
}

/// Appends the outputs of a task as they are now to `bytes`; a missing one with the value [`ItemValue::Nothing`]. Fails once
/// `stop` is true.
pub(crate) fn outputs(
    root: &Path,
    linked: &LinkedTask,
    files: &KnownFiles,
    stop: &AtomicBool,
    listings: &mut Vec<FolderListing>,
    bytes: &mut Vec<u8>,
) -> Result<(), FileError> {
    for output in &linked.task.outputs {
        let path = output.path();
        let (tag, value) = match output {
            TaskOutput::File(_) => match files.link_entry(path, stop)? {
                // A folder in its place is not the file.
                Some(entry) if entry.kind != FileEntryKind::Folder => {
                    (ItemTag::File, ItemValue::Entry(entry))
                }
                _ => (ItemTag::File, ItemValue::Nothing),
            },
            TaskOutput::Folder(_) => {
                let tree = InputTree { root: path.clone(), only: None, exclude: GlobSet::empty() };
                let listed = list(root, Path::new(""), &tree, Modes::Exact, files, stop, listings)?;
                (ItemTag::Folder, listed.map_or(ItemValue::Nothing, ItemValue::Listing))
            }
        };
        put(bytes, &ManifestItem { tag, name: path.as_os_str().as_bytes(), value });
    }
    Ok(())
}

/// Lists a tree; the digest of the listing. `None` if the folder does not exist.
fn list(
    root: &Path,
    build_root: &Path,
    tree: &InputTree,
    modes: Modes,
    files: &KnownFiles,
    stop: &AtomicBool,
    listings: &mut Vec<FolderListing>,
) -> Result<Option<Digest>, FileError> {
    let Some(found) = walk(root, build_root, tree)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(found.len() * 64);
    if tree.only.is_none() {
        let Some(entry) = files.entry(&tree.root)? else { return Ok(None) };
        put_entry(&mut bytes, Path::new(""), modes.of(entry));
    }
    let whole: Vec<PathBuf> = found.iter().map(|path| tree.root.join(path)).collect();
    let refs: Vec<&Path> = whole.iter().map(PathBuf::as_path).collect();
    // Actions copy a folder with its links, and read the files that match a glob through theirs.
    let follow = tree.only.is_some();
    for ((path, whole), found) in found.iter().zip(&refs).zip(files.entries(&refs, follow, stop)) {
        let entry = match found? {
            // A link to a folder, or a dangling one, cannot be read through: then the link itself counts.
            None | Some(FileEntry { kind: FileEntryKind::Folder, .. }) if follow => {
                files.link_entry(whole, stop)?
            }
            entry => entry,
        };
        // A file that was removed after it was listed is left out.
        if let Some(entry) = entry {
            put_entry(&mut bytes, path, modes.of(entry));
        }
    }
    let digest = Digest::of(&bytes);
    listings.push((digest, bytes));
    Ok(Some(digest))
}

fn put_entry(bytes: &mut Vec<u8>, path: &Path, entry: FileEntry) {
    put(
        bytes,
        &ManifestItem {
            tag: ItemTag::File,
            name: path.as_os_str().as_bytes(),
            value: ItemValue::Entry(entry),
        },
    );
}
