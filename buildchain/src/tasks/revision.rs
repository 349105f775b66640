//! Compares the files that a build reads with those of the commit.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use graph::{FileError, TaskInput};
use images::build::context::{BuildContext, ContextEntryKind};

use super::iso::POPULATE;
use super::needs::Needs;
use super::own::NamedInputs;
use super::{Error, TaskBuilder, TaskHandle};
use crate::project::{BuildMethod, Error as ProjectError, LOCK_FILE_NAME, Project};

/// What product information adds to the commit if files differ.
const DIRTY: &str = "-dirty";

/// The files of the repository that a build reads.
#[derive(Debug)]
pub struct Sources {
    inputs: Vec<TaskInput>,
    /// Folders that `Containerfile`s copy from.
    contexts: Vec<BuildContext>,
    /// Files and folders whose deleted files count as read: the remaining files do not show whether they would be.
    wanted: Vec<PathBuf>,
    /// The outputs of tasks, and the program that builds.
    produced: HashSet<PathBuf>,
    /// Inputs that files name which tasks write or that are in the project.
    named: OnceLock<Vec<NamedInputs>>,
}

/// The files cannot be compared with the commit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// git fails.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// An input cannot be listed.
    #[error(transparent)]
    Look(#[from] FileError),
    /// A folder that a `Containerfile` copies from cannot be listed.
    #[error(transparent)]
    Image(#[from] images::Error),
    /// A file that names inputs cannot be read.
    #[error(transparent)]
    Named(#[from] content::IoError),
}

impl Sources {
    /// What the tasks in `builder` read. Call it before the tasks of linters and formatters are added: their files are not part
    /// of the build.
    ///
    /// # Errors
    ///
    /// If a folder leads out of the project.
    pub(super) fn of(builder: &TaskBuilder<'_>) -> Result<Self, Error> {
        let project = builder.project;
        let tasks = || builder.tasks.iter();
        let mut inputs: Vec<TaskInput> = tasks().flat_map(|task| &task.inputs).cloned().collect();
        // Each build reads the lock file when it reads the project.
        inputs.push(TaskInput::file(project.root.join(LOCK_FILE_NAME)));
        // A folder behind a link is read through the link.
        let roots = project.files.iter().filter_map(|files| Some(project.root.join(&files.local()?.from)));
        let links = roots.filter(|root| root.is_symlink());
        inputs
            .extend(links.chain(builder.links.iter().chain(&project.sources).cloned()).map(TaskInput::file));
        let contexts = project.images.iter().filter_map(|image| match &image.method {
            BuildMethod::Containerfile(file) => Some(super::images::context(project, file)),
            BuildMethod::Declaration(_) => None,
        });
        let mut contexts: Vec<BuildContext> = contexts.collect::<Result<_, _>>()?;
        // What tasks write is in no commit, and need not exist yet.
        contexts.retain(|context| !context.folder.starts_with(&project.settings.build_root));
        let mut wanted: Vec<PathBuf> =
            project.files.iter().filter_map(|files| Some(project.root.join(&files.local()?.from))).collect();
        wanted.extend(contexts.iter().map(|context| context.folder.clone()));
        wanted.extend(
            project.images.iter().map(|image| project.root.join(&image.path).with_file_name("build.yaml")),
        );
        wanted.push(project.root.join(LOCK_FILE_NAME));
        wanted.extend(super::binaries::PINS.map(|name| project.root.join(name)));
        let mut produced: HashSet<PathBuf> =
            tasks().flat_map(|task| &task.outputs).map(|output| output.path().clone()).collect();
        produced.extend([builder.program.to_path_buf(), project.settings.build_root.clone()]);
        Ok(Self { inputs, contexts, wanted, produced, named: OnceLock::new() })
    }

    /// Also counts the inputs that files name for tasks of the archive, and lets the product information wait for these tasks:
    /// they may write such a file. Left out is a task that itself needs the product information. Call it once all tasks are
    /// connected.
    pub(super) fn wait_for(
        &self,
        named: Vec<(TaskHandle, NamedInputs)>,
        product: TaskHandle,
        builder: &mut TaskBuilder<'_>,
    ) {
        if named.is_empty() {
            return;
        }
        let needs = Needs::of(builder.tasks);
        let shipped = needs.all(POPULATE);
        let name = builder.name(product);
        let (mut after, mut counted) = (Vec::new(), Vec::new());
        for (handle, inputs) in named {
            let task = builder.name(handle);
            if shipped.contains(task.as_str()) && !needs.all(&task).contains(name.as_str()) {
                after.push(task);
                counted.push(inputs);
            }
        }
        drop(needs);
        if let Some(task) = builder.task(product) {
            task.after.extend(after);
        }
        let _ = self.named.set(counted);
    }

    /// The files that the build reads and that differ from the commit, relative to the project. Empty if there is no commit.
    ///
    /// # Errors
    ///
    /// If git or a folder cannot be read.
    pub fn differing(&self, project: &Project) -> Result<BTreeSet<PathBuf>, CompareError> {
        let (Some(repository), Some(_)) = (&project.repository, &project.revision) else {
            return Ok(BTreeSet::new());
        };
        let root = &project.root;
        let changes = repository.changes()?;
        let mut read: BTreeSet<PathBuf> = BTreeSet::new();
        let mut inputs = self.inputs.clone();
        for named in self.named.get().into_iter().flatten() {
            inputs.extend(named.now()?);
        }
        for input in &inputs {
            read.extend(input.files(root, &project.settings.build_root)?);
        }
        for context in &self.contexts {
            let files = context.entries()?.into_iter().filter(|entry| entry.kind != ContextEntryKind::Folder);
            let folder = context.folder.strip_prefix(root).unwrap_or(&context.folder);
            read.extend(files.map(|entry| folder.join(entry.path)));
        }
        let is_produced =
            |path: &Path| path.ancestors().any(|above| self.produced.contains(&root.join(above)));
        // Files outside the project are in no commit; the project file names their folders.
        let mut differing: BTreeSet<PathBuf> = read
            .into_iter()
            .filter(|path| path.is_relative() && changes.differs(path) && !is_produced(path))
            .filter(|path| root.join(path).symlink_metadata().is_ok())
            .collect();
        let was_read = |path: &PathBuf| {
            inputs.iter().any(|input| input.covers(root, path))
                || self.wanted.iter().any(|wanted| root.join(path).starts_with(wanted))
        };
        differing.extend(changes.deleted.iter().filter(|path| was_read(path) && !is_produced(path)).cloned());
        Ok(differing)
    }

    /// The commit in product information; it ends in `-dirty` if the build reads other files.
    ///
    /// # Errors
    ///
    /// As for [`Sources::differing`].
    pub fn revision(&self, project: &Project) -> Result<Option<String>, CompareError> {
        let Some(revision) = &project.revision else { return Ok(None) };
        let dirty = if self.differing(project)?.is_empty() { "" } else { DIRTY };
        Ok(Some(format!("{revision}{dirty}")))
    }
}
