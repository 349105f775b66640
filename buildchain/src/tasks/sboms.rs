//! What the archive states about itself: its SBOMs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use archive::layout;
use archive::sbom::spdx::{self, archive_document, image_document};
use archive::sbom::{ImageContents, ImageReader};
use graph::{ActionError, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title, Transfer};
use images::Reference;
use images::original_names::{OriginalNames, Place};

use super::images::{folder, open_store, referrer_tags};
use super::iso::Watch;
use super::{TaskBuilder, TaskHandle, place_file};
use crate::project::{ImageName, Origin, Project, Tag};

/// The group of the tasks that write SBOMs.
const GROUP: &str = "sbom";

/// Adds the tasks of the SBOMs, if the project asks for them; their group.
pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Option<TaskHandle> {
    let project = Arc::clone(builder.project);
    if !project.evidence.sbom {
        return None;
    }
    let mut members = Vec::new();
    for pull in &project.pull {
        let image = DocumentedImage {
            name: pull.name.clone(),
            tags: pull.all_tags().cloned().collect(),
            reference: pull.reference().cloned(),
            attached: if pull.with_referrers { referrer_tags(pull) } else { Vec::new() },
            origin: pull.origin.clone(),
        };
        members.extend(add_image(builder, &project, image));
    }
    for image in &project.images {
        let image = DocumentedImage {
            name: image.name.clone(),
            tags: image.tags.clone(),
            reference: None,
            attached: Vec::new(),
            origin: image.origin.clone(),
        };
        members.extend(add_image(builder, &project, image));
    }
    let has_images = !members.is_empty();
    members.push(add_archive(builder, &project, has_images));
    Some(builder.group(GROUP, "Write the SBOMs of the images and of the archive.", members))
}

/// An image that has an SBOM.
struct DocumentedImage {
    name: ImageName,
    tags: Vec<Tag>,
    /// Where it was published.
    reference: Option<Reference>,
    /// The tags of the lists of what is attached to it.
    attached: Vec<Tag>,
    origin: Origin,
}

/// The document of an image, once for each of its tags.
fn add_image(
    builder: &mut TaskBuilder<'_>,
    project: &Arc<Project>,
    image: DocumentedImage,
) -> Option<TaskHandle> {
    let label = format!("{}:{}", image.name, image.tags.first()?);
    let outputs: Vec<PathBuf> = image
        .tags
        .iter()
        .map(|tag| project.tree().join(layout::image_sbom(image.name.as_str(), tag.as_str())))
        .collect();
    let mut inputs = builder.made_here();
    let tags = image.tags.first().into_iter().chain(&image.attached);
    let folders: BTreeSet<PathBuf> = tags.map(|tag| folder(project, &image.name, tag)).collect();
    inputs.extend(folders.into_iter().map(TaskInput::folder));
    let reference = image.reference.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    inputs.push(TaskInput::value("reference", reference));
    inputs.push(TaskInput::value("creator", &project.values.name));
    let date = project.settings.source_date;
    inputs.push(TaskInput::value(
        "source date",
        date.map_or("of the image".to_owned(), |date| date.to_string()),
    ));
    let task = Task {
        name: format!("_sbom_image:{label}"),
        alias: format!("{GROUP}:{label}"),
        doc: format!("Write the SBOM of the image {label}."),
        title: Title::new("SBOM IMG", &label),
        inputs,
        outputs: outputs.iter().cloned().map(TaskOutput::File).collect(),
        action: Some(write_image(project, &image, outputs)),
        ..Task::default()
    };
    Some(builder.push_for(image.origin, format!("the SBOM of the image {label}"), task))
}

