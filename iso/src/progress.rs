//! How far a long operation has come.

/// Notified of every stretch of bytes that is done. The caller knows the total: [`Plan::bytes`](crate::PlannedIso::bytes)
/// when writing, the image's size when checking or implanting.
pub trait ByteProgress: Sync {
    /// `bytes` more are done. The calls of one operation add up to its total.
    fn advance(&self, bytes: u64);

    /// Whether the work is to end as soon as possible, with [`Error::Cancelled`](crate::Error::Cancelled). Only writing an
    /// image asks.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl ByteProgress for () {
    fn advance(&self, _bytes: u64) {}
}
