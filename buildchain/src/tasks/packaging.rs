//! Package repositories: `packaging`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use graph::{ActionError, Task, TaskInput, TaskOutput, Title};
use packages::RpmDefinition;
use packages::repository::{IndexOptions, PackageSelection, sign_package};

use super::signing::ProjectSigner;
use super::{Error, TaskBuilder, TaskHandle, debs, download, place_file, specs, spelled};
use crate::project::{PackageDefinition, RepositoryDefinition, RpmFile, Upstream};

/// Adds the tasks of packages; their group.
pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Result<TaskHandle, Error> {
    let project = Arc::clone(builder.project);
    let mut members = Vec::new();
    let signer = ProjectSigner::of(&project);
    let has_any = !project.repositories.is_empty() || !project.deb_repositories.is_empty();
    if signer.is_none() && project.signing.is_some() && has_any {
        builder.warn("packages and repositories are not signed, because SEALIFT_SIGN is `no`".to_owned());
    }
    for repository in &project.repositories {
        let slug = &project.values.slug;
        let folder =
            archive::layout::rpm_repository(slug, repository.name.as_str(), repository.release.as_str());
        let folder = project.tree().join(folder);
        // Repositories of one name for two releases share the public name of their tasks.
        let family = format!("_build_redhat_{}_repositories:{}", repository.release, repository.name);
        let alias = format!("packaging:{}", repository.name);
        let is_on_nodes = repository.upstream.as_ref().is_some_and(|upstream| upstream.on_nodes);
        let is_empty =
            repository.packages.is_empty() && repository.specs.is_empty() && repository.rpms.is_empty();
        if is_on_nodes && is_empty {
            continue;
        }
        if let Some(task) = download::task(builder, &project, repository, &folder) {
            let origin = repository.upstream.as_ref().map(|upstream| upstream.origin.clone());
            members.push(match origin {
                Some(origin) => {
                    builder.push_for(origin, format!("the packages of {}", repository.name), task)
                }
                None => builder.push(task),
            });
        }
        for package in &repository.packages {
            let mut task = build_rpm(builder, repository, package, &family, folder.clone(), signer.as_ref())?;
            task.alias = format!("{alias}/build_rpm/{}", package.definition.name);
            let what = format!("the package {}", package.definition.name);
            members.push(builder.push_for(package.origin.clone(), what, task));
        }
        for spec in &repository.specs {
            members.extend(specs::add(builder, repository, spec, &folder, signer.as_ref()));
        }
        for rpm in &repository.rpms {
            let name = format!("add_rpm/{}", spelled(Path::new(&rpm.file_name)));
            let mut task = add_rpm(builder, rpm, format!("{family}/{name}"), &folder, signer.as_ref());
            task.doc =
                format!("Add the package {} to {}.", content::printable(&rpm.file_name), repository.name);
            task.alias = format!("{alias}/{name}");
            let what = content::printable_path(&rpm.name).to_string();
            members.push(builder.push_for(rpm.origin.clone(), what, task));
        }
        if let Some(signer) = &signer {
            let mut task = signer.key_task(builder, &family, &folder);
            task.alias = format!("{alias}/add_key");
            members.push(builder.push(task));
        }
        let metadata = folder.join("repodata");
        let mut inputs = builder.made_here();
        // Until the packages are locked, nothing may produce the folder.
        let unlocked = repository.upstream.as_ref().and_then(|upstream| upstream.unlocked().next());
        if unlocked.is_none() {
            inputs.push(TaskInput::Folder { path: folder.clone(), exclude: vec!["repodata".into()] });
        }
        // The newest date of what is in it.
        let dates = repository.packages.iter().map(|package| project.package_date(&package.definition));
        let dates = dates.chain(repository.specs.iter().map(|spec| project.spec_date(spec)));
        let locked = repository.upstream.as_ref().and_then(Upstream::date);
        let times = repository.rpms.iter().filter_map(|rpm| rpm.build_time).chain(locked);
        let times = times.map(|time| project.settings.source_date.unwrap_or(time));
        let date = dates.chain(times).max().unwrap_or_else(|| project.image_date(None));
        inputs.push(TaskInput::value("source date", date.to_string()));
        inputs.extend(signer.as_ref().map(|signer| signer.input(builder)));
        let signer = signer.clone();
        let options = IndexOptions {
            revision: date,
            unique: true,
            selection: PackageSelection { boundary: Some(project.tree()), ..PackageSelection::default() },
            ..IndexOptions::default()
        };
        members.push(builder.push(Task {
            name: format!("{family}/build_repodata"),
            alias: format!("{alias}/build_repodata"),
            doc: format!("Write the metadata of the repository {}.", repository.name),
            title: Title::new("BUILD RPM REPO", builder.shown(&folder)),
            inputs,
            outputs: vec![TaskOutput::Folder(metadata)],
            action: Some(Box::new(move |context| {
                let signer = signer.as_ref().map(ProjectSigner::open).transpose()?;
                let options = IndexOptions { signer, ..options.clone() };
                let index = packages::repository::index_with(&folder, &options)?;
                index.warnings.iter().for_each(|warning| context.warn(warning));
                Ok(())
            })),
            ..Task::default()
        }));
    }
    members.extend(debs::add(builder, signer.as_ref())?);
    Ok(builder.group("packaging", "Build the packages and their repositories.", members))
}

