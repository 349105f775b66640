//! The messages between the two ends of a copy.

use std::io::{self, BufRead, Read as _, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::range::ByteRange;

/// The maximum size of a message in bytes: the longest recipe of [`Recipe::of`](super::Recipe::of) fits.
const MESSAGE_MAX: u64 = 24 * 1024 * 1024;

/// The response of the receiver to a recipe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RecipeResponse {
    /// The archive exists at this path.
    Present(PathBuf),
    /// The ranges to send.
    Needs(Vec<ByteRange>),
    /// The copy failed.
    Error(String),
}

/// The last message of the receiver.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CopyOutcome {
    /// The archive is published at this path.
    Published(PathBuf),
    /// The copy failed.
    Error(String),
}

/// Sends a message to the other end.
pub(super) fn write_message(to: &mut impl Write, message: &impl Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::from)?;
    line.push(b'\n');
    to.write_all(&line)?;
    Ok(to.flush()?)
}

/// Reads a message of the other end.
pub(super) fn read_message<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<T, Error> {
    let mut line = Vec::new();
    from.take(MESSAGE_MAX).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(Error::Connection(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&line).map_err(|error| {
        let start = String::from_utf8_lossy(line.get(..line.len().min(100)).unwrap_or_default());
        Error::Protocol(format!("{error} in `{}`", start.escape_debug()))
    })
}
