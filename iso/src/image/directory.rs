//! The records of one folder, read and checked.

use std::ops::ControlFlow;
use std::path::Path;

use super::source::{ReadAt, read_exact};
use super::susp::{self, Areas, SystemUseEntries};
use super::{EntryFault, Extent, IsoEntry, IsoEntryKind, View};
use crate::format::record::{ASSOCIATED, DIRECTORY, MORE};
use crate::format::{RECORD_HEADER, SECTOR, SECTOR_LEN, date, read32};
use crate::tree::{TYPE, TYPE_DIRECTORY, TYPE_FILE, TYPE_SYMLINK};
use crate::{Error, Result};

/// Reads the folders of one view of an image.
pub(super) struct Reader<'a> {
    source: &'a dyn ReadAt,
    path: &'a Path,
    /// The image's size in bytes.
    size: u64,
    view: View,
    /// System Use bytes to skip in every record.
    skip: usize,
    areas: Areas<'a>,
    /// Bytes of names and targets that may still come. Sound ones have places of their own, so together they are no larger
    /// than the image; others may share one place thousands of times.
    texts: u64,
}

/// A record as it stands in a folder.
pub(super) struct StoredRecord<'a> {
    pub(super) sector: u32,
    pub(super) bytes: u32,
    pub(super) attribute_sectors: u8,
    time: [u8; 7],
    pub(super) flags: u8,
    interleaved: bool,
    pub(super) identifier: &'a [u8],
    pub(super) system_use: &'a [u8],
}

