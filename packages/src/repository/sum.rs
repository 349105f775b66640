//! The checksum of what passes through a reader or writer.

use std::io::{self, Read, Write};

use crate::metadata::{Checksum, ChecksumHasher, ChecksumKind};

/// Counts and hashes all bytes that are read or written.
pub(super) struct Summed<T> {
    inner: T,
    hasher: ChecksumHasher,
    size: u64,
}

impl<T> Summed<T> {
    pub(super) fn new(inner: T, kind: ChecksumKind) -> Self {
        Self { inner, hasher: ChecksumHasher::new(kind), size: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// What was read from or written to, the checksum, and the number of bytes.
    pub(super) fn finish(self) -> (T, Checksum, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
