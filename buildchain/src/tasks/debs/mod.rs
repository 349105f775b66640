//! Repositories of Debian packages: built, copied and downloaded packages in a pool, and the metadata of a suite.

mod download;

use std::path::Path;
use std::sync::Arc;

use graph::{Task, TaskInput, TaskOutput, Title};
use packages::debian::{self, DebIndexOptions, KEY, Suite};
use packages::repository::PackageSelection;

pub(super) use self::download::{name as download_name, unlocked};
use super::packaging::PreparedPackage;
use super::signing::ProjectSigner;
use super::{Error, TaskBuilder, TaskHandle, place_file, spelled};
use crate::project::{DebFile, DebRepositoryDefinition, PackageDefinition, Project, deb_place};

/// The folder of suites in a repository.
const DISTS: &str = "dists";

/// Adds the tasks of repositories of Debian packages.
pub(super) fn add(
    builder: &mut TaskBuilder<'_>,
    signer: Option<&ProjectSigner>,
) -> Result<Vec<TaskHandle>, Error> {
    let project = Arc::clone(builder.project);
    let mut members = Vec::new();
    for repository in &project.deb_repositories {
        let folder = project.tree().join(repository.folder(&project.values.slug));
        let family = format!("_build_debian_{}_repositories:{}", repository.release, repository.name);
        // Repositories of one name for two releases share the public name of their tasks.
        let alias = format!("packaging:{}", repository.name);
        if let (Some(task), Some(downloads)) =
            (download::task(builder, &project, repository, &folder), &repository.downloads)
        {
            let what = format!("the packages of {}", repository.name);
            members.push(builder.push_for(downloads.origin.clone(), what, task));
        }
        for package in &repository.packages {
            let mut task = build_deb(builder, repository, package, &family, &folder)?;
            task.alias = format!("{alias}/build_deb/{}", package.definition.name);
            let what = format!("the package {}", package.definition.name);
            members.push(builder.push_for(package.origin.clone(), what, task));
        }
        for deb in &repository.debs {
            let file = Path::new(&deb.place).file_name().unwrap_or_default();
            let name = format!("add_deb/{}", spelled(Path::new(file)));
            let mut task = add_deb(builder, deb, format!("{family}/{name}"), &folder);
            task.doc = format!("Add the package {} to {}.", file.display(), repository.name);
            task.alias = format!("{alias}/{name}");
            let what = content::printable_path(&deb.name).to_string();
            members.push(builder.push_for(deb.origin.clone(), what, task));
        }
        let mut task = index(builder, &project, repository, &folder, signer);
        task.name = format!("{family}/build_metadata");
        task.alias = format!("{alias}/build_metadata");
        members.push(builder.push(task));
    }
    Ok(members)
}

fn build_deb(
    builder: &mut TaskBuilder<'_>,
    repository: &DebRepositoryDefinition,
    package: &PackageDefinition,
    family: &str,
    folder: &Path,
) -> Result<Task, Error> {
    let prepared = PreparedPackage::new(builder, package)?;
    let weight = prepared.weight();
    let PreparedPackage { definition, resolved, inputs, date, .. } = prepared;
    let wrong =
        |error: packages::Error| Error::Definition { path: package.path.clone(), message: error.to_string() };
    let file = debian::file_name(&resolved).map_err(wrong)?;
    let name = file.split_once('_').map_or(file.as_str(), |(name, _)| name);
    let path = folder.join(deb_place(name, &file));
    let into = path.parent().unwrap_or(folder).to_owned();
    Ok(Task {
        name: format!("{family}/build_deb/{}", definition.name),
        doc: format!("Build the package {} for {}.", definition.name, repository.name),
        title: Title::new("BUILD DEB", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path)],
        action: Some(Box::new(move |context| {
            let built = debian::build(&resolved, Path::new("/"), date, &into)?;
            built.warnings.iter().for_each(|warning| context.warn(warning));
            Ok(())
        })),
        pool: Some(super::MEMORY.into()),
        weight,
        ..Task::default()
    })
}

/// The copying of a DEB into the pool. One that a task produces is known only now.
fn add_deb(builder: &TaskBuilder<'_>, deb: &DebFile, name: String, folder: &Path) -> Task {
    let target = folder.join(&deb.place);
    let (source, output) = (deb.path.clone(), target.clone());
    Task {
        name,
        title: Title::new("ADD DEB", builder.shown(&target)),
        inputs: vec![builder.input(&deb.path, &deb.name)],
        outputs: vec![TaskOutput::File(target)],
        action: Some(Box::new(move |context| {
            place_file::copy_as(&source, &output, Some(0o644))?;
            Ok(context.record(&output, context.digest(&source)?)?)
        })),
        cheap: true,
        ..Task::default()
    }
}

/// The metadata of the repository: a suite of the name of the release.
fn index(
    builder: &TaskBuilder<'_>,
    project: &Project,
    repository: &DebRepositoryDefinition,
    folder: &Path,
    signer: Option<&ProjectSigner>,
) -> Task {
    let mut inputs = builder.made_here();
    // Until the packages are locked, nothing may produce the folder.
    if unlocked(repository).is_none() {
        inputs.push(TaskInput::Folder { path: folder.to_owned(), exclude: vec![DISTS.into(), KEY.into()] });
    }
    // The newest date of what is in it.
    let dates = repository.packages.iter().map(|package| project.package_date(&package.definition));
    let locked = repository.downloads.as_ref().and_then(|downloads| downloads.locked.as_ref());
    // Without metadata there is no date.
    let locked = locked.filter(|locked| locked.date != 0);
    let locked = locked.map(|locked| project.settings.source_date.unwrap_or(locked.date));
    // Else it is that of the newest package, which the task reads.
    let date = dates.chain(locked).max().or(project.settings.source_date);
    inputs.push(TaskInput::value("source date", date.map_or("packages".to_owned(), |date| date.to_string())));
    let mut outputs = vec![TaskOutput::Folder(folder.join(DISTS))];
    if let Some(signer) = signer {
        inputs.push(signer.input(builder));
        outputs.push(TaskOutput::File(folder.join(KEY)));
    }
    let source = repository.downloads.as_ref().and_then(|downloads| downloads.source.as_ref());
    let architectures = source.map(|source| source.architectures.clone()).unwrap_or_default();
    inputs.push(TaskInput::value("architectures", architectures.join(" ")));
    let options = DebIndexOptions {
        selection: PackageSelection { boundary: Some(project.tree()), ..PackageSelection::default() },
        suite: Some(Suite { architectures, ..Suite::new(repository.release.as_str()) }),
        origin: Some(project.values.name.clone()),
        label: Some(repository.name.to_string()),
        date,
        unique: true,
        ..DebIndexOptions::default()
    };
    inputs.push(TaskInput::value(
        "names",
        format!("{} {:?} {:?}", repository.release, options.origin, options.label),
    ));
    let (signer, folder) = (signer.cloned(), folder.to_owned());
    Task {
        doc: format!("Write the metadata of the repository {}.", repository.name),
        title: Title::new("BUILD DEB REPO", builder.shown(&folder)),
        inputs,
        outputs,
        action: Some(Box::new(move |context| {
            let signer = signer.as_ref().map(ProjectSigner::open).transpose()?;
            // Suites of other names, such as that of a release that was renamed.
            content::remove(&folder.join(DISTS))?;
            let index = debian::index(&folder, &DebIndexOptions { signer, ..options.clone() })?;
            index.warnings.iter().for_each(|warning| context.warn(warning));
            Ok(())
        })),
        ..Task::default()
    }
}
