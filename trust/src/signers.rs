//! Whose signatures count.

use std::fmt;

use content::printable;

use crate::keyless::Certified;
use crate::{Algorithm, Fault, Identity, PublicKey, TrustedRoot};

/// Whose signatures count: the holders of keys, and persons and pipelines with certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// The persons and pipelines.
    pub identities: Vec<Identity>,
}

/// Who signed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The holder of a key.
    Key {
        /// The ID of the key.
        id: String,
        /// Its algorithm.
        algorithm: Algorithm,
    },
    /// A person or a pipeline with a certificate.
    Identity {
        /// The identity that accepts it ([`Identity::id`]).
        id: String,
        /// The subject of the certificate: an email address, or the URI of a pipeline.
        subject: String,
        /// The URL of the issuer.
        issuer: String,
    },
}

impl Signers {
    /// No signature counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.identities.is_empty()
    }

    /// The IDs of the keys, then those of the identities.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let keys = self.keys.iter().map(PublicKey::id);
        keys.chain(self.identities.iter().map(Identity::id)).map(str::to_owned).collect()
    }

    /// The identity that `certify` finds in a signature, with one root after the other, if it counts.
    pub(crate) fn certified(
        &self,
        certify: impl Fn(&TrustedRoot) -> Result<Certified, Fault>,
    ) -> Result<SignedBy, Fault> {
        let mut refused = Fault::Certificate(self.ids());
        let mut roots: Vec<&TrustedRoot> = Vec::new();
        for root in self.identities.iter().map(Identity::root) {
            if roots.contains(&root) {
                continue;
            }
            roots.push(root);
            let certified = match certify(root) {
                Ok(certified) => certified,
                Err(fault) => {
                    refused = fault;
                    continue;
                }
            };
            let of_root = self.identities.iter().filter(|identity| identity.root() == root);
            match of_root.clone().find(|identity| identity.matches(&certified)) {
                Some(identity) => {
                    let Certified { subject, issuer } = certified;
                    return Ok(SignedBy::Identity { id: identity.id().to_owned(), subject, issuer });
                }
                None => {
                    refused = Fault::OtherIdentity {
                        found: format!("{} ({})", certified.subject, certified.issuer),
                        trusted: of_root.map(|identity| identity.id().to_owned()).collect(),
                    };
                }
            }
        }
        Err(refused)
    }
}

impl From<Vec<PublicKey>> for Signers {
    fn from(keys: Vec<PublicKey>) -> Self {
        Self { keys, identities: Vec::new() }
    }
}

impl SignedBy {
    /// The holder of a key.
    #[must_use]
    pub fn of_key(key: &PublicKey) -> Self {
        Self::Key { id: key.id().to_owned(), algorithm: key.algorithm() }
    }

    /// The holder of a certificate, as its own identity.
    pub(crate) fn of_holder(holder: &Certified) -> Self {
        let Certified { subject, issuer } = holder.clone();
        Self::Identity { id: Identity::id_of(&subject, &issuer), subject, issuer }
    }

    /// The ID of the key or of the identity, as [`Signers::ids`] has it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Key { id, .. } | Self::Identity { id, .. } => id,
        }
    }
}

impl fmt::Display for SignedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { id, algorithm } => write!(formatter, "the key {id} ({})", algorithm.name()),
            Self::Identity { subject, issuer, .. } => {
                write!(formatter, "{} ({})", printable(subject), printable(issuer))
            }
        }
    }
}