fn write_image(project: &Arc<Project>, image: &DocumentedImage, outputs: Vec<PathBuf>) -> TaskAction {
    let (project, name, tags) = (Arc::clone(project), image.name.to_string(), image.tags.clone());
    let reference = image.reference.clone();
    Box::new(move |context| {
        let Some(first) = tags.first() else { return Ok(()) };
        let tree = archive::Tree::open(&project.tree())?;
        let store = open_store(&project)?;
        let scratch = store.scratch()?;
        let mut names = OriginalNames::default();
        let place = Place { name: name.clone(), tag: first.to_string() };
        if let Some(reference) = &reference {
            names.insert(&place, reference);
        }
        let folder = layout::image_folder(&name, first.as_str());
        let missing = || ActionError::failed(format!("{folder}: it has no readable manifest"));
        let found = archive::image::find(&tree, &name, first.as_str(), &folder)?.ok_or_else(missing)?;
        let bytes = found.blobs.values().map(|blob| blob.entry.size).sum();
        context.transfer(Transfer::Planned { verb: "reading", parts: 1, bytes });
        let reader = ImageReader::with_names(&tree, scratch.path(), names);
        let read = reader.read(&found, &Watch(context));
        if context.cancelled() {
            return Err(ActionError::Cancelled);
        }
        let mut contents = read?.ok_or_else(missing)?;
        warnings(&contents).iter().for_each(|warning| context.warn(warning));
        for (tag, output) in tags.iter().zip(&outputs) {
            contents.tag = tag.to_string();
            let document = image_document(&contents, project.settings.source_date, &project.values.name);
            place_file::write(output, &document.write(), 0o644)?;
        }
        Ok(())
    })
}

/// What could not be read of an image, as lines of the log.
fn warnings(contents: &ImageContents) -> BTreeSet<String> {
    let notes = contents.manifests.iter().flat_map(|manifest| &manifest.notes);
    notes.map(|note| format!("warning: image {}:{}: {note}", contents.name, contents.tag)).collect()
}

/// The document of the archive. It names the file that describes the archive, which names the commit: so it depends on it, too.
fn add_archive(builder: &mut TaskBuilder<'_>, project: &Arc<Project>, has_images: bool) -> TaskHandle {
    let (tree, path) = (project.tree(), project.tree().join(layout::ARCHIVE_SBOM));
    let mut inputs = builder.made_here();
    let exclude = spdx::LEFT_OUT.iter().map(|name| (*name).to_owned()).collect();
    inputs.push(TaskInput::Folder { path: tree.clone(), exclude });
    if has_images {
        inputs.push(TaskInput::folder(tree.join(layout::ATTESTATIONS).join(layout::IMAGES)));
    }
    inputs.push(TaskInput::value("source date", project.source_date.to_string()));
    let (project, output) = (Arc::clone(project), path.clone());
    builder.push(Task {
        name: "_sbom_archive".into(),
        alias: format!("{GROUP}:archive"),
        doc: "Write the SBOM of the archive.".into(),
        title: Title::new("SBOM", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path)],
        action: Some(Box::new(move |context| write_archive(&project, context, &output))),
        ..Task::default()
    })
}

fn write_archive(
    project: &Project,
    context: &TaskContext<'_>,
    output: &std::path::Path,
) -> Result<(), ActionError> {
    let folder = project.tree();
    let tree = archive::Tree::open(&folder)?;
    let mut digest = |path: &str| {
        let path = folder.join(path);
        let failed = |error| archive::Error::from(content::IoError::at("hash", &path)(error));
        if context.cancelled() {
            return Err(failed(std::io::Error::other("the work was cancelled")));
        }
        context.digest(&path).map_err(|error| failed(std::io::Error::other(error)))
    };
    let document = archive_document(&tree, &project.product(None), project.source_date, &mut digest);
    if context.cancelled() {
        return Err(ActionError::Cancelled);
    }
    let document = document?;
    Ok(place_file::write(output, &document.write(), 0o644)?)
}

#[cfg(test)]
mod tests {
    use archive::sbom::ManifestContents;
    use content::Digest;

    use super::*;

    #[test]
    fn a_warning_names_the_image() {
        let manifest = |note: &str| ManifestContents {
            digest: Digest::of(note.as_bytes()),
            platform: None,
            vendor: None,
            created: None,
            distribution: None,
            components: Vec::new(),
            notes: vec!["the attached SBOM: damaged".into(), note.into()],
            upstream: None,
        };
        let contents = ImageContents {
            name: "team/app".into(),
            tag: "1.0".into(),
            digest: Digest::of(b"index"),
            repository: None,
            manifests: vec![manifest("a layer"), manifest("b layer")],
        };
        let found: Vec<String> = warnings(&contents).into_iter().collect();
        let expected = ["a layer", "b layer", "the attached SBOM: damaged"];
        assert_eq!(found, expected.map(|note| format!("warning: image team/app:1.0: {note}")));
    }
}
