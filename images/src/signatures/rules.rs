//! Rules for the signatures of images.

use trust::{Identity, PublicKey, Signers};

use super::{ImageSignature, RepositoryPattern};
use crate::Reference;

/// What the images of a repository need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureRequirement {
    /// No signature.
    None,
    /// A signature by one of the signers.
    Signature,
}

/// What counts for the images of some repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRule {
    repository: RepositoryPattern,
    requirement: SignatureRequirement,
    signers: Signers,
    identity: Option<RepositoryPattern>,
}

/// A rule that contradicts itself, or another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Nobody could sign.
    #[error("`require: signature` needs `keys` or `identities`")]
    NoSigners,
    /// A key of the file that changes nothing.
    #[error("`{0}` takes effect only with `require: signature`")]
    WithoutEffect(&'static str),
    /// The signed repository cannot be computed.
    #[error("`identity` and `repository` must both end with `/*`, or neither")]
    IdentityForm,
    /// Two rules for the same repositories.
    #[error("a second rule for `{0}`")]
    Twice(RepositoryPattern),
}

impl SignatureRule {
    /// A rule. `identity`: the repositories that the images were signed in, if these are not those that they come from.
    ///
    /// # Errors
    ///
    /// [`RuleError`]: the rule contradicts itself.
    pub fn new(
        repository: RepositoryPattern,
        requirement: SignatureRequirement,
        signers: Signers,
        identity: Option<RepositoryPattern>,
    ) -> Result<Self, RuleError> {
        match requirement {
            SignatureRequirement::None if !signers.keys.is_empty() => {
                return Err(RuleError::WithoutEffect("keys"));
            }
            SignatureRequirement::None if !signers.is_empty() => {
                return Err(RuleError::WithoutEffect("identities"));
            }
            SignatureRequirement::None if identity.is_some() => {
                return Err(RuleError::WithoutEffect("identity"));
            }
            SignatureRequirement::Signature if signers.is_empty() => return Err(RuleError::NoSigners),
            _ => {}
        }
        let fits = match (&repository, &identity) {
            (_, None)
            | (RepositoryPattern::Below(_), Some(RepositoryPattern::Below(_)))
            | (RepositoryPattern::One(_), Some(RepositoryPattern::One(_))) => true,
            (_, Some(_)) => false,
        };
        if !fits {
            return Err(RuleError::IdentityForm);
        }
        Ok(Self { repository, requirement, signers, identity })
    }

    /// The repositories that it is for.
    #[must_use]
    pub fn repository(&self) -> &RepositoryPattern {
        &self.repository
    }

    /// What it requires.
    #[must_use]
    pub fn requirement(&self) -> SignatureRequirement {
        self.requirement
    }

    /// The keys whose signatures count.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.signers.keys
    }

    /// The persons and pipelines whose signatures count.
    #[must_use]
    pub fn identities(&self) -> &[Identity] {
        &self.signers.identities
    }

    /// The repositories that the images were signed in, if these are others.
    #[must_use]
    pub fn identity(&self) -> Option<&RepositoryPattern> {
        self.identity.as_ref()
    }

    /// The repository that the image in the repository `name` was signed in.
    fn signed_name(&self, name: &str) -> String {
        match (&self.repository, &self.identity) {
            (RepositoryPattern::Below(parent), Some(RepositoryPattern::Below(signed))) => {
                format!("{signed}{}", name.strip_prefix(parent.as_str()).unwrap_or(name))
            }
            (_, Some(RepositoryPattern::One(signed))) => signed.clone(),
            _ => name.to_owned(),
        }
    }
}

/// The rules for all repositories. The most precise one decides; without one, no signature is required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureRules(Vec<SignatureRule>);

/// Who must have signed an image, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredSigners<'a> {
    /// Whose signatures count.
    pub signers: &'a Signers,
    /// The repository that a payload must name.
    pub identity: String,
}

impl RequiredSigners<'_> {
    /// Whether `signature` counts for an image of this digest, by what was noted about it.
    #[must_use]
    pub fn accept(&self, signature: &ImageSignature, image: &content::Digest) -> bool {
        signature.image == *image
            && self.signers.ids().contains(&signature.signer)
            && signature.identity.as_ref().is_none_or(|identity| *identity == self.identity)
    }
}

impl SignatureRules {
    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// [`RuleError::Twice`]: there is one for the same pattern.
    pub fn add(&mut self, rule: SignatureRule) -> Result<(), RuleError> {
        if self.0.iter().any(|other| other.repository == rule.repository) {
            return Err(RuleError::Twice(rule.repository));
        }
        self.0.push(rule);
        Ok(())
    }

    /// The rules, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &SignatureRule> {
        self.0.iter()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule that decides about the image at `reference`.
    #[must_use]
    pub fn deciding(&self, reference: &Reference) -> Option<&SignatureRule> {
        let name = reference.name();
        let covering = self.0.iter().filter(|rule| rule.repository.covers(&name));
        covering.max_by_key(|rule| rule.repository.precision())
    }

    /// Who must have signed the image at `reference`; `None` if it needs no signature.
    #[must_use]
    pub fn required(&self, reference: &Reference) -> Option<RequiredSigners<'_>> {
        let rule = self.deciding(reference)?;
        match rule.requirement {
            SignatureRequirement::None => None,
            SignatureRequirement::Signature => {
                let identity = rule.signed_name(&reference.name());
                Some(RequiredSigners { signers: &rule.signers, identity })
            }
        }
    }
}
