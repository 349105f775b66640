//! Directory records (ECMA-119 9.1) and path table records (9.4).

use super::{RECORD_HEADER, both16, both32, date};

/// A user need not be shown the file.
pub(crate) const HIDDEN: u8 = 0x01;
/// The record is of a directory.
pub(crate) const DIRECTORY: u8 = 0x02;
/// The record is of an associated file (a resource fork).
pub(crate) const ASSOCIATED: u8 = 0x04;
/// More sections of the same file follow in the next record.
pub(crate) const MORE: u8 = 0x80;

/// The fields of a directory record.
pub(crate) struct DirectoryRecord<'a> {
    pub(crate) sector: u32,
    pub(crate) bytes: u32,
    pub(crate) time: i64,
    pub(crate) flags: u8,
    pub(crate) identifier: &'a [u8],
    /// System Use bytes, behind the identifier.
    pub(crate) system_use: &'a [u8],
}

/// How long a record is before its System Use bytes: the identifier is padded to an even end.
pub(crate) fn length(identifier: usize) -> usize {
    (RECORD_HEADER + identifier).next_multiple_of(2)
}

impl DirectoryRecord<'_> {
    /// The record's bytes, an even number of them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let head = length(self.identifier.len());
        let total = (head + self.system_use.len()).next_multiple_of(2);
        debug_assert!(total <= super::RECORD_MAX, "a record of {total} bytes");
        let mut out = Vec::with_capacity(total);
        out.extend([u8::try_from(total).unwrap_or(u8::MAX), 0]);
        out.extend(both32(self.sector));
        out.extend(both32(self.bytes));
        out.extend(date::record(self.time));
        out.extend([self.flags, 0, 0]);
        out.extend(both16(1));
        out.push(u8::try_from(self.identifier.len()).unwrap_or(u8::MAX));
        out.extend(self.identifier);
        out.resize(head, 0);
        out.extend(self.system_use);
        out.resize(total, 0);
        out
    }
}

/// In which byte order a path table is: L or M.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// A path table record.
pub(crate) fn path_table(order: ByteOrder, identifier: &[u8], sector: u32, parent: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + identifier.len() + 1);
    out.extend([u8::try_from(identifier.len()).unwrap_or(u8::MAX), 0]);
    match order {
        ByteOrder::Little => {
            out.extend(sector.to_le_bytes());
            out.extend(parent.to_le_bytes());
        }
        ByteOrder::Big => {
            out.extend(sector.to_be_bytes());
            out.extend(parent.to_be_bytes());
        }
    }
    out.extend(identifier);
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_even_and_says_its_length() {
        for (identifier, system_use, expected) in
            [(1, 0, 34), (2, 0, 36), (3, 0, 36), (1, 7, 42), (2, 7, 44), (33, 188, 254)]
        {
            let bytes = DirectoryRecord {
                sector: 20,
                bytes: 2048,
                time: 0,
                flags: DIRECTORY,
                identifier: &vec![b'A'; identifier],
                system_use: &vec![7; system_use],
            }
            .bytes();
            assert_eq!((bytes.len(), usize::from(bytes[0])), (expected, expected));
            assert_eq!(usize::from(bytes[32]), identifier);
            assert_eq!(bytes[25], DIRECTORY);
        }
    }

    #[test]
    fn path_table_records_in_both_orders() {
        assert_eq!(path_table(ByteOrder::Little, b"\0", 0x14, 1), b"\x01\0\x14\0\0\0\x01\0\0\0");
        assert_eq!(path_table(ByteOrder::Big, b"AB", 0x14, 1), b"\x02\0\0\0\0\x14\0\x01AB");
    }
}
