//! What is known about the archive's tree before the build: the paths that tasks will make.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use archive::tree::DEPTH_MAX;
use graph::{Task, TaskInput};

use super::{Error, TaskBuilder};

/// Refuses names and links that no archive can hold, all at once, and warns about packages that nobody will find in it.
pub(super) fn check(builder: &mut TaskBuilder<'_>) -> Result<(), Error> {
    let mut long = std::mem::take(&mut builder.too_long);
    long.extend(long_names(builder));
    let links = std::mem::take(&mut builder.wrong_links);
    if !links.is_empty() || !long.is_empty() {
        return Err(Error::Unfit { links, long });
    }
    warn_of_unindexed(builder);
    Ok(())
}

/// The paths in the archive that tasks make, each with its task.
fn made<'a>(builder: &'a TaskBuilder<'_>) -> impl Iterator<Item = (PathBuf, &'a Task)> {
    let tree = builder.project.tree();
    let outputs = builder.tasks.iter().flat_map(|task| task.outputs.iter().map(move |output| (output, task)));
    outputs.filter_map(move |(output, task)| Some((output.path().strip_prefix(&tree).ok()?.to_owned(), task)))
}

/// The names that are too long and the folders that are too deep, by the rules of the writer of the ISO, of all that is known
/// before the build.
fn long_names(builder: &TaskBuilder<'_>) -> Vec<String> {
    // By path in the archive: a folder is named once.
    let mut wrong: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (inside, task) in made(builder) {
        for (above, path) in inside.ancestors().enumerate() {
            let shown = || shown(builder, task, &inside, above);
            if path.file_name().is_some_and(|name| iso::check_name(name.as_ref()).is_err()) {
                // Again, with the path that people know.
                let error = iso::check_name(&shown()).err();
                wrong.extend(error.map(|error| (path.to_owned(), error.to_string())));
            }
            let depth = path.components().count();
            if above == 1 && depth > DEPTH_MAX {
                let shown = shown();
                let message = format!(
                    "{}: {depth} nested folders; the maximum is {DEPTH_MAX}",
                    content::printable_path(&shown)
                );
                wrong.insert(path.to_owned(), message);
            }
        }
    }
    wrong.into_values().collect()
}

/// Where what is `above` levels above the path `inside` the archive comes from: its path in the project if the task copies it
/// from there, else its path in the tree.
fn shown(builder: &TaskBuilder<'_>, task: &Task, inside: &Path, above: usize) -> PathBuf {
    let ancestor = |path: &Path| path.ancestors().nth(above).unwrap_or(path).to_owned();
    let (name, source) = (ancestor(inside), source(task).map(ancestor));
    let path = source.filter(|source| source.file_name() == name.file_name());
    builder.shown(&path.unwrap_or_else(|| builder.project.tree().join(name))).into()
}

/// The file that a task copies, if it copies one.
fn source(task: &Task) -> Option<&Path> {
    match task.inputs.first() {
        Some(TaskInput::File(path)) => Some(path),
        _ => None,
    }
}

fn warn_of_unindexed(builder: &mut TaskBuilder<'_>) {
    let tasks: HashMap<String, &Task> = made(builder)
        .filter(|(path, _)| path.starts_with(archive::layout::PACKAGES))
        .filter_map(|(path, task)| Some((path.to_str()?.to_owned(), task)))
        .collect();
    let mut warnings = Vec::new();
    // Of a folder that a task makes, or that a link leads to, it is not known yet what it holds.
    let (files, others): (Vec<_>, Vec<_>) = tasks
        .keys()
        .map(String::as_str)
        .partition(|path| tasks.get(*path).is_some_and(|task| source(task).is_some()));
    for found in archive::unindexed(files.iter().copied(), others.iter().copied()) {
        // The folder of the project that becomes the repository.
        let inner = found.example.strip_prefix(&found.folder).unwrap_or_default().trim_start_matches('/');
        let source = tasks.get(&found.example).and_then(|task| source(task));
        let folder = source.and_then(|source| {
            if source.ends_with(inner) {
                source.ancestors().nth(Path::new(inner).components().count())
            } else {
                source.parent()
            }
        });
        let folder = folder.map_or_else(|| found.folder.clone(), |folder| builder.shown(folder));
        let folder = if folder.is_empty() { "." } else { &folder };
        warnings.push(format!("{found}; {}", found.remedy(folder)));
    }
    warnings.into_iter().for_each(|warning| builder.warn(warning));
}
