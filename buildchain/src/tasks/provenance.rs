//! What the archive was built from: `attestations/provenance.json`.

use std::sync::{Arc, Mutex, PoisonError};

use graph::{Task, TaskInput, TaskOutput, Title};
use images::pull::redacted;
use trust::{BuildParameters, InternalParameters, Material, Provenance};

use super::{CompareError, Sources, TaskBuilder, TaskHandle, place_file};
use crate::locking::{bases, joined};
use crate::project::{
    BaseImage, ChosenProfile, DebDownloads, Project, PullSource, SourceContent, SourceDefinition, SpecBuilder,
};

/// Adds the task of the provenance, if the project wants one. It looks at the files of the commit after the task `product` has done
/// so.
pub(super) fn add(
    builder: &mut TaskBuilder<'_>,
    product: TaskHandle,
    sources: &Arc<Sources>,
) -> Option<TaskHandle> {
    if !builder.project.evidence.provenance {
        return None;
    }
    let project = Arc::clone(builder.project);
    let path = project.tree().join(archive::layout::PROVENANCE);
    // What was found when the task was judged is what it writes: a file may be edited in between.
    let found: Arc<Mutex<Option<String>>> = Arc::default();
    let (known, sources) = (Arc::clone(&found), Arc::clone(sources));
    let after = vec![builder.name(product)];
    let inputs = builder.made_here();
    let title = Title::new("RENDER JSON", builder.shown(&path));
    let output = path.clone();
    Some(builder.push(Task {
        name: format!("_iso_add_tree:{}", archive::layout::PROVENANCE),
        alias: format!("populate_iso:{}", archive::layout::PROVENANCE),
        doc: "Write what the archive was built from.".into(),
        title,
        inputs,
        discover: Some(Box::new(move |_| {
            let text = provenance(&project, &sources)?.render()?;
            let input = TaskInput::value("provenance", text.clone());
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            Ok(vec![input])
        })),
        outputs: vec![TaskOutput::File(output)],
        after,
        action: Some(Box::new(move |_| {
            let text = found.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
            Ok(place_file::write(&path, &text, 0o644)?)
        })),
        cheap: true,
        ..Task::default()
    }))
}

/// What the archive of a project is built from.
fn provenance(project: &Project, sources: &Sources) -> Result<Provenance, CompareError> {
    let mut materials = Vec::new();
    if let Some(commit) = &project.commit {
        materials.push(Material::commit(commit, !sources.differing(project)?.is_empty()));
    }
    images(project, &mut materials);
    rpms(project, &mut materials);
    debs(project, &mut materials);
    project.external_sources.iter().for_each(|source| materials.extend(fetched(source)));
    let internal = InternalParameters {
        name: project.values.name.clone(),
        version: project.values.version.clone(),
        architecture: std::env::consts::ARCH.to_owned(),
        source_date: project.source_date,
    };
    Ok(Provenance::new(build_parameters(project), internal, materials, env!("CARGO_PKG_VERSION")))
}

/// What the user chose: with the same commit, each of these can change the archive.
#[must_use]
pub fn build_parameters(project: &Project) -> BuildParameters {
    let settings = &project.settings;
    let profiles = match &settings.profile {
        ChosenProfile::Default => Vec::new(),
        ChosenProfile::Named(names) => names.clone(),
    };
    let folder = project.repository.as_ref().map(|repository| repository.folder());
    let unsigned = project.signing.is_some() && !settings.signs;
    let chosen = [
        ("PROJECT_NAME", settings.project_name.as_ref().map(ToString::to_string)),
        ("SOURCE_DATE_EPOCH", settings.source_date.map(|date| date.to_string())),
        ("SEALIFT_SIGN", unsigned.then(|| "no".to_owned())),
        (
            "SEALIFT_CARGO_PROFILE",
            Some(settings.cargo_profile.clone())
                .filter(|name| name != cargo_static::RELEASE && !project.binaries.is_empty()),
        ),
    ];
    // A variable that the command line sets is not read from the environment.
    BuildParameters {
        project: folder.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default(),
        profiles,
        variables: settings.variables.iter().cloned().collect(),
        environment: project.environment.iter().cloned().collect(),
        settings: chosen
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
            .collect(),
    }
}

/// Images that are pulled, and those that others are built on. Those in files of the project are part of the commit.
fn images(project: &Project, materials: &mut Vec<Material>) {
    for pull in &project.pull {
        let Some(digest) = pull.digest else { continue };
        let uri = match &pull.source {
            PullSource::Registry(reference) => format!("docker://{reference}"),
            PullSource::Engine(image) => image.to_string(),
            PullSource::Local { .. } => continue,
        };
        materials.push(Material::content(None, Some(&uri), digest));
    }
    let built_on = project.images.iter().flat_map(|image| &image.bases);
    let builders = project.repositories.iter().flat_map(|repository| &repository.specs);
    let builders = builders.filter_map(|spec| match &spec.builder {
        SpecBuilder::Image(image) => Some(image),
        SpecBuilder::Host => None,
    });
    for BaseImage { reference, digest } in built_on.chain(builders) {
        if let Some(digest) = digest {
            materials.push(Material::content(None, Some(&format!("docker://{reference}")), *digest));
        }
    }
}

/// Packages of upstream repositories, and sources of spec files.
fn rpms(project: &Project, materials: &mut Vec<Material>) {
    for repository in &project.repositories {
        for download in repository.specs.iter().flat_map(|spec| &spec.downloads) {
            if let Some(digest) = download.digest {
                materials.push(file(download.url.as_str(), digest));
            }
        }
        let Some(upstream) = repository.upstream.as_ref().filter(|upstream| !upstream.on_nodes) else {
            continue;
        };
        for (name, (part, package)) in upstream.packages() {
            let bases = part.locked.as_ref().map(|locked| bases(&part.location, locked)).unwrap_or_default();
            let uri = package_uri(bases, package.path.as_str());
            materials.push(Material::content(Some(name.as_str()), uri.as_deref(), package.digest));
        }
    }
}

/// Debian packages of upstream repositories.
fn debs(project: &Project, materials: &mut Vec<Material>) {
    for DebDownloads { source, locked, .. } in
        project.deb_repositories.iter().filter_map(|repository| repository.downloads.as_ref())
    {
        let bases = source.as_ref().map(|source| source.urls.as_slice()).unwrap_or_default();
        for (name, package) in locked.iter().flat_map(|locked| &locked.packages) {
            let uri = package_uri(bases, package.path.as_str());
            materials.push(Material::content(Some(name.as_str()), uri.as_deref(), package.digest));
        }
    }
}

/// The URL of a package: its own, or its path from the first URL of its repository. That of a file of this machine is left out.
fn package_uri(bases: &[String], path: &str) -> Option<String> {
    let url = if path.contains("://") { path.to_owned() } else { joined(bases.first()?, path) };
    (!url.starts_with("file:")).then(|| redacted(&url))
}

/// A file or a repository of `spec.sources`.
fn fetched(source: &SourceDefinition) -> Option<Material> {
    match &source.content {
        SourceContent::File(remote) => Some(file(remote.url.as_str(), remote.digest?)),
        SourceContent::Git(remote) => {
            let reference = remote.reference.as_ref().map(|name| format!("@{name}")).unwrap_or_default();
            let uri = format!("git+{}{reference}", redacted(&remote.location.to_string()));
            Some(Material::git(&uri, remote.commit.as_ref()?.as_str()))
        }
    }
}

fn file(url: &str, digest: content::Digest) -> Material {
    Material::content(None, Some(&redacted(url)), digest)
}
