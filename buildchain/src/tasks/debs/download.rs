//! Debian packages of upstream repositories, downloaded as the lock file has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::parallel;
use graph::{ActionError, Task, TaskAction, TaskInput, TaskOutput, Title};
use images::Store;
use packages::debian::DebPackage;

use super::super::download::failed;
use super::super::images::{Watch, open_store};
use super::super::{NETWORK, TaskBuilder};
use crate::locking::{DOWNLOADS, WantedFile};
use crate::project::{DebDownloads, DebName, DebRepositoryDefinition, LockedDeb, Project};

/// The name of the task that downloads packages for a repository.
pub(in super::super) fn name(repository: &DebRepositoryDefinition) -> String {
    format!("_download_debian_{}_packages:{}", repository.release, repository.name)
}

/// What the lock file lacks for a repository, in words.
pub(in super::super) fn unlocked(repository: &DebRepositoryDefinition) -> Option<String> {
    let downloads = repository.downloads.as_ref().filter(|downloads| downloads.locked.is_none())?;
    (!downloads.requests.is_empty())
        .then(|| format!("the package set of {} for release {}", repository.name, repository.release))
}

/// A package to download, and its place in the archive.
struct Wanted {
    name: DebName,
    package: LockedDeb,
    target: PathBuf,
}

/// The task that downloads the packages of a repository; `None` if it downloads none.
pub(super) fn task(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    repository: &DebRepositoryDefinition,
    folder: &Path,
) -> Option<Task> {
    let downloads = repository.downloads.as_ref()?;
    let mut inputs = builder.made_here();
    let mut wanted = Vec::new();
    // Where the packages come from does not count: their digests say what they are.
    let mut said = String::new();
    match &downloads.locked {
        None => said.push_str("none: not locked"),
        Some(locked) => {
            for (name, package) in &locked.packages {
                said.push_str(&format!("{name} {}\n", package.digest));
                let target = folder.join(name.place());
                wanted.push(Wanted { name: name.clone(), package: package.clone(), target });
            }
        }
    }
    inputs.push(TaskInput::value("packages", said));
    Some(Task {
        name: name(repository),
        alias: format!("packaging:{}/download", repository.name),
        doc: format!("Download the packages of {} for release {}.", repository.name, repository.release),
        title: Title::new("DOWNLOAD DEBS", builder.shown(folder)),
        inputs,
        outputs: wanted.iter().map(|one| TaskOutput::File(one.target.clone())).collect(),
        action: Some(action(builder, project, repository, wanted)),
        pool: Some(NETWORK.into()),
        ..Task::default()
    })
}

fn action(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    repository: &DebRepositoryDefinition,
    wanted: Vec<Wanted>,
) -> TaskAction {
    let (project, registries) = (Arc::clone(project), builder.registries.clone());
    let bases = repository.downloads.as_ref().and_then(|downloads| downloads.source.as_ref());
    let bases = bases.map(|source| source.urls.clone()).unwrap_or_default();
    let accounts = repository.downloads.as_ref().map(DebDownloads::accounts).unwrap_or_default();
    let unlocked = unlocked(repository);
    Box::new(move |context| {
        if let Some(what) = &unlocked {
            return Err(ActionError::failed(format!(
                "{what} is not locked, or the project has changed: run `sealift lock`"
            )));
        }
        let store = open_store(&project)?;
        let watch = Watch { context };
        let fetched = parallel::map(DOWNLOADS, &wanted, |one| {
            if context.cancelled() {
                return Err(ActionError::Cancelled);
            }
            let LockedDeb { path, digest, size, .. } = &one.package;
            let name = one.name.as_str();
            let file = WantedFile { name, path, digest, size: *size, bases: &bases, accounts: &accounts };
            file.fetch(&store, &registries, &watch).map_err(|error| failed(error, context))?;
            check(one, &store)
        });
        fetched.into_iter().collect::<Result<Vec<()>, _>>()?;
        for one in &wanted {
            content::remove(&one.target)?;
            store.give(&one.package.digest, &one.target)?;
            context.record(&one.target, one.package.digest)?;
        }
        Ok(())
    })
}

/// Checks that a package is the one that the lock file names. The store has checked its content.
fn check(wanted: &Wanted, store: &Store) -> Result<(), ActionError> {
    let Wanted { name, package, .. } = wanted;
    let wrong = |reason: String| ActionError::failed(format!("{name}: {reason}"));
    let identity = DebPackage::identify(&store.blob_path(&package.digest));
    let identity = identity.map_err(|error| wrong(error.to_string()))?.to_string();
    if identity != name.as_str() {
        return Err(wrong(format!("the file is another package: {}", content::printable(&identity))));
    }
    Ok(())
}
