//! The tasks: one file per family, the only place where the domain and the graph meet.
//!
//! The public names are those of MetalK8s' own build: `iso`, `populate_iso`, `images`, `packaging`,
//! `salt_tree`, `documentation`, `lint`, `format`, `check_for`.
//! The crates of the domain do the work; this module says which files each task reads and produces.

mod binaries;
mod check_for;
mod debs;
mod documentation;
mod download;

mod files;
mod images;
mod iso;
mod lint;
mod needs;
mod origins;
mod own;
mod packaging;
mod place_file;
mod provenance;
mod remote_cache;
mod revision;
mod run;
mod sboms;
mod signing;
mod sources;
mod specs;
mod tree;

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::images::RegistrySession;
use graph::{Graph, Pool, Task, TaskInput, Title};

pub use self::download::downloaded_by;
pub(crate) use self::images::names_of_unlocked as unlocked;
pub use self::images::{check_locked, registry_options};
pub use self::origins::{Origins, graph};
#[cfg(fuzzing)]
pub(crate) use self::own::fuzz_depfile;
pub use self::provenance::build_parameters;
pub use self::remote_cache::remote_cache;
pub use self::revision::{CompareError, Sources};
pub use self::run::{ProjectRunError, run};
pub use self::signing::SigningError;
pub(crate) use self::sources::{shown_url, wanted};
pub(crate) use self::specs::wanted_by_spec;
use crate::project::{self, Origin, Project};

/// The task that runs when none is named.
pub const DEFAULT: &str = "iso";

