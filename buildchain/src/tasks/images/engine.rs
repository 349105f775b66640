//! Images in the storage of a container engine.

use std::process::Command;
use std::time::Duration;

use content::Digest;
use graph::{ActionError, TaskContext};
use images::Store;
use images::build::engine::Engine;
use images::source::{EngineImage, stored};

use crate::project::{Project, PullDefinition};

/// No engine takes so long to save an image, unless it hangs.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Brings the image with the ID `id` into the store; the digest of its manifest. It is taken out of the engine, or from the store
/// where the engine has the same image or none.
pub(super) fn take(
    image: &EngineImage,
    id: &Digest,
    (project, pull): (&Project, &PullDefinition),
    store: &Store,
    context: &TaskContext<'_>,
) -> Result<Digest, ActionError> {
    let engine = Engine::of_storage(image.storage(), project.settings.engine());
    let present = match &engine {
        Ok(engine) => asked(image, engine, context)?,
        Err(_) => None,
    };
    if present.is_none_or(|present| present == *id)
        && let Some(found) = stored(id, &pull.platforms, store)?
    {
        return Ok(found.digest);
    }
    let engine = engine.map_err(|error| {
        ActionError::broken(format!("{image}: the content store does not have it, and {error}"))
    })?;
    let mut run = |command: &mut Command| context.run(command).map(drop);
    let saved = match image.save(&engine, &pull.platforms, store, &mut run) {
        Err(ActionError::Failed(error)) if present.is_none() => {
            let program = content::printable_path(engine.program()).to_string();
            return Err(ActionError::failed(format!(
                "{image}: neither {program} nor the content store has it ({error}): build it, pull it with `{program} pull {}`, or bring \
                 the content store of a machine that has it",
                image.name()
            )));
        }
        saved => saved?,
    };
    if saved.id == *id {
        return Ok(saved.digest);
    }
    let help =
        if pull.is_pinned { "change its `digest` in the project file" } else { "run `sealift update`" };
    Err(ActionError::failed(format!("{image}: expected the ID {id}, found {}: {help}", saved.id)))
}

/// The ID of the image in the engine, if the engine says it.
fn asked(
    image: &EngineImage,
    engine: &Engine,
    context: &TaskContext<'_>,
) -> Result<Option<Digest>, ActionError> {
    match context.run(&mut image.asking(engine)) {
        Ok(output) => Ok(EngineImage::id_in(&output.stdout)),
        Err(_) if context.cancelled() => Err(ActionError::Cancelled),
        Err(ActionError::Cancelled) => Err(ActionError::Cancelled),
        Err(_) => Ok(None),
    }
}
