//! Sources outside the project, each fetched to its folder below the build root: `sources`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use archive::unpack::{TarSelection, TreeWriter, UnpackError, UnpackLimits, unpack_tar};
use content::{Digest, LinkPolicy};
use graph::{ActionError, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title};
use images::RegistrySession;
use images::pull::{DOWNLOAD_MAX, Download, RegistryFault};
use iso::Exclude;

use super::images::{Watch, open_store};
use super::{TaskBuilder, place_file};
use crate::project::{
    FileForm, Pattern, Project, RemoteError, RemoteFile, RemoteGit, RemoteRepository, SourceContent,
    SourceDefinition,
};

/// The name of the task that fetches a source.
pub(super) fn name(source: &SourceDefinition) -> String {
    format!("_fetch:{}", source.name)
}

/// What the lock file lacks for a source, in words.
pub(super) fn unlocked(source: &SourceDefinition) -> Option<String> {
    let is_unlocked = match &source.content {
        SourceContent::File(file) => file.digest.is_none(),
        SourceContent::Git(repository) => repository.commit.is_none(),
    };
    is_unlocked.then(|| location(source))
}

/// A URL without its query, which may have a secret.
pub(crate) fn shown_url(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// The download of a file of `spec.sources` with the digest `digest`.
pub(crate) fn wanted(source: &SourceDefinition, file: &RemoteFile, digest: Option<Digest>) -> Download {
    let urls = file.urls().map(ToString::to_string).collect();
    Download { name: source.name.to_string(), urls, digest, limit: DOWNLOAD_MAX, accounts: Vec::new() }
}

/// Adds the tasks of sources outside the project.
pub(super) fn add(builder: &mut TaskBuilder<'_>) {
    let project = Arc::clone(builder.project);
    let mut members = Vec::new();
    for source in &project.external_sources {
        let task = task(builder, &project, source);
        members.push(builder.push_for(source.origin.clone(), format!("the source {}", source.name), task));
    }
    if !members.is_empty() {
        builder.group("sources", "Fetch the sources from outside the project.", members);
    }
}

fn task(builder: &TaskBuilder<'_>, project: &Arc<Project>, source: &SourceDefinition) -> Task {
    let folder = source.folder(&project.settings.build_root);
    let mut inputs = builder.made_here();
    // Where the content comes from does not count: its hash says what it is.
    let action = match &source.content {
        SourceContent::File(file) => {
            let digest = file.digest.map_or_else(|| "none: not locked".into(), |digest| digest.to_string());
            inputs.push(TaskInput::value("digest", digest));
            match &file.form {
                FileForm::Plain { name, mode } => {
                    inputs.push(TaskInput::value("file", format!("{name} {mode:o}")));
                }
                FileForm::Archive { strip, only, exclude } => {
                    inputs.push(TaskInput::value("strip", strip.to_string()));
                    inputs.push(TaskInput::value("only", lines(only)));
                    inputs.push(TaskInput::value("exclude", lines(exclude)));
                }
            }
            fetch_file(project, source, file, builder.registries, folder.clone())
        }
        SourceContent::Git(repository) => {
            let commit = repository.commit.as_ref().map_or("none: not locked", |commit| commit.as_str());
            inputs.push(TaskInput::value("commit", commit));
            inputs.push(TaskInput::value("folder", repository.folder.to_string_lossy()));
            fetch_repository(project, source, repository, folder.clone())
        }
    };
    Task {
        name: name(source),
        alias: format!("sources:{}", source.name),
        doc: format!("Fetch {}.", location(source)),
        title: Title::new("FETCH", source.name.to_string()),
        inputs,
        outputs: vec![TaskOutput::Folder(folder)],
        action: Some(action),
        pool: Some(super::NETWORK.into()),
        ..Task::default()
    }
}

/// Where a source is, for people.
fn location(source: &SourceDefinition) -> String {
    match &source.content {
        SourceContent::File(file) => shown_url(file.url.as_str()),
        SourceContent::Git(RemoteRepository { location, reference: Some(reference), .. }) => {
            format!("{reference} of {location}")
        }
        SourceContent::Git(RemoteRepository { location, .. }) => location.to_string(),
    }
}

fn lines(patterns: &[Pattern]) -> String {
    patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join("\n")
}

/// An empty folder in the place of whatever has the name.
pub(super) fn empty(folder: &Path) -> Result<(), ActionError> {
    content::remove(folder)?;
    Ok(content::create_folder(folder)?)
}

pub(super) fn not_locked(what: &str) -> ActionError {
    ActionError::failed(format!("{what} is not locked: run `sealift lock`"))
}

fn fetch_file(
    project: &Arc<Project>,
    source: &SourceDefinition,
    file: &RemoteFile,
    registries: &RegistrySession,
    folder: PathBuf,
) -> TaskAction {
    let (project, registries) = (Arc::clone(project), registries.clone());
    let (source, file) = (source.clone(), file.clone());
    Box::new(move |context| {
        let digest = file.digest.ok_or_else(|| not_locked(&location(&source)))?;
        let store = open_store(&project)?;
        let wanted = wanted(&source, &file, Some(digest));
        match images::pull::download(&wanted, &store, &registries, &Watch { context }) {
            Err(_) if context.cancelled() => return Err(ActionError::Cancelled),
            Err(error) if has_changed(&error) => return Err(changed(&error, &file)),
            fetched => drop(fetched?),
        }
        let blob = store.blob_path(&digest);
        empty(&folder)?;
        match &file.form {
            FileForm::Plain { name, mode } => {
                let target = folder.join(name);
                place_file::copy_as(&blob, &target, Some(*mode))?;
                Ok(context.record(&target, digest)?)
            }
            FileForm::Archive { strip, only, exclude } => {
                unpack(context, &source, &blob, *strip, only, exclude, &folder)
            }
        }
    })
}

/// Whether a server sent another file than the one that is locked.
pub(super) fn has_changed(error: &images::pull::Error) -> bool {
    let mut faults = error.failures.iter().map(|failure| &failure.fault);
    faults.any(|fault| matches!(fault, RegistryFault::DigestMismatch { .. }))
}

fn changed(error: &images::pull::Error, file: &RemoteFile) -> ActionError {
    let accept =
        if file.is_pinned { "change its `digest` in the project file" } else { "run `sealift update`" };
    ActionError::failed(format!("{error}; the file has changed: if the new one is right, {accept}"))
}

fn unpack(
    context: &TaskContext<'_>,
    source: &SourceDefinition,
    blob: &Path,
    strip: usize,
    only: &[Pattern],
    exclude: &[Pattern],
    folder: &Path,
) -> Result<(), ActionError> {
    let failed = |error: UnpackError| ActionError::failed(format!("{}: {error}", source.name));
    let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut wanted = Exclude::new(&texts(only))?;
    let mut unwanted = Exclude::new(&texts(exclude))?;
    // A pattern that matches a folder is about everything in it.
    let matches = |patterns: &mut Exclude, path: &str, is_folder: bool| {
        let above = path.match_indices('/').map(|(at, _)| at);
        let mut above = above.filter_map(|at| path.get(..at));
        above.any(|folder| patterns.excludes(Path::new(folder), true))
            || patterns.excludes(Path::new(path), is_folder)
    };
    let mut keep = |path: &str, is_folder: bool| {
        (only.is_empty() || matches(&mut wanted, path, is_folder)) && !matches(&mut unwanted, path, is_folder)
    };
    let mut file = content::open(blob, LinkPolicy::Refuse)?;
    let mut writer = TreeWriter::new(folder, UnpackLimits::default()).map_err(failed)?;
    unpack_tar(&mut file, &mut TarSelection { strip, keep: &mut keep }, &mut writer).map_err(failed)?;
    let count = writer.finish().map_err(failed)?;
    if let Some(pattern) = wanted.unused().next() {
        let message = format!("{}: `{pattern}` of `only` matches nothing in the archive", source.name);
        return Err(ActionError::failed(message));
    }
    for pattern in unwanted.unused() {
        context.warn(format!("{}: `{pattern}` of `exclude` matches nothing", source.name));
    }
    nonempty(source, count)
}

/// Refuses a source without a file: something is wrong with the entry.
fn nonempty(source: &SourceDefinition, count: usize) -> Result<(), ActionError> {
    if count > 0 {
        return Ok(());
    }
    let message = format!("{}: no file is left: check `strip`, `only`, `exclude` and `folder`", source.name);
    Err(ActionError::failed(message))
}

/// What stops a fetch by git.
enum Stopped {
    Action(ActionError),
    Remote(RemoteError),
}

impl From<RemoteError> for Stopped {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

fn fetch_repository(
    project: &Arc<Project>,
    source: &SourceDefinition,
    repository: &RemoteRepository,
    folder: PathBuf,
) -> TaskAction {
    let project = Arc::clone(project);
    let (source, repository) = (source.clone(), repository.clone());
    Box::new(move |context| {
        let Some(commit) = &repository.commit else {
            return Err(not_locked(&location(&source)));
        };
        // While the store is open, nobody removes what is below it.
        let _store = open_store(&project)?;
        let git = RemoteGit::new(&project.settings, &project.root, &repository.location);
        let run = |command: &mut Command| context.run(command).map(drop).map_err(Stopped::Action);
        let fetch = || {
            git.fetch(commit, run, || context.cancelled()).map_err(|stopped| match stopped {
                Stopped::Action(ActionError::Failed(_)) => {
                    let location = &repository.location;
                    let message = format!("git repository {location}: cannot fetch the commit {commit}");
                    ActionError::failed(message)
                }
                Stopped::Action(error) => error,
                Stopped::Remote(error) => error.into(),
            })
        };
        let failed = |error: UnpackError| ActionError::failed(format!("{}: {error}", source.name));
        let export = || {
            empty(&folder)?;
            let mut writer = TreeWriter::new(&folder, UnpackLimits::default()).map_err(failed)?;
            let exported = git.export(commit, &repository.folder, &mut writer);
            Ok::<_, ActionError>(exported.map(|()| writer))
        };
        fetch()?;
        let writer = match export()? {
            // A damaged object is read as one that is too short.
            Err(RemoteError::Git { .. } | RemoteError::Content { .. }) if git.remove_damaged()? => {
                fetch()?;
                export()?
            }
            exported => exported,
        };
        nonempty(&source, writer?.finish().map_err(failed)?)
    })
}
