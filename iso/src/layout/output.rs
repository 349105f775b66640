//! Where the bytes of an image go.

use crate::Result;
use crate::format::SECTOR;

/// Takes the image's bytes in order.
pub(crate) trait ByteSink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// How many bytes it took.
    fn position(&self) -> u64;

    /// Fills the sector up with zeros.
    fn fill(&mut self) -> Result<()> {
        let rest = self.position().next_multiple_of(SECTOR) - self.position();
        self.put([0; SECTOR as usize].get(..rest as usize).unwrap_or_default())
    }
}

/// An output that only counts.
#[derive(Debug, Default)]
pub(crate) struct Count(u64);

impl ByteSink for Count {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.0
    }
}

/// A continuation area, whose positions count from its start.
pub(crate) struct Continuation<'a> {
    pub(crate) out: &'a mut dyn ByteSink,
    pub(crate) start: u64,
}

impl ByteSink for Continuation<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.put(bytes)
    }

    fn position(&self) -> u64 {
        self.out.position() - self.start
    }
}
