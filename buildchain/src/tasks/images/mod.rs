//! Container images and the registry tree: `images`.

mod build;
mod engine;
mod image_policy;
mod lock;
mod original_names;
mod referrers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Digest;
use graph::{ActionError, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title, Transfer};
use images::pull::{HostTls, PullRequest, PulledImage, RegistryOptions};
use images::source::{LocalImage, LocalLayout};
use images::{Platform, Reference, RegistrySession, Store};

pub(super) use self::build::{context, pull};
pub use self::lock::check_locked;
pub(crate) use self::lock::names_of_unlocked;
pub(super) use self::referrers::tags as referrer_tags;
use super::{Error, TaskBuilder, TaskHandle, place_file};
use crate::project::{ImageName, Project, PullDefinition, PullSource, Tag};

/// How the registries of `project` are reached: the mirrors of the settings first, then those of the project file.
#[must_use]
pub fn registry_options(project: &Project) -> RegistryOptions {
    let settings = &project.settings;
    let mut options = RegistryOptions {
        auth_files: settings.auth_files.clone(),
        auth_places: settings.auth_places.clone(),
        certificate_folders: settings.certificate_folders.clone(),
        proxies: settings.proxies.clone(),
        ..RegistryOptions::default()
    };
    for (host, url) in &project.settings.mirrors {
        options.mirrors.entry(host.to_string()).or_default().push(url.to_string());
    }
    for registry in &project.registries {
        let host = registry.host.as_str();
        let mirrors = options.mirrors.entry(host.to_owned()).or_default();
        mirrors.extend(registry.mirrors.iter().map(ToString::to_string));
        if registry.plain_http {
            options.plain_http.insert(host.to_owned());
        }
        let tls = HostTls {
            certificate_authorities: registry.certificate_authorities.clone(),
            client_certificate: registry.client_certificate.clone(),
        };
        if tls.client_certificate.is_some() || !tls.certificate_authorities.is_empty() {
            options.tls.insert(host.to_owned(), tls);
        }
    }
    options
}

/// Adds the tasks of images and of the registry tree; their group.
pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Result<TaskHandle, Error> {
    let project = Arc::clone(builder.project);
    let registries = builder.registries.clone();
    let mut attached = referrers::ListFolders::default();
    let mut members = Vec::new();
    for pull in &project.pull {
        let what = format!("the image {}:{}", pull.name, pull.tag);
        let task = pull_image(builder, &project, pull, &registries);
        members.push(builder.push_for(pull.origin.clone(), &what, task));
        if let Some(reference) = pull.reference().filter(|_| pull.with_referrers) {
            let task = referrers::task(builder, &project, (pull, reference), &registries, &mut attached);
            members.push(builder.push_for(pull.origin.clone(), format!("the referrers of {what}"), task));
        }
        if pull.tar {
            let task = save_image(builder, &project, pull)?;
            members.push(builder.push_for(pull.origin.clone(), format!("the tar of {what}"), task));
        }
    }
    for image in &project.images {
        let task = build::task(builder, &project, image, &registries)?;
        members.push(builder.push_for(image.origin.clone(), format!("the image {}", image.name), task));
    }

    members.extend(original_names::task(builder, &project)?.map(|task| builder.push(task)));
    members.extend(image_policy::task(builder, &project).map(|task| builder.push(task)));

    if !project.pull.is_empty() || !project.images.is_empty() || !project.selections.is_empty() {
        members.extend(add_registry(builder, &project));
        members.extend(add_solution_config(builder, &project));
    }
    Ok(builder.group("images", "Pull and build the container images.", members))
}

/// The name of the task that indexes the images.
const INDEX: &str = "_registry_index";

/// The index and the configuration that make the images a registry.
fn add_registry(builder: &mut TaskBuilder<'_>, project: &Project) -> [TaskHandle; 2] {
    let images = project.tree().join(archive::layout::IMAGES);
    let registry = project.tree().join(archive::layout::REGISTRY);
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::folder(&images));
    let index = registry.clone();
    let index_task = builder.push(Task {
        name: INDEX.into(),
        alias: "images:registry_index".into(),
        doc: "Index the images for nginx.".into(),
        title: Title::new("REGISTRY", builder.shown(&registry)),
        inputs,
        outputs: vec![TaskOutput::Folder(registry)],
        action: Some(Box::new(move |context| {
            let planned = images::registry::RegistryTree::read(&images)?;
            // Making a hard link changes the file's times: what is known of it is looked up before, and told again after.
            let mut digests = Vec::new();
            for shared in planned.shared() {
                let (found, expected) = (context.digest(shared.from)?, shared.digest);
                if found.as_bytes() != expected.as_bytes() {
                    let path = content::printable_path(shared.from);
                    return Err(ActionError::failed(format!(
                        "{path}: expected {expected}, found sha256:{found}"
                    )));
                }
                digests.push(found);
            }
            planned.write(&index)?;
            for (shared, digest) in planned.shared().zip(digests) {
                context.record(index.join(shared.path), digest)?;
            }
            Ok(())
        })),
        // It brings the index that is there up to date: with thousands of images that is most of its work saved.
        resumes: true,
        ..Task::default()
    });

    let config = project.tree().join(archive::layout::REGISTRY_CONFIG);
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("template", images::nginx::template()));
    let path = config.clone();
    let config_task = builder.push(Task {
        name: "_registry_config".into(),
        alias: "images:registry_config".into(),
        doc: "Write the nginx configuration of the registry tree.".into(),
        title: Title::new("NGINX_CFG", builder.shown(&config)),
        inputs,
        outputs: vec![TaskOutput::File(config)],
        action: Some(Box::new(move |_| Ok(place_file::write(&path, images::nginx::template(), 0o644)?))),
        ..Task::default()
    });
    [index_task, config_task]
}

