//! Packages of upstream repositories, downloaded as the lock file has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::parallel;
use graph::{ActionError, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title};
use images::RegistrySession;

use super::images::{Watch, open_store};
use super::{TaskBuilder, debs, place_file};
use crate::locking::{DOWNLOADS, FetchError, bases, check_package, keys_of_packages, wanted as wanted_file};
use crate::project::{
    DebRepositoryDefinition, LockedPackage, Nevra, Project, Release, RepositoryDefinition, RepositoryName,
    Upstream,
};

/// The name of the task that downloads packages for a repository.
pub(super) fn name(repository: &RepositoryDefinition) -> String {
    format!("_download_redhat_{}_packages:{}", repository.release, repository.name)
}

/// The repository for which the task of this name downloads packages: its name and release.
#[must_use]
pub fn downloaded_by<'a>(project: &'a Project, task: &str) -> Option<(&'a RepositoryName, &'a Release)> {
    let downloads = |one: &&RepositoryDefinition| {
        one.upstream.as_ref().is_some_and(|upstream| !upstream.on_nodes) && name(one) == task
    };
    let rpms = project.repositories.iter().find(downloads).map(|one| (&one.name, &one.release));
    rpms.or_else(|| {
        let downloads = |one: &&DebRepositoryDefinition| debs::download_name(one) == task;
        project.deb_repositories.iter().find(downloads).map(|one| (&one.name, &one.release))
    })
}

/// What the lock file lacks for a repository, in words.
pub(super) fn unlocked(repository: &RepositoryDefinition) -> Option<String> {
    let architecture = repository.upstream.as_ref()?.unlocked().next()?;
    let several = repository.upstream.as_ref().is_some_and(|upstream| upstream.parts.len() > 1);
    let of = if several { format!(" on {architecture}") } else { String::new() };
    Some(format!("the package set of {} for release {}{of}", repository.name, repository.release))
}

/// A package to download, and its place in the archive.
struct Wanted {
    name: Nevra,
    package: LockedPackage,
    /// That of the repository which has it.
    architecture: String,
    target: PathBuf,
}

/// The task that downloads the packages of a repository; `None` if it downloads none.
pub(super) fn task(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    repository: &RepositoryDefinition,
    folder: &Path,
) -> Option<Task> {
    let upstream = repository.upstream.as_ref().filter(|upstream| !upstream.on_nodes)?;
    let keys = key_files(project, repository, upstream, folder);
    let mut inputs = builder.made_here();
    inputs.extend(upstream.keys.iter().map(|key| builder.input(key, key)));
    // Where the packages come from does not count: their digests say what they are.
    inputs.push(TaskInput::value("signatures", format!("{:?}", upstream.signatures)));
    let mut outputs: Vec<TaskOutput> =
        keys.iter().map(|(_, target)| TaskOutput::File(target.clone())).collect();
    let mut wanted = Vec::new();
    let mut said = String::new();
    if upstream.unlocked().next().is_some() {
        said.push_str("none: not locked");
    } else {
        for (name, (part, package)) in upstream.packages() {
            said.push_str(&format!("{name} {}\n", package.digest));
            let target = folder.join(name.arch()).join(name.file_name());
            outputs.push(TaskOutput::File(target.clone()));
            let (name, package, architecture) = (name.clone(), package.clone(), part.architecture.clone());
            wanted.push(Wanted { name, package, architecture, target });
        }
    }
    inputs.push(TaskInput::value("packages", said));
    Some(Task {
        name: name(repository),
        alias: format!("packaging:{}/download", repository.name),
        doc: format!("Download the packages of {} for release {}.", repository.name, repository.release),
        title: Title::new("DOWNLOAD RPMS", builder.shown(folder)),
        inputs,
        outputs,
        action: Some(action(project, repository, upstream, builder.registries, wanted, keys)),
        pool: Some(super::NETWORK.into()),
        ..Task::default()
    })
}

/// The files of the keys, each with its place in the archive.
fn key_files(
    project: &Project,
    repository: &RepositoryDefinition,
    upstream: &Upstream,
    folder: &Path,
) -> Vec<(PathBuf, PathBuf)> {
    let base = format!("RPM-GPG-KEY-{}-{}-{}", project.values.slug, repository.name, repository.release);
    let place = |(number, key): (usize, &PathBuf)| {
        let name = if upstream.keys.len() == 1 { base.clone() } else { format!("{base}_{}", number + 1) };
        (key.clone(), folder.join(name))
    };
    upstream.keys.iter().enumerate().map(place).collect()
}

fn action(
    project: &Arc<Project>,
    repository: &RepositoryDefinition,
    upstream: &Upstream,
    registries: &RegistrySession,
    wanted: Vec<Wanted>,
    keys: Vec<(PathBuf, PathBuf)>,
) -> TaskAction {
    let (project, registries) = (Arc::clone(project), registries.clone());
    let (upstream, label) = (upstream.clone(), format!("{} {}", repository.name, repository.release));
    Box::new(move |context| {
        if upstream.unlocked().next().is_some() {
            let message = format!(
                "the packages of {label} are not locked, or the project has changed: run `sealift lock`"
            );
            return Err(ActionError::failed(message));
        }
        let store = open_store(&project)?;
        let trusted = keys_of_packages(&upstream).map_err(ActionError::failed)?;
        let watch = Watch { context };
        let fetched = parallel::map(DOWNLOADS, &wanted, |one| {
            if context.cancelled() {
                return Err(ActionError::Cancelled);
            }
            let missing = || ActionError::failed(format!("{}: its repository is gone", one.name));
            let part = upstream.part(&one.architecture).ok_or_else(missing)?;
            let locked = part.locked.as_ref().ok_or_else(missing)?;
            let (bases, accounts) = (bases(&part.location, locked), part.location.accounts());
            let file = wanted_file(&one.name, &one.package, bases, &accounts);
            file.fetch(&store, &registries, &watch).map_err(|error| failed(error, context))?;
            check_package(&file, &store, trusted.as_ref()).map(drop).map_err(|error| failed(error, context))
        });
        fetched.into_iter().collect::<Result<Vec<()>, _>>()?;
        for (source, target) in &keys {
            place_file::copy_as(source, target, Some(0o644))?;
        }
        for one in &wanted {
            content::remove(&one.target)?;
            store.give(&one.package.digest, &one.target)?;
            context.record(&one.target, one.package.digest)?;
        }
        Ok(())
    })
}

/// The error of a task.
pub(super) fn failed(error: FetchError, context: &TaskContext<'_>) -> ActionError {
    match error {
        FetchError::Download(_) if context.cancelled() => ActionError::Cancelled,
        FetchError::Download(error) => error.into(),
        FetchError::Store(error) => error.into(),
        FetchError::File(error) => error.into(),
        error @ FetchError::Package { .. } => ActionError::failed(error.to_string()),
    }
}
