//! The journal: entries that are appended one after the other, each complete or absent.
//!
//! ```text
//! file  = "sealift state 2\n" frame*
//! frame = length:u32le checksum:8 bytes payload        checksum = the first bytes of SHA-256(payload)
//! ```
//!
//! A frame that is cut off, or has a wrong checksum, ends the journal: it was being written when the machine stopped. So does an
//! entry of a kind that a later version added: what follows counts as never run.

use std::fs::File;
use std::io::Write as _;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::{Digest, IoError};

use crate::record::entry::{FileDigest, FileIdentity};
use crate::record::key::{ByteReader, put_text};

/// The first line of a journal. A journal of another version is ignored, and replaced by an empty one.
pub(crate) const MAGIC: &[u8] = b"sealift state 2\n";

/// The record of a successful run of a task.
#[derive(Clone, Debug)]
pub(crate) struct TaskRecord {
    pub(crate) key: Digest,
    /// The manifest whose digest is the key.
    pub(crate) manifest: Slice,
    /// The outputs after the run, as a list of items.
    pub(crate) outputs: Slice,
    /// How long the action took, in milliseconds.
    pub(crate) millis: u64,
}

/// A part of the bytes of a journal, which are read once and never copied.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    whole: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Slice {
    /// `part`, which is a part of `whole`.
    pub(crate) fn of(whole: &Arc<Vec<u8>>, part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        Self { whole: Arc::clone(whole), range: start..start.wrapping_add(part.len()) }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.whole.get(self.range.clone()).unwrap_or_default()
    }
}

/// One entry of the journal.
#[derive(Debug)]
pub(crate) enum JournalEntry<'a> {
    Task {
        name: &'a str,
        key: Digest,
        manifest: &'a [u8],
        outputs: &'a [u8],
        millis: u64,
    },
    Forget {
        name: &'a str,
    },
    Ignore {
        name: &'a str,
    },
    Listing {
        digest: Digest,
        bytes: &'a [u8],
    },
    /// What a task created in output folders of the project. It outlives the record of the task.
    Own {
        name: &'a str,
        files: &'a [u8],
    },
    /// Packed [`FileDigest`]s.
    Digests(&'a [u8]),
}

const TASK: u8 = 1;
const FORGET: u8 = 2;
const IGNORE: u8 = 3;
const LISTING: u8 = 4;
const DIGESTS: u8 = 5;
const OWN: u8 = 6;

/// Appends the frame of an entry to `bytes`.
pub(crate) fn put(bytes: &mut Vec<u8>, entry: &JournalEntry<'_>) {
    let start = bytes.len();
    bytes.extend([0; 12]);
    match entry {
        JournalEntry::Task { name, key, manifest, outputs, millis } => {
            bytes.push(TASK);
            put_text(bytes, name.as_bytes());
            bytes.extend(key.as_bytes());
            put_text(bytes, manifest);
            put_text(bytes, outputs);
            bytes.extend(millis.to_le_bytes());
        }
        JournalEntry::Forget { name } => {
            bytes.push(FORGET);
            put_text(bytes, name.as_bytes());
        }
        JournalEntry::Ignore { name } => {
            bytes.push(IGNORE);
            put_text(bytes, name.as_bytes());
        }
        JournalEntry::Listing { digest, bytes: listing } => {
            bytes.push(LISTING);
            bytes.extend(digest.as_bytes());
            put_text(bytes, listing);
        }
        JournalEntry::Own { name, files } => {
            bytes.push(OWN);
            put_text(bytes, name.as_bytes());
            put_text(bytes, files);
        }
        JournalEntry::Digests(packed) => {
            bytes.push(DIGESTS);
            bytes.extend(*packed);
        }
    }
    let (head, payload) = bytes.split_at_mut(start + 12);
    let sum = Digest::of(payload);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let frame = length.to_le_bytes().into_iter().chain(sum.as_bytes().iter().copied());
    for (place, byte) in head.iter_mut().skip(start).zip(frame) {
        *place = byte;
    }
}

