//! Content by digest: where it is, and whether it was found to be what its digest says.

use std::fs::Metadata;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archive::tree::{Entry, Location, Piece};
use archive::{Tree, layout};
use images::Digest;
use images::manifest::Kind;

/// A blob or manifest of an archive.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// What a manifest is; `None` for a blob.
    pub(super) kind: Option<Kind>,
    /// What must be there for a manifest to be answered, as indices of contents.
    pub(super) needs: Box<[u32]>,
    place: Place,
    /// 0: not checked. Else the stamp of the file when it was, with the verdict in the lowest bit.
    checked: AtomicU64,
}

/// Where content is. Kept small: an archive may have a hundred thousand of them.
#[derive(Debug)]
pub(super) enum Place {
    /// In the ISO file of the archive, in one piece.
    Piece(Piece),
    /// In the ISO file of the archive, in several.
    Pieces(Box<[Piece]>),
    /// A file in the folder of the archive, or in an ISO that could not say where.
    File(Arc<str>, Name),
}

/// The name of a content's file in the folder of its image.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    /// `manifest.json`.
    Top,
    /// `<hex>.manifest.json`.
    Child,
    /// `<hex>`.
    Blob,
}

/// What is known about the bytes of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
    Unknown,
}

/// Changes whenever a file is replaced, written to or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Stamp {
    pub(super) fn of(data: &Metadata) -> Self {
        // The standard hasher with fixed keys: only ever compared within this process.
        let mut hash = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
        hash.write_u64(data.dev());
        hash.write_u64(data.ino());
        hash.write_u64(data.len());
        for time in [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()] {
            hash.write_i64(time);
        }
        // The lowest bit is the verdict's; the next is set so that no stamp is 0.
        Self(hash.finish() & !1 | 2)
    }

    pub(super) fn of_path(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::metadata(path)?))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl Place {
    /// The place of a file of the image in `folder`.
    pub(super) fn new(tree: &Tree, folder: &Arc<str>, name: Name, path: &str, entry: &Entry) -> Self {
        let located = match tree {
            Tree::Iso(_) => tree.locate_entry(path, entry).ok(),
            Tree::Folder(_) => None,
        };
        match located.as_ref().map(|location| &*location.pieces) {
            Some([piece]) => Self::Piece(*piece),
            Some(pieces) => Self::Pieces(pieces.into()),
            None => Self::File(Arc::clone(folder), name),
        }
    }
}

impl Name {
    fn path(self, folder: &str, digest: &Digest) -> String {
        match self {
            Self::Top => format!("{folder}/{}", layout::IMAGE_MANIFEST),
            Self::Child => format!("{folder}/{}.manifest.json", digest.hex()),
            Self::Blob => format!("{folder}/{}", digest.hex()),
        }
    }
}

impl Content {
    pub(super) fn new(digest: Digest, size: u64, kind: Option<Kind>, place: Place, needs: Vec<u32>) -> Self {
        Self { digest, size, kind, needs: needs.into(), place, checked: AtomicU64::new(0) }
    }

    /// Opens the content, all of which is there, for reading by position.
    pub(super) fn open(&self, tree: &Tree) -> io::Result<Location> {
        let in_image = |pieces: &[Piece]| match tree {
            Tree::Iso(image) => Ok(Location {
                file: Arc::clone(image.file()),
                pieces: pieces.into(),
                size: self.size,
                mtime: 0,
            }),
            Tree::Folder(_) => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let location = match &self.place {
            Place::Piece(piece) => in_image(std::slice::from_ref(piece))?,
            Place::Pieces(pieces) => in_image(pieces)?,
            Place::File(folder, name) => {
                tree.locate(&name.path(folder, &self.digest)).map_err(|error| match error {
                    archive::Error::Io { source, .. } => source,
                    other => io::Error::other(other),
                })?
            }
        };
        if location.size != self.size {
            let found = location.size;
            return Err(io::Error::other(format!("{}: {found} bytes, expected {}", self.digest, self.size)));
        }
        let end = location.pieces.iter().map(|piece| piece.offset.saturating_add(piece.len)).max();
        let (end, found) = (end.unwrap_or(0), location.file.metadata()?.len());
        if found < end {
            let problem = format!("{}: the archive has {found} bytes, expected at least {end}", self.digest);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        Ok(location)
    }

    /// What is known about the bytes of a file with this stamp.
    pub(super) fn verdict(&self, stamp: Stamp) -> Verdict {
        match self.checked.load(Ordering::Acquire) {
            known if known == stamp.0 | 1 => Verdict::Good,
            known if known == stamp.0 => Verdict::Bad,
            _ => Verdict::Unknown,
        }
    }

    /// Whether the last check found it damaged, as far as that is known without looking at the file.
    pub(super) fn damaged(&self) -> bool {
        let known = self.checked.load(Ordering::Acquire);
        known != 0 && known & 1 == 0
    }

    /// The content cannot be read any more.
    pub(super) fn lost(&self) {
        self.checked.store(2, Ordering::Release);
    }

    pub(super) fn learn(&self, stamp: Stamp, good: bool) {
        self.checked.store(stamp.0 | u64::from(good), Ordering::Release);
    }
}
