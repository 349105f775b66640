//! The rules in an archive, for the nodes: `attestations/image-policy.json`.

use std::collections::BTreeMap;

use content::{Digest, printable};
use serde::{Deserialize, Serialize};
use trust::{Identity, PublicKey, Signers, TrustedRoot};

use super::{RepositoryPattern, RuleError, SignatureRequirement, SignatureRule, SignatureRules};

/// The most bytes of a file of rules.
pub const RULES_MAX: u64 = 1 << 20;
/// The most rules of a file, and keys or identities of a rule.
const ENTRIES_MAX: usize = 1000;
/// The version of the format.
const VERSION: u32 = 1;

/// Why a file of rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesFileError {
    /// It breaks its format.
    #[error("it is not a file of rules for signatures: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It has more than is read.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A later version.
    #[error("it has version {0} of its format: expected {VERSION}")]
    Version(u32),
    /// A pattern is not one.
    #[error("`{}`: {reason}", printable(pattern))]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A key is not one.
    #[error("a key of the rule for {repository}: {fault}")]
    Key {
        /// The rule.
        repository: RepositoryPattern,
        /// What is wrong.
        fault: Box<trust::Fault>,
    },
    /// An identity, or the trusted root, is not one.
    #[error("an identity of the rule for {repository}: {fault}")]
    Identity {
        /// The rule.
        repository: RepositoryPattern,
        /// What is wrong.
        fault: Box<trust::Fault>,
    },
    /// Nothing says whose certificates count.
    #[error("the rule for {0} has identities, but no trusted root")]
    NoRoot(RepositoryPattern),
    /// A rule contradicts itself or another one.
    #[error("the rule for {repository}: {source}")]
    Rule {
        /// The rule.
        repository: RepositoryPattern,
        /// What is wrong.
        source: RuleError,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    schema_version: u32,
    rules: Vec<FileRule>,
    /// The files `trusted_root.json` that rules name, by their digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trusted_roots: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileRule {
    repository: String,
    require: Require,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<FileIdentity>,
    /// The digest of what certifies the identities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trusted_root: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileIdentity {
    subject: String,
    issuer: String,
}

impl From<&Identity> for FileIdentity {
    fn from(identity: &Identity) -> Self {
        Self { subject: identity.subject().to_owned(), issuer: identity.issuer().to_owned() }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Require {
    None,
    Signature,
}

fn digest(root: &TrustedRoot) -> String {
    Digest::of(root.as_str().as_bytes()).to_string()
}

impl SignatureRules {
    /// The rules as a file of an archive, with their keys in it. Equal rules give equal bytes.
    #[must_use]
    pub fn render(&self) -> String {
        let rule = |rule: &SignatureRule| FileRule {
            repository: rule.repository().to_string(),
            require: match rule.requirement() {
                SignatureRequirement::None => Require::None,
                SignatureRequirement::Signature => Require::Signature,
            },
            identity: rule.identity().map(ToString::to_string),
            keys: rule.keys().iter().map(PublicKey::to_pem).collect(),
            identities: rule.identities().iter().map(FileIdentity::from).collect(),
            // A rule has one.
            trusted_root: rule.identities().first().map(|identity| digest(identity.root())),
        };
        let roots = self.iter().flat_map(SignatureRule::identities).map(Identity::root);
        let file = File {
            schema_version: VERSION,
            rules: self.iter().map(rule).collect(),
            trusted_roots: roots.map(|root| (digest(root), root.as_str().to_owned())).collect(),
        };
        // A structure of texts has no value that JSON cannot have.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the file of an archive.
    ///
    /// # Errors
    ///
    /// [`RulesFileError`]: it breaks its format, or has more than [`RULES_MAX`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RulesFileError> {
        if bytes.len() as u64 > RULES_MAX {
            return Err(RulesFileError::TooMany { what: "bytes", limit: RULES_MAX });
        }
        let file: File = serde_json::from_slice(bytes)?;
        if file.schema_version != VERSION {
            return Err(RulesFileError::Version(file.schema_version));
        }
        let limited = |what, found: usize| match found <= ENTRIES_MAX {
            true => Ok(()),
            false => Err(RulesFileError::TooMany { what, limit: ENTRIES_MAX as u64 }),
        };
        limited("rules", file.rules.len())?;
        let pattern = |text: String| {
            text.parse::<RepositoryPattern>()
                .map_err(|reason| RulesFileError::Pattern { pattern: text, reason })
        };
        let mut rules = Self::default();
        for rule in file.rules {
            limited("keys of a rule", rule.keys.len())?;
            let repository = pattern(rule.repository)?;
            let identity = rule.identity.map(pattern).transpose()?;
            let key = |pem: &String| {
                PublicKey::read(pem.as_bytes()).map_err(|fault| RulesFileError::Key {
                    repository: repository.clone(),
                    fault: Box::new(fault),
                })
            };
            let keys = rule.keys.iter().map(key).collect::<Result<_, _>>()?;
            let root = rule.trusted_root.as_ref().and_then(|name| file.trusted_roots.get(name));
            let root = root.map(|text| TrustedRoot::parse(text.as_bytes()));
            let of_rule =
                |fault| RulesFileError::Identity { repository: repository.clone(), fault: Box::new(fault) };
            let root = root.transpose().map_err(of_rule)?;
            limited("identities of a rule", rule.identities.len())?;
            let identity_of = |FileIdentity { subject, issuer }: &FileIdentity| {
                let root = root.as_ref().ok_or_else(|| RulesFileError::NoRoot(repository.clone()))?;
                Identity::new(root, subject, issuer).map_err(of_rule)
            };
            let identities = rule.identities.iter().map(identity_of).collect::<Result<_, _>>()?;
            let signers = Signers { keys, identities };
            let requirement = match rule.require {
                Require::None => SignatureRequirement::None,
                Require::Signature => SignatureRequirement::Signature,
            };
            let added = SignatureRule::new(repository.clone(), requirement, signers, identity)
                .and_then(|rule| rules.add(rule));
            added.map_err(|source| RulesFileError::Rule { repository, source })?;
        }
        Ok(rules)
    }
}
