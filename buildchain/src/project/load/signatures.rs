//! Reading `spec.images.signatures`.

use std::path::Path;

use content::LinkPolicy;
use images::signatures::{RuleError, SignatureRequirement, SignatureRule};
use trust::{KEY_MAX, PublicKey};

use super::Loader;
use crate::project::error::Error;
use crate::project::field::Field;
use crate::project::file::{ImageSignatureEntry, RequireSignature};
use crate::project::names::{ImageSource, InnerPath};

impl Loader {
    /// Reads the rules of the file at `path`. Images to pull need them.
    pub(super) fn image_signatures(&mut self, path: &Path, entries: &[ImageSignatureEntry]) {
        self.each(path, entries, |loader, entry| loader.image_signature(path, entry));
    }

    fn image_signature(&mut self, path: &Path, entry: &ImageSignatureEntry) {
        let repository = self.entries(path).name(&entry.repository);
        let identity = entry.identity.as_ref().map(|field| self.entries(path).name(field));
        let keys: Vec<Option<PublicKey>> =
            entry.keys.iter().map(|field| self.public_key(path, field)).collect();
        // What is wrong with them is reported.
        let Some(keys) = keys.into_iter().collect::<Option<Vec<PublicKey>>>() else { return };
        let (Some(repository), false) = (repository, identity == Some(None)) else { return };
        let requirement = match entry.require {
            RequireSignature::None => SignatureRequirement::None,
            RequireSignature::Signature => SignatureRequirement::Signature,
        };
        let rule = SignatureRule::new(repository, requirement, keys, identity.flatten());
        let added = rule.and_then(|rule| self.project.image_signatures.add(rule));
        let at = |error: RuleError| {
            let place = match (&error, &entry.identity, entry.keys.first()) {
                (RuleError::IdentityForm | RuleError::WithoutEffect("identity"), Some(field), _) => {
                    field.place()
                }
                (RuleError::WithoutEffect("keys"), _, Some(field)) => field.place(),
                _ => entry.repository.place(),
            };
            Error::at(path, place, error.to_string())
        };
        self.mistakes.note(added.map_err(at));
    }

    /// A public key. It must exist before any task runs: `sealift lock` checks signatures with it.
    fn public_key(&mut self, path: &Path, field: &Field<InnerPath>) -> Option<PublicKey> {
        let inner = self.entries(path).path(field)?;
        let file = self.project.root.join(&inner);
        let read = content::open_read(&file, LinkPolicy::Follow, KEY_MAX)
            .map_err(|error| Error::file("read", &file, error.source))
            .map_err(|error| error.unreadable_at(path, field.place(), &self.project.root));
        self.project.sources.push(file);
        let bytes = self.mistakes.note(read)?;
        let key = PublicKey::read(&bytes).map_err(|fault| {
            Error::at(path, field.place(), format!("`{}`: {fault}", content::printable_path(&inner)))
        });
        self.mistakes.note(key)
    }

    /// Whether a rule requires a signature of an image to pull.
    pub(super) fn needs_signature(&self, source: &ImageSource) -> bool {
        match source {
            ImageSource::Registry(reference) => self.project.image_signatures.required(reference).is_some(),
            ImageSource::Local(_) | ImageSource::Engine(_) => false,
        }
    }
}
