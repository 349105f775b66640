//! The name of content: its SHA-256.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, which is the name of every manifest, blob and file in an archive.
///
/// Its text is `sha256:` and 64 lower-case hexadecimal digits, as in the OCI image specification. That registers further
/// algorithms; they are refused, since a digest that cannot be checked must not name anything. Because the value is 32
/// bytes and not text, a path made from it cannot leave its folder.
///
/// ```
/// let empty: content::Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
/// assert_eq!(content::Digest::of(b""), empty);
/// assert!("sha512:00".parse::<content::Digest>().is_err());
/// # Ok::<(), content::ParseDigestError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct ParseDigestError {
    /// The text, cut to 100 characters.
    pub found: String,
}

impl Digest {
    /// The digest with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, most significant first, as `sha256sum` prints them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Computes the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits without the algorithm: the name of a file that is called by its digest.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first twelve hexadecimal digits: enough for a person to tell two digests apart.
    #[must_use]
    pub fn short(&self) -> String {
        let [first, second, third, fourth, fifth, sixth, ..] = self.0;
        hex::encode([first, second, third, fourth, fifth, sixth])
    }

    /// Parses 64 lower-case hexadecimal digits, as [`hex`](Self::hex) returns them.
    ///
    /// # Errors
    ///
    /// [`ParseDigestError`] for any other text.
    pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
        let mut bytes = [0; 32];
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
            Ok(Self(bytes))
        } else {
            Err(ParseDigestError { found: text.chars().take(100).collect() })
        }
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        text.strip_prefix("sha256:")
            .and_then(|digits| Self::from_hex(digits).ok())
            .ok_or_else(|| ParseDigestError { found: text.chars().take(100).collect() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`sha256:` and 64 lower-case hexadecimal digits",
            "pattern": "^sha256:[a-f0-9]{64}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_sha256_is_a_digest() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: Digest = format!("sha256:{digits}").parse().unwrap();
        assert_eq!(digest.to_string(), format!("sha256:{digits}"));
        assert_eq!(digest.hex(), digits);
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(Digest::from_hex(digits).unwrap(), digest);
        for bad in [
            String::new(),
            digits.into(),
            format!("sha256:{}", digits.to_uppercase()),
            format!("sha256:{digits}00"),
            format!("sha256:{}", &digits[..62]),
            format!("sha256:../../{}", &digits[..58]),
            format!("sha512:{digits}{digits}"),
            format!(" sha256:{digits}"),
            format!("sha256:{digits}\n"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
