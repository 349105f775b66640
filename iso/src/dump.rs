//! An image's structures as text, byte position by byte position: what tests compare and people read when two images
//! differ.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use crate::format::descriptor::ROOT;
use crate::format::{FIRST_DESCRIPTOR, RECORD_HEADER, SECTOR, SECTOR_LEN, date, read16, read32};
use crate::image::{ReadAt, check_descriptor, read_exact};
use crate::{Error, Result};

/// Descriptors shown at most.
const DESCRIPTORS_MAX: u64 = 84;
/// Bytes shown of a path table.
const PATH_TABLE_MAX: u32 = 1 << 20;

/// The descriptors, path tables, folders and Rock Ridge entries of an image as text, each line beginning with its byte
/// position in hexadecimal. Errors name the source by `path`. The form may change.
///
/// # Errors
///
/// [`Error::NoVolume`] if the source is not an ISO 9660 image. Damage further in is shown, not reported.
pub fn dump(source: &dyn ReadAt, path: &Path) -> Result<String> {
    check_descriptor(source, path)?;
    let budget = source.size().map_err(Error::io("read", path))?;
    let mut dump = Dump { source, path, out: String::new(), budget };
    let mut trees = Vec::new();
    for number in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + DESCRIPTORS_MAX {
        let Some(sector) = dump.sector(number)? else { break };
        if sector.get(1..6) != Some(b"CD001") {
            break;
        }
        let [kind, ..] = sector;
        dump.descriptor(number * SECTOR, &sector);
        if kind == 255 {
            break;
        }
        if matches!(kind, 1 | 2) {
            trees.push((kind, sector));
        }
    }
    for (kind, sector) in trees {
        let joliet = kind == 2;
        dump.path_table(read32(&sector, 140), read32(&sector, 132), joliet)?;
        dump.folders(sector.get(ROOT..ROOT + 34).unwrap_or_default(), joliet)?;
    }
    Ok(dump.out)
}

struct Dump<'a> {
    source: &'a dyn ReadAt,
    path: &'a Path,
    out: String,
    /// Bytes of folders that may still be shown: sound ones do not overlap.
    budget: u64,
}

