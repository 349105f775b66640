//! Reading an image.
//!
//! Nothing in an image is trusted: every length is checked against the area it lies in and every place against the
//! image's end before it is used, folders that contain themselves are not entered, names that could lead out of a folder
//! are shown escaped. What is damaged is an entry with a fault; the rest of the image can be read.

mod directory;
mod disagree;
mod entry;
mod source;
mod susp;
mod volume;

use std::collections::HashSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use disagree::{DISAGREEMENTS_MAX, Disagreement};
pub use entry::{EntryFault, Extent, IsoEntry, IsoEntryKind};
pub use source::ReadAt;
pub(crate) use source::read_exact;
pub(crate) use volume::check_descriptor;
pub use volume::{DescriptorKind, Volume};

use content::LinkPolicy;

use crate::{Error, Result};
use directory::{Reader, StoredRecord};

/// The longest path in bytes (PATH_MAX): Linux rejects longer ones.
const PATH_MAX: usize = 4096;

/// An image opened for reading. Any number of threads may read it at once.
#[derive(Debug)]
pub struct IsoImage<S = File> {
    source: S,
    path: PathBuf,
    /// Bytes of the source.
    size: u64,
    volume: Volume,
    view: View,
    /// System Use bytes to skip in every record.
    skip: usize,
    root: IsoEntry,
}

/// Which of an image's trees of names to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// POSIX names, permissions and links.
    RockRidge,
    /// UTF-16 names of at most 103 characters; no links.
    Joliet,
    /// The primary tree's own names, without their versions.
    Plain,
}

impl IsoImage<File> {
    /// Opens the image at `path`, a file or a block device, with the best names it has: Rock Ridge, else Joliet, else
    /// plain ones.
    ///
    /// # Errors
    ///
    /// [`Error::NoVolume`] if it is not an ISO 9660 image, besides the errors of [`IsoImage::new`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = content::open_device(path, LinkPolicy::Follow)?;
        Self::new(file, path, None)
    }

    /// The open file, for those who send its extents themselves.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.source
    }
}

impl<S: ReadAt> IsoImage<S> {
    /// Reads the volume descriptors and the root (ECMA-119 8, Joliet, SUSP 5.3) of an image from any source. Errors name it
    /// by `path`.
    ///
    /// # Errors
    ///
    /// [`Error::NoVolume`] if there is no primary volume descriptor, [`Error::NoView`] if there are no names of `view`,
    /// [`Error::Damaged`] if the root does not lie in the image, [`Error::Unsupported`] if its blocks have not 2048 bytes,
    /// [`Error::Io`] if it cannot be read.
    pub fn new(source: S, path: &Path, view: Option<View>) -> Result<Self> {
        let size = source.size().map_err(Error::io("read", path))?;
        let (mut volume, roots) = volume::read(&source, path)?;
        let damaged = |problem: &str| Error::Damaged {
            path: path.to_owned(),
            offset: crate::format::FIRST_DESCRIPTOR * crate::format::SECTOR,
            problem: problem.to_owned(),
        };
        let primary =
            StoredRecord::parse(&roots.primary).ok_or_else(|| damaged("the root's record is malformed"))?;
        let skip = directory::declared(&source, path, &primary)?;
        volume.rock_ridge = skip.is_some();
        let view = view.unwrap_or(match (skip, roots.joliet) {
            (Some(_), _) => View::RockRidge,
            (None, Some(_)) => View::Joliet,
            (None, None) => View::Plain,
        });
        let no_view = |view| Error::NoView { path: path.to_owned(), view };
        let (record, skip) = match view {
            View::RockRidge => (primary, skip.ok_or_else(|| no_view("Rock Ridge"))?),
            View::Plain => (primary, 0),
            View::Joliet => {
                let joliet = roots.joliet.as_ref().ok_or_else(|| no_view("Joliet"))?;
                (
                    StoredRecord::parse(joliet)
                        .ok_or_else(|| damaged("the Joliet root's record is malformed"))?,
                    0,
                )
            }
        };
        let mut reader = Reader::new(&source, path, size, view, skip);
        let root = reader.root(&record)?;
        Ok(Self { size, volume, view, skip, root, path: path.to_owned(), source })
    }

    /// The volume's name.
    #[must_use]
    pub fn volume_id(&self) -> &str {
        &self.volume.volume_id
    }

    /// What the volume descriptors say.
    #[must_use]
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// The path that the image was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which names are read.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// The image's size in bytes, that of its file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root folder.
    #[must_use]
    pub fn root(&self) -> IsoEntry {
        self.root.clone()
    }