/// The nginx configuration of a Solution, for the folder where the guidelines mount it: some tools of a site include it as it
/// is.
fn add_solution_config(builder: &mut TaskBuilder<'_>, project: &Project) -> Option<TaskHandle> {
    project.solution.as_ref()?;
    let path = project.tree().join(archive::layout::REGISTRY_CONFIG_INCLUDE);
    let images = format!("{MOUNTS}/{}/{}", project.id(), archive::layout::IMAGES);
    let repository = project.repository_prefix();
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("template", images::nginx::template()));
    inputs.push(TaskInput::value("repository", &repository));
    inputs.push(TaskInput::value("images", &images));
    let output = path.clone();
    Some(builder.push(Task {
        name: "_solution_registry_config".into(),
        alias: "images:solution_registry_config".into(),
        doc: "Write the nginx configuration of the Solution.".into(),
        title: Title::new("NGINX_CFG", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path)],
        action: Some(Box::new(move |_| {
            let text = images::nginx::render(&repository, &images)
                .map_err(|error| ActionError::failed(error.to_string()))?;
            Ok(place_file::write(&output, &text, 0o644)?)
        })),
        ..Task::default()
    }))
}

/// Where MetalK8s mounts Solutions.
const MOUNTS: &str = "/srv/scality";

/// The folder of an image in the tree.
pub(in crate::tasks) fn folder(project: &Project, name: &ImageName, tag: &Tag) -> PathBuf {
    project.tree().join(archive::layout::image_folder(name.as_str(), tag.as_str()))
}

/// The digest of an image as an input of its tasks.
fn digest_input(digest: Option<Digest>) -> TaskInput {
    TaskInput::value("digest", digest.map_or_else(|| "none: not locked".into(), |digest| digest.to_string()))
}

/// The file or folder of an image of the project.
fn local_input(local: &LocalImage) -> TaskInput {
    match local.layout {
        LocalLayout::Oci | LocalLayout::Dir => TaskInput::folder(&local.path),
        LocalLayout::OciArchive | LocalLayout::DockerArchive => TaskInput::file(&local.path),
    }
}

/// The name of the task that pulls an image.
fn pull_name(pull: &PullDefinition) -> String {
    format!("_image_pull:{}:{}", pull.name, pull.tag)
}

fn pull_image(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    pull: &PullDefinition,
    registries: &RegistrySession,
) -> Task {
    let (name, tag) = (&pull.name, &pull.tag);
    let folders: Vec<PathBuf> = pull.all_tags().map(|tag| folder(project, name, tag)).collect();
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("reference", pull.source.to_string()));
    inputs.push(digest_input(pull.digest));
    inputs.push(TaskInput::value("platforms", pull.platform_names()));
    inputs.extend(match &pull.source {
        PullSource::Registry(_) | PullSource::Engine(_) => None,
        PullSource::Local { local, .. } => Some(local_input(local)),
    });
    Task {
        name: pull_name(pull),
        alias: format!("images:{name}:{tag}"),
        doc: format!("Pull the image {name}:{tag}."),
        title: Title::new("PULL IMG", format!("{name}:{tag}")),
        inputs,
        outputs: folders.iter().cloned().map(TaskOutput::Folder).collect(),
        action: Some(fetch(project, pull, registries, folders)),
        pool: match pull.source {
            PullSource::Registry(_) => Some(super::NETWORK.into()),
            PullSource::Engine(_) => Some(super::ENGINE.into()),
            PullSource::Local { .. } => None,
        },
        timeout: matches!(pull.source, PullSource::Engine(_)).then_some(engine::TIMEOUT),
        ..Task::default()
    }
}

/// The image as a tar that a container engine loads before any registry is up, under the name that the registry serves.
fn save_image(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    pull: &PullDefinition,
) -> Result<Task, Error> {
    let (name, tag) = (&pull.name, &pull.tag);
    let folder = folder(project, name, tag);
    let path = project.tree().join(archive::layout::IMAGES).join(format!("{name}-{tag}.tar"));
    let (slug, prefix) = (&project.values.slug, project.repository_prefix());
    let served = format!("{slug}-registry-from-config.invalid/{prefix}/{name}:{tag}");
    let reference: Reference = served.parse().map_err(|error: images::reference::ReferenceError| {
        Error::Definition { path: project.root.join(crate::project::FILE_NAME), message: error.to_string() }
    })?;
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::folder(&folder));
    inputs.push(TaskInput::value("reference", served));
    let date = project.image_date(None);
    inputs.push(TaskInput::value("source date", date.to_string()));
    let output = path.clone();
    Ok(Task {
        name: format!("_image_save:{name}:{tag}"),
        alias: format!("images:{name}:{tag}"),
        doc: format!("Save the image {name}:{tag} as a tar."),
        title: Title::new("SAVE IMG", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path)],
        action: Some(Box::new(move |_| Ok(images::oci_archive::write(&folder, &reference, &output, date)?))),
        ..Task::default()
    })
}