/// A project that cannot be turned into tasks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that the project names cannot be read.
    #[error("read {}: {source}", content::printable_path(path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file that no task produces cannot be removed from the tree.
    #[error("remove {}: {source}", content::printable_path(path))]
    Remove {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The project is invalid.
    #[error(transparent)]
    Project(#[from] project::Error),
    /// Files that no archive can hold. At least one.
    #[error("{}", project::bounded(&[links.as_slice(), long.as_slice()].concat()))]
    Unfit {
        /// Symbolic links that no archive may have, each with its place and what is wrong with it.
        links: Vec<String>,
        /// Names, targets of links and folders that are too long or too deep, each with its place and the bound.
        long: Vec<String>,
    },
    /// Tasks that do not fit together, each mistake with the place of the entry that asks for the task.
    #[error("{}", project::bounded(.0))]
    Graph(Vec<String>),
    /// A file name, or the target of a link, that is not UTF-8.
    #[error("{}: names in an archive must be UTF-8", content::printable_path(.0))]
    Name(PathBuf),
    /// An invalid definition.
    #[error("{}: {}", content::printable_path(path), content::printable(message))]
    Definition {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The tasks of a project.
#[derive(Debug)]
pub struct TaskPlan {
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// The entries of the project that they are for.
    pub origins: Origins,
    /// What is probably not as intended.
    pub warnings: Vec<String>,
    /// The files of the project that the tasks read.
    pub sources: Arc<Sources>,
}

/// The tasks of `project`. `program` runs them: if it changes, all its outputs are built again. Tasks pull through
/// `registries`.
///
/// # Errors
///
/// If a file or folder that the project names does not exist or cannot be archived.
pub fn tasks(
    project: &Arc<Project>,
    program: &Path,
    registries: &RegistrySession,
) -> Result<TaskPlan, Error> {
    let (mut tasks, mut warnings, mut origins) = (Vec::new(), Vec::new(), Origins::default());
    let mut builder = TaskBuilder {
        project,
        program,
        registries,
        links: Vec::new(),
        wrong_links: Vec::new(),
        too_long: Vec::new(),
        programs: BTreeSet::new(),
        namespaces: own::Namespaces::default(),
        tasks: &mut tasks,
        warnings: &mut warnings,
        origins: &mut origins,
    };
    let binaries = binaries::add(&mut builder)?;
    sources::add(&mut builder);
    let images = images::add(&mut builder)?;
    let packaging = packaging::add(&mut builder)?;
    let files = files::add(&mut builder)?;
    let documentation = documentation::add(&mut builder)?;
    let own = own::add(&mut builder);
    let sources = Arc::new(Sources::of(&builder)?);
    lint::add(&mut builder, &own)?;
    check_for::add(&mut builder);
    let mut content = binaries.shipped;
    content.extend(files.others);
    content.extend(&own.shipped);
    content.extend([documentation, images, packaging, files.salt_tree]);
    content.extend(sboms::add(&mut builder));
    let product = iso::add(&mut builder, content, &sources);
    own::connect(&mut builder, &own)?;
    sources.wait_for(own::discovering(&builder, &own), product, &mut builder);
    tree::check(&mut builder)?;
    Ok(TaskPlan { tasks, origins, warnings, sources })
}

/// The tasks of a project while they are collected, and what each family needs to add its own.
struct TaskBuilder<'a> {
    project: &'a Arc<Project>,
    /// The program that runs the tasks.
    program: &'a Path,
    /// What all tasks reach registries through.
    registries: &'a RegistrySession,
    /// Symbolic links that tasks copy.
    links: Vec<PathBuf>,
    /// Symbolic links that no archive may have; [`tree::check`] refuses them with all else that does not fit.
    wrong_links: Vec<String>,
    /// Targets of links that are too long.
    too_long: Vec<String>,
    /// Programs that tasks start.
    programs: BTreeSet<&'static str>,
    /// How commands run without a network.
    namespaces: own::Namespaces,
    tasks: &'a mut Vec<Task>,
    warnings: &'a mut Vec<String>,
    origins: &'a mut Origins,
}

/// A task of a [`TaskBuilder`]: how a family passes its tasks to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TaskHandle(usize);

impl TaskBuilder<'_> {
    fn push(&mut self, task: Task) -> TaskHandle {
        self.tasks.push(task);
        TaskHandle(self.tasks.len() - 1)
    }

    /// Adds the task that makes `what` for the entry of the project at `origin`.
    fn push_for(&mut self, origin: Origin, what: impl Into<String>, task: Task) -> TaskHandle {
        self.origins.add(&task, origin, what.into());
        self.push(task)
    }

    /// The task itself.
    fn task(&mut self, task: TaskHandle) -> Option<&mut Task> {
        self.tasks.get_mut(task.0)
    }

    /// The name of a task, for [`Task::after`] of another one.
    fn name(&self, task: TaskHandle) -> String {
        self.tasks.get(task.0).map(|task| task.name.clone()).unwrap_or_default()
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(content::printable(&text).to_string());
    }

    /// Where `from` of the definition at `definition` leads, relative to `/`: the libraries take sources below a folder.
    fn source(&self, definition: &Path, from: &Path) -> Result<PathBuf, Error> {
        let wrong = |message: String| Error::Definition { path: definition.to_path_buf(), message };
        let resolved = self.project.territory.resolve(from).map_err(|outside| wrong(outside.to_string()))?;
        let inner = resolved.starts_with(&self.project.root)
            || resolved.starts_with(&self.project.settings.build_root);
        let climbs = from.components().any(|part| part == std::path::Component::ParentDir);
        if !inner && from.is_absolute() || climbs {
            return Err(wrong(format!(
                "`{}`: expected a path in the project without `..`",
                content::printable_path(from)
            )));
        }
        Ok(resolved.strip_prefix("/").map(Path::to_path_buf).unwrap_or(resolved))
    }

    /// Adds a group of `members`, which run in the order in which they were added.
    fn group(&mut self, name: &str, doc: &str, mut members: Vec<TaskHandle>) -> TaskHandle {
        members.sort_unstable();
        let after = members.into_iter().map(|member| self.name(member)).collect();
        self.push(Task {
            name: name.into(),
            doc: doc.into(),
            title: Title::new("", name),
            after,
            ..Task::default()
        })
    }

    /// The inputs of a task whose result this program makes: the program counts by its content, wherever it is installed.
    fn made_here(&self) -> Vec<TaskInput> {
        vec![TaskInput::named("sealift", self.program)]
    }

    fn input(&self, source: &Path, name: &Path) -> TaskInput {
        source_input(self.project, source, name)
    }

    /// `path` as titles show it: relative to the project where it lies in it.
    fn shown(&self, path: &Path) -> String {
        content::printable_path(path.strip_prefix(&self.project.root).unwrap_or(path)).to_string()
    }
}

/// The file `source`, which `project` calls `name`, as an input. One outside the project counts by that name: where it lies
/// differs between machines.
fn source_input(project: &Project, source: &Path, name: &Path) -> TaskInput {
    if source.starts_with(&project.root) || source.starts_with(&project.settings.build_root) {
        TaskInput::file(source)
    } else {
        TaskInput::named(name.to_string_lossy(), source)
    }
}

/// What bounds how many tasks of `project` run at once, beside the number of jobs.
#[must_use]
pub fn pools(project: &Project) -> Vec<Pool> {
    let pool = |name: &str, slots| Pool { name: name.into(), slots };
    let mut pools = vec![pool(NETWORK, 4), pool(MEMORY, 512), pool(CARGO, 1), pool(ENGINE, 1)];
    pools.extend(project.pools.iter().map(|(name, slots)| pool(name, usize::try_from(*slots).unwrap_or(1))));
    pools
}

/// Tasks that fetch; each of them already does so over several connections.
const NETWORK: &str = "network";
/// Tasks that hold whole files in memory; their weight is in megabytes.
const MEMORY: &str = "memory";
/// Builds of images by an engine: each takes all cores that it finds.
const ENGINE: &str = "engine";
/// Compilations by cargo: they lock its target folder, so that a second would only wait.
const CARGO: &str = "cargo";

/// Removes from the archive's tree what is [`stale`]. Gives back the paths. Only the holder of the build's state may call
/// this.
///
/// # Errors
///
/// If the tree cannot be walked or something cannot be removed.
pub fn sweep(project: &Project, graph: &Graph) -> Result<Vec<PathBuf>, Error> {
    let stale = stale(project, graph)?;
    for path in &stale {
        let path = project.root.join(path);
        let removed = if is_folder(&path) { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(|source| Error::Remove { path, source })?;
    }
    Ok(stale)
}

/// The files of the archive's tree that no task of `graph` makes, the folders that hold none that one makes, and symbolic
/// links in the place of folders: debris of a killed build, files put there by hand. What is in a folder comes before it.
///
/// # Errors
///
/// If the tree cannot be walked.
pub fn stale(project: &Project, graph: &Graph) -> Result<Vec<PathBuf>, Error> {
    let tree = project.tree();
    let mut stale = Vec::new();
    if !tree.exists() {
        return Ok(stale);
    }
    let made: HashSet<&Path> = graph
        .tasks()
        .flat_map(|(_, task)| &task.outputs)
        .flat_map(|output| output.path().ancestors())
        .collect();
    let folders: HashSet<&Path> = graph
        .tasks()
        .flat_map(|(_, task)| &task.outputs)
        .filter(|output| matches!(output, graph::TaskOutput::Folder(_)))
        .map(|output| output.path().as_path())
        .collect();
    for entry in walkdir::WalkDir::new(&tree).min_depth(1).contents_first(true) {
        let entry = entry.map_err(|error| Error::Read {
            path: error.path().unwrap_or(&tree).to_path_buf(),
            source: error.into(),
        })?;
        let path = entry.path();
        let relative = path.strip_prefix(&project.root).unwrap_or(path);
        let in_place_of_folder = entry.path_is_symlink() && folders.contains(relative);
        if in_place_of_folder
            || graph.producer(relative).is_none() && !(entry.file_type().is_dir() && made.contains(relative))
        {
            stale.push(relative.to_path_buf());
        }
    }
    Ok(stale)
}

/// A path as part of the name of a task: what may not stand there is spelled as in a URL, `%20`.
fn spelled(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c != '%' && graph::may_name(c) {
                text.push(c);
            } else {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text += &format!("%{byte:02X}"));
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("%{byte:02X}"));
    }
    text
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests;
