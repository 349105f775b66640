//! What an archive consists of, kept small: a forged one may have half a million files.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use content::Digest;

use super::{Finding, Findings, Problem};
use crate::tree::{EntryKind, Location, LocationPiece, Tree, TreeEntry, join};
use crate::{Error, Result, layout};

/// Gets the number of a content, and its digest or why it cannot be read.
pub(super) type Judge<'a> = dyn Fn(usize, io::Result<Digest>) + Sync + 'a;

/// The files and links of an archive, sorted by path.
#[derive(Debug, Default)]
pub(super) struct ArchiveContents {
    pub(super) files: Vec<ContentsFile>,
    pub(super) links: Vec<ContentsLink>,
    /// The files that can be read, as indices, those of the same content one after another, in the order of their places.
    order: Vec<u32>,
    /// Where in `order` each content begins.
    starts: Vec<u32>,
}

/// A regular file.
#[derive(Debug)]
pub(super) struct ContentsFile {
    pub(super) path: Box<str>,
    pub(super) size: u64,
    place: Place,
    /// The digest in `SHA256SUMS`.
    pub(super) listed: Option<Digest>,
    /// Something is wrong with it.
    pub(super) bad: bool,
}

/// A symbolic link.
#[derive(Debug)]
pub(super) struct ContentsLink {
    pub(super) path: Box<str>,
    pub(super) target: Box<str>,
    /// The list of links has it.
    pub(super) listed: bool,
}

/// What makes two files the same content without reading it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A file of the operating system: its device and inode.
    Inode(u64, u64),
    /// One stretch of an ISO.
    Piece(u64, u64),
    /// Several.
    Pieces(Box<[(u64, u64)]>),
    /// It cannot be read.
    Nowhere,
}

impl ArchiveContents {
    /// Lists a tree. What cannot be read becomes a finding.
    pub(super) fn of(tree: &Tree, findings: &mut Findings) -> Result<Self> {
        let mut contents = Self::default();
        let mut unreadable = Vec::new();
        let mut visit = |folder: &str, entries: Vec<TreeEntry>| {
            for entry in entries {
                contents.add(tree, join(folder, &entry.name), entry, findings);
            }
            Ok(())
        };
        tree.each_folder_or("", &mut visit, &mut |path, error| match error {
            Error::Limit { .. } => Err(error),
            error => {
                unreadable.push(Finding::new(path, Problem::Unreadable { reason: error.to_string() }));
                Ok(())
            }
        })?;
        unreadable.into_iter().for_each(|finding| findings.push(finding));
        contents.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        contents.links.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        contents.arrange(findings);
        Ok(contents)
    }

    fn add(&mut self, tree: &Tree, path: String, entry: TreeEntry, findings: &mut Findings) {
        match &entry.kind {
            EntryKind::Directory => {}
            EntryKind::Other => {
                let reason = "a device, socket or pipe, which an archive cannot contain".to_owned();
                findings.push(Finding::new(&path, Problem::Invalid { reason }));
            }
            EntryKind::Symlink(target) => {
                if let Err(error @ Error::Path { .. }) = tree.resolve(&path) {
                    findings.push(Finding::new(&path, Problem::Invalid { reason: error.to_string() }));
                }
                let target = target.as_str().into();
                self.links.push(ContentsLink { path: path.into(), target, listed: false });
            }
            EntryKind::File => {
                let place = match place(tree, &path, &entry) {
                    Ok(place) => place,
                    Err(problem) => {
                        findings.push(Finding::new(&path, problem));
                        Place::Nowhere
                    }
                };
                let bad = place == Place::Nowhere;
                self.files.push(ContentsFile {
                    path: path.into(),
                    size: entry.size,
                    place,
                    listed: None,
                    bad,
                });
            }
        }
    }

