//! `images/original-names.json`: the references that the images were published under.

use std::collections::BTreeMap;
use std::sync::Arc;

use content::Digest;
use graph::{Task, TaskInput, TaskOutput, Title};
use images::original_names::{OriginalNames, OriginalReference, Place};
use images::source::{LocalImage, names_file, original_references};

use super::super::{Error, TaskBuilder, place_file};
use super::{local_input, referrers};
use crate::project::{FILE_NAME, Project, PullDefinition, PullSource};

/// The task that writes the file; none without images from elsewhere.
///
/// # Errors
///
/// One reference stands for two images.
pub(super) fn task(builder: &TaskBuilder<'_>, project: &Arc<Project>) -> Result<Option<Task>, Error> {
    let mut names = OriginalNames::default();
    let mut digests = BTreeMap::new();
    let mut locals: Vec<(Place, &str, LocalImage)> = Vec::new();
    for pull in &project.pull {
        match &pull.source {
            PullSource::Registry(reference) => {
                let reference = OriginalReference::of(reference);
                refuse_two(project, pull, &reference, &mut digests)?;
                names.add(&place(pull, pull.tag.as_str()), reference);
            }
            PullSource::Local { local, text } => {
                locals.push((place(pull, pull.tag.as_str()), text, local.clone()));
            }
            // What an engine calls an image says nothing about where it was published.
            PullSource::Engine(_) => {}
        }
        if let Some(reference) = pull.reference().filter(|_| pull.with_referrers) {
            for tag in referrers::tags(pull) {
                // Every tag of a list is one.
                let Ok(list) = reference.with_tag(tag.as_str()) else { continue };
                names.insert(&place(pull, tag.as_str()), &list);
            }
        }
    }
    if names.is_empty() && locals.is_empty() {
        return Ok(None);
    }
    let path = project.root.join(project.tree().join(archive::layout::ORIGINAL_NAMES));
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("names", String::from_utf8_lossy(&names.write())));
    for (place, text, local) in &locals {
        inputs.push(TaskInput::value(format!("image {place}"), *text));
        inputs.push(local_input(local));
        let file = names_file(local).filter(|file| *file != path);
        let pattern = file.as_deref().and_then(|file| Some((file.parent()?, file.file_name()?.to_str()?)));
        inputs.extend(pattern.map(|(folder, name)| TaskInput::glob(folder, name)));
    }
    let output = project.tree().join(archive::layout::ORIGINAL_NAMES);
    let locals: Vec<_> = locals.into_iter().map(|(place, _, local)| (place, local)).collect();
    Ok(Some(Task {
        name: "_original_names".into(),
        alias: "images:original_names".into(),
        doc: "Write the references that the images were published under.".into(),
        title: Title::new("IMG NAMES", builder.shown(&output)),
        inputs,
        outputs: vec![TaskOutput::File(output.clone())],
        action: Some(Box::new(move |_| {
            let mut names = names.clone();
            for (place, local) in &locals {
                for reference in original_references(local)? {
                    names.add(place, reference);
                }
            }
            Ok(place_file::write(&output, &String::from_utf8_lossy(&names.write()), 0o644)?)
        })),
        ..Task::default()
    }))
}

fn place(pull: &PullDefinition, tag: &str) -> Place {
    Place { name: pull.name.to_string(), tag: tag.to_owned() }
}

/// Refuses a reference that stands for an image of another digest already.
fn refuse_two<'a>(
    project: &Project,
    pull: &'a PullDefinition,
    reference: &OriginalReference,
    digests: &mut BTreeMap<OriginalReference, (Digest, &'a PullDefinition)>,
) -> Result<(), Error> {
    let Some(digest) = pull.digest else { return Ok(()) };
    match digests.insert(reference.clone(), (digest, pull)) {
        Some((other, first)) if other != digest => Err(Error::Definition {
            path: project.root.join(FILE_NAME),
            message: format!(
                "`{reference}` names two images: {}:{} with {other} and {}:{} with {digest}; expected one digest",
                first.name, first.tag, pull.name, pull.tag
            ),
        }),
        _ => Ok(()),
    }
}
