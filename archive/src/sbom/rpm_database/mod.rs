//! The databases in which RPM keeps the headers of installed packages, read without RPM.
//!
//! | file | format | written by |
//! | --- | --- | --- |
//! | `rpmdb.sqlite`, with `rpmdb.sqlite-wal` if it exists | SQLite | Fedora 33, RHEL 9 and later |
//! | `Packages.db` | RPM's own, `ndb` | SUSE |
//! | `Packages` | a hash of Berkeley DB | RHEL 8, Amazon Linux 2 and earlier |
//!
//! No number in a file decides what is allocated, and no page is visited more often than a whole file of them.

mod bdb;
mod ndb;
mod sqlite;
mod wal;

use std::fs::File;
use std::io;

/// Bytes of a header.
const HEADER_MAX: usize = 64 << 20;
/// Headers of a database.
const HEADERS_MAX: usize = 100_000;

/// Bytes that are read by position.
pub trait ReadAt {
    /// The number of bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from the byte at `offset`.
    ///
    /// # Errors
    ///
    /// The bytes end before, or cannot be read.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |data| data.len())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset).ok().and_then(|start| self.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Why a database cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseFault(String);

impl DatabaseFault {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<io::Error> for DatabaseFault {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, DatabaseFault>;

/// The format of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseFormat {
    /// `rpmdb.sqlite`.
    Sqlite,
    /// `Packages.db`.
    Ndb,
    /// `Packages`.
    Bdb,
}

/// Calls `each` with the header of each installed package, in the form of
/// [`packages::repository::RpmDescription::of_installed`]. `log` is the write-ahead log of an SQLite database.
///
/// # Errors
///
/// The database is damaged, or has another format.
pub fn headers(
    format: DatabaseFormat,
    database: &dyn ReadAt,
    log: Option<&dyn ReadAt>,
    each: &mut dyn FnMut(&[u8]),
) -> std::result::Result<(), DatabaseFault> {
    let mut count = 0;
    let mut counted = |header: &[u8]| {
        count += 1;
        if count > HEADERS_MAX {
            return Err(DatabaseFault::new(format!("more than {HEADERS_MAX} packages")));
        }
        each(header);
        Ok(())
    };
    match format {
        DatabaseFormat::Sqlite => sqlite::headers(database, log, &mut counted),
        DatabaseFormat::Ndb => ndb::headers(database, &mut counted),
        DatabaseFormat::Bdb => bdb::headers(database, &mut counted),
    }
}

/// Takes a header.
type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// The `N` bytes at `offset`.
fn chunk<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or_else(|| DatabaseFault::new(format!("cut off at byte {offset} of a page")))
}

#[cfg(test)]
mod tests;
