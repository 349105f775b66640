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
//!
//! # Signing
//!
//! A [`Signer`] has a secret key in a file, or runs GnuPG or a command:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use packages::openpgp::{Signer, Signing, ValidAt};
//!
//! # let secret_key = include_bytes!("tests/data/ed.secret.asc");
//! let signer = Signer::with_key(secret_key, None, None)?;
//! let signing = Signing::at(1_700_000_000);
//! let signature = signer.detached_armoured(b"<repomd/>", signing)?; // repomd.xml.asc, Release.gpg
//! let in_release = signer.cleartext("Suite: stable\n", signing)?; // InRelease
//!
//! signer.keys().verify(b"<repomd/>", &signature, ValidAt::Signing)?;
//! assert_eq!(signer.keys().verify_cleartext(&in_release, ValidAt::Signing)?.0, "Suite: stable\n");
//! assert_eq!(signer.detached_armoured(b"<repomd/>", signing)?, signature);
//! # Ok(())
//! # }
//! ```
//!
//! The date is the source date, so that equal inputs give equal bytes: signatures have neither a salt nor the notation with one, by
//! which other programs make each signature another one. Keys of version 6, whose signatures always have a salt, are refused. What
//! a program signs may differ each time. [`Signer::remembering`] keeps its signatures by the digest of what they sign.

mod armor;
mod cleartext;
mod fault;
mod key;
mod program;
mod secret;
mod signature;
mod signer;
mod source;
#[cfg(test)]
mod tests;

use std::io::Read;

use pgp::armor::BlockType;

pub use self::fault::{KeyName, KeysFault, SignatureFault, SigningFault};
use self::key::Key;
pub(crate) use self::signature::{Open, Signatures};
pub(crate) use self::signer::MadeSignature;
use self::signer::SignatureKind;
pub use self::signer::{Signer, Signing};
pub use self::source::{KeySource, Passphrase};

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

    /// A file of keys in armour, as rpm and dnf need it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read`].
    pub fn armoured(bytes: &[u8]) -> Result<Vec<u8>, KeysFault> {
        Self::read(bytes)?;
        let is_binary = bytes.first().is_some_and(|first| first & 0x80 != 0);
        Ok(if is_binary { armor::armoured(BlockType::PublicKey, bytes) } else { bytes.to_vec() })
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

    /// Why no key counts at this time, in Unix seconds: all have expired or were revoked. `None` if one counts.
    #[must_use]
    pub fn outdated(&self, now: i64) -> Option<SignatureFault> {
        let mut found = None;
        for (key, part) in self.keys.iter().flat_map(|key| key.parts.iter().map(move |part| (key, part))) {
            match signature::check_life(key, part, now) {
                _ if !part.signs => {}
                Ok(()) => return None,
                Err(fault) => found = Some(fault),
            }
        }
        found
    }

    /// The date of the newest part that signs, in Unix seconds.
    fn newest_part(&self) -> i64 {
        let parts = self.keys.iter().flat_map(|key| &key.parts).filter(|part| part.signs);
        parts.map(|part| part.life.created).max().unwrap_or_default()
    }

    /// Checks a text that has its signature with it, such as `InRelease`; the text that is signed, and the signature.
    ///
    /// # Errors
    ///
    /// [`SignatureFault`], also if the file has anything before or after what is signed.
    pub fn verify_cleartext(
        &self,
        file: &[u8],
        at: ValidAt,
    ) -> Result<(String, GoodSignature), SignatureFault> {
        let (text, signature) = cleartext::split(file)?;
        let good = self.verify(cleartext::canonical(&text).as_bytes(), signature.as_bytes(), at)?;
        Ok((text, good))
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
