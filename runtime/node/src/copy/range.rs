//! Ranges of bytes.

use serde::{Deserialize, Serialize};

/// A range of bytes in an ISO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteRange {
    /// The position of the first byte.
    pub offset: u64,
    /// The number of bytes.
    pub bytes: u64,
}

impl ByteRange {
    /// The position after the last byte.
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}
