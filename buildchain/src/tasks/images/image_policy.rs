//! `attestations/image-policy.json`: the rules for signatures, for the nodes.

use graph::{Task, TaskInput, TaskOutput, Title};

use super::super::{TaskBuilder, place_file};
use crate::project::Project;

/// The task that writes the file; none without rules.
pub(super) fn task(builder: &TaskBuilder<'_>, project: &Project) -> Option<Task> {
    if project.image_signatures.is_empty() {
        return None;
    }
    let (output, rules) =
        (project.tree().join(archive::layout::IMAGE_POLICY), project.image_signatures.render());
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("rules", rules.as_str()));
    Some(Task {
        name: "_image_policy".into(),
        alias: "images:image_policy".into(),
        doc: "Write the rules for signatures of images.".into(),
        title: Title::new("IMG POLICY", builder.shown(&output)),
        inputs,
        outputs: vec![TaskOutput::File(output.clone())],
        action: Some(Box::new(move |_| Ok(place_file::write(&output, &rules, 0o644)?))),
        ..Task::default()
    })
}
