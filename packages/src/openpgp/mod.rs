//! OpenPGP keys and signatures of repositories and packages (RFC 9580; the crate `pgp` reads and computes).
//!
//! A key file is trusted because the project names it. So a key needs a self-signature that fits, but no certification by others.
//!
//! # What is refused
//!
//! * Signatures of content with MD5, SHA-1 or RIPEMD-160, and by RSA or DSA keys of less than 2048 bits: today's attackers can forge
//!   them. Self-signatures of keys may use SHA-1, as those of many distributions do: nobody but the owner of the file chose them.
//! * Signatures by a key that had expired or was revoked ([`ValidAt`]), that are older than their key, or that have an unknown
//!   critical subpacket.
//! * Signatures of only the header of a package whose header has no SHA-256 of the payload
//!   ([`verify_package`](crate::repository::verify_package)).

mod fault;
mod key;
mod signature;
#[cfg(test)]
mod tests;

use std::io::Read;

pub use self::fault::{KeysFault, SignatureFault};
use self::key::Key;
pub(crate) use self::signature::Signatures;

/// The most bytes of a file of keys: a thousand ordinary keys.
pub const KEYS_MAX: u64 = 4 << 20;
/// The most bytes of a detached signature.
pub const SIGNATURE_MAX: u64 = 256 << 10;
/// The most keys of a file.
const KEYS_PER_FILE: usize = 1000;

/// The time at which a key must be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidAt {
    /// When the signature was made, by its own date. For packages: a repository keeps those of years ago, and a locked build must not
    /// fail on the day after the key expires.
    Signing,
    /// At this time, in Unix seconds. For metadata, which a repository signs again and again.
    Time(i64),
}

/// A signature that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodSignature {
    /// The fingerprint of the key that made it, in upper case: of the subkey if it was one.
    pub fingerprint: String,
    /// The user ID of the key.
    pub user: String,
    /// When it was made, in Unix seconds.
    pub created: i64,
}

/// Public keys that signatures are checked with.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    /// Reads a file of keys: one or more armoured blocks with any text between them, or binary.
    ///
    /// # Errors
    ///
    /// [`KeysFault`] if the file has no key, is cut off or has more than 4 MiB, or if one of its keys cannot be used.
    pub fn read(bytes: &[u8]) -> Result<Self, KeysFault> {
        key::read(bytes).map(|keys| Self { keys })
    }

    /// Adds the keys of another file.
    pub fn extend(&mut self, others: Self) {
        self.keys.extend(others.keys);
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The fingerprint (upper case) and the user ID of each key.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys.iter().map(|key| (key.fingerprint.as_str(), key.user.as_str()))
    }

    /// Checks a detached signature, armoured or binary, of `data`. Of several signatures one by a known key must fit.
    ///
    /// # Errors
    ///
    /// [`SignatureFault`]: of several, the one that says most.
    pub fn verify(
        &self,
        data: &[u8],
        signature: &[u8],
        at: ValidAt,
    ) -> Result<GoodSignature, SignatureFault> {
        let signatures = Signatures::read(signature)?;
        signatures.verify(self, &mut || Ok(Box::new(data) as Box<dyn Read>), at)
    }
}
