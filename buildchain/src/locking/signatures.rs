//! The signatures of images that rules of the project require.

use std::collections::BTreeMap;

use content::{Digest, parallel};
use images::pull::TransferProgress;
use images::signatures::{FoundSignatures, ImageSignature, RequiredSigners};
use images::{Reference, RegistrySession, Store};

use super::{EntryChange, Error, LOOKUPS, LockedEntry, Scope};
use crate::project::{LockFile, Project};

/// An image, and who must have signed it. Several forms of the project can have different rules for it.
struct Wanted<'a> {
    image: Digest,
    signers: Vec<RequiredSigners<'a>>,
}

impl Wanted<'_> {
    fn accepts(&self, signature: &ImageSignature) -> bool {
        self.signers.iter().all(|signers| signers.accept(signature, &self.image))
    }
}

/// Checks the signatures of the images whose digests `lock` has, and locks a good one of each. An image without one is among the
/// failures, as [`Error::Unsigned`].
pub(super) fn resolve(
    projects: &[Project],
    scope: Scope,
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> (Vec<EntryChange>, Vec<Error>) {
    let wanted = wanted(projects, lock);
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    let change = |reference, old, new| EntryChange {
        entry: LockedEntry::Signature(reference),
        old,
        new,
        platforms: Vec::new(),
    };
    let is_unknown = |(reference, wanted): &(&Reference, &Wanted<'_>)| {
        scope == Scope::All || !lock.signatures().get(*reference).is_some_and(|known| wanted.accepts(known))
    };
    let unknown: Vec<(&Reference, &Wanted<'_>)> = wanted.iter().filter(is_unknown).collect();
    let store = projects.first().filter(|_| !unknown.is_empty());
    let store = match store.map(|project| Store::open(&project.settings.cache)).transpose() {
        Ok(store) => store,
        Err(error) => return (changes, vec![Error::Store(error)]),
    };
    let found = parallel::map(LOOKUPS, &unknown, |(reference, wanted)| {
        let store = store.as_ref()?;
        Some(check(reference, wanted, store, registries, progress))
    });
    for ((reference, _), found) in unknown.into_iter().zip(found) {
        match found {
            Some(Ok(signature)) => {
                let manifest = signature.manifest;
                let old = lock.set_signature(reference.clone(), signature.clone());
                // Another key of the same manifest is new.
                let old = old.filter(|old| old.manifest != manifest || *old == signature);
                changes.push(change(reference.clone(), old.map(|old| old.manifest), Some(manifest)));
            }
            Some(Err(error)) => failures.push(error),
            None => {}
        }
    }
    let gone = lock.retain_signatures(|reference| wanted.contains_key(reference));
    changes.extend(gone.into_iter().map(|(reference, old)| change(reference, Some(old.manifest), None)));
    (changes, failures)
}

/// The images that need signatures, by their references.
fn wanted<'a>(projects: &'a [Project], lock: &LockFile) -> BTreeMap<Reference, Wanted<'a>> {
    let mut all: BTreeMap<Reference, Wanted<'a>> = BTreeMap::new();
    for project in projects {
        for (reference, image) in project.images_of_registries(lock) {
            let (Some(image), Some(signers)) = (image, project.image_signatures.required(&reference)) else {
                continue;
            };
            let wanted = all.entry(reference).or_insert_with(|| Wanted { image, signers: Vec::new() });
            if !wanted.signers.contains(&signers) {
                wanted.signers.push(signers);
            }
        }
    }
    all
}

/// A signature of an image that counts for everyone who must have signed it.
fn check(
    reference: &Reference,
    wanted: &Wanted<'_>,
    store: &Store,
    registries: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<ImageSignature, Error> {
    let mut found = FoundSignatures::default();
    for signers in &wanted.signers {
        let failed = |source| Error::Resolve { reference: reference.to_string(), source };
        let image = &wanted.image;
        found = images::pull::signatures(reference, image, signers, store, registries, progress)
            .map_err(failed)?;
        if found.good.is_empty() {
            break;
        }
    }
    let good = found.good.iter().find(|signature| wanted.accepts(signature)).cloned();
    match good {
        Some(good) => {
            found.refused.iter().for_each(|refused| progress.warn(&format!("{reference}: {refused}")));
            Ok(good)
        }
        None => Err(Error::Unsigned {
            reference: reference.to_string(),
            image: wanted.image,
            problem: found.problem(),
        }),
    }
}