impl<'a> StoredRecord<'a> {
    /// Takes a record apart; `None` if its lengths contradict each other.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; RECORD_HEADER] = bytes.first_chunk()?;
        let [.., identifier] = *header;
        let identifier_end = RECORD_HEADER + usize::from(identifier);
        let system_use = identifier_end.next_multiple_of(2);
        Some(Self {
            sector: read32(header, 2),
            bytes: read32(header, 10),
            attribute_sectors: header[1],
            time: *header.get(18..)?.first_chunk()?,
            flags: header[25],
            interleaved: header[26] != 0 || header[27] != 0,
            identifier: bytes
                .get(RECORD_HEADER..identifier_end)
                .filter(|identifier| !identifier.is_empty())?,
            system_use: bytes.get(system_use..).unwrap_or_default(),
        })
    }

    pub(super) fn is_dots(&self) -> bool {
        matches!(self.identifier, [0 | 1])
    }

    /// The stretch of the image that the record points to.
    pub(super) fn extent(&self) -> Extent {
        let offset = (u64::from(self.sector) + u64::from(self.attribute_sectors)) * SECTOR;
        Extent { offset, len: u64::from(self.bytes) }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a dyn ReadAt, path: &'a Path, size: u64, view: View, skip: usize) -> Self {
        Self { source, path, size, view, skip, areas: Areas::new(source, path), texts: size }
    }

    /// Hands the entries of the folder at `extent` to `visit` until it breaks. A record that cannot be read is an entry
    /// with a fault.
    pub(super) fn each(
        &mut self,
        extent: Extent,
        mut visit: impl FnMut(IsoEntry) -> ControlFlow<()>,
    ) -> Result<()> {
        if let Some(problem) = self.outside(extent, "a folder") {
            return Err(EntryFault::damaged(extent.offset, problem).error(self.path));
        }
        let mut sector = [0; SECTOR_LEN];
        // A file whose first sections have come by, with its identifier.
        let mut open: Option<(IsoEntry, Vec<u8>)> = None;
        for start in (extent.offset..extent.offset + extent.len).step_by(SECTOR_LEN) {
            if !read_exact(self.source, self.path, start, &mut sector)? {
                let _ = visit(nameless(start, "the image ends inside a folder"));
                return Ok(());
            }
            let mut rest = sector.as_slice();
            while let Some(length) =
                rest.first().map(|length| usize::from(*length)).filter(|length| *length > 0)
            {
                let offset = start + (SECTOR_LEN - rest.len()) as u64;
                let (record, behind) = match rest.split_at_checked(length) {
                    Some((bytes, behind)) => {
                        (StoredRecord::parse(bytes).ok_or("a record is shorter than its own parts"), behind)
                    }
                    // Where the next one begins is not known.
                    None => (Err("a record crosses the end of its sector"), &[][..]),
                };
                rest = behind;
                let record = match record {
                    Ok(record) if record.is_dots() || record.flags & ASSOCIATED != 0 => continue,
                    Ok(record) => record,
                    Err(problem) => {
                        if visit(nameless(offset, problem)).is_break() {
                            return Ok(());
                        }
                        continue;
                    }
                };
                let entry = match open.take() {
                    Some((entry, identifier)) if identifier == record.identifier => {
                        Some(self.section(entry, &record, offset))
                    }
                    Some((mut entry, _)) => {
                        let problem = "a section of a file is followed by another file";
                        spoil(&mut entry, EntryFault::damaged(offset, problem));
                        if visit(entry).is_break() {
                            return Ok(());
                        }
                        self.entry(&record, offset)?
                    }
                    None => self.entry(&record, offset)?,
                };
                let Some(entry) = entry else { continue };
                let text = entry.name_bytes().len() + entry.target_bytes().map_or(0, <[u8]>::len);
                self.texts = self.texts.checked_sub(text as u64).ok_or_else(|| {
                    self.damaged(offset, "the names and the targets of links are longer than the image")
                })?;
                if record.flags & MORE != 0 && entry.kind == IsoEntryKind::File {
                    open = Some((entry, record.identifier.to_owned()));
                } else if visit(entry).is_break() {
                    return Ok(());
                }
            }
        }
        if let Some((mut entry, _)) = open {
            spoil(&mut entry, EntryFault::damaged(extent.offset, "the last section of a file is missing"));
            let _ = visit(entry);
        }
        Ok(())
    }

    /// A file with one more of its sections.
    fn section(&self, mut entry: IsoEntry, record: &StoredRecord<'_>, offset: u64) -> IsoEntry {
        entry.size = entry.size.saturating_add(u64::from(record.bytes));
        let fault = if entry.size > self.size {
            Some(EntryFault::damaged(offset, "a file's sections are longer than the image"))
        } else {
            self.content_fault(record, offset)
        };
        match fault {
            Some(fault) => spoil(&mut entry, fault),
            None if entry.fault.is_none() => entry.extents.push(record.extent()),
            None => {}
        }
        entry
    }

    /// The entry of a record; `None` if the record is to be shown elsewhere.
    fn entry(&mut self, record: &StoredRecord<'_>, offset: u64) -> Result<Option<IsoEntry>> {
        let attributes = match self.view {
            View::RockRidge => SystemUseEntries::read(
                record.system_use.get(self.skip..).unwrap_or_default(),
                &mut self.areas,
            )?,
            View::Joliet | View::Plain => SystemUseEntries::default(),
        };
        if attributes.relocated && attributes.broken.is_none() {
            return Ok(None);
        }
        let mut fault = attributes.broken.map(|problem| EntryFault::damaged(offset, problem));
        let name = match (&attributes.name, self.view) {
            (Some(name), _) if fault.is_none() => name.clone(),
            (_, View::Joliet) => joliet_name(record.identifier),
            (_, _) => plain_name(record.identifier),
        };
        let name = if is_name(&name) {
            name
        } else {
            let problem = format!("`{}` is not a valid name", String::from_utf8_lossy(&name).escape_debug());
            fault = fault.or_else(|| Some(EntryFault::damaged(offset, problem)));
            escaped(&name)
        };
        let mut entry = match attributes.child.filter(|_| fault.is_none()) {
            Some(sector) => match self.moved(sector, &name)? {
                Ok(entry) => entry,
                Err(problem) => {
                    fault = Some(EntryFault::damaged(offset, problem));
                    let mut entry = self.describe(record, &attributes, name);
                    (entry.kind, entry.mode) =
                        (IsoEntryKind::Directory, TYPE_DIRECTORY | entry.mode & 0o7_777);
                    entry
                }
            },
            None => {
                let mut entry = self.describe(record, &attributes, name);
                match entry.kind {
                    IsoEntryKind::Symlink(_) | IsoEntryKind::Other => entry.size = 0,
                    IsoEntryKind::File if attributes.transformed => {
                        let what = "compressed content (zisofs)";
                        fault = fault.or_else(|| Some(EntryFault::unsupported(offset, what)));
                    }
                    IsoEntryKind::File | IsoEntryKind::Directory => {
                        fault = fault.or_else(|| self.content_fault(record, offset));
                        entry.extents.push(record.extent());
                    }
                }
                entry
            }
        };
        if let Some(fault) = fault {
            spoil(&mut entry, fault);
        }
        Ok(Some(entry))
    }

    /// What a record says of its entry, but for where the content is.
    pub(super) fn describe(
        &self,
        record: &StoredRecord<'_>,
        attributes: &SystemUseEntries,
        name: Vec<u8>,
    ) -> IsoEntry {
        let is_directory = record.flags & DIRECTORY != 0;
        let posix = attributes.posix;
        let permissions =
            posix.map_or(if is_directory { 0o555 } else { 0o444 }, |posix| posix.mode & 0o7_777);
        let kind_bits = posix.map_or(TYPE_FILE, |posix| posix.mode & TYPE);
        let (kind, kind_bits) = match (&attributes.target, kind_bits) {
            // The record decides what is a folder, whatever Rock Ridge says.
            _ if is_directory => (IsoEntryKind::Directory, TYPE_DIRECTORY),
            (Some(target), TYPE_SYMLINK) => {
                (IsoEntryKind::Symlink(String::from_utf8_lossy(target).into_owned()), TYPE_SYMLINK)
            }
            (_, TYPE_FILE | TYPE_DIRECTORY | TYPE_SYMLINK | 0) => (IsoEntryKind::File, TYPE_FILE),
            (_, other) => (IsoEntryKind::Other, other),
        };
        let raw_target = match &kind {
            IsoEntryKind::Symlink(shown) => attributes.target.clone().filter(|raw| raw != shown.as_bytes()),
            _ => None,
        };
        let shown = String::from_utf8_lossy(&name).into_owned();
        IsoEntry {
            raw_name: Some(name).filter(|raw| raw != shown.as_bytes()),
            raw_target,
            name: shown,
            kind,
            size: u64::from(record.bytes),
            mode: kind_bits | permissions,
            uid: posix.map_or(0, |posix| posix.uid),
            gid: posix.map_or(0, |posix| posix.gid),
            links: posix.map_or(1, |posix| posix.links),
            mtime: attributes.modified.unwrap_or_else(|| date::from_record(record.time)),
            extents: Vec::new(),
            fault: None,
        }
    }

    /// The root, which `record` in a descriptor points to. Its attributes stand in its own `.` record.
    pub(super) fn root(&mut self, record: &StoredRecord<'_>) -> Result<IsoEntry> {
        let extent = record.extent();
        if let Some(problem) = self.outside(extent, "the root folder") {
            return Err(self.damaged(extent.offset, &problem));
        }
        let mut bytes = [0; SECTOR_LEN];
        let dot = read_exact(self.source, self.path, extent.offset, &mut bytes)?
            .then(|| bytes.get(..usize::from(bytes[0])).and_then(StoredRecord::parse))
            .flatten();
        let attributes = match dot {
            Some(dot) if self.view == View::RockRidge => {
                SystemUseEntries::read(dot.system_use, &mut self.areas)?
            }
            _ => SystemUseEntries::default(),
        };
        let mut root = self.describe(record, &attributes, Vec::new());
        (root.kind, root.mode) = (IsoEntryKind::Directory, TYPE_DIRECTORY | root.mode & 0o7_777);
        root.extents.push(extent);
        Ok(root)
    }

    /// A folder that was moved up because it was too deep: its own `.` record says what it is. Else what is wrong.
    fn moved(&mut self, sector: u32, name: &[u8]) -> Result<Result<IsoEntry, String>> {
        let mut bytes = [0; SECTOR_LEN];
        let start = u64::from(sector) * SECTOR;
        let record = read_exact(self.source, self.path, start, &mut bytes)?
            .then(|| bytes.get(..usize::from(bytes[0])).and_then(StoredRecord::parse))
            .flatten()
            .filter(|record| record.identifier == [0]);
        let Some(record) = record else {
            return Ok(Err("a moved folder is not where its record points".to_owned()));
        };
        let attributes =
            SystemUseEntries::read(record.system_use.get(self.skip..).unwrap_or_default(), &mut self.areas)?;
        let mut entry = self.describe(&record, &attributes, name.to_owned());
        (entry.kind, entry.mode) = (IsoEntryKind::Directory, TYPE_DIRECTORY | entry.mode & 0o7_777);
        let extent = Extent { offset: start, len: u64::from(record.bytes) };
        if let Some(problem) = self.outside(extent, "a moved folder") {
            return Ok(Err(problem));
        }
        entry.extents.push(extent);
        Ok(Ok(entry))
    }

    /// Why the content of a record cannot be read.
    fn content_fault(&self, record: &StoredRecord<'_>, offset: u64) -> Option<Box<EntryFault>> {
        if record.interleaved {
            return Some(EntryFault::unsupported(offset, "an interleaved file"));
        }
        let problem = self.outside(record.extent(), "a record's content")?;
        Some(EntryFault::damaged(offset, problem))
    }

    /// What is wrong with an extent that does not lie inside the image.
    fn outside(&self, extent: Extent, what: &str) -> Option<String> {
        let end = extent.offset.saturating_add(extent.len);
        let inside = end <= self.size || extent.len == 0;
        (!inside).then(|| format!("{what} ends at byte {end}, the image at byte {}", self.size))
    }

    fn damaged(&self, offset: u64, problem: &str) -> Error {
        Error::Damaged { path: self.path.to_owned(), offset, problem: problem.to_owned() }
    }
}

