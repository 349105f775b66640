//! The hash itself: MD5 (RFC 1321).

use md5::digest::Digest;

/// A running MD5 that can be looked at on the way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Md5(md5::Md5);

impl Md5 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub(crate) fn digest(&self) -> [u8; 16] {
        self.0.clone().finalize().into()
    }
}
