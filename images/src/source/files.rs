//! Named files in a folder or in a tar, read without unpacking.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{LocalImage, LocalLayout};
use crate::error::{Error, Result, io};
use crate::store::read_limited;

/// The most entries a tar may have; an image archive has a few hundred.
const ENTRIES_MAX: usize = 100_000;
/// The most bytes of headers that an entry of a tar may have, its name and the target of its link included. They are read
/// into memory.
const HEADERS_MAX: u64 = 1 << 20;
/// The most symbolic links followed from one name: old `docker save` links equal layers.
const LINKS_MAX: usize = 4;

/// Files by name.
pub(super) enum SourceFiles {
    Folder(PathBuf),
    Archive { path: PathBuf, file: File, entries: HashMap<String, SourceEntry> },
}

/// What a name in a tar stands for.
#[derive(Debug, Clone)]
pub(super) enum SourceEntry {
    /// Bytes at an offset.
    Bytes { offset: u64, size: u64 },
    /// Another name.
    Link(String),
}

impl SourceFiles {
    /// The folder or tar of an image.
    pub(super) fn of(local: &LocalImage) -> Result<Self> {
        match local.layout {
            LocalLayout::Oci | LocalLayout::Dir => Ok(Self::Folder(local.path.clone())),
            LocalLayout::OciArchive | LocalLayout::DockerArchive => Self::archive(&local.path),
        }
    }

    /// Reads the table of a tar. Names are only ever looked up, never used as paths.
    pub(super) fn archive(path: &Path) -> Result<Self> {
        let file = content::open(path, content::LinkPolicy::Follow)?;
        let bad = |reason: &str| Error::Layout { path: path.to_owned(), reason: reason.into() };
        let mut magic = [0; 2];
        if file.read_at(&mut magic, 0).map_err(io("read", path))? == 2 && magic == [0x1f, 0x8b] {
            return Err(bad("the archive is compressed; decompress it first"));
        }
        let reader = BufReader::new(file.try_clone().map_err(io("open", path))?);
        let length = file.metadata().map_err(io("stat", path))?.len();
        // What is wrong with the content, and not with the disk, has no number of the system.
        let wrong = |error: io::Error| match error.raw_os_error() {
            None => bad(&format!("not a whole tar archive: {}", content::printable(&error.to_string()))),
            Some(_) => io("read", path)(error),
        };
        let left = Cell::new(HEADERS_MAX);
        let mut archive = tar::Archive::new(Headers { reader, left: &left });
        let mut entries = HashMap::new();
        for entry in archive.entries_with_seek().map_err(wrong)? {
            left.set(HEADERS_MAX);
            let entry = entry.map_err(wrong)?;
            let name = normal(&String::from_utf8_lossy(&entry.path_bytes()));
            let found = match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    if entry.raw_file_position().saturating_add(entry.size()) > length {
                        return Err(bad("the archive is cut off"));
                    }
                    SourceEntry::Bytes { offset: entry.raw_file_position(), size: entry.size() }
                }
                kind @ (tar::EntryType::Symlink | tar::EntryType::Link) => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let relative = kind == tar::EntryType::Symlink && !target.starts_with('/');
                    SourceEntry::Link(normal(&if relative { format!("{folder}/{target}") } else { target }))
                }
                _ => continue,
            };
            if entries.len() == ENTRIES_MAX {
                return Err(bad("the archive has too many entries"));
            }
            entries.insert(name, found);
        }
        Ok(Self::Archive { path: path.to_owned(), file, entries })
    }

    /// How an error names a file.
    pub(super) fn display(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Archive { path, .. } => path.join(name),
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Archive { entries, .. } => entries.contains_key(name),
        }
    }

    /// Opens a file for reading from its start.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read + '_>> {
        match self {
            Self::Folder(folder) => {
                Ok(Box::new(content::open(&folder.join(name), content::LinkPolicy::Follow)?))
            }
            Self::Archive { file, .. } => {
                let (offset, size) = self.find(name)?;
                Ok(Box::new(Range { file, offset, left: size }))
            }
        }
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        if let Self::Folder(folder) = self {
            return read_limited(&folder.join(name), limit);
        }
        let path = self.display(name);
        let (_, size) = self.find(name)?;
        if size > limit {
            return Err(Error::TooLarge { path, limit });
        }
        let mut bytes = Vec::new();
        self.open(name)?.read_to_end(&mut bytes).map_err(io("read", &path))?;
        Ok(bytes)
    }

    /// Where the bytes of a name are in the tar.
    fn find(&self, name: &str) -> Result<(u64, u64)> {
        let Self::Archive { entries, .. } = self else { return Ok((0, 0)) };
        let mut name = normal(name);
        for _ in 0..=LINKS_MAX {
            match entries.get(&name) {
                Some(SourceEntry::Bytes { offset, size }) => return Ok((*offset, *size)),
                Some(SourceEntry::Link(target)) => name.clone_from(target),
                None => break,
            }
        }
        Err(Error::Layout { path: self.display(&name), reason: "not in the archive".into() })
    }
}

/// A name without `.`, `..` and doubled slashes.
fn normal(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A reader of the headers of a tar; contents are skipped.
struct Headers<'a, R> {
    reader: R,
    /// How many bytes may be read before the next entry.
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Headers<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("the name of an entry is too long"))?);
        Ok(count)
    }
}

impl<R: Seek> Seek for Headers<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

/// A piece of a file.
struct Range<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..limit).unwrap_or_default(), self.offset)?;
        if count == 0 && limit > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
