//! Copying an archive to another node: only what the node lacks is sent, and the whole is checked before it is used.
//!
//! Two ends talk over a pair of streams, such as those of a remote shell, each in turn:
//!
//! 1. The sender sends a [`Recipe`] in one line of JSON: the digest of every larger file of the ISO, and the position of its
//!    bytes.
//! 2. The receiver assembles what it finds in its own archives and in the partial file of an interrupted copy, and returns
//!    in one line the ranges that it still needs.
//! 3. The sender sends their bytes, one range after another.
//! 4. The receiver checks the SHA-256 of the whole, renames the file, publishes it, and reports that in one line.
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
//! # let options = iso::IsoOptions { volume_id: "Example 1.0".into(), ..iso::IsoOptions::default() };
//! # iso::PlannedIso::from_dir(&tree, &options)?.write_file(&here, &())?;
//! let recipe = Recipe::of(&here, &())?;
//! let (ours, theirs) = UnixStream::pair()?;
//! let into = there.clone();
//! let node = std::thread::spawn(move || {
//!     receive(BufReader::new(&theirs), &theirs, &into, &[], &|_, _, _| Ok(false), &|_| Ok(()))
//! });
//! let sent = send(&recipe, &here, BufReader::new(&ours), &ours, &())?;
//! node.join().unwrap()?;
//! assert_eq!(std::fs::read(&sent.path)?, std::fs::read(&here)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod library;
mod partial;
mod protocol;
mod range;
mod read;
mod receive;
mod recipe;
mod send;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use range::ByteRange;
pub use receive::{CheckBundle, receive};
pub use recipe::{Recipe, RecipePart};
pub use send::{SentArchive, send};