/// Whether a folder can have an entry of this name.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

/// What is shown for bytes that are not a name: a name that has the offending bytes in hexadecimal.
fn escaped(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return b"(no name)".to_vec();
    }
    let dots = matches!(name, b"." | b"..");
    let mut out = Vec::with_capacity(name.len() + 3);
    for byte in name {
        match byte {
            0 | b'/' => out.extend(format!("\\x{byte:02x}").bytes()),
            b'.' if dots => out.extend(b"\\x2e"),
            byte => out.push(*byte),
        }
    }
    out
}

/// The entry of a record that cannot be read.
fn nameless(offset: u64, problem: &str) -> IsoEntry {
    IsoEntry {
        name: format!("(record at byte {offset})"),
        kind: IsoEntryKind::Other,
        size: 0,
        mode: 0,
        uid: 0,
        gid: 0,
        links: 1,
        mtime: 0,
        extents: Vec::new(),
        fault: Some(EntryFault::damaged(offset, problem)),
        raw_name: None,
        raw_target: None,
    }
}

/// Gives an entry its fault, the first one, and takes from it what can no longer be relied on.
fn spoil(entry: &mut IsoEntry, fault: Box<EntryFault>) {
    entry.fault.get_or_insert(fault);
    entry.extents.clear();
    if !matches!(entry.kind, IsoEntryKind::File | IsoEntryKind::Directory) {
        entry.kind = IsoEntryKind::Other;
        entry.raw_target = None;
    }
}

