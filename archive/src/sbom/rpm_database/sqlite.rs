//! The table `Packages` of an SQLite database (sqlite.org/fileformat2.html): pages of a B-tree, whose large rows continue on
//! overflow pages. The database is never opened for writing and never locked, so it need not lie in a folder of its own.

use super::wal::Log;
use super::{DatabaseFault, Each, HEADER_MAX, ReadAt, Result, chunk};

/// The first bytes of a database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of the beginning of the file, which the first page has before its own.
const FILE_HEADER: usize = 100;
/// The types of pages of tables.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The table of the headers.
const TABLE: &[u8] = b"Packages";

struct Database<'a> {
    file: &'a dyn ReadAt,
    log: Option<Log<'a>>,
    page_size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    pages: u32,
    /// How many pages may still be read: a damaged tree can have circles.
    left: u64,
}

pub(super) fn headers(file: &dyn ReadAt, log: Option<&dyn ReadAt>, each: Each<'_>) -> Result<()> {
    let mut database = Database::open(file, log)?;
    let mut root = None;
    database.rows(1, &mut |row| {
        let columns = columns(row)?;
        let [kind, name, _, page, ..] = &columns[..] else { return Ok(()) };
        if *kind == b"table" && *name == TABLE {
            root = Some(page.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)));
        }
        Ok(())
    })?;
    let root = root.and_then(|root| u32::try_from(root).ok());
    let root = root.ok_or_else(|| DatabaseFault::new("it has no table `Packages`"))?;
    database.rows(root, &mut |row| {
        let columns = columns(row)?;
        let header = columns.get(1).ok_or_else(|| DatabaseFault::new("a row has no header"))?;
        each(header)
    })
}

impl<'a> Database<'a> {
    fn open(file: &'a dyn ReadAt, log: Option<&'a dyn ReadAt>) -> Result<Self> {
        let mut header = [0; FILE_HEADER];
        file.read_exact_at(0, &mut header)?;
        if !header.starts_with(MAGIC) {
            return Err(DatabaseFault::new("it is not an SQLite database"));
        }
        let page_size = match u16::from_be_bytes(chunk(&header, 16)?) {
            1 => 65536,
            size => usize::from(size),
        };
        let reserved = header.get(20).copied().unwrap_or_default();
        let usable = page_size.checked_sub(reserved.into()).filter(|usable| *usable >= 480);
        let usable = usable.filter(|_| page_size.is_power_of_two() && page_size >= 512);
        let usable = usable.ok_or_else(|| DatabaseFault::new(format!("pages of {page_size} bytes")))?;
        let log = log.map(|log| Log::read(log, page_size)).transpose()?.filter(|log| log.count > 0);
        let pages = match &log {
            Some(log) => log.count,
            None => u32::try_from(file.size() / page_size as u64).unwrap_or(u32::MAX),
        };
        // The tree of all tables is read before that of one of them.
        Ok(Self { file, log, page_size, usable, pages, left: 2 * u64::from(pages) })
    }

    fn page(&mut self, number: u32) -> Result<Vec<u8>> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| DatabaseFault::new("its pages lead in circles"))?;
        if number == 0 || number > self.pages {
            return Err(DatabaseFault::new(format!("page {number} of {}", self.pages)));
        }
        let mut page = vec![0; self.page_size];
        let is_newer = match &self.log {
            Some(log) => log.page(number, &mut page)?,
            None => false,
        };
        if !is_newer {
            self.file.read_exact_at(u64::from(number - 1) * self.page_size as u64, &mut page)?;
        }
        Ok(page)
    }

    /// Calls `each` with each row of the table whose first page is `root`.
    fn rows(&mut self, root: u32, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            let page = self.page(number)?;
            let start = if number == 1 { FILE_HEADER } else { 0 };
            let cells = usize::from(u16::from_be_bytes(chunk(&page, start + 3)?));
            let (is_leaf, pointers) = match page.get(start) {
                Some(&LEAF) => (true, start + 8),
                Some(&INTERIOR) => (false, start + 12),
                _ => return Err(DatabaseFault::new(format!("page {number} belongs to no table"))),
            };
            let mut below = Vec::new();
            for cell in 0..cells {
                let offset = usize::from(u16::from_be_bytes(chunk(&page, pointers + 2 * cell)?));
                if is_leaf {
                    let row = self.row(&page, offset)?;
                    each(&row)?;
                } else {
                    below.push(u32::from_be_bytes(chunk(&page, offset)?));
                }
            }
            if !is_leaf {
                below.push(u32::from_be_bytes(chunk(&page, start + 8)?));
            }
            // The leftmost first.
            waiting.extend(below.into_iter().rev());
        }
        Ok(())
    }

    /// The row in the cell at `offset`, with what overflow pages have of it.
    fn row(&mut self, page: &[u8], offset: usize) -> Result<Vec<u8>> {
        let cell = page.get(offset..).unwrap_or_default();
        let (length, rest) = varint(cell)?;
        let (_, rest) = varint(rest)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= HEADER_MAX);
        let length = length.ok_or_else(|| DatabaseFault::new("a row is too large"))?;
        let most = self.usable - 35;
        let here = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let fitting = least + (length - least) % (self.usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let cut_off = || DatabaseFault::new("a row is cut off");
        let mut row = rest.get(..here).ok_or_else(cut_off)?.to_vec();
        let mut next = if length > here { u32::from_be_bytes(chunk(rest, here)?) } else { 0 };
        while row.len() < length {
            let overflow = self.page(next)?;
            next = u32::from_be_bytes(chunk(&overflow, 0)?);
            let bytes = overflow.get(4..self.usable).ok_or_else(cut_off)?;
            row.extend_from_slice(bytes.get(..length - row.len()).unwrap_or(bytes));
        }
        Ok(row)
    }
}

/// A number of 1 to 9 bytes, and what follows it.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        let rest = bytes.get(place + 1..).unwrap_or_default();
        if place == 8 {
            return Ok((number << 8 | u64::from(*byte), rest));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((number, rest));
        }
    }
    Err(DatabaseFault::new("a number is cut off"))
}

/// The bytes of each column of a row.
fn columns(row: &[u8]) -> Result<Vec<&[u8]>> {
    let (length, rest) = varint(row)?;
    let damaged = || DatabaseFault::new("a row is damaged");
    let length = usize::try_from(length).map_err(|_| damaged())?;
    let mut types = rest.get(..length.saturating_sub(row.len() - rest.len())).ok_or_else(damaged)?;
    let mut content = row.get(length..).ok_or_else(damaged)?;
    let mut columns = Vec::new();
    while !types.is_empty() {
        let (kind, rest) = varint(types)?;
        types = rest;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(damaged()),
            kind => (kind - 12) / 2,
        };
        let size = usize::try_from(size).map_err(|_| damaged())?;
        let (column, rest) = content.split_at_checked(size).ok_or_else(damaged)?;
        columns.push(column);
        content = rest;
    }
    Ok(columns)
}
