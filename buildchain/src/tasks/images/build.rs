//! Images that are built here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use content::Digest;
use graph::{ActionError, Discover, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title};
use images::build::context::{BuildContext as Copied, ContextEntryKind};
use images::build::engine::{self, Engine};
use images::{Platform, RegistrySession, Store};

use super::super::{Error, TaskBuilder, source_input};
use super::{folder, locked, open_store, pull_now, record_digests};
use crate::project::{self, BaseImage, BuildMethod, Containerfile, ImageDefinition, Project};

/// The name of the task that builds an image.
pub(super) fn name(image: &ImageDefinition) -> String {
    format!("_image_build:{}", image.name)
}

pub(super) fn task(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    image: &ImageDefinition,
    registries: &RegistrySession,
) -> Result<Task, Error> {
    let (name, version) = (&image.name, &project.values.version);
    let folders: Vec<PathBuf> = image.tags.iter().map(|tag| folder(project, name, tag)).collect();
    let mut inputs = builder.made_here();
    let declared_date = match &image.method {
        BuildMethod::Declaration(definition) => definition.created,
        BuildMethod::Containerfile(file) => file.created,
    };
    let date = project.image_date(declared_date.map(images::build::Created::seconds));
    inputs.push(TaskInput::value("source date", date.to_string()));
    for base in &image.bases {
        let digest = base.digest.map_or_else(|| "none: not locked".into(), |digest| digest.to_string());
        inputs.push(TaskInput::value(format!("base {}", base.reference), digest));
    }
    let work = match &image.method {
        BuildMethod::Declaration(definition) => {
            declared(builder, image, definition, date, registries, &mut inputs)?
        }
        BuildMethod::Containerfile(file) => contained(project, image, file, date, registries, &mut inputs)?,
    };
    let (project, targets) = (Arc::clone(project), folders.clone());
    let make = work.make;
    let action: TaskAction = Box::new(move |context| {
        let store = open_store(&project)?;
        let digest = make(context, &store)?;
        for target in &targets {
            let files = images::dir_layout::write(&store, &digest, &[], target)?;
            record_digests(context, target, &files)?;
        }
        Ok(())
    });
    Ok(Task {
        name: self::name(image),
        alias: format!("images:{name}"),
        doc: format!("Build the image {name}:{version}."),
        title: Title::new("IMG BUILD", format!("{name}:{version}")),
        inputs,
        discover: work.discover,
        after: work.after,
        outputs: folders.into_iter().map(TaskOutput::Folder).collect(),
        action: Some(action),
        pool: work.engine.then(|| super::super::ENGINE.into()),
        timeout: work.engine.then_some(ENGINE_TIMEOUT),
        ..Task::default()
    })
}

/// No build of an image takes this long, unless it hangs.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// What differs between the ways of building.
struct Work {
    /// An engine does it.
    engine: bool,
    /// The tasks of the project that write what it copies.
    after: Vec<String>,
    discover: Option<Discover>,
    make: Make,
}

