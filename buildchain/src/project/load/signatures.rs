//! Reading `spec.images.signatures`.

use std::path::Path;

use content::LinkPolicy;
use images::signatures::{RuleError, SignatureRequirement, SignatureRule};
use trust::{Fault, Identity, KEY_MAX, PublicKey, Signers, TRUSTED_ROOT_MAX, TrustedRoot};

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
        let identities = self.identities(path, entry);
        // What is wrong with them is reported.
        let Some(keys) = keys.into_iter().collect::<Option<Vec<PublicKey>>>() else { return };
        let Some(identities) = identities else { return };
        let signers = Signers { keys, identities };
        let (Some(repository), false) = (repository, identity == Some(None)) else { return };
        let requirement = match entry.require {
            RequireSignature::None => SignatureRequirement::None,
            RequireSignature::Signature => SignatureRequirement::Signature,
        };
        let rule = SignatureRule::new(repository, requirement, signers, identity.flatten());
        let added = rule.and_then(|rule| self.project.image_signatures.add(rule));
        let at = |error: RuleError| {
            let place = match (&error, &entry.identity, entry.keys.first()) {
                (RuleError::IdentityForm | RuleError::WithoutEffect("identity"), Some(field), _) => {
                    field.place()
                }
                (RuleError::WithoutEffect("keys"), _, Some(field)) => field.place(),
                (RuleError::WithoutEffect("identities"), ..) => {
                    entry.identities.first().map_or(entry.repository.place(), |first| first.subject.place())
                }
                _ => entry.repository.place(),
            };
            Error::at(path, place, error.to_string())
        };
        self.mistakes.note(added.map_err(at));
    }

    /// The identities of an entry; `None` if there is a mistake, which is noted.
    fn identities(&mut self, path: &Path, entry: &ImageSignatureEntry) -> Option<Vec<Identity>> {
        let root = match &entry.trusted_root {
            Some(field) => Some((field, self.trust_file(path, field, TRUSTED_ROOT_MAX, TrustedRoot::parse)?)),
            None => None,
        };
        let problem = match (&root, entry.identities.first()) {
            (Some((field, _)), None) => {
                Some((field.place(), "`trustedRoot` takes effect only with `identities`"))
            }
            (None, Some(first)) => Some((first.subject.place(), "`identities` need `trustedRoot`")),
            _ => None,
        };
        if let Some((place, text)) = problem {
            self.mistakes.note::<()>(Err(Error::at(path, place, text)));
            return None;
        }
        let (_, root) = match root {
            Some(root) => root,
            None => return Some(Vec::new()),
        };
        let identities: Vec<Option<Identity>> = entry
            .identities
            .iter()
            .map(|identity| {
                let subject = self.entries(path).name(&identity.subject)?;
                let issuer = self.entries(path).name(&identity.issuer)?;
                let read = Identity::new(&root, subject.as_str(), issuer.as_str())
                    .map_err(|fault| Error::at(path, identity.subject.place(), fault.to_string()));
                self.mistakes.note(read)
            })
            .collect();
        identities.into_iter().collect()
    }

    fn public_key(&mut self, path: &Path, field: &Field<InnerPath>) -> Option<PublicKey> {
        self.trust_file(path, field, KEY_MAX, PublicKey::read)
    }

    /// What `parse` reads in a file. It must exist before any task runs: `sealift lock` checks signatures with it.
    fn trust_file<T>(
        &mut self,
        path: &Path,
        field: &Field<InnerPath>,
        limit: u64,
        parse: impl Fn(&[u8]) -> Result<T, Fault>,
    ) -> Option<T> {
        let inner = self.entries(path).path(field)?;
        let file = self.project.root.join(&inner);
        let read = content::open_read(&file, LinkPolicy::Follow, limit)
            .map_err(|error| Error::file("read", &file, error.source))
            .map_err(|error| error.unreadable_at(path, field.place(), &self.project.root));
        self.project.sources.push(file);
        let bytes = self.mistakes.note(read)?;
        let parsed = parse(&bytes).map_err(|fault| {
            Error::at(path, field.place(), format!("`{}`: {fault}", content::printable_path(&inner)))
        });
        self.mistakes.note(parsed)
    }

    /// Whether a rule requires a signature of an image to pull.
    pub(super) fn needs_signature(&self, source: &ImageSource) -> bool {
        match source {
            ImageSource::Registry(reference) => self.project.image_signatures.required(reference).is_some(),
            ImageSource::Local(_) | ImageSource::Engine(_) => false,
        }
    }
}