/// A Joliet identifier as UTF-8; halves of pairs become U+FFFD. A version, which some writers add, is cut off.
pub(super) fn joliet_name(identifier: &[u8]) -> Vec<u8> {
    let units = identifier.chunks_exact(2).filter_map(|unit| Some(u16::from_be_bytes(*unit.first_chunk()?)));
    let name: String =
        char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    without_version(name.as_bytes()).to_owned()
}

/// A primary identifier as readers show it: without version, and without the dot of an empty extension.
pub(super) fn plain_name(identifier: &[u8]) -> Vec<u8> {
    let name = without_version(identifier);
    name.strip_suffix(b".").filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}

fn without_version(name: &[u8]) -> &[u8] {
    let semicolon = name.iter().rposition(|byte| *byte == b';');
    match semicolon.and_then(|at| name.split_at_checked(at)) {
        Some((name, version)) if version.len() > 1 && version.iter().skip(1).all(u8::is_ascii_digit) => name,
        _ => name,
    }
}

/// How many bytes to skip in System Use areas, if the root's `.` record declares the protocol.
pub(super) fn declared(source: &dyn ReadAt, path: &Path, root: &StoredRecord<'_>) -> Result<Option<usize>> {
    let mut bytes = [0; SECTOR_LEN];
    if !read_exact(source, path, root.extent().offset, &mut bytes)? {
        let (path, offset) = (path.to_owned(), root.extent().offset);
        return Err(Error::Damaged {
            path,
            offset,
            problem: "the image ends before the root folder".to_owned(),
        });
    }
    let record = bytes.get(..usize::from(bytes[0])).and_then(StoredRecord::parse);
    Ok(record.and_then(|record| susp::declared(record.system_use)))
}
