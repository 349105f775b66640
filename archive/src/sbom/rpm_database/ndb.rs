//! RPM's own format, `ndb`: pages of slots that say where blobs are (`lib/backend/ndb/rpmpkg.c` of RPM).

use super::{DatabaseFault, Each, HEADER_MAX, ReadAt, Result, chunk};

/// Bytes of a page of slots.
const PAGE: usize = 4096;
/// Pages of slots.
const PAGES_MAX: u32 = 2048;
/// Bytes of a slot, and of the beginning of a blob.
const SLOT: usize = 16;
/// The unit in which slots count.
const BLOCK: u64 = 16;

pub(super) fn headers(database: &dyn ReadAt, each: Each<'_>) -> Result<()> {
    let mut page = vec![0; PAGE];
    database.read_exact_at(0, &mut page)?;
    if !page.starts_with(b"RpmP") || chunk(&page, 4)? != [0; 4] {
        return Err(DatabaseFault::new("it is not a database of the format ndb"));
    }
    let pages = u32::from_le_bytes(chunk(&page, 12)?);
    if pages == 0 || pages > PAGES_MAX {
        return Err(DatabaseFault::new(format!("{pages} pages of slots: expected 1 to {PAGES_MAX}")));
    }
    let mut blob = Vec::new();
    let mut read = 0;
    for number in 0..pages {
        database.read_exact_at(u64::from(number) * PAGE as u64, &mut page)?;
        // The first two slots of the file are its header.
        let slots = page.chunks_exact(SLOT).skip(if number == 0 { 2 } else { 0 });
        for slot in slots {
            if !slot.starts_with(b"Slot") {
                return Err(DatabaseFault::new(format!("a slot of page {number} is damaged")));
            }
            let index = chunk::<4>(slot, 4)?;
            if index == [0; 4] {
                continue;
            }
            let start = u64::from(u32::from_le_bytes(chunk(slot, 8)?)) * BLOCK;
            let mut beginning = [0; SLOT];
            database.read_exact_at(start, &mut beginning)?;
            let length = u32::from_le_bytes(chunk(&beginning, 12)?) as usize;
            let is_blob = beginning.starts_with(b"BlbS") && chunk::<4>(&beginning, 4)? == index;
            if !is_blob || length > HEADER_MAX {
                return Err(DatabaseFault::new(format!("the blob at byte {start} is damaged")));
            }
            // Slots may share a blob.
            read += length as u64;
            if read > database.size() {
                return Err(DatabaseFault::new("its slots overlap"));
            }
            blob.resize(length, 0);
            database.read_exact_at(start + SLOT as u64, &mut blob)?;
            each(&blob)?;
        }
    }
    Ok(())
}
