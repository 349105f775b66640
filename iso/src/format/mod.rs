//! The bytes of ISO 9660 (ECMA-119), Joliet and System Use Sharing Protocol structures: constants, numbers, dates,
//! descriptors and records. Nothing here knows a tree or a file; `layout` puts these bytes in order.

pub(crate) mod date;
pub(crate) mod descriptor;
pub(crate) mod record;

/// A logical sector, and a logical block of every image this crate reads or writes (ECMA-119 6.1.2, 6.2.2).
pub(crate) const SECTOR: u64 = 2048;
/// [`SECTOR`] where a length in memory is meant.
pub(crate) const SECTOR_LEN: usize = 2048;
/// The primary volume descriptor stands here, behind the system area (ECMA-119 6.2.1, 8.4).
pub(crate) const FIRST_DESCRIPTOR: u64 = 16;
/// The longest directory record: its length is one byte and even (ECMA-119 9.1.1, 9.1.13).
pub(crate) const RECORD_MAX: usize = 254;
/// The fixed part of a directory record, before the identifier (ECMA-119 9.1).
pub(crate) const RECORD_HEADER: usize = 33;
/// The longest section of a file: the last whole sector below 4 GiB, as all peers cut them.
pub(crate) const SECTION_MAX: u64 = 0xFFFF_F800;
/// Sectors of zeros behind the data, which drives that read ahead need; counted in the volume's size like the peers do.
pub(crate) const PADDING: u64 = 150;
/// From this size on an image's implanted fragment sums are what `checkisomd5` expects; smaller ones it takes for damaged.
pub(crate) const SECTORS_MIN: u64 = 351;

/// How many sectors `bytes` fill.
pub(crate) const fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR)
}

/// A 16-bit number in both byte orders (ECMA-119 7.2.3).
pub(crate) fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A 32-bit number in both byte orders (ECMA-119 7.3.3).
pub(crate) fn both32(number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The little-endian half of a 32-bit number in both byte orders at `offset`, 0 where `bytes` end before it.
///
/// Readers trust this half, as all peers do: some writers leave the other one blank.
pub(crate) fn read32(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four))
}

/// The little-endian half of a 16-bit number in both byte orders at `offset`, 0 where `bytes` end before it.
pub(crate) fn read16(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |two| u16::from_le_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_orders() {
        assert_eq!(both16(0x0102), [2, 1, 1, 2]);
        assert_eq!(both32(0x0102_0304), [4, 3, 2, 1, 1, 2, 3, 4]);
        assert_eq!(read32(&both32(77), 0), 77);
        assert_eq!(read16(&both16(77), 0), 77);
        assert_eq!(read32(&[1, 2, 3], 0), 0, "too short");
        assert_eq!(read16(&[1, 2, 3], 9), 0, "past the end");
    }

    #[test]
    fn sizes_in_sectors() {
        assert_eq!([0, 1, 2048, 2049].map(sectors), [0, 1, 1, 2]);
    }
}
