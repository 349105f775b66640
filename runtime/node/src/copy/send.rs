//! The sending end.

use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy};
use serde::Serialize;

use super::error::Error;
use super::protocol::{CopyOutcome, RecipeResponse, read_message, write_message};
use super::read::CHUNK;
use super::recipe::Recipe;

/// The result of a copy.
#[derive(Clone, Debug, Serialize)]
pub struct SentArchive {
    /// The path of the archive on the other node.
    pub path: PathBuf,
    /// The number of bytes that were sent.
    pub bytes: u64,
    /// Whether the node had it already.
    pub present: bool,
}

/// Copies the ISO at `archive`, whose `recipe` this is, to the [`receive`](super::receive()) at the other end of the streams.
/// `progress` counts the bytes that are sent, and those that need not be.
///
/// # Errors
///
/// [`Error::Other`] with the error of the other end; [`Error::Connection`] if the connection breaks; [`Error::Io`] if the
/// archive cannot be read.
pub fn send(
    recipe: &Recipe,
    archive: &Path,
    mut from: impl BufRead,
    mut to: impl Write,
    progress: &dyn iso::ByteProgress,
) -> Result<SentArchive, Error> {
    write_message(&mut to, recipe)?;
    let needed = match read_message(&mut from)? {
        RecipeResponse::Present(path) => return Ok(SentArchive { path, bytes: 0, present: true }),
        RecipeResponse::Error(text) => return Err(Error::Other(text)),
        RecipeResponse::Needs(ranges) => ranges,
    };
    let total = needed.iter().fold(0_u64, |total, range| total.saturating_add(range.bytes));
    progress.advance(recipe.bytes.saturating_sub(total));
    let file = content::open(archive, LinkPolicy::Follow)?;
    let mut buffer = vec![0; CHUNK];
    for range in needed {
        let mut offset = range.offset;
        while offset < range.end() {
            let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
            let chunk = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(chunk, offset).map_err(IoError::at("read", archive))?;
            if let Err(error) = to.write_all(chunk) {
                // The other end has closed the connection; perhaps it reported why.
                return Err(match read_message(&mut from) {
                    Ok(CopyOutcome::Error(text)) => Error::Other(text),
                    _ => Error::Connection(error),
                });
            }
            offset += wanted as u64;
            progress.advance(wanted as u64);
        }
    }
    to.flush()?;
    match read_message(&mut from)? {
        CopyOutcome::Published(path) => Ok(SentArchive { path, bytes: total, present: false }),
        CopyOutcome::Error(text) => Err(Error::Other(text)),
    }
}
