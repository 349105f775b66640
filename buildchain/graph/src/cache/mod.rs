//! The result cache: the outputs of past runs, by the keys of their tasks.
//!
//! ```text
//! blobs/<2 digits>/<sha256>-<mode>     the content of a file
//! blobs/<2 digits>/<sha256>-link       the target of a symbolic link
//! tasks/<key>                          the outputs of a task, in frames of the journal
//! tasks/<digest>                       what a task has learned of its inputs, by what it declares
//! size                                 an upper bound of the bytes of all files
//! lock                                 shared while files are added, exclusive while unfinished ones are removed
//! ```
//!
//! Blobs are shared with the build root by reflink where the file system can do that, else by hard link, else copied. A
//! hard link can be written through: so every blob is hashed before it is restored, and a damaged one is removed. For the
//! same reason nothing is flushed to the disk: a crash can only damage blobs.
//!
//! A record names the paths of files, and may come from another machine. All of it is checked before anything is created
//! ([`parts`](crate::record::parts)), and [`restore`] alone creates files from it: below the build root, and through no
//! link.

mod eviction;
mod exchange;
mod learned;
mod local;
mod remote;
mod restore;
mod results;

#[cfg(any(test, fuzzing))]
mod forged;
#[cfg(test)]
mod hostile;

pub use eviction::{Evicted, Usage};
pub use local::{RECORD_MAX, ResultCache};
pub use remote::{RemoteCache, RemoteError};

/// What the fuzzer does with its input.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_records(input: &[u8]) {
    forged::restore_from_bytes(input);
    let learned = learned::unpack(input).unwrap_or_default();
    assert!(learned.iter().map(Vec::len).sum::<usize>() <= input.len());
}
