//! Where the bytes of a file are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Where the bytes of a file are: an open file of the operating system and the pieces of it, in order.
///
/// Reads are by position: many readers share one `Location` without a lock, and a file that is truncated under them
/// gives an error instead of a signal.
#[derive(Clone, Debug)]
pub struct Location {
    /// The file that holds the bytes: the ISO image, or the file itself.
    pub file: Arc<File>,
    /// The pieces of `file` that follow one another. Their lengths add up to `size`.
    pub pieces: Box<[LocationPiece]>,
    /// The size in bytes.
    pub size: u64,
    /// When the file was last changed, in Unix seconds.
    pub mtime: i64,
}

/// A stretch of bytes of a file of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocationPiece {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

impl Location {
    /// The place in [`Location::file`] of the byte at `offset`, and how many bytes follow there without a break.
    /// `None` at and after the end.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<LocationPiece> {
        let mut before = 0_u64;
        for piece in &self.pieces {
            let inside = offset.checked_sub(before)?;
            if inside < piece.len {
                return Some(LocationPiece {
                    offset: piece.offset.checked_add(inside)?,
                    len: piece.len - inside,
                });
            }
            before = before.checked_add(piece.len)?;
        }
        None
    }

    /// Reads at most `buffer.len()` bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    ///
    /// What the operating system gives; `UnexpectedEof` where the file ends before its size says so.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.at(offset) else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(piece.len).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), piece.offset)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends before byte {}", piece.offset),
            )),
            count => Ok(count),
        }
    }

    /// A reader of the whole content, from the start. It gives `UnexpectedEof` where the pieces are shorter than the size.
    #[must_use]
    pub fn reader(&self) -> impl Read {
        Reader { location: self, offset: 0 }
    }

    /// Reads the whole content. For files whose size was checked before.
    ///
    /// # Errors
    ///
    /// Those of [`Location::read_at`].
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(usize::try_from(self.size.min(64 * 1024)).unwrap_or(0));
        self.reader().read_to_end(&mut content)?;
        Ok(content)
    }
}

/// The bytes of a [`Location`], one after the other.
struct Reader<'a> {
    location: &'a Location,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.location.read_at(self.offset, buffer)?;
        if count == 0 && !buffer.is_empty() && self.offset < self.location.size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the pieces are shorter than the size"));
        }
        self.offset += count as u64;
        Ok(count)
    }
}