    /// What is in a folder, in the order of the image. A record that is not sound, or of a file that is interleaved or
    /// compressed, is an entry with a [fault](IsoEntry::fault); the others are listed.
    ///
    /// # Errors
    ///
    /// [`Error::Kind`] if the entry is not a folder, [`Error::Damaged`] if it has a fault itself or if the names in it are longer
    /// than the image, [`Error::Io`] if the image cannot be read.
    pub fn read_dir(&self, directory: &IsoEntry) -> Result<Vec<IsoEntry>> {
        let mut out = Vec::new();
        self.each(directory, |entry| {
            out.push(entry);
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// The entry at `path` (`a/b`, from the root), or `None` if it does not exist. Links are not followed. Where a folder has
    /// several entries of one name it is the first.
    ///
    /// # Errors
    ///
    /// Those of [`IsoImage::read_dir`], in the folders on the way.
    pub fn find(&self, path: &str) -> Result<Option<IsoEntry>> {
        let mut found = self.root();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if found.kind != IsoEntryKind::Directory {
                return Ok(None);
            }
            let mut next = None;
            self.each(&found, |entry| {
                if entry.name == part {
                    next = Some(entry);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            match next {
                Some(entry) => found = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Everything below the root with its path, folders before what is in them, breadth first. What cannot be read has a
    /// [fault](IsoEntry::fault): besides what [`IsoImage::read_dir`] says, a folder that contains itself or overlaps another one, and
    /// an entry whose path has more than 4096 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the names are longer than the image, [`Error::Io`] if the image cannot be read.
    pub fn walk(&self) -> Result<Vec<(String, IsoEntry)>> {
        let mut out: Vec<(String, IsoEntry)> = Vec::new();
        for (parent, entry) in self.entries()? {
            let path = match parent.and_then(|parent| out.get(parent)) {
                Some((folder, _)) => format!("{folder}/{}", entry.name),
                None => entry.name.clone(),
            };
            out.push((path, entry));
        }
        Ok(out)
    }

    /// Everything below the root, folders before what is in them, each with the position of its folder; none is the
    /// root.
    pub(crate) fn entries(&self) -> Result<Vec<(Option<usize>, IsoEntry)>> {
        let mut out: Vec<(Option<usize>, IsoEntry)> = Vec::new();
        let mut reader = self.reader();
        let mut seen = HashSet::new();
        // Sound folders do not overlap, so together they are no larger than the image.
        let mut budget = self.size;
        // How long the path of each entry is.
        let mut lengths: Vec<usize> = Vec::new();
        let (mut next, mut parent, mut directory) = (0, None, Some(self.root()));
        loop {
            if let Some(directory) = directory.take() {
                let extent = self.folder(&directory)?;
                let rest = budget.checked_sub(extent.len).filter(|_| seen.insert(extent.offset));
                match (rest, parent.and_then(|parent: usize| out.get_mut(parent))) {
                    (Some(rest), _) => {
                        budget = rest;
                        let above = parent
                            .and_then(|parent: usize| lengths.get(parent))
                            .map_or(0, |length| length + 1);
                        reader.each(extent, |mut entry| {
                            let length = above + entry.name_bytes().len();
                            lengths.push(length);
                            if length > PATH_MAX {
                                let problem = format!("a path longer than {PATH_MAX} bytes");
                                entry
                                    .fault
                                    .get_or_insert_with(|| EntryFault::damaged(extent.offset, problem));
                            }
                            out.push((parent, entry));
                            ControlFlow::Continue(())
                        })?;
                    }
                    (None, Some((_, folder))) => {
                        let problem = "the folder overlaps another one";
                        folder.fault.get_or_insert_with(|| EntryFault::damaged(extent.offset, problem));
                    }
                    (None, None) => {
                        return Err(EntryFault::damaged(
                            extent.offset,
                            "the root folder is larger than the image",
                        )
                        .error(&self.path));
                    }
                }
            }
            let Some((_, entry)) = out.get(next) else { return Ok(out) };
            if entry.kind == IsoEntryKind::Directory && entry.fault.is_none() {
                (parent, directory) = (Some(next), Some(entry.clone()));
            }
            next += 1;
        }
    }

    /// Reads a file's content at `offset`, in bytes, into `buffer`: how many bytes came, 0 only at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Kind`] if the entry is not a file, [`Error::Damaged`] if the image has become shorter, [`Error::Io`] if it cannot
    /// be read.
    pub fn read_at(&self, file: &IsoEntry, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        if file.kind != IsoEntryKind::File {
            return Err(Error::Kind { name: file.name.clone(), expected: "file" });
        }
        if let Some(fault) = &file.fault {
            return Err(fault.error(&self.path));
        }
        let mut before = 0;
        for extent in &file.extents {
            let skip = offset.saturating_sub(before);
            if skip < extent.len {
                let most = usize::try_from(extent.len - skip).unwrap_or(usize::MAX).min(buffer.len());
                let buffer = buffer.get_mut(..most).unwrap_or_default();
                let at = extent.offset + skip;
                if !read_exact(&self.source, &self.path, at, buffer)? {
                    return Err(Error::Damaged {
                        path: self.path.clone(),
                        offset: at,
                        problem: format!("the image ends inside `{}`", file.name),
                    });
                }
                return Ok(most);
            }
            before += extent.len;
        }
        Ok(0)
    }

    fn each(&self, directory: &IsoEntry, visit: impl FnMut(IsoEntry) -> ControlFlow<()>) -> Result<()> {
        self.reader().each(self.folder(directory)?, visit)
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.source, &self.path, self.size, self.view, self.skip)
    }

    /// Where a folder's records lie.
    fn folder(&self, directory: &IsoEntry) -> Result<Extent> {
        match (&directory.kind, &directory.fault, directory.extents.first()) {
            (IsoEntryKind::Directory, Some(fault), _) => Err(fault.error(&self.path)),
            (IsoEntryKind::Directory, None, Some(extent)) => Ok(*extent),
            _ => Err(Error::Kind { name: directory.name.clone(), expected: "folder" }),
        }
    }
}