impl Dump<'_> {
    /// Adds a line.
    fn line(&mut self, offset: u64, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{offset:08x}  {text}");
    }

    fn sector(&self, number: u64) -> Result<Option<[u8; SECTOR_LEN]>> {
        let mut sector = [0; SECTOR_LEN];
        Ok(read_exact(self.source, self.path, number * SECTOR, &mut sector)?.then_some(sector))
    }

    fn descriptor(&mut self, offset: u64, sector: &[u8; SECTOR_LEN]) {
        let [kind, ..] = *sector;
        let name = match kind {
            0 => "boot record",
            1 => "primary volume descriptor",
            2 => "supplementary volume descriptor",
            255 => "terminator",
            _ => "volume descriptor",
        };
        self.line(offset, &format!("{name}, version {}", sector[6]));
        if !matches!(kind, 1 | 2) {
            return;
        }
        let texts = [
            (8, 32, "system"),
            (40, 32, "volume"),
            (88, 32, "escape sequences"),
            (190, 128, "volume set"),
            (318, 128, "publisher"),
            (446, 128, "preparer"),
            (574, 128, "application"),
            (883, 512, "application use"),
        ];
        for (at, length, name) in texts {
            let bytes = sector.get(at..at + length).unwrap_or_default();
            let text = identifier(bytes, kind == 2 && !matches!(at, 88 | 883));
            let text = text.trim_end_matches([' ', '\0']);
            if !text.is_empty() {
                self.line(offset + at as u64, &format!("  {name} `{}`", text.escape_debug()));
            }
        }
        for (at, name) in
            [(80, "sectors"), (132, "path table bytes"), (140, "path table L"), (144, "optional L")]
        {
            self.line(offset + at as u64, &format!("  {name} {}", read32(sector, at)));
        }
        for (at, name) in [(148, "path table M"), (152, "optional M")] {
            let number =
                sector.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_be_bytes(*four));
            self.line(offset + at as u64, &format!("  {name} {number}"));
        }
        self.line(offset + 128, &format!("  block size {}", read16(sector, 128)));
        for (at, name) in [(813, "created"), (830, "modified"), (847, "expires"), (864, "effective")] {
            let time = sector.get(at..).and_then(<[u8]>::first_chunk).and_then(date::from_descriptor);
            let time = time.map_or("never".to_owned(), |time| time.to_string());
            self.line(offset + at as u64, &format!("  {name} {time}"));
        }
    }

    fn path_table(&mut self, sector: u32, bytes: u32, joliet: bool) -> Result<()> {
        let start = u64::from(sector) * SECTOR;
        self.line(start, "path table, little-endian");
        let mut table = vec![0; bytes.min(PATH_TABLE_MAX) as usize];
        if !read_exact(self.source, self.path, start, &mut table)? {
            self.line(start, "  outside the image");
            return Ok(());
        }
        let mut rest = table.as_slice();
        let mut number = 1;
        while let [length, _, a, b, c, d, e, f, behind @ ..] = rest {
            let offset = start + (table.len() - rest.len()) as u64;
            let length = usize::from(*length);
            let Some(name) = behind.get(..length) else {
                self.line(offset, "  a record crosses the end of the table");
                return Ok(());
            };
            let (sector, parent) = (u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f]));
            let name = identifier(name, joliet);
            self.line(
                offset,
                &format!("  {number} `{}` sector {sector} parent {parent}", name.escape_debug()),
            );
            rest = behind.get(length.next_multiple_of(2)..).unwrap_or_default();
            number += 1;
        }
        Ok(())
    }

    fn folders(&mut self, root: &[u8], joliet: bool) -> Result<()> {
        let mut queue = vec![(read32(root, 2), read32(root, 10))];
        let mut seen: HashSet<u32> = queue.iter().map(|(sector, _)| *sector).collect();
        let mut next = 0;
        while let Some((sector, bytes)) = queue.get(next).copied() {
            next += 1;
            let start = u64::from(sector) * SECTOR;
            self.line(start, &format!("folder of {bytes} bytes"));
            let Some(rest) = self.budget.checked_sub(bytes.into()) else {
                self.line(start, "  too large");
                continue;
            };
            self.budget = rest;
            for number in u64::from(sector)..u64::from(sector) + u64::from(bytes).div_ceil(SECTOR) {
                let Some(bytes) = self.sector(number)? else {
                    self.line(number * SECTOR, "  outside the image");
                    break;
                };
                let mut rest = bytes.as_slice();
                while let Some(length) = rest.first().copied().map(usize::from).filter(|length| *length > 0) {
                    let offset = number * SECTOR + (SECTOR_LEN - rest.len()) as u64;
                    let Some((record, behind)) = rest.split_at_checked(length) else {
                        self.line(offset, "  a record crosses the end of its sector");
                        break;
                    };
                    rest = behind;
                    let folder = self.record(offset, record, joliet)?;
                    queue.extend(folder.filter(|(sector, _)| seen.insert(*sector)));
                }
            }
        }
        Ok(())
    }

    /// Shows a record and returns the folder that it points to.
    fn record(&mut self, offset: u64, record: &[u8], joliet: bool) -> Result<Option<(u32, u32)>> {
        let Some((header, behind)) = record.split_first_chunk::<RECORD_HEADER>() else {
            self.line(offset, "  a record shorter than its fixed part");
            return Ok(None);
        };
        let (flags, length) = (header[25], usize::from(header[32]));
        let Some((name, system_use)) = behind.split_at_checked(length) else {
            self.line(offset, "  a record shorter than its identifier");
            return Ok(None);
        };
        let system_use = system_use.get((RECORD_HEADER + length) % 2..).unwrap_or_default();
        let (sector, bytes) = (read32(header, 2), read32(header, 10));
        let time = header.get(18..).and_then(<[u8]>::first_chunk).map_or(0, |time| date::from_record(*time));
        let name = identifier(name, joliet && !matches!(name, [0 | 1]));
        let text =
            format!("`{}` flags {flags:02x} sector {sector} bytes {bytes} time {time}", name.escape_debug());
        self.line(offset, &format!("  record of {} bytes: {text}", record.len()));
        if !joliet {
            let start = offset + (record.len() - system_use.len()) as u64;
            self.entries(start, system_use)?;
        }
        Ok((flags & 2 != 0 && !matches!(name.as_bytes(), [0 | 1])).then_some((sector, bytes)))
    }

    /// Shows System Use entries and the continuation they lead to.
    fn entries(&mut self, start: u64, area: &[u8]) -> Result<()> {
        let Some((sector, offset, length)) = self.area(start, area) else { return Ok(()) };
        let (offset, length) = (offset as usize, length as usize);
        let bytes = self.sector(sector.into())?;
        let start = u64::from(sector) * SECTOR + offset as u64;
        match bytes.as_ref().and_then(|bytes| bytes.get(offset..offset.saturating_add(length))) {
            Some(area) => {
                // A second continuation is shown as an entry but not followed: sound images have none.
                self.area(start, area);
            }
            None => self.line(start, "    outside the image"),
        }
        Ok(())
    }

    fn area(&mut self, start: u64, area: &[u8]) -> Option<(u32, u32, u32)> {
        let (mut rest, mut continuation) = (area, None);
        while let [a @ b'A'..=b'Z', b, length, version, ..] = rest {
            let offset = start + (area.len() - rest.len()) as u64;
            let Some((entry, behind)) = rest.split_at_checked(usize::from(*length)).filter(|_| *length >= 4)
            else {
                self.line(offset, "    an entry crosses the end of its area");
                break;
            };
            let data = entry.get(4..).unwrap_or_default();
            let number = |at: usize| read32(data, at);
            let text = match (a, b) {
                (b'P', b'X') => {
                    format!("mode {:o} links {} uid {} gid {}", number(0), number(8), number(16), number(24))
                }
                (b'C', b'E') => {
                    continuation = Some((number(0), number(8), number(16)));
                    format!("sector {} offset {} bytes {}", number(0), number(8), number(16))
                }
                (b'N', b'M') => match data {
                    [flags, name @ ..] => format!("flags {flags} `{}`", name.escape_ascii()),
                    [] => String::new(),
                },
                (b'E', b'R') => format!("`{}`", data.escape_ascii()),
                _ => hex::encode(data),
            };
            self.line(offset, &format!("    {}{} {version}: {text}", char::from(*a), char::from(*b)));
            rest = behind;
        }
        continuation
    }
}

/// Bytes of a name or text as they are meant to be read.
fn identifier(bytes: &[u8], joliet: bool) -> String {
    if !joliet {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let units = bytes.chunks_exact(2).filter_map(|unit| Some(u16::from_be_bytes(*unit.first_chunk()?)));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
