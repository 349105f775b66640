//! Content by digest, and its position in an archive.

use std::io;
use std::sync::Arc;

use archive::tree::{Location, LocationPiece, TreeEntry};
use archive::{Tree, layout};
use content::Digest;
use images::manifest::MediaKind;

use super::verdict::CheckedDigest;

/// A blob or manifest of an archive.
#[derive(Debug)]
pub(crate) struct ServedContent {
    pub(crate) checked: CheckedDigest,
    pub(crate) size: u64,
    /// The kind of a manifest; `None` for a blob.
    pub(crate) kind: Option<MediaKind>,
    /// What must exist for a manifest to be served, as indices of contents.
    pub(crate) needs: Box<[u32]>,
    pub(crate) place: ContentPosition,
}

/// The position of content. Kept small: an archive may have a hundred thousand contents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ContentPosition {
    /// In the ISO file of the archive, in one piece.
    Piece(LocationPiece),
    /// In the ISO file of the archive, in several.
    Pieces(Box<[LocationPiece]>),
    /// A file in the folder of the archive, or in an ISO that has no position for it.
    File(Arc<str>, ContentFileName),
}

/// The name of a content's file in the folder of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentFileName {
    /// `manifest.json`.
    Top,
    /// `<hex>.manifest.json`.
    Child,
    /// `<hex>`.
    Blob,
}

impl ContentPosition {
    /// The place of a file of the image in `folder`.
    pub(crate) fn new(
        tree: &Tree,
        folder: &Arc<str>,
        name: ContentFileName,
        path: &str,
        entry: &TreeEntry,
    ) -> Self {
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

impl ContentFileName {
    fn path(self, folder: &str, digest: &Digest) -> String {
        match self {
            Self::Top => format!("{folder}/{}", layout::IMAGE_MANIFEST),
            Self::Child => format!("{folder}/{}.manifest.json", digest.hex()),
            Self::Blob => format!("{folder}/{}", digest.hex()),
        }
    }
}

impl ServedContent {
    pub(crate) fn new(
        digest: Digest,
        size: u64,
        kind: Option<MediaKind>,
        place: ContentPosition,
        needs: Vec<u32>,
    ) -> Self {
        Self { checked: CheckedDigest::new(digest), size, kind, needs: needs.into(), place }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.checked.digest
    }

    /// Opens the content for reading by position. Fails if part of it is missing.
    pub(crate) fn open(&self, tree: &Tree) -> io::Result<Location> {
        let in_image = |pieces: &[LocationPiece]| match tree {
            Tree::Iso(image) => Ok(Location {
                file: Arc::clone(image.file()),
                pieces: pieces.into(),
                size: self.size,
                mtime: 0,
            }),
            Tree::Folder(_) => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let location = match &self.place {
            ContentPosition::Piece(piece) => in_image(std::slice::from_ref(piece))?,
            ContentPosition::Pieces(pieces) => in_image(pieces)?,
            ContentPosition::File(folder, name) => {
                tree.locate(&name.path(folder, &self.digest())).map_err(io_error)?
            }
        };
        if location.size != self.size {
            let found = location.size;
            return Err(io::Error::other(format!(
                "{}: {found} bytes, expected {}",
                self.digest(),
                self.size
            )));
        }
        let end = location.pieces.iter().map(|piece| piece.offset.saturating_add(piece.len)).max();
        let (end, found) = (end.unwrap_or(0), location.file.metadata()?.len());
        if found < end {
            let problem =
                format!("{}: the archive has {found} bytes, expected at least {end}", self.digest());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        Ok(location)
    }
}

/// The error of the operating system, if there is one.
pub(crate) fn io_error(error: archive::Error) -> io::Error {
    match error {
        archive::Error::Io(error) => error.source,
        other => io::Error::other(other),
    }
}
