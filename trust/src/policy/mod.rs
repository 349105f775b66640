//! The policy of a node: which archives it accepts, and whose signatures.

mod file;

pub use self::file::ReadFile;

use std::collections::BTreeMap;
use std::path::PathBuf;

use content::{IoError, printable, printable_path};
use serde::Deserialize;

use crate::{ArchiveStatement, Bundle, Fault, SignedBy, Signers};

/// The most keys of a rule, and archives of a policy.
const ENTRIES_MAX: usize = 1000;

/// What an archive must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Nothing: archives without checksums are accepted. Damaged ones are not.
    None,
    /// `SHA256SUMS` or an implanted MD5 that fits.
    #[default]
    Checksum,
    /// A signature by a key or an identity of the policy.
    Signature,
}

/// What a signature must cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covers {
    /// Of an ISO each byte; of a folder and a mounted archive, which have no others, each file.
    #[default]
    Iso,
    /// Each file, through the signed `SHA256SUMS`.
    Contents,
}

/// What holds for an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// What it must have.
    pub require: Require,
    /// What its signature must cover.
    pub covers: Covers,
    /// Whose signatures count.
    pub signers: Signers,
    /// The oldest version that is accepted: an older one was signed too.
    pub minimum_version: Option<String>,
}

/// The policy of a node. The default requires checksums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    default: Rule,
    archives: BTreeMap<String, Rule>,
    revoked: Vec<String>,
    files: Vec<PathBuf>,
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", printable_path(path))]
#[non_exhaustive]
pub struct PolicyError {
    /// The file of the policy, or of one of its keys.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What is wrong with a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// It cannot be read.
    #[error("it cannot be read: {}", .0.source)]
    Io(IoError),
    /// It is a symbolic link, which may lead to a file of another user.
    #[error("it is a symbolic link")]
    Link,
    /// Others can change it.
    #[error("users other than its owner can write to it")]
    Writable,
    /// Others can replace it.
    #[error("users other than the owner of its folder can replace it")]
    FolderWritable,
    /// Its folder belongs to another user than root and the one who runs the command.
    #[error("its folder belongs to the user {0}, who can replace it")]
    FolderOwner(u32),
    /// It belongs to another user than root and the one who runs the command.
    #[error("it belongs to the user {0}")]
    Owner(u32),
    /// It breaks its format.
    #[error("{0}")]
    Invalid(String),
    /// Signatures are required, and nobody is trusted.
    #[error("{0} requires signatures, but has neither `keys` nor `identities`")]
    NoSigners(String),
    /// Certificates count, and nothing says whose.
    #[error("{0} has `identities`, but no `trustedRoot` is named")]
    NoRoot(String),
    /// Whose certificates count is said, and no identity is.
    #[error("`trustedRoot` takes effect only with `identities`")]
    RootWithoutEffect,
    /// A text that cannot be an identity.
    #[error("{0}: {1}")]
    Identity(String, Box<Fault>),
    /// Keys without effect.
    #[error("{0} has `{1}`, which takes effect only with `require: signature`")]
    WithoutEffect(String, &'static str),
    /// Two rules for one archive.
    #[error("there are two rules for the archive `{}`", printable(.0))]
    TwoRules(String),
    /// A text that is not the name of an archive.
    #[error("`{}` is not the name of an archive", printable(.0))]
    Name(String),
    /// A text that is not a version.
    #[error("{place}: `{}` is not a version: expected one such as 2.11.0", printable(version))]
    Version {
        /// The rule.
        place: String,
        /// The text.
        version: String,
    },
    /// A text that is not the ID of a key.
    #[error("`{}` is not the ID of a key: expected `SHA256:` and 43 letters of base64", printable(.0))]
    KeyId(String),
    /// More than a policy can have.
    #[error("{what} has more than {limit} entries", limit = ENTRIES_MAX)]
    TooMany {
        /// The list.
        what: &'static str,
    },
    /// The file is not a public key, or not a trusted root.
    #[error("{0}")]
    Key(Fault),
}

impl Policy {
    /// A policy that requires a signature by one of `signers` for every archive.
    #[must_use]
    pub fn of_signers(signers: Signers, covers: Covers) -> Self {
        let default = Rule { require: Require::Signature, covers, signers, minimum_version: None };
        Self { default, ..Self::default() }
    }

    /// The files that it was read from: itself first, then its trusted root and its keys.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The rule for archives of this name, in upper or lower case.
    #[must_use]
    pub fn rule(&self, name: &str) -> &Rule {
        self.archives.get(&name.to_ascii_lowercase()).unwrap_or(&self.default)
    }

    /// The statement in a bundle, and who signed it, if the rule for the archive `name` accepts the signer.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn verify(&self, name: &str, bundle: &Bundle) -> Result<(ArchiveStatement, SignedBy), Fault> {
        let is_revoked = |id: &str| self.revoked.iter().any(|revoked| revoked == id);
        if let Some(key_id) = bundle.key_id().filter(|id| is_revoked(id)) {
            return Err(Fault::Revoked(key_id.to_owned()));
        }
        let signed = bundle.verify(&self.rule(name).signers)?;
        // The bundle may name the key in the way of cosign.
        if is_revoked(signed.by.id()) {
            return Err(Fault::Revoked(signed.by.id().to_owned()));
        }
        Ok((ArchiveStatement::parse(signed.statement)?, signed.by))
    }
}
