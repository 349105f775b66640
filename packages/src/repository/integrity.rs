//! Whether a package is as it was built: its regions and all digests that it carries, checked while it is read.
//!
//! RPM 4.14 and later write the SHA-256 of the header into the signature header and that of the payload into the header.
//! Older ones write the SHA-1 of the header, and the MD5 of header and payload together. None of these proves who built the
//! package; they find damage.

use content::Hasher;
use md5::{Digest as _, Md5};

use super::header::{HeaderFault, Headers};
use super::tag;

/// The number of SHA-256 among the digest algorithms of OpenPGP.
const SHA256: u32 = 8;

/// Checks a package whose headers are read and whose payload follows.
pub(super) struct Integrity {
    payload: Option<(String, Hasher)>,
    whole: Option<(String, Md5)>,
    expected_size: Option<u64>,
    size: u64,
}

impl Integrity {
    /// Checks the headers.
    pub(super) fn new(headers: &Headers) -> Result<Self, HeaderFault> {
        let Headers { signature, main, .. } = headers;
        signature.has_region(tag::HEADERSIGNATURES)?;
        main.has_region(tag::HEADERIMMUTABLE)?;

        let sha256 = signature.string(tag::SHA256HEADER)?;
        if !sha256.is_empty() {
            let mut hasher = Hasher::new();
            main.bytes().iter().for_each(|part| hasher.update(part));
            compare("SHA256HEADER", "the header's SHA-256", sha256, hasher.finish().as_bytes())?;
        }
        let sha1 = signature.string(tag::SHA1HEADER)?;
        if !sha1.is_empty() {
            use sha1::Digest as _;
            let mut digest = sha1::Sha1::new();
            main.bytes().iter().for_each(|part| digest.update(part));
            compare("SHA1HEADER", "the header's SHA-1", sha1, &digest.finalize())?;
        }

        let algorithm = main.u32s(tag::PAYLOADSHA256ALGO)?.next();
        let payload = main.string(tag::PAYLOADSHA256)?;
        let payload = (!payload.is_empty() && algorithm.is_none_or(|found| found == SHA256))
            .then(|| (String::from_utf8_lossy(payload).into_owned(), Hasher::new()));
        // MD5 is slow, and says nothing more where both parts have a SHA-256.
        let whole =
            if sha256.is_empty() || payload.is_none() { signature.binary(tag::SIGMD5)? } else { None };
        let whole = whole.map(|expected| {
            let mut digest = Md5::new();
            main.bytes().iter().for_each(|part| digest.update(part));
            (hex::encode(expected), digest)
        });
        let expected_size = signature.size_of(tag::SIGSIZE, tag::LONGSIGSIZE)?;
        Ok(Self { payload, whole, expected_size, size: headers.end - headers.start })
    }

    /// Whether the header has a digest of the payload that is checked.
    pub(super) fn covers_payload(&self) -> bool {
        self.payload.is_some()
    }

    /// Takes the next bytes of the payload.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if let Some((_, hasher)) = &mut self.payload {
            hasher.update(bytes);
        }
        if let Some((_, digest)) = &mut self.whole {
            digest.update(bytes);
        }
    }

    /// Checks the payload, which has ended.
    pub(super) fn finish(self) -> Result<(), HeaderFault> {
        if let Some(expected) = self.expected_size.filter(|expected| *expected != self.size) {
            let expected = format!("{expected} bytes of header and payload");
            return Err(HeaderFault::new("SIGSIZE", expected, self.size.to_string()));
        }
        if let Some((expected, hasher)) = self.payload {
            let found = hasher.finish();
            compare("PAYLOADSHA256", "the payload's SHA-256", expected.as_bytes(), found.as_bytes())?;
        }
        if let Some((expected, digest)) = self.whole {
            compare("SIGMD5", "the MD5 of header and payload", expected.as_bytes(), &digest.finalize())?;
        }
        Ok(())
    }
}

fn compare(place: &str, what: &str, expected: &[u8], found: &[u8]) -> Result<(), HeaderFault> {
    let found = hex::encode(found);
    if found.as_bytes() == expected {
        return Ok(());
    }
    Err(HeaderFault::new(place, format!("{what} {}", String::from_utf8_lossy(expected)), found))
}
