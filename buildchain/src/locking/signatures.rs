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

    /// The signature in the lock file if it is one of the good ones, else the first of them. A vendor who adds a signature does not
    /// change the lock file.
    fn choose<'a>(
        &self,
        good: &'a [ImageSignature],
        locked: Option<&ImageSignature>,
    ) -> Option<&'a ImageSignature> {
        let accepted = || good.iter().filter(|signature| self.accepts(signature));
        accepted().find(|signature| Some(*signature) == locked).or_else(|| accepted().next())
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
        let locked = lock.signatures().get(*reference);
        Some(check(reference, (wanted, locked), store, registries, progress))
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

/// A signature of an image that counts for everyone who must have signed it: the one in the lock file while it is good.
fn check(
    reference: &Reference,
    (wanted, locked): (&Wanted<'_>, Option<&ImageSignature>),
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
    match wanted.choose(&found.good, locked).cloned() {
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

#[cfg(test)]
mod tests {
    use images::signatures::SignatureForm;

    use super::*;

    #[test]
    fn the_locked_signature_stays_while_it_is_good() {
        let key = include_bytes!("../../../images/src/signatures/data/cosign.pub");
        let key = trust::PublicKey::read(key).unwrap();
        let (image, keys) = (Digest::of(b"image"), vec![key.clone()].into());
        let signers = RequiredSigners { signers: &keys, identity: "quay.io/vendor/app".into() };
        let wanted = Wanted { image, signers: vec![signers] };
        let signature = |form, manifest: &[u8], identity: Option<&str>| ImageSignature {
            image,
            signer: key.id().into(),
            form,
            manifest: Digest::of(manifest),
            identity: identity.map(Into::into),
        };
        let tagged = signature(SignatureForm::Tag, b"added", Some("quay.io/vendor/app"));
        let bundle = signature(SignatureForm::Referrer, b"locked", None);
        let other = signature(SignatureForm::Tag, b"other", Some("quay.io/vendor/other"));
        let good = [other.clone(), tagged.clone(), bundle.clone()];
        for (good, locked, expected) in [
            (&good[..], Some(&bundle), Some(&bundle)),
            (&good[..], Some(&tagged), Some(&tagged)),
            (&good[..], None, Some(&tagged)),
            (&good[..], Some(&other), Some(&tagged)),
            (&good[..2], Some(&bundle), Some(&tagged)),
            (&good[..1], Some(&other), None),
        ] {
            assert_eq!(wanted.choose(good, locked), expected);
        }
    }
}