/// Opens the content store of the user.
pub(in crate::tasks) fn open_store(project: &Project) -> Result<Store, ActionError> {
    Ok(Store::open(&project.settings.cache)?)
}

/// Brings an image into the store, from a registry by its digest or from the project, then links it into the tree, once for
/// each tag.
fn fetch(
    project: &Arc<Project>,
    pull: &PullDefinition,
    registries: &RegistrySession,
    folders: Vec<PathBuf>,
) -> TaskAction {
    let (project, pull, registries) = (Arc::clone(project), pull.clone(), registries.clone());
    Box::new(move |context| {
        let store = open_store(&project)?;
        let digest = match &pull.source {
            PullSource::Engine(image) => {
                let id = pull.digest.ok_or_else(|| not_locked(image))?;
                engine::take(image, &id, (&project, &pull), &store, context)?
            }
            PullSource::Local { local, .. } => take(local, &pull.platforms, pull.digest, &store)?,
            PullSource::Registry(reference) => {
                let digest = locked(reference, pull.digest)?;
                pull_now(&[request(&pull, reference, digest)], &store, &registries, context)?;
                digest
            }
        };
        for folder in &folders {
            let files = images::dir_layout::write(&store, &digest, &pull.platforms, folder)?;
            record_digests(context, folder, &files)?;
        }
        Ok(())
    })
}

/// Pulls until all is there or the run is to stop.
fn pull_now(
    requests: &[PullRequest],
    store: &Store,
    registries: &RegistrySession,
    context: &TaskContext<'_>,
) -> Result<Vec<PulledImage>, ActionError> {
    match images::pull::pull(requests, store, registries, &Watch { context }) {
        Err(_) if context.cancelled() => Err(ActionError::Cancelled),
        pulled => Ok(pulled?),
    }
}

/// Takes an image of the project into the store; the digest, which must be the one that the project gives, if it does.
fn take(
    local: &LocalImage,
    platforms: &[Platform],
    expected: Option<Digest>,
    store: &Store,
) -> Result<Digest, ActionError> {
    let found = images::source::import(local, platforms, store)?;
    match expected {
        Some(expected) if expected != found => {
            Err(ActionError::failed(format!("{local}: expected {expected}, found {found}")))
        }
        _ => Ok(found),
    }
}

fn request(pull: &PullDefinition, reference: &Reference, digest: Digest) -> PullRequest {
    PullRequest {
        name: pull.name.to_string(),
        tag: pull.tag.to_string(),
        reference: reference.clone(),
        platforms: pull.platforms.clone(),
        expected: Some(digest),
        referrers: false,
    }
}

/// The digest that a build takes an image by. [`check_locked`] is called before tasks run.
fn locked(reference: &Reference, digest: Option<Digest>) -> Result<Digest, ActionError> {
    digest.ok_or_else(|| not_locked(reference))
}

fn not_locked(image: &dyn std::fmt::Display) -> ActionError {
    ActionError::failed(format!("{image} is not locked: run `sealift lock`"))
}

/// Records the digests of the files of an image, which the store computed when it took them in, so that they are not read
/// again. A digest is never taken from the name of a file: other files have names that look like one.
fn record_digests(
    context: &TaskContext<'_>,
    folder: &Path,
    files: &BTreeMap<String, Digest>,
) -> Result<(), ActionError> {
    for (name, digest) in files {
        context.record(folder.join(name), *digest)?;
    }
    Ok(())
}

/// Reports the progress of a pull to the run.
pub(in crate::tasks) struct Watch<'a, 'run> {
    pub(in crate::tasks) context: &'a TaskContext<'run>,
}

impl images::pull::TransferProgress for Watch<'_, '_> {
    fn planned(&self, blobs: usize, bytes: u64) {
        self.context.transfer(Transfer::Planned { verb: "pulling", parts: blobs, bytes });
    }

    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        let (part, label) = (blob.hex(), image.to_owned());
        self.context.transfer(Transfer::Begin { part, label, size, present });
    }

    fn advance(&self, blob: &Digest, bytes: i64) {
        self.context.transfer(Transfer::Advance { part: blob.hex(), bytes });
    }

    fn end(&self, blob: &Digest) {
        self.context.transfer(Transfer::End { part: blob.hex() });
    }

    fn is_cancelled(&self) -> bool {
        self.context.cancelled()
    }

    fn retry(&self, text: &str) {
        self.context.warn(text);
    }

    fn warn(&self, text: &str) {
        self.context.warn(text);
    }
}
