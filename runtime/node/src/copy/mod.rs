//! Copies of an archive on other nodes: only what a node does not have yet travels, and what arrives is checked before it counts.
//!
//! Two ends talk over any pair of streams (a remote shell's, as a rule), each in turn:
//!
//! 1. The sender says in one line of JSON what it has: a [`Recipe`], which names the digest of every larger file of the ISO and
//!    where its bytes lie in it.
//! 2. The receiver puts together what it finds in archives of its own and in what an earlier, broken copy has left, and answers
//!    in one line which ranges it still needs.
//! 3. The sender sends their bytes, one range after another.
//! 4. The receiver checks the SHA-256 of the whole, gives the file its name, publishes it, and says so in one line.
//!
//! ```
//! use node::copy::{Recipe, receive, send};
//! use std::io::BufReader;
//! use std::os::unix::net::UnixStream;
//!
//! # let folder = tempfile::tempdir()?;
//! # let (here, there) = (folder.path().join("a.iso"), folder.path().join("there"));
//! # std::fs::create_dir(&there)?;
//! # let tree = folder.path().join("tree");
//! # std::fs::create_dir(&tree)?;
//! # std::fs::write(tree.join("product.txt"), "NAME=Example\nVERSION=1.0\n")?;
//! # let options = iso::Options { volume_id: "Example 1.0".into(), ..iso::Options::default() };
//! # iso::Plan::from_dir(&tree, &options)?.write_file(&here, &())?;
//! let recipe = Recipe::of(&here, &())?;
//! let (ours, theirs) = UnixStream::pair()?;
//! let into = there.clone();
//! let node = std::thread::spawn(move || receive(BufReader::new(&theirs), &theirs, &into, &[], &|_| Ok(())));
//! let sent = send(&recipe, &here, BufReader::new(&ours), &ours, &())?;
//! node.join().unwrap()?;
//! assert_eq!(std::fs::read(&sent.path)?, std::fs::read(&here)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod receive;
mod recipe;
mod send;

use std::io::{self, BufRead, Read as _, Write};
use std::path::PathBuf;

use content::IoError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use receive::receive;
pub use recipe::{Part, Range, Recipe};
pub use send::{Sent, send};

/// The most bytes of a line that the other end says: the longest recipe that [`Recipe::of`] makes fits.
const LINE_LIMIT: u64 = 24 * 1024 * 1024;

/// How much is read at a time, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A copy that did not come about. The node's archives are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", content::printable_path(path))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The connection to the other end broke.
    #[error("the connection broke: {0}")]
    Connection(#[from] io::Error),
    /// The other end says something that nobody expects.
    #[error("the other end does not speak this version of the protocol: {0}")]
    Protocol(String),
    /// The other end gave up.
    #[error("the other end says: {0}")]
    Other(String),
    /// Something else has the name of the archive there.
    #[error("{} is there with other content", content::printable_path(.0))]
    Taken(PathBuf),
    /// There is too little space for the archive.
    #[error("{} has {free} bytes free, and the archive needs {needed}", content::printable_path(path))]
    Space {
        /// The folder that it was to go to.
        path: PathBuf,
        /// The bytes that are free.
        free: u64,
        /// The bytes that are needed.
        needed: u64,
    },
    /// A file is there under the name of a copy that broke off, which somebody else may read or write.
    #[error("{} is not a file that an earlier copy has left: {problem}", content::printable_path(path))]
    Planted {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        problem: &'static str,
    },
    /// Another copy of the same archive is under way.
    #[error("another copy is being written: {} is locked", content::printable_path(.0))]
    Busy(PathBuf),
    /// What arrived is not what was announced; it is damaged where it comes from.
    #[error("what arrived is not the archive: {0}")]
    Damaged(String),
    /// The archive is there, and could not be published.
    #[error("cannot publish {}: {reason}", content::printable_path(path))]
    Publish {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl From<IoError> for Error {
    fn from(IoError { operation, path, source }: IoError) -> Self {
        Self::Io { operation, path, source }
    }
}

/// What the receiver answers to a recipe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// The archive is there already, at this path.
    Present(PathBuf),
    /// These ranges are to be sent.
    Needs(Vec<Range>),
    /// It gives up.
    Error(String),
}

/// What the receiver says at the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// The archive is there and published, at this path.
    Published(PathBuf),
    /// It is not.
    Error(String),
}

/// Says one thing to the other end.
fn say(to: &mut impl Write, what: &impl Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(what).map_err(io::Error::from)?;
    line.push(b'\n');
    to.write_all(&line)?;
    Ok(to.flush()?)
}

/// Hears one thing from the other end.
fn hear<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<T, Error> {
    let mut line = Vec::new();
    from.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(Error::Connection(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&line).map_err(|error| {
        let start = String::from_utf8_lossy(line.get(..line.len().min(100)).unwrap_or_default());
        Error::Protocol(format!("{error} in `{}`", start.escape_debug()))
    })
}

#[cfg(test)]
mod tests;