    /// Finds out which files share their content; of files of one name only the first can ever be read.
    fn arrange(&mut self, findings: &mut Findings) {
        for pair in self.files.windows(2) {
            if let [one, other] = pair
                && one.path == other.path
            {
                let reason = "two files have this name".to_owned();
                findings.push(Finding::new(&one.path, Problem::Invalid { reason }));
            }
        }
        let readable = |index: &u32| {
            self.file(*index).is_some_and(|file| file.place != Place::Nowhere && *file.path != *layout::SUMS)
        };
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).filter(readable).collect();
        let key = |index: &u32| self.file(*index).map(|file| (file.place.start(), &file.place));
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut starts = Vec::new();
        let mut before = None;
        for (at, index) in (0..).zip(&order) {
            if before.is_none_or(|before| before != key(index)) {
                starts.push(at);
            }
            before = Some(key(index));
        }
        (self.order, self.starts) = (order, starts);
    }

    pub(super) fn file(&self, index: u32) -> Option<&ContentsFile> {
        self.files.get(usize::try_from(index).ok()?)
    }

    pub(super) fn file_mut(&mut self, index: u32) -> Option<&mut ContentsFile> {
        self.files.get_mut(usize::try_from(index).ok()?)
    }

    /// The index of the file at a path.
    pub(super) fn find(&self, path: &str) -> Option<u32> {
        let found = self.files.binary_search_by(|file| (*file.path).cmp(path)).ok()?;
        u32::try_from(found).ok()
    }

    /// The link at a path.
    pub(super) fn link(&self, path: &str) -> Option<&ContentsLink> {
        self.links.binary_search_by(|link| (*link.path).cmp(path)).ok().and_then(|at| self.links.get(at))
    }

    pub(super) fn link_mut(&mut self, path: &str) -> Option<&mut ContentsLink> {
        let found = self.links.binary_search_by(|link| (*link.path).cmp(path)).ok()?;
        self.links.get_mut(found)
    }

    /// How many different contents there are to hash.
    pub(super) fn jobs(&self) -> usize {
        self.starts.len()
    }

    /// The files that consist of one content, by their indices.
    pub(super) fn job(&self, job: usize) -> &[u32] {
        let at = |job: usize| self.starts.get(job).and_then(|start| usize::try_from(*start).ok());
        let from = at(job).unwrap_or(self.order.len());
        self.order.get(from..at(job + 1).unwrap_or(self.order.len())).unwrap_or_default()
    }

    /// The first file of a content.
    pub(super) fn first(&self, job: usize) -> Option<&ContentsFile> {
        self.file(*self.job(job).first()?)
    }

    /// The bytes of all contents together.
    pub(super) fn bytes(&self) -> u64 {
        (0..self.jobs()).filter_map(|job| self.first(job)).fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// The first byte of an ISO that a file consists of.
    pub(super) fn first_byte(&self) -> Option<u64> {
        let with_bytes = self.files.iter().filter(|file| file.size > 0);
        with_bytes.filter_map(|file| file.pieces().first().map(|piece| piece.offset)).min()
    }

    /// Where the bytes of a file are.
    pub(super) fn locate(tree: &Tree, file: &ContentsFile) -> Result<Location> {
        match tree {
            Tree::Folder(_) => tree.locate(&file.path),
            Tree::Iso(image) => Ok(Location {
                file: Arc::clone(image.file()),
                pieces: file.pieces().into(),
                size: file.size,
                mtime: 0,
            }),
        }
    }
}

impl ContentsFile {
    /// Where in the ISO its bytes are.
    pub(super) fn pieces(&self) -> Vec<LocationPiece> {
        match &self.place {
            Place::Piece(offset, len) => vec![LocationPiece { offset: *offset, len: *len }],
            Place::Pieces(pieces) => {
                pieces.iter().map(|(offset, len)| LocationPiece { offset: *offset, len: *len }).collect()
            }
            Place::Inode(..) | Place::Nowhere => Vec::new(),
        }
    }
}

impl Place {
    /// Where it begins.
    fn start(&self) -> u64 {
        match self {
            Self::Piece(offset, _) => *offset,
            Self::Pieces(pieces) => pieces.first().map_or(0, |(offset, _)| *offset),
            Self::Inode(..) | Self::Nowhere => 0,
        }
    }
}

fn place(tree: &Tree, path: &str, entry: &TreeEntry) -> Result<Place, Problem> {
    let unreadable = |reason: String| Problem::Unreadable { reason };
    let location = tree.locate_entry(path, entry).map_err(|error| unreadable(error.to_string()))?;
    let found = location.file.metadata().map_err(|error| unreadable(error.to_string()))?;
    if let Tree::Folder(_) = tree {
        return Ok(Place::Inode(found.dev(), found.ino()));
    }
    let expected = location.pieces.iter().map(|piece| piece.offset.saturating_add(piece.len)).max();
    if let Some(expected) = expected.filter(|expected| *expected > found.len()) {
        return Err(Problem::Truncated { expected, found: found.len() });
    }
    Ok(match &*location.pieces {
        [LocationPiece { offset, len }] => Place::Piece(*offset, *len),
        pieces => Place::Pieces(pieces.iter().map(|piece| (piece.offset, piece.len)).collect()),
    })
}