/// Appends one frame with many digests to `bytes`.
pub(crate) fn put_digests<'a>(bytes: &mut Vec<u8>, digests: impl IntoIterator<Item = &'a FileDigest>) {
    let mut packed = Vec::new();
    for FileDigest { identity, digest } in digests {
        let FileIdentity { dev, ino, size, modified, changed } = identity;
        for number in [dev, ino, size] {
            packed.extend(number.to_le_bytes());
        }
        packed.extend(modified.to_le_bytes());
        packed.extend(changed.to_le_bytes());
        packed.extend(digest.as_bytes());
    }
    if !packed.is_empty() {
        put(bytes, &JournalEntry::Digests(&packed));
    }
}

/// The digests of one frame.
pub(crate) fn digests(packed: &[u8]) -> impl Iterator<Item = FileDigest> {
    let mut bytes = ByteReader(packed);
    std::iter::from_fn(move || {
        let [dev, ino, size] = [bytes.u64()?, bytes.u64()?, bytes.u64()?];
        let modified = i64::from_le_bytes(bytes.array()?);
        let changed = i64::from_le_bytes(bytes.array()?);
        Some(FileDigest {
            identity: FileIdentity { dev, ino, size, modified, changed },
            digest: bytes.digest()?,
        })
    })
}

/// The entries of a journal, without its first line. `whole` is set to the number of bytes up to the last complete frame.
pub(crate) fn entries<'a>(bytes: &'a [u8], whole: &mut usize) -> Vec<JournalEntry<'a>> {
    let mut entries = Vec::new();
    let mut rest = ByteReader(bytes);
    while let Some(entry) = frame(&mut rest) {
        entries.push(entry);
        *whole = bytes.len() - rest.0.len();
    }
    entries
}

fn frame<'a>(rest: &mut ByteReader<'a>) -> Option<JournalEntry<'a>> {
    let length = rest.u32()?;
    let sum: [u8; 8] = rest.array()?;
    let payload = rest.take(usize::try_from(length).ok()?)?;
    if Digest::of(payload).as_bytes().get(..8)? != sum {
        return None;
    }
    let mut bytes = ByteReader(payload);
    let name = |bytes: &mut ByteReader<'a>| bytes.text().and_then(|name| std::str::from_utf8(name).ok());
    Some(match bytes.u8()? {
        TASK => JournalEntry::Task {
            name: name(&mut bytes)?,
            key: bytes.digest()?,
            manifest: bytes.text()?,
            outputs: bytes.text()?,
            millis: bytes.u64()?,
        },
        FORGET => JournalEntry::Forget { name: name(&mut bytes)? },
        IGNORE => JournalEntry::Ignore { name: name(&mut bytes)? },
        LISTING => JournalEntry::Listing { digest: bytes.digest()?, bytes: bytes.text()? },
        DIGESTS => JournalEntry::Digests(bytes.0),
        OWN => JournalEntry::Own { name: name(&mut bytes)?, files: bytes.text()? },
        _ => return None,
    })
}

/// The name of the journal that replaces the one at `path`, while it is written. Only the holder of the lock writes it, so it has
/// one name, and the next holder removes what a kill has left; an `AtomicFile` would leave a file that nobody knows.
pub(crate) fn successor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Replaces the journal at `path` by one with these frames, atomically.
pub(crate) fn replace(path: &Path, frames: &[u8]) -> Result<File, IoError> {
    let new = successor(path);
    content::remove(&new)?;
    let mut file = content::open_or_create(&new, 0o644)?;
    let written = file.write_all(MAGIC).and_then(|()| file.write_all(frames)).and_then(|()| file.sync_all());
    written.map_err(IoError::at("write", &new))?;
    std::fs::rename(&new, path).map_err(IoError::at("rename", &new))?;
    path.parent().map_or(Ok(()), content::sync_folder)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_frame_costs_only_itself() {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for name in ["a", "b", "c"] {
            put(&mut bytes, &JournalEntry::Forget { name });
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let mut whole = 0;
            let found = entries(&bytes[..cut], &mut whole).len();
            assert_eq!(found, ends.iter().filter(|end| **end > 0 && **end <= cut).count(), "cut at {cut}");
            assert_eq!(whole, ends[found]);
        }
    }

    #[test]
    fn a_frame_with_a_flipped_bit_is_refused() {
        let mut bytes = Vec::new();
        put(
            &mut bytes,
            &JournalEntry::Task {
                name: "iso",
                key: Digest::of(b"k"),
                manifest: b"m",
                outputs: b"",
                millis: 7,
            },
        );
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(entries(&bytes, &mut 0).is_empty(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(entries(&bytes, &mut 0).len(), 1);
    }
}