/// Brings an image into the store.
type Make = Box<dyn Fn(&TaskContext<'_>, &Store) -> Result<Digest, ActionError> + Send + Sync>;

fn declared(
    builder: &TaskBuilder<'_>,
    image: &ImageDefinition,
    definition: &images::build::DefinedImage,
    date: i64,
    registries: &RegistrySession,
    inputs: &mut Vec<TaskInput>,
) -> Result<Work, Error> {
    let wrong = |message: String| Error::Definition { path: image.path.clone(), message };
    let text = serde_json::to_string(definition).map_err(|error| wrong(error.to_string()))?;
    inputs.push(TaskInput::value("definition", text));
    let mut definition = definition.clone();
    for file in &mut definition.files {
        let name = std::mem::take(&mut file.from);
        file.from = builder.source(&image.path, &name)?;
        inputs.push(builder.input(&Path::new("/").join(&file.from), &name));
    }
    let bases = image.bases.clone();
    let registries = registries.clone();
    let make: Make = Box::new(move |context, store| {
        let pulled = pull(&bases, definition.platform.as_ref(), &registries, context, store)?;
        Ok(images::build::build(&definition, Path::new("/"), date, pulled.first(), store)?)
    });
    Ok(Work { engine: false, after: Vec::new(), discover: None, make })
}

/// The folder that a `Containerfile` copies from.
///
/// # Errors
///
/// If it leads out of the project.
pub(in super::super) fn context(project: &Project, file: &Containerfile) -> Result<Copied, Error> {
    let folder = project.territory.resolve(&file.context).map_err(project::Error::from)?;
    Ok(Copied { folder, without: vec![project.settings.build_root.clone()] })
}

fn contained(
    project: &Arc<Project>,
    image: &ImageDefinition,
    file: &Containerfile,
    date: i64,
    registries: &RegistrySession,
    inputs: &mut Vec<TaskInput>,
) -> Result<Work, Error> {
    let Containerfile { arguments, target: stage, platform, names, .. } = file;
    let copied = self::context(project, file)?;
    if let Some(ignore_file) = copied.ignore_file() {
        project.territory.resolve(&ignore_file).map_err(project::Error::from)?;
    }
    let containerfile = project.root.join(&image.path);
    inputs.push(TaskInput::file(&containerfile));
    for (name, value) in arguments {
        inputs.push(TaskInput::value(format!("argument {name}"), value));
    }
    inputs.push(TaskInput::value("target", stage.as_deref().unwrap_or("the last stage")));
    let target = platform.clone().unwrap_or_else(Platform::host);
    inputs.push(TaskInput::value("platform", target.to_string()));
    let after = project
        .tasks
        .iter()
        .filter(|task| task.outputs.iter().any(|output| output.path.starts_with(&copied.folder)))
        .map(|task| task.name.to_string())
        .collect();
    let discover = discover(copied.clone(), Arc::clone(project));
    let recipe = engine::EngineBuild {
        containerfile,
        context: copied,
        arguments: arguments.clone(),
        target: stage.clone(),
        platform: platform.clone(),
        bases: Vec::new(),
        source_date: date,
    };
    let (project, bases, names) = (Arc::clone(project), image.bases.clone(), names.clone());
    let registries = registries.clone();
    let make: Make = Box::new(move |context, store| {
        let engine = engine(&project)?;
        let digests = pull(&bases, recipe.platform.as_ref(), &registries, context, store)?;
        let bases = names.iter().cloned().zip(digests).collect();
        let recipe = engine::EngineBuild { bases, ..recipe.clone() };
        engine.build(&recipe, store, &mut |command: &mut Command| context.run(command).map(drop))
    });
    Ok(Work { engine: true, after, discover: Some(discover), make })
}

fn engine(project: &Project) -> Result<Engine, images::Error> {
    Engine::find(project.settings.engine())
}

/// What a `Containerfile` may copy, and what builds it, as they are when the image's turn comes.
fn discover(copied: Copied, project: Arc<Project>) -> Discover {
    Box::new(move |_| {
        // Without one the task says what is missing.
        let engine = engine(&project).map_or_else(|_| String::new(), |engine| engine.version().to_owned());
        let mut inputs = vec![TaskInput::value("engine", engine)];
        for entry in copied.entries()? {
            let shown = entry.path.to_string_lossy();
            inputs.push(match entry.kind {
                ContextEntryKind::File => {
                    source_input(&project, &copied.folder.join(&entry.path), &entry.path)
                }
                ContextEntryKind::Folder => TaskInput::value(format!("folder {shown}"), "copied"),
                ContextEntryKind::Link(target) => {
                    TaskInput::value(format!("link {shown}"), target.to_string_lossy())
                }
            });
        }
        Ok(inputs)
    })
}

/// Pulls what an image is built on; the digests, in the order of `bases`.
pub(in super::super) fn pull(
    bases: &[BaseImage],
    platform: Option<&Platform>,
    registries: &RegistrySession,
    context: &TaskContext<'_>,
    store: &Store,
) -> Result<Vec<Digest>, ActionError> {
    let platform = platform.cloned().unwrap_or_else(Platform::host);
    let mut requests = Vec::new();
    for base in bases {
        let reference = &base.reference;
        requests.push(images::pull::PullRequest {
            name: reference.repository().to_owned(),
            tag: reference.tag().unwrap_or("by digest").to_owned(),
            reference: reference.clone(),
            platforms: vec![platform.clone()],
            expected: Some(locked(reference, base.digest)?),
            referrers: false,
        });
    }
    let pulled = pull_now(&requests, store, registries, context)?;
    Ok(pulled.into_iter().map(|image| image.digest).collect())
}
