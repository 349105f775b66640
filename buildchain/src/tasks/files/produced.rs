//! Files of the archive that tasks of the project write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use graph::{ActionError, Task, TaskContext, TaskInput, TaskOutput, Title};

use super::super::{Error, TaskBuilder, place_file, spelled};
use super::{copy, is_salt};
use crate::project::{self, FilesDefinition, ProducedFiles};

/// The task that copies what a task wrote into the archive, and where it goes there.
///
/// # Errors
///
/// If a folder would be the root of the archive.
pub(super) fn task(
    builder: &TaskBuilder<'_>,
    files: &FilesDefinition,
    produced: &ProducedFiles,
) -> Result<(PathBuf, Task), Error> {
    let ProducedFiles { from, is_folder, exclude } = produced;
    let inside = match from.file_name().filter(|_| files.is_folder && !is_folder) {
        Some(name) => files.to.join(name),
        None => files.to.clone(),
    };
    if inside.as_os_str().is_empty() {
        let message =
            "a folder that a task writes cannot be the root of the archive: expected a folder of its own";
        return Err(project::Error::of(&files.origin, message).into());
    }
    let target = builder.project.tree().join(&inside);
    let family =
        if is_salt(&inside) { ("_deploy_salt_tree", "salt_tree") } else { ("_iso_add_tree", "populate_iso") };
    let mut task = Task {
        name: format!("{}:{}", family.0, spelled(&inside)),
        alias: format!("{}:{}", family.1, spelled(&inside)),
        doc: format!("Copy {}.", content::printable_path(&inside)),
        title: Title::new("COPY", builder.shown(&target)),
        cheap: true,
        ..Task::default()
    };
    if *is_folder {
        task.inputs = vec![TaskInput::folder(from)];
        task.inputs.extend(exclude.iter().map(|pattern| TaskInput::value("exclude", pattern)));
        task.outputs = vec![TaskOutput::Folder(target.clone())];
        let (from, exclude) = (from.clone(), Arc::new(exclude.clone()));
        task.action = Some(Box::new(move |context| copy_folder(context, &from, &target, &exclude)));
    } else {
        task.inputs = vec![TaskInput::file(from)];
        task.outputs = vec![TaskOutput::File(target.clone())];
        task.action = Some(copy(from, &target));
    }
    Ok((inside, task))
}

/// Copies the folder `from` to the empty folder `to`: folders, files with the modes that git keeps, and links as links.
fn copy_folder(
    context: &TaskContext<'_>,
    from: &Path,
    to: &Path,
    exclude: &[String],
) -> Result<(), ActionError> {
    let patterns: Vec<&str> = exclude.iter().map(String::as_str).collect();
    let mut exclude = iso::Exclude::new(&patterns)?;
    let mut walk = walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(std::io::Error::from)?;
        let (path, kind) = (entry.path(), entry.file_type());
        let relative = path.strip_prefix(from).unwrap_or(path);
        if context.cancelled() {
            return Err(ActionError::Cancelled);
        }
        if exclude.excludes(relative, kind.is_dir()) {
            if kind.is_dir() {
                walk.skip_current_dir();
            }
            continue;
        }
        let target = to.join(relative);
        if kind.is_dir() {
            content::create_folder(&target).map_err(std::io::Error::from)?;
        } else if kind.is_symlink() {
            place_file::symlink(&std::fs::read_link(path)?, &target)?;
        } else {
            place_file::copy(path, &target)?;
            context.record(&target, context.digest(path)?)?;
        }
    }
    Ok(())
}
