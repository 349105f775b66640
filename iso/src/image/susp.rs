//! The System Use entries of a record: Rock Ridge as any writer may have put it, hostile ones included.

use std::path::Path;

use super::source::{ReadAt, read_exact};
use crate::Result;
use crate::format::{SECTOR, SECTOR_LEN, date, read32};
use crate::rock_ridge::{CONTINUE, CURRENT, PARENT, ROOT};

/// Continuation areas that are followed from one record; Linux stops at the same number.
const HOPS_MAX: usize = 31;
/// Bytes of a name or a link's target: more than any system's paths hold.
const TEXT_MAX: usize = 4096;

/// What may be wrong with a record's entries.
const OUTSIDE: &str = "a system use entry lies outside its area";
const TOO_MANY: &str = "a record has more than 31 continuation areas";
const TOO_LONG: &str = "a name or a link's target is longer than 4096 bytes";

/// The entries of one record.
#[derive(Debug, Default)]
pub(super) struct SystemUseEntries {
    pub(super) posix: Option<Posix>,
    pub(super) modified: Option<i64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    /// The sector of the folder that this record stands for (it was too deep for some readers).
    pub(super) child: Option<u32>,
    /// The record is of a folder that was moved; it is shown where it came from.
    pub(super) relocated: bool,
    /// The content is compressed or sparse.
    pub(super) transformed: bool,
    /// What is wrong with the entries, so that they are not to be trusted.
    pub(super) broken: Option<&'static str>,
    /// The name continues in the next NM entry.
    name_continues: bool,
    /// The target continues in the next SL entry, and whether its last component does.
    target_continues: bool,
    component_continues: bool,
}

/// A PX entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posix {
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Whether System Use bytes of the root's `.` record begin with the protocol's declaration, and how many bytes it says
/// to skip in every other record. A CD-ROM XA attribute may stand before it.
pub(super) fn declared(system_use: &[u8]) -> Option<usize> {
    [0, 14].into_iter().find_map(|start| match system_use.get(start..) {
        Some([b'S', b'P', 7, 1, 0xBE, 0xEF, skip, ..]) => Some(usize::from(*skip)),
        _ => None,
    })
}

impl SystemUseEntries {
    /// Reads the entries in `system_use` and in the continuation areas that they lead to.
    pub(super) fn read(system_use: &[u8], areas: &mut Areas<'_>) -> Result<Self> {
        let mut out = Self::default();
        let mut next = out.area(system_use);
        for _ in 0..HOPS_MAX {
            let Some(Continuation { sector, offset, length }) = next else { return Ok(out) };
            // An area lies within its sector; one that does not is no more trusted than one outside the image.
            let within = u64::from(offset) + u64::from(length) <= SECTOR;
            let area = if within { areas.sector(sector)? } else { None };
            let (start, end) = (offset as usize, offset as usize + length as usize);
            let Some(area) = area.and_then(|area| area.get(start..end)) else {
                out.broken = Some(OUTSIDE);
                return Ok(out);
            };
            next = out.area(area);
        }
        out.broken = out.broken.or(next.map(|_| TOO_MANY));
        Ok(out)
    }

    fn area(&mut self, mut area: &[u8]) -> Option<Continuation> {
        let mut next = None;
        while let [a, b, length, _version, ..] = area {
            let length = usize::from(*length);
            let Some((entry, rest)) = area.split_at_checked(length).filter(|_| length >= 4) else {
                // Zeros fill an area up.
                if *a != 0 {
                    self.broken = Some(OUTSIDE);
                }
                break;
            };
            let data = entry.get(4..).unwrap_or_default();
            match (a, b) {
                (b'S', b'T') => break,
                (b'C', b'E') => {
                    next = Some(Continuation {
                        sector: read32(data, 0),
                        offset: read32(data, 8),
                        length: read32(data, 16),
                    });
                }
                (b'P', b'X') => {
                    self.posix = Some(Posix {
                        mode: read32(data, 0),
                        links: read32(data, 8),
                        uid: read32(data, 16),
                        gid: read32(data, 24),
                    });
                }
                (b'T', b'F') => self.modified = modified(data).or(self.modified),
                (b'N', b'M') => self.name(data),
                (b'S', b'L') => self.target(data),
                (b'C', b'L') => self.child = Some(read32(data, 0)),
                (b'R', b'E') => self.relocated = true,
                (b'Z', b'F') | (b'S', b'F') => self.transformed = true,
                _ => {}
            }
            area = rest;
        }
        next
    }

