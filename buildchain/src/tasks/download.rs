//! Packages of upstream repositories, downloaded as the lock file has them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::{LinkPolicy, parallel};
use graph::{ActionError, Task, TaskAction, TaskInput, TaskOutput, Title};
use images::pull::{Download, RegistryFault};
use images::{RegistrySession, Store};
use packages::openpgp::{Keys, ValidAt};
use packages::repository::verify_package;

use super::images::{Watch, open_store};
use super::{TaskBuilder, place_file};
use crate::locking::{joined, local, read_keys};
use crate::project::{
    LockedPackage, LockedRepository, Nevra, Project, RepositoryDefinition, SignatureRule, Upstream,
    UpstreamLocation,
};

/// How many packages are fetched at the same time.
const DOWNLOADS: usize = 4;

/// The name of the task that downloads packages for a repository.
pub(super) fn name(repository: &RepositoryDefinition) -> String {
    format!("_download_redhat_{}_packages:{}", repository.release, repository.name)
}

/// What the lock file lacks for a repository, in words.
pub(super) fn unlocked(repository: &RepositoryDefinition) -> Option<String> {
    let upstream = repository.upstream.as_ref().filter(|upstream| !upstream.on_nodes)?;
    upstream
        .locked
        .is_none()
        .then(|| format!("the package set of {} for release {}", repository.name, repository.release))
}

/// A package to download, and its place in the archive.
struct Wanted {
    name: Nevra,
    package: LockedPackage,
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
    let said = match &upstream.locked {
        None => "none: not locked".to_owned(),
        Some(locked) => {
            let mut said = String::new();
            for (name, package) in &locked.packages {
                said.push_str(&format!("{name} {}\n", package.digest));
                let target = folder.join(name.arch()).join(name.file_name());
                outputs.push(TaskOutput::File(target.clone()));
                wanted.push(Wanted { name: name.clone(), package: package.clone(), target });
            }
            said
        }
    };
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
        let Some(locked) = &upstream.locked else {
            let message = format!(
                "the packages of {label} are not locked, or the project has changed: run `sealift lock`"
            );
            return Err(ActionError::failed(message));
        };
        let store = open_store(&project)?;
        let trusted = match upstream.signatures {
            SignatureRule::None => None,
            _ => Some(read_keys(&upstream.keys).map_err(ActionError::failed)?),
        };
        let watch = Watch { context };
        let bases = bases(&upstream, locked);
        let fetched = parallel::map(DOWNLOADS, &wanted, |one| {
            if context.cancelled() {
                return Err(ActionError::Cancelled);
            }
            fetch(one, &upstream.location, bases, &store, &registries, &watch)?;
            check(one, &store, trusted.as_ref())
        });
        fetched.into_iter().collect::<Result<Vec<()>, _>>()?;
        for (source, target) in &keys {
            place_file::copy_as(source, target, Some(0o644))?;
        }
        for one in &wanted {
            place_file::link(&store.blob_path(&one.package.digest), &one.target)?;
            context.record(&one.target, one.package.digest)?;
        }
        Ok(())
    })
}

/// The URLs of the repository.
fn bases<'a>(upstream: &'a Upstream, locked: &'a LockedRepository) -> &'a [String] {
    match &upstream.location {
        UpstreamLocation::Urls(urls) => urls,
        _ => &locked.mirrors,
    }
}

/// Brings a package into the store.
fn fetch(
    wanted: &Wanted,
    location: &UpstreamLocation,
    bases: &[String],
    store: &Store,
    registries: &RegistrySession,
    watch: &Watch<'_, '_>,
) -> Result<(), ActionError> {
    let Wanted { name, package: LockedPackage { path, digest, size, .. }, .. } = wanted;
    if store.has(digest, *size)? {
        return Ok(());
    }
    let urls: Vec<String> = bases.iter().map(|base| joined(base, path.as_str())).collect();
    let replaced = |found: &str| {
        ActionError::failed(format!(
            "{name}: the repository has another file under this name, {found}: if it is right, run `sealift update`"
        ))
    };
    // A folder of this machine: the first one that has the file counts.
    let folders = bases.iter().filter_map(|base| local(base));
    if let Some(file) = folders.map(|folder| folder.join(path.as_str())).find(|file| file.exists()) {
        let mut source = content::open(&file, LinkPolicy::Follow)?;
        let mut new = store.create()?;
        std::io::copy(&mut source, &mut new).map_err(content::IoError::at("copy", &file))?;
        return match new.finish_as(digest) {
            Err(images::Error::DigestMismatch { found, .. }) => Err(replaced(&found.to_string())),
            other => other.map(|_| ()).map_err(ActionError::from),
        };
    }
    let urls: Vec<String> = urls.into_iter().filter(|url| local(url).is_none()).collect();
    if urls.is_empty() {
        return Err(ActionError::failed(format!("{name}: no folder of the repository has {path}")));
    }
    let download = Download {
        name: name.to_string(),
        urls,
        digest: Some(*digest),
        limit: *size,
        accounts: location.accounts(),
    };
    match images::pull::download(&download, store, registries, watch) {
        Err(_) if watch.context.cancelled() => Err(ActionError::Cancelled),
        Err(error) => {
            let of_other = error.failures.iter().find(|failure| {
                matches!(failure.fault, RegistryFault::DigestMismatch { .. } | RegistryFault::TooLarge { .. })
            });
            match of_other {
                Some(failure) => Err(replaced(&failure.fault.to_string())),
                None => Err(error.into()),
            }
        }
        Ok(_) => Ok(()),
    }
}

/// Checks that a package is what the lock file says, and its signature.
fn check(wanted: &Wanted, store: &Store, keys: Option<&Keys>) -> Result<(), ActionError> {
    let Wanted { name, package: LockedPackage { digest, size, .. }, .. } = wanted;
    let failed = |reason: String| ActionError::failed(format!("{name}: {reason}"));
    let found = store.size(digest)?;
    if found != Some(*size) {
        let found = found.unwrap_or_default();
        return Err(failed(format!("expected {size} bytes, as sealift.lock has it, found {found}")));
    }
    let path = store.blob_path(digest);
    let verified = verify_package(&path, keys, ValidAt::Signing).map_err(|error| match error {
        packages::Error::Signature { fault, .. } => failed(fault.to_string()),
        error => failed(error.to_string()),
    })?;
    let identity = verified.identity.to_string();
    if identity != name.as_str() {
        return Err(failed(format!("the file is another package: {}", content::printable(&identity))));
    }
    Ok(())
}
