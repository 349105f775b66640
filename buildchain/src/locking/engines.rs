//! The IDs of images in the storage of container engines.

use std::collections::BTreeSet;

use images::Store;
use images::source::EngineImage;

use super::{EntryChange, Error, LockedEntry, Scope};
use crate::project::{LockFile, Project};

/// Takes the images whose IDs no project itself pins out of their engines, into the store, and adds their IDs to `lock`.
pub(super) fn resolve(
    projects: &[Project],
    scope: Scope,
    lock: &mut LockFile,
) -> (Vec<EntryChange>, Vec<Error>) {
    let wanted: BTreeSet<EngineImage> = projects.iter().flat_map(Project::engine_images).collect();
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    let change =
        |image, old, new| EntryChange { entry: LockedEntry::Engine(image), old, new, platforms: Vec::new() };
    let unknown: Vec<&EngineImage> =
        wanted.iter().filter(|image| scope == Scope::All || lock.id(image).is_none()).collect();
    if let Some(project) = projects.first().filter(|_| !unknown.is_empty()) {
        match Store::open(&project.settings.cache) {
            Err(error) => failures.push(Error::Store(error)),
            Ok(store) => {
                // One after the other: they share a disk, and an engine.
                for image in unknown {
                    match image.save_now(project.settings.engine(), &[], &store) {
                        Ok(saved) => {
                            let old = lock.set_id(image.clone(), saved.id);
                            changes.push(change(image.clone(), old, Some(saved.id)));
                        }
                        Err(error) => failures.push(Error::Engine(error)),
                    }
                }
            }
        }
    }
    let gone = lock.retain_engines(|image| wanted.contains(image));
    changes.extend(gone.into_iter().map(|(image, old)| change(image, Some(old), None)));
    (changes, failures)
}
