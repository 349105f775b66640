//! A hash of Berkeley DB: pages of keys and values, whose large values are chains of overflow pages (`dbinc/db_page.h`).

use super::{DatabaseFault, Each, HEADER_MAX, ReadAt, Result, chunk};

/// The number that says that a file is a hash.
const MAGIC: u32 = 0x06_15_61;
/// The types of pages.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;
/// The type of an item on overflow pages.
const OFF_PAGE: u8 = 3;
/// Bytes of the beginning of a page.
const PAGE_HEADER: usize = 26;

struct Pages<'a> {
    database: &'a dyn ReadAt,
    size: usize,
    last: u32,
    is_big_endian: bool,
    /// How many overflow pages may still be read.
    left: u64,
}

impl Pages<'_> {
    fn u32(&self, bytes: &[u8], offset: usize) -> Result<u32> {
        let bytes = chunk(bytes, offset)?;
        Ok(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u16(&self, bytes: &[u8], offset: usize) -> Result<usize> {
        let bytes = chunk(bytes, offset)?;
        let number = if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        Ok(number.into())
    }

    fn read(&self, number: u32, page: &mut Vec<u8>) -> Result<()> {
        if number > self.last {
            return Err(DatabaseFault::new(format!("page {number} of {}", self.last)));
        }
        page.resize(self.size, 0);
        Ok(self.database.read_exact_at(u64::from(number) * self.size as u64, page)?)
    }

    /// The value of `length` bytes that starts on the overflow page `number`.
    fn overflow(&mut self, mut number: u32, length: usize, page: &mut Vec<u8>) -> Result<Vec<u8>> {
        if length > HEADER_MAX {
            return Err(DatabaseFault::new(format!("a header of {length} bytes")));
        }
        let mut value = Vec::new();
        while value.len() < length {
            self.left = self.left.checked_sub(1).ok_or_else(|| DatabaseFault::new("its pages overlap"))?;
            self.read(number, page)?;
            if number == 0 || page.get(25) != Some(&OVERFLOW) {
                return Err(DatabaseFault::new(format!("page {number} has no rest of a header")));
            }
            let next = self.u32(page, 16)?;
            // The last page says how much of it is used.
            let used = if next == 0 { self.u16(page, 22)? } else { self.size - PAGE_HEADER };
            let bytes = page.get(PAGE_HEADER..).and_then(|rest| rest.get(..used));
            value.extend_from_slice(
                bytes.ok_or_else(|| DatabaseFault::new(format!("page {number} is damaged")))?,
            );
            if next == 0 {
                break;
            }
            number = next;
        }
        if value.len() == length {
            Ok(value)
        } else {
            Err(DatabaseFault::new(format!("a header has {} bytes: expected {length}", value.len())))
        }
    }
}

pub(super) fn headers(database: &dyn ReadAt, each: Each<'_>) -> Result<()> {
    let mut meta = [0; 512];
    database.read_exact_at(0, &mut meta)?;
    let magic = chunk(&meta, 12)?;
    let is_big_endian = u32::from_be_bytes(magic) == MAGIC;
    if (!is_big_endian && u32::from_le_bytes(magic) != MAGIC) || meta.get(25) != Some(&HASH_META) {
        return Err(DatabaseFault::new("it is not a hash of Berkeley DB"));
    }
    let mut pages = Pages { database, size: 0, last: 0, is_big_endian, left: 0 };
    let size = pages.u32(&meta, 20)?;
    if !(512..=65536).contains(&size) || !size.is_power_of_two() {
        return Err(DatabaseFault::new(format!("pages of {size} bytes")));
    }
    if meta.get(24) != Some(&0) {
        return Err(DatabaseFault::new("it is encrypted"));
    }
    pages.size = size as usize;
    let there = database.size() / u64::from(size);
    pages.last = pages.u32(&meta, 32)?.min(u32::try_from(there.saturating_sub(1)).unwrap_or(u32::MAX));
    pages.left = u64::from(pages.last) + 1;
    let (mut page, mut scratch) = (Vec::new(), Vec::new());
    for number in 1..=pages.last {
        pages.read(number, &mut page)?;
        if !matches!(page.get(25), Some(&(HASH | HASH_UNSORTED))) {
            continue;
        }
        // Keys and values take turns.
        let entries = pages.u16(&page, 20)?;
        for entry in (1..entries).step_by(2) {
            let offset = pages.u16(&page, PAGE_HEADER + 2 * entry)?;
            // The counter of the packages is the only value that fits into a page.
            if page.get(offset) != Some(&OFF_PAGE) {
                continue;
            }
            let (start, length) = (pages.u32(&page, offset + 4)?, pages.u32(&page, offset + 8)? as usize);
            each(&pages.overflow(start, length, &mut scratch)?)?;
        }
    }
    Ok(())
}
