//! Who is notified of a transfer.

use content::Digest;

/// Notified of the progress of a pull or push. Called from the thread that started it.
pub trait TransferProgress {
    /// The plan is made: so many blobs and bytes will be moved.
    fn planned(&self, blobs: usize, bytes: u64) {
        let _ = (blobs, bytes);
    }

    /// A blob of `size` bytes begins; `present` of them exist from an earlier attempt.
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

    /// A request failed and is repeated: which, why and when, as a sentence. A problem of a host is reported once, not for each
    /// request to it.
    fn retry(&self, text: &str) {
        let _ = text;
    }

    /// Something is not as it should be, and the transfer continues without it. Each text is reported once.
    fn warn(&self, text: &str) {
        let _ = text;
    }

    /// Whether to stop; called several times a second. What was transferred until then stays, and the next call resumes.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl TransferProgress for () {}