    fn name(&mut self, data: &[u8]) {
        let [flags, text @ ..] = data else { return };
        if flags & (CURRENT | PARENT) != 0 {
            return;
        }
        if self.name.is_some() && !self.name_continues {
            return;
        }
        self.name_continues = flags & CONTINUE != 0;
        append(self.name.get_or_insert_default(), text, &mut self.broken);
    }

    fn target(&mut self, data: &[u8]) {
        let [flags, components @ ..] = data else { return };
        if self.target.is_some() && !self.target_continues {
            return;
        }
        self.target_continues = flags & CONTINUE != 0;
        let mut rest = components;
        let target = self.target.get_or_insert_default();
        while let [flags, length, behind @ ..] = rest {
            let Some((text, behind)) = behind.split_at_checked(usize::from(*length)) else {
                self.broken = Some(OUTSIDE);
                return;
            };
            if !self.component_continues && !target.is_empty() && target.last() != Some(&b'/') {
                append(target, b"/", &mut self.broken);
            }
            self.component_continues = flags & CONTINUE != 0;
            let text: &[u8] = match flags & !CONTINUE {
                CURRENT => b".",
                PARENT => b"..",
                ROOT => b"/",
                _ => text,
            };
            append(target, text, &mut self.broken);
            rest = behind;
        }
    }
}

/// The continuation areas of an image.
pub(super) struct Areas<'a> {
    source: &'a dyn ReadAt,
    path: &'a Path,
    /// The last sector that was read: records often share one.
    last: Option<(u32, Box<[u8; SECTOR_LEN]>)>,
}

impl<'a> Areas<'a> {
    /// The areas of the image `source` at `path`.
    pub(super) fn new(source: &'a dyn ReadAt, path: &'a Path) -> Self {
        Self { source, path, last: None }
    }

    /// The bytes of a sector, `None` if it lies outside the image.
    fn sector(&mut self, sector: u32) -> Result<Option<&[u8; SECTOR_LEN]>> {
        if self.last.as_ref().is_none_or(|(number, _)| *number != sector) {
            let mut bytes = Box::new([0; SECTOR_LEN]);
            if !read_exact(self.source, self.path, u64::from(sector) * SECTOR, bytes.as_mut_slice())? {
                return Ok(None);
            }
            self.last = Some((sector, bytes));
        }
        Ok(self.last.as_ref().map(|(_, bytes)| &**bytes))
    }
}

struct Continuation {
    sector: u32,
    offset: u32,
    length: u32,
}

fn append(text: &mut Vec<u8>, more: &[u8], broken: &mut Option<&'static str>) {
    if text.len() + more.len() <= TEXT_MAX {
        text.extend(more);
    } else {
        *broken = Some(TOO_LONG);
    }
}

/// The modification time of a TF entry, which lists the times that its flags name, in the short or the long form.
fn modified(data: &[u8]) -> Option<i64> {
    let [flags, times @ ..] = data else { return None };
    if flags & 2 == 0 {
        return None;
    }
    let before = usize::from(flags & 1);
    if flags & 0x80 == 0 {
        times.get(7 * before..).and_then(<[u8]>::first_chunk).map(|time| date::from_record(*time))
    } else {
        times.get(17 * before..).and_then(<[u8]>::first_chunk).and_then(date::from_descriptor)
    }
}
