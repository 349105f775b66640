//! Who is notified of a transfer.

use content::Digest;

/// Told how a pull or a push goes. Called from the thread that started it.
pub trait Progress {
    /// All is planned: so many blobs and bytes are to be moved.
    fn planned(&self, blobs: usize, bytes: u64) {
        let _ = (blobs, bytes);
    }

    /// A blob of `size` bytes begins; `present` of them are there from an earlier attempt.
    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        let _ = (blob, image, size, present);
    }

    /// More bytes of a blob have moved; negative where some were thrown away.
    fn advance(&self, blob: &Digest, bytes: i64) {
        let _ = (blob, bytes);
    }

    /// A blob is where it should be.
    fn end(&self, blob: &Digest) {
        let _ = blob;
    }

    /// A request failed and is made again: which, why and when, as a sentence. What is wrong with a host is told once, and not
    /// for each request to it.
    fn retry(&self, text: &str) {
        let _ = text;
    }

    /// Something is not as it should be, and the transfer continues without it. Each text is told once.
    fn warn(&self, text: &str) {
        let _ = text;
    }

    /// Whether to stop; asked several times a second. What has come until then stays, and the next call carries on from there.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Progress for () {}
