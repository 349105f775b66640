//! What is wrong with keys and signatures.

use std::fmt;

use content::{IoError, printable};

/// A file of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFault {
    /// There is no public key in it.
    #[error("it has no OpenPGP public key")]
    NoKey,
    /// It is too large.
    #[error("it has more than {limit} {unit}")]
    TooLarge {
        /// The most that it may have.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// It is damaged or cut off.
    #[error("it is not a file of OpenPGP keys, or it is cut off: {}", printable(.0))]
    Damaged(String),
    /// A key has no self-signature that fits: it is cut off or forged.
    #[error("its key {0} has no valid self-signature")]
    NoSelfSignature(String),
}

/// Something that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningFault {
    /// A file of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysFault),
    /// The file of the public key cannot be used.
    #[error("{0}")]
    PublicKey(KeysFault),
    /// The public key of a command is not known.
    #[error("the public key is missing")]
    NoPublicKey,
    /// There is no secret key in the file.
    #[error("it has no OpenPGP secret key")]
    NoSecretKey,
    /// There are several secret keys in the file.
    #[error("it has {0} secret keys: expected one")]
    SeveralKeys(usize),
    /// The key has a passphrase.
    #[error("the secret key {0} has a passphrase")]
    PassphraseMissing(String),
    /// The passphrase is wrong.
    #[error("the passphrase is wrong for the secret key {0}")]
    PassphraseWrong(String),
    /// No part of the key signs.
    #[error("the secret key {0} has no part for signing: it is on a card, revoked, or for other uses")]
    NoSigningKey(String),
    /// The key is of a kind that is not supported.
    #[error("the secret key {key} cannot be used: {what}")]
    Unsuitable {
        /// The key ID.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// The date does not fit a signature.
    #[error("the date {0} is not one that a signature can have")]
    Date(i64),
    /// A program that signs failed.
    #[error("{}: {reason}", printable(program))]
    Program {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// GnuPG has no terminal on which to ask for the passphrase.
    #[error("gpg cannot ask for the passphrase of the key {}, because it has no terminal", printable(.0))]
    NoTerminal(String),
    /// The run was stopped.
    #[error("stopped")]
    Cancelled,
    /// The signature that was made does not count.
    #[error("the new signature is not valid: {0}")]
    Refused(SignatureFault),
    /// A signature cannot be kept.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// There is no signature.
    #[error("it has no signature")]
    Missing,
    /// The signature cannot be read.
    #[error("its signature cannot be read: {}", printable(.0))]
    Unreadable(String),
    /// The content cannot be read.
    #[error("it cannot be read: {}", printable(.0))]
    Content(String),
    /// It is by a key that is not among the given ones.
    #[error(
        "it is signed by {}, which {} not among the keys of the repository",
        key_ids(.0),
        if .0.len() > 1 { "are" } else { "is" }
    )]
    UnknownKey(Vec<String>),
    /// The signature does not fit the content.
    #[error("it was altered after the key {0} signed it")]
    Altered(KeyName),
    /// The key had expired.
    #[error("the key {key} that signed it expired on {}", Day(*.on))]
    KeyExpired {
        /// The key.
        key: KeyName,
        /// When it expired, in Unix seconds.
        on: i64,
    },
    /// The signature had expired.
    #[error("its signature by the key {key} expired on {}", Day(*.on))]
    SignatureExpired {
        /// The key.
        key: KeyName,
        /// When it expired, in Unix seconds.
        on: i64,
    },
    /// The key was revoked.
    #[error("the key {key} that signed it was revoked on {}", Day(*.on))]
    Revoked {
        /// The key.
        key: KeyName,
        /// When it was revoked, in Unix seconds.
        on: i64,
    },
    /// The signature is dated before the key was created, or in the future.
    #[error("its signature by the key {key} has the date {}, which is {why}", Day(*.created))]
    Date {
        /// The key.
        key: KeyName,
        /// The date of the signature, in Unix seconds.
        created: i64,
        /// What is wrong with the date.
        why: &'static str,
    },
    /// The algorithm or the length of the key is no longer secure.
    #[error("its signature uses {what}, which is no longer secure")]
    Weak {
        /// The algorithm, or the kind and length of the key.
        what: String,
    },
    /// The signature covers the header of a package only, and the header does not cover the payload.
    #[error("its signature covers the header only")]
    HeaderOnly,
}

impl SignatureFault {
    /// The fault as one of a key that has not signed yet.
    #[must_use]
    pub fn before_signing(&self) -> String {
        match self {
            Self::KeyExpired { key, on } => format!("the key {key} expired on {}", Day(*on)),
            Self::Revoked { key, on } => format!("the key {key} was revoked on {}", Day(*on)),
            other => other.to_string(),
        }
    }

    /// How much it says: of several signatures the fault of the highest rank counts.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Unreadable(_) => 1,
            Self::UnknownKey(_) => 2,
            Self::HeaderOnly => 3,
            Self::Weak { .. } => 4,
            Self::Date { .. } | Self::SignatureExpired { .. } => 5,
            Self::KeyExpired { .. } => 6,
            Self::Revoked { .. } => 7,
            Self::Altered(_) => 8,
            Self::Content(_) => 9,
        }
    }
}

fn key_ids(ids: &[String]) -> String {
    match ids {
        [] => "a key without an ID".to_owned(),
        [id] => format!("the key {id}"),
        ids => format!("the keys {}", ids.join(" and ")),
    }
}

/// A key in a message: its ID and its user ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// The key ID, in upper case.
    pub id: String,
    /// The user ID, if it has one.
    pub user: String,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user.as_str() {
            "" => f.write_str(&self.id),
            user => write!(f, "{} ({})", self.id, printable(user)),
        }
    }
}

/// A day in UTC, for messages.
struct Day(i64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{}", time.to_zoned(jiff::tz::TimeZone::UTC).date()),
            Err(_) => write!(f, "second {}", self.0),
        }
    }
}
