//! The end that has the archive.

use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use content::Links;
use serde::Serialize;

use super::{Answer, CHUNK, Error, Recipe, Verdict, hear, say};

/// What came of a copy.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Where the archive is on the other node.
    pub path: PathBuf,
    /// How many bytes of it travelled.
    pub bytes: u64,
    /// Whether it was there before.
    pub present: bool,
}

/// Copies the ISO at `archive`, whose `recipe` this is, to the [`receive`](super::receive()) at the other end of the streams.
/// `progress` is told the bytes that travel, and those that need not.
///
/// # Errors
///
/// [`Error::Other`] with what the other end says; [`Error::Connection`] if it goes away; [`Error::Io`] if the archive cannot be
/// read.
pub fn send(
    recipe: &Recipe,
    archive: &Path,
    mut from: impl BufRead,
    mut to: impl Write,
    progress: &dyn iso::Progress,
) -> Result<Sent, Error> {
    say(&mut to, recipe)?;
    let needed = match hear(&mut from)? {
        Answer::Present(path) => return Ok(Sent { path, bytes: 0, present: true }),
        Answer::Error(text) => return Err(Error::Other(text)),
        Answer::Needs(ranges) => ranges,
    };
    let total = needed.iter().fold(0_u64, |total, range| total.saturating_add(range.bytes));
    progress.advance(recipe.bytes.saturating_sub(total));
    let failed = |source| Error::Io { operation: "read", path: archive.into(), source };
    let file = content::open(archive, Links::Follow)?;
    let mut buffer = vec![0; CHUNK];
    for range in needed {
        let mut offset = range.offset;
        while offset < range.end() {
            let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
            let chunk = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(chunk, offset).map_err(failed)?;
            if let Err(error) = to.write_all(chunk) {
                // It has hung up; perhaps it said why.
                return Err(match hear(&mut from) {
                    Ok(Verdict::Error(text)) => Error::Other(text),
                    _ => Error::Connection(error),
                });
            }
            offset += wanted as u64;
            progress.advance(wanted as u64);
        }
    }
    to.flush()?;
    match hear(&mut from)? {
        Verdict::Published(path) => Ok(Sent { path, bytes: total, present: false }),
        Verdict::Error(text) => Err(Error::Other(text)),
    }
}
