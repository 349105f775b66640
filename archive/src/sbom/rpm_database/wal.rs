//! The write-ahead log of an SQLite database: pages that are newer than those of the database (sqlite.org/fileformat2.html,
//! section 4).

use std::collections::HashMap;

use super::{DatabaseFault, ReadAt, Result, chunk};

/// Bytes of the beginning of the log, and of a frame.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// The first number of a log whose checksums are little-endian; it is one more if they are big-endian.
const MAGIC: u32 = 0x377f_0682;

/// The complete transactions of a log.
pub(super) struct Log<'a> {
    file: &'a dyn ReadAt,
    /// Where the newest content of a page is.
    pages: HashMap<u32, u64>,
    /// The number of pages of the database; 0 if the log has no complete transaction.
    pub(super) count: u32,
}

impl<'a> Log<'a> {
    /// Reads the frames. What follows the last complete transaction, or has a wrong checksum, does not count.
    pub(super) fn read(file: &'a dyn ReadAt, page_size: usize) -> Result<Self> {
        let mut log = Self { file, pages: HashMap::new(), count: 0 };
        let mut header = [0; HEADER];
        if file.size() < HEADER as u64 {
            return Ok(log);
        }
        file.read_exact_at(0, &mut header)?;
        let magic = u32::from_be_bytes(chunk(&header, 0)?);
        if magic & !1 != MAGIC {
            return Err(DatabaseFault::new("the write-ahead log is damaged"));
        }
        let mut sum = Checksum { is_big_endian: magic & 1 == 1, first: 0, second: 0 };
        sum.add(header.get(..24).unwrap_or_default());
        let size = u32::from_be_bytes(chunk(&header, 8)?) as usize;
        if !sum.is(&header, 24)? || size != page_size {
            return Ok(log);
        }
        let salts: [u8; 8] = chunk(&header, 16)?;
        let mut waiting = HashMap::new();
        let mut frame = vec![0; FRAME + page_size];
        let mut offset = HEADER as u64;
        while file.read_exact_at(offset, &mut frame).is_ok() {
            let (number, count) =
                (u32::from_be_bytes(chunk(&frame, 0)?), u32::from_be_bytes(chunk(&frame, 4)?));
            sum.add(frame.get(..8).unwrap_or_default());
            sum.add(frame.get(FRAME..).unwrap_or_default());
            if chunk(&frame, 8)? != salts || !sum.is(&frame, 16)? {
                break;
            }
            waiting.insert(number, offset + FRAME as u64);
            // The last frame of a transaction has the size of the database.
            if count > 0 {
                log.pages.extend(waiting.drain());
                log.count = count;
            }
            offset += frame.len() as u64;
        }
        Ok(log)
    }

    /// Reads a page, if the log has it.
    pub(super) fn page(&self, number: u32, page: &mut [u8]) -> Result<bool> {
        let Some(offset) = self.pages.get(&number) else { return Ok(false) };
        self.file.read_exact_at(*offset, page)?;
        Ok(true)
    }
}

/// The checksum over all frames so far.
struct Checksum {
    is_big_endian: bool,
    first: u32,
    second: u32,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let number = |word: [u8; 4]| {
            if self.is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        let (pairs, _) = bytes.as_chunks::<8>();
        let (mut first, mut second) = (self.first, self.second);
        for [a, b, c, d, e, f, g, h] in pairs {
            first = first.wrapping_add(number([*a, *b, *c, *d])).wrapping_add(second);
            second = second.wrapping_add(number([*e, *f, *g, *h])).wrapping_add(first);
        }
        (self.first, self.second) = (first, second);
    }

    /// Whether the checksum at `offset`, which is big-endian in all logs, is this one.
    fn is(&self, bytes: &[u8], offset: usize) -> Result<bool> {
        let found =
            [u32::from_be_bytes(chunk(bytes, offset)?), u32::from_be_bytes(chunk(bytes, offset + 4)?)];
        Ok(found == [self.first, self.second])
    }
}
