//! An open project: its model and the graph of its tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use buildchain::project::{Project, Settings, SettingsFlags};
use buildchain::tasks::{Sources, TaskPlan};
use clap::Args;
use graph::{Graph, ProjectState, SelectedTasks};
use images::RegistrySession;

use crate::failure::Failure;
use crate::{output, remedies};

/// The options of every command on a project.
#[derive(Debug, Default, Args)]
pub(crate) struct Selector {
    /// Use the project in DIR [default: the nearest folder with a sealift.yaml]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Build with these profiles of the project, separated by commas (repeatable)
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// Give a variable of the project another value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Build in DIR [default: _build in the project]
    #[arg(long, value_name = "DIR")]
    build_root: Option<PathBuf>,
    /// Whether options describe the project, so that no command runs one of its tasks.
    #[arg(skip)]
    is_described: bool,
}

impl Selector {
    /// The same in `folder`, if there is one.
    pub(crate) fn in_folder(&mut self, folder: Option<&Path>) {
        if let Some(folder) = folder {
            self.project = Some(folder.to_owned());
        }
    }

    /// The command that runs a task of this project, without the name of the task. `None` if options describe the project.
    pub(crate) fn task_command(&self) -> Option<String> {
        if self.is_described {
            return None;
        }
        let mut words = String::from(if is_xtask() { "cargo xtask" } else { "sealift run" });
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let project = path(&self.project).map(|value| ("project", value));
        let profiles = self.profile.iter().map(|value| ("profile", value.clone()));
        let variables = self.set.iter().map(|(name, value)| ("set", format!("{name}={value}")));
        let build_root = path(&self.build_root).map(|value| ("build-root", value));
        for (flag, value) in project.into_iter().chain(profiles).chain(variables).chain(build_root) {
            words += &format!(" --{flag} {}", graph::quoted(&value));
        }
        Some(words)
    }

    /// The folder to look for the project in. Like the current folder, it has no `..` and no symbolic links.
    pub(crate) fn start(&self) -> Result<PathBuf, Failure> {
        let Some(folder) = &self.project else { return Ok(std::env::current_dir()?) };
        let cannot =
            |error| Failure::usage(format!("cannot open {}: {error}", content::printable_path(folder)));
        folder.canonicalize().map_err(cannot)
    }

    /// Reads the project.
    pub(crate) fn load(&self) -> Result<Project, Failure> {
        let (root, settings) = self.find()?;
        Project::load(&root, settings).map_err(remedies::project::project)
    }

    /// Reads the project in the folder `root` whose file would have the content `text`.
    pub(crate) fn load_described(&mut self, root: &Path, text: &str) -> Result<Project, Failure> {
        self.is_described = true;
        let settings = self.gather(root)?;
        Project::load_as(root, settings, Some(text)).map_err(remedies::project::described)
    }

    /// Reads the project in all its forms, as the lock file needs them.
    pub(crate) fn load_all(&self) -> Result<Vec<Project>, Failure> {
        let (root, settings) = self.find()?;
        Project::load_all(&root, &settings).map_err(remedies::project::project)
    }

    /// The folder of the project and the settings. Its file is not read.
    pub(crate) fn find(&self) -> Result<(PathBuf, Settings), Failure> {
        let root = Project::find(&self.start()?).map_err(remedies::project::project)?;
        let settings = self.gather(&root)?;
        for (name, reason) in &settings.unused {
            output::note(&format!("{name} in .env has no effect: {reason}"));
        }
        Ok((root, settings))
    }

    /// The settings of the project, or those outside any project.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let start = self.start()?;
        self.gather(&Project::find(&start).unwrap_or(start))
    }

    fn gather(&self, root: &Path) -> Result<Settings, Failure> {
        let environment = environment();
        // A path on the command line is relative to the current folder.
        let build_root = self.build_root.as_ref().map(std::path::absolute).transpose()?;
        let flags = SettingsFlags { profiles: self.profile.clone(), variables: self.set.clone(), build_root };
        Settings::gather(root, &environment, &flags).map_err(remedies::project::project)
    }
}

