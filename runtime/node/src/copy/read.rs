//! Reading and hashing an ISO file by ranges.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use content::{Digest, Hasher};

use super::range::ByteRange;

/// The number of bytes that are read at a time.
pub(super) const CHUNK: usize = 1024 * 1024;

/// The SHA-256 of an open file.
pub(super) fn digest_of(file: &File, progress: &dyn iso::ByteProgress) -> io::Result<Digest> {
    let mut hash = Hasher::new();
    let whole = ByteRange { offset: 0, bytes: file.metadata()?.len() };
    digest_range(file, whole, &mut hash, progress)?;
    Ok(hash.finish())
}

/// Adds a range of a file to a hash.
pub(super) fn digest_range(
    file: &File,
    range: ByteRange,
    hash: &mut Hasher,
    progress: &dyn iso::ByteProgress,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = range.offset;
    while offset < range.end() {
        let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(chunk, offset)?;
        hash.update(&*chunk);
        offset += wanted as u64;
        progress.advance(wanted as u64);
    }
    Ok(())
}
