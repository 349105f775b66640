//! Hashing content: of bytes as they come, of what passes through a reader or a writer, of all that a reader has.

use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Digest, IoError, LinkPolicy, open};

/// Bytes that [`hash_reader`] reads at a time: few calls, and they stay in the processor's cache.
const BUFFER: usize = 256 << 10;

/// Computes the SHA-256 of bytes that come one after the other.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds all bytes of `reader`, in pieces as large as `buffer`, and returns their number. `each` gets every piece after
    /// it was read, to report or copy it; an error of it ends the reading.
    ///
    /// # Errors
    ///
    /// The first error of `reader` or `each`. Interrupted reads are repeated.
    pub fn update_from(
        &mut self,
        mut reader: impl Read,
        buffer: &mut [u8],
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut total = 0;
        loop {
            match reader.read(buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.update(bytes);
                    each(bytes)?;
                    total += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads `reader` to its end: the digest and the number of bytes.
///
/// `each` gets every piece after it was read, to report progress, to cancel, or to write a copy.
///
/// # Errors
///
/// The first error of `reader` or `each`. Interrupted reads are repeated.
///
/// ```
/// let mut copy = Vec::new();
/// let (digest, bytes) = content::hash_reader(&b"abc"[..], |chunk| {
///     copy.extend_from_slice(chunk);
///     Ok(())
/// })?;
/// assert_eq!((digest, bytes), (content::Digest::of(b"abc"), 3));
/// assert_eq!(copy, b"abc");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn hash_reader(
    reader: impl Read,
    each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Digest, u64)> {
    hash_reader_with(&mut vec![0; BUFFER], reader, each)
}

/// As [`hash_reader`], with a buffer that the caller keeps for the next reader.
///
/// # Errors
///
/// As [`hash_reader`].
pub fn hash_reader_with(
    buffer: &mut [u8],
    reader: impl Read,
    each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let bytes = hasher.update_from(reader, buffer, each)?;
    Ok((hasher.finish(), bytes))
}

/// Reads the regular file at `path` to its end: the digest and the number of bytes.
///
/// # Errors
///
/// As [`open()`], and if the file cannot be read.
pub fn hash_file(path: &Path, links: LinkPolicy) -> Result<(Digest, u64), IoError> {
    hash_reader(open(path, links)?, |_| Ok(())).map_err(IoError::at("read", path))
}

/// A reader or writer that counts and hashes the bytes that pass through it.
#[derive(Debug)]
pub struct Hashed<T> {
    inner: T,
    hasher: Hasher,
    bytes: u64,
}

impl<T> Hashed<T> {
    /// Wraps `inner`, through which nothing has passed yet.
    pub fn new(inner: T) -> Self {
        Self { inner, hasher: Hasher::new(), bytes: 0 }
    }

    /// The number of bytes that have passed.
    pub fn count(&self) -> u64 {
        self.bytes
    }

    /// The wrapped reader or writer.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Ends the hashing: the wrapped reader or writer, the digest of all bytes that have passed, and their number.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, self.hasher.finish(), self.bytes)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.add(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one by one, with an interruption before each.
    struct Halting<'a>(&'a [u8], bool);

    impl Read for Halting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn an_interrupted_reader_is_read_to_its_end() {
        let (digest, bytes) = hash_reader(Halting(b"content", false), |_| Ok(())).unwrap();
        assert_eq!((digest, bytes), (Digest::of(b"content"), 7));
    }

    #[test]
    fn the_caller_ends_the_reading() {
        let mut seen = 0;
        let error = hash_reader_with(&mut [0; 2], &b"content"[..], |chunk| {
            seen += chunk.len();
            if seen > 2 { Err(io::Error::other("enough")) } else { Ok(()) }
        });
        assert_eq!((error.unwrap_err().to_string(), seen), ("enough".to_owned(), 4));
    }

    #[test]
    fn only_bytes_that_passed_are_counted_and_hashed() {
        // Takes three of the seven bytes.
        let mut room = [0; 3];
        let mut writer = Hashed::new(&mut room[..]);
        assert_eq!(writer.write(b"content").unwrap(), 3);
        let (_, digest, bytes) = writer.finish();
        assert_eq!((digest, bytes), (Digest::of(b"con"), 3));

        let mut reader = Hashed::new(&b"content"[..]);
        reader.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(reader.count(), 4);
        let (rest, digest, _) = reader.finish();
        assert_eq!((rest, digest), (&b"ent"[..], Digest::of(b"cont")));
    }

    #[test]
    fn pieces_do_not_matter() {
        let mut hasher = Hasher::new();
        hasher.update(b"con");
        let at_first = hasher.clone();
        hasher.write_all(b"tent").unwrap();
        assert_eq!((at_first.finish(), hasher.finish()), (Digest::of(b"con"), Digest::of(b"content")));
    }
}