/// The copying of an RPM into the repository. One that a task produces is known only now.
/// With a signer, one that has no signature gets one.
fn add_rpm(
    builder: &TaskBuilder<'_>,
    rpm: &RpmFile,
    name: String,
    folder: &Path,
    signer: Option<&ProjectSigner>,
) -> Task {
    let target = folder.join(&rpm.arch).join(&rpm.file_name);
    let (source, arch, output) = (rpm.path.clone(), rpm.arch.clone(), target.clone());
    let mut inputs = vec![builder.input(&rpm.path, &rpm.name)];
    if let Some(signer) = signer {
        inputs.extend(builder.made_here());
        inputs.push(signer.input(builder));
    }
    let signer = signer.cloned();
    Task {
        name,
        title: Title::new("ADD RPM", builder.shown(&target)),
        inputs,
        outputs: vec![TaskOutput::File(target)],
        action: Some(Box::new(move |context| {
            let identity = packages::repository::identify(&source)?;
            if identity.arch != arch {
                let (path, found) = (content::printable_path(&source), content::printable(&identity.arch));
                return Err(ActionError::failed(format!(
                    "{path}: expected a package of the architecture {arch}, found {found}"
                )));
            }
            if let Some(signer) = &signer
                && !packages::repository::is_signed(&source)?
            {
                let signer = signer.open()?;
                sign_package(&source, &output, &signer, None, &|| context.cancelled())?;
                return Ok(());
            }
            place_file::copy(&source, &output)?;
            Ok(context.record(&output, context.digest(&source)?)?)
        })),
        cheap: true,
        ..Task::default()
    }
}

/// A package to build, with all that its definition names found.
pub(super) struct PreparedPackage {
    /// The definition as the project has it.
    pub(super) definition: RpmDefinition,
    /// The definition whose sources are relative to `/`.
    pub(super) resolved: RpmDefinition,
    /// What the result depends on.
    pub(super) inputs: Vec<TaskInput>,
    /// The date of the package, in seconds since 1970.
    pub(super) date: i64,
    /// The bytes of its sources.
    bytes: u64,
}

impl PreparedPackage {
    pub(super) fn new(builder: &mut TaskBuilder<'_>, package: &PackageDefinition) -> Result<Self, Error> {
        let project = Arc::clone(builder.project);
        let wrong = |message: String| Error::Definition { path: package.path.clone(), message };
        let expanded = project.expand_package(package).map_err(wrong)?;
        let definition = expanded.definition;
        builder.links.extend(expanded.links.iter().map(|link| project.root.join(link)));
        let warning = |warning| format!("{}: {warning}", content::printable_path(&package.path));
        expanded.warnings.into_iter().map(warning).for_each(|warning| builder.warn(warning));
        let mut resolved = definition.clone();
        let mut sources = Vec::new();
        let mut folders = Vec::new();
        for file in &mut resolved.files {
            let from = file.source();
            let source = builder.source(&package.path, from.path())?;
            let path = Path::new("/").join(&source);
            if from.is_file() {
                sources.push((path, from.path().to_path_buf()));
            } else {
                folders.push(path);
            }
            let source = source.to_str().ok_or_else(|| {
                wrong(format!("{}: expected a path in UTF-8", content::printable_path(&source)))
            })?;
            file.from = from.at(source);
        }
        let mut inputs = builder.made_here();
        let said = serde_json::to_string(&definition).map_err(|error| wrong(error.to_string()))?;
        inputs.push(TaskInput::value("definition", said));
        let date = project.package_date(&definition);
        inputs.push(TaskInput::value("source date", date.to_string()));
        let bytes: u64 = sources.iter().filter_map(|(source, _)| Some(source.metadata().ok()?.len())).sum();
        inputs.extend(sources.iter().map(|(source, name)| builder.input(source, name)));
        // What tasks write there is known when they ran.
        inputs.extend(folders.into_iter().map(TaskInput::folder));
        Ok(Self { definition, resolved, inputs, date, bytes })
    }

    /// The weight in the pool of memory: the files, and the package that they become.
    pub(super) fn weight(&self) -> usize {
        usize::try_from(self.bytes / 500_000).unwrap_or(usize::MAX)
    }
}

fn build_rpm(
    builder: &mut TaskBuilder<'_>,
    repository: &RepositoryDefinition,
    package: &PackageDefinition,
    family: &str,
    folder: PathBuf,
    signer: Option<&ProjectSigner>,
) -> Result<Task, Error> {
    let prepared = PreparedPackage::new(builder, package)?;
    let weight = prepared.weight();
    let PreparedPackage { definition, resolved, mut inputs, date, .. } = prepared;
    let wrong =
        |error: packages::Error| Error::Definition { path: package.path.clone(), message: error.to_string() };
    let file_name = resolved.file_name().map_err(wrong)?;
    let folder = folder.join(&definition.arch);
    let path = folder.join(file_name);
    inputs.extend(signer.map(|signer| signer.input(builder)));
    let signer = signer.cloned();
    Ok(Task {
        name: format!("{family}/build_rpm/{}", definition.name),
        doc: format!("Build the package {} for {}.", definition.name, repository.name),
        title: Title::new("BUILD RPM", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path)],
        action: Some(Box::new(move |context| {
            let signer = signer.as_ref().map(ProjectSigner::open).transpose()?;
            let cancelled = || context.cancelled();
            let signing = signer.as_deref().map(|signer| (signer, &cancelled as &dyn Fn() -> bool));
            let built = packages::build_signed(&resolved, Path::new("/"), date, &folder, signing)?;
            built.warnings.iter().for_each(|warning| context.warn(warning));
            Ok(())
        })),
        pool: Some(super::MEMORY.into()),
        weight,
        ..Task::default()
    })
}