/// The option of commands that use only the settings of a project.
#[derive(Debug, Args)]
pub(crate) struct SettingsSelector {
    /// Use the settings of the project in DIR [default: the nearest folder with a sealift.yaml]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl SettingsSelector {
    /// The settings of the project, or those outside any project.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Selector { project: self.project.clone(), ..Selector::default() }.settings()
    }
}

/// The name and the value in `NAME=VALUE`.
fn assignment(text: &str) -> Result<(String, String), String> {
    let assignment = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = assignment.ok_or("expected NAME=VALUE, such as `channel=stable`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The options of every command that changes the state of a project, one at a time.
#[derive(Debug, Args)]
pub(crate) struct Permit {
    /// Fail instead of waiting if another command is working on the project
    #[arg(long)]
    no_wait: bool,
}

impl Permit {
    /// Opens the state of the project once no other command has it. Waiting ends when `cancel` becomes true.
    pub(crate) fn take(&self, session: &Session, cancel: &AtomicBool) -> Result<ProjectState, Failure> {
        let (path, own_command) = (session.state_path(), command_line());
        let opened = if self.no_wait {
            ProjectState::open(&path, &own_command)
        } else {
            ProjectState::open_waiting(&path, &own_command, cancel, &mut |holder| {
                output::note(&format!("waiting for {holder}"))
            })
        };
        opened.map_err(remedies::project::state)
    }
}

/// Whether `cargo xtask` started this program.
pub(crate) fn is_xtask() -> bool {
    std::env::var_os("SEALIFT_ENTRY_POINT").is_some_and(|name| name == "xtask")
}

/// The command line, for the message to those who wait for this process.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("sealift".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The environment variables that are UTF-8.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A project and the graph of its tasks.
pub(crate) struct Session {
    pub(crate) project: Arc<Project>,
    pub(crate) graph: Graph,
    /// What all tasks reach registries through.
    pub(crate) registries: RegistrySession,
    warnings: Vec<String>,
    /// The files of the project that the build reads.
    pub(crate) sources: Arc<Sources>,
}

impl Session {
    pub(crate) fn open(selector: &Selector) -> Result<Self, Failure> {
        Self::of(selector.load()?)
    }

    /// The session of a project.
    pub(crate) fn of(project: Project) -> Result<Self, Failure> {
        let project = Arc::new(project);
        let registries = RegistrySession::new(buildchain::tasks::registry_options(&project));
        let builder = std::env::current_exe()?;
        let TaskPlan { tasks, origins, warnings, sources } =
            buildchain::tasks::tasks(&project, &builder, &registries).map_err(remedies::project::tasks)?;
        let graph = buildchain::tasks::graph(&project, tasks, &origins).map_err(remedies::project::tasks)?;
        Ok(Self { project, graph, registries, warnings, sources })
    }

    /// Warnings about the project.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Prints the warnings about the project.
    pub(crate) fn print_warnings(&self) {
        self.warnings.iter().for_each(|warning| output::warn(warning));
    }

    /// The file of the state.
    pub(crate) fn state_path(&self) -> PathBuf {
        self.project.settings.build_root.join(".sealift/state")
    }
}

/// The tasks with these names, or the default task.
pub(crate) fn chosen(session: &Session, tasks: &[String]) -> Result<SelectedTasks, Failure> {
    let default = [buildchain::tasks::DEFAULT.to_owned()];
    let tasks = if tasks.is_empty() { &default } else { tasks };
    session.graph.select(tasks).map_err(remedies::project::selection)
}

/// The tasks with these names, or all tasks.
pub(crate) fn chosen_or_all(session: &Session, tasks: &[String]) -> Result<SelectedTasks, Failure> {
    let all: Vec<String>;
    let tasks = if tasks.is_empty() {
        all = session.graph.tasks().map(|(_, task)| task.name.clone()).collect();
        &all
    } else {
        tasks
    };
    session.graph.select(tasks).map_err(remedies::project::selection)
}
