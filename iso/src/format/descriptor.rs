//! Volume descriptors (ECMA-119 8): the primary one, Joliet's supplementary one and the terminator.

use super::{SECTOR_LEN, both16, both32, date};

/// Where a descriptor's volume ID stands, 32 bytes.
pub(crate) const VOLUME_ID: usize = 40;
/// The length of the volume ID, in bytes.
pub(crate) const VOLUME_ID_LEN: usize = 32;
/// Where the volume's size in sectors stands, in both orders.
pub(crate) const VOLUME_SPACE: usize = 80;
/// Where a supplementary descriptor's escape sequences stand, 32 bytes.
pub(crate) const ESCAPES: usize = 88;
/// Where the logical block size stands.
pub(crate) const BLOCK_SIZE: usize = 128;
/// Where the root folder's record stands, 34 bytes.
pub(crate) const ROOT: usize = 156;
/// Where the creation date stands, 17 bytes; modification, expiration and effective date follow it.
pub(crate) const CREATED: usize = 813;
/// Where the 512 bytes for application use stand; the implanted MD5 lives there.
pub(crate) const APPLICATION_USE: usize = 883;
/// The length of the application-use field.
pub(crate) const APPLICATION_USE_LEN: usize = 512;

/// What the descriptors of the two trees differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Primary,
    Joliet,
}

/// The fields of a descriptor.
pub(crate) struct VolumeDescriptor<'a> {
    pub(crate) kind: Type,
    pub(crate) volume_id: &'a str,
    pub(crate) sectors: u32,
    pub(crate) path_table_bytes: u32,
    /// Sector of the little-endian path table.
    pub(crate) path_table_l: u32,
    /// Sector of the big-endian path table.
    pub(crate) path_table_m: u32,
    pub(crate) root: &'a [u8],
    pub(crate) date: i64,
}

impl VolumeDescriptor<'_> {
    /// The descriptor's sector.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SECTOR_LEN);
        out.extend(start(if self.kind == Type::Primary { 1 } else { 2 }));
        out.push(0);
        self.text(&mut out, "", 32);
        self.text(&mut out, self.volume_id, 32);
        out.extend([0; 8]);
        out.extend(both32(self.sectors));
        match self.kind {
            Type::Primary => out.extend([0; 32]),
            // UCS-2 level 3, the level without restrictions.
            Type::Joliet => out.extend(b"%/E".iter().chain(&[0; 29])),
        }
        out.extend(both16(1));
        out.extend(both16(1));
        out.extend(both16(2048));
        out.extend(both32(self.path_table_bytes));
        out.extend(self.path_table_l.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.path_table_m.to_be_bytes());
        out.extend([0; 4]);
        out.extend(self.root);
        for length in [128, 128, 128, 128, 37, 37, 37] {
            self.text(&mut out, "", length);
        }
        let date = date::descriptor(self.date);
        for date in [date, date, date::UNSET, date] {
            out.extend(date);
        }
        out.extend([1, 0]);
        match self.kind {
            Type::Primary => out.extend([b' '; APPLICATION_USE_LEN]),
            Type::Joliet => out.extend([0; APPLICATION_USE_LEN]),
        }
        out.resize(SECTOR_LEN, 0);
        out
    }

    /// A field of `length` bytes with as much of `text` as fits, blank behind it: bytes in the primary descriptor,
    /// UCS-2 in Joliet's.
    fn text(&self, out: &mut Vec<u8>, text: &str, length: usize) {
        let end = out.len() + length;
        match self.kind {
            Type::Primary => {
                out.extend(text.bytes().take(length));
                out.resize(end, b' ');
            }
            Type::Joliet => {
                out.extend(
                    crate::joliet::units(text.as_bytes(), length / 2)
                        .iter()
                        .flat_map(|unit| unit.to_be_bytes()),
                );
                while out.len() + 1 < end {
                    out.extend([0, b' ']);
                }
                out.resize(end, 0);
            }
        }
    }
}

/// The terminator's sector (ECMA-119 8.3).
pub(crate) fn terminator() -> Vec<u8> {
    let mut out = start(255).to_vec();
    out.resize(SECTOR_LEN, 0);
    out
}

/// Type, standard identifier and version.
fn start(kind: u8) -> [u8; 7] {
    [kind, b'C', b'D', b'0', b'0', b'1', 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: Type) -> Vec<u8> {
        let root = [9; 34];
        VolumeDescriptor {
            kind,
            volume_id: "MetalK8s 2.11.0-dev",
            sectors: 400,
            path_table_bytes: 10,
            path_table_l: 19,
            path_table_m: 20,
            root: &root,
            date: 0,
        }
        .bytes()
    }

    #[test]
    fn fields_stand_where_the_standard_puts_them() {
        for kind in [Type::Primary, Type::Joliet] {
            let bytes = descriptor(kind);
            assert_eq!(bytes.len(), SECTOR_LEN);
            assert_eq!(&bytes[VOLUME_SPACE..VOLUME_SPACE + 8], both32(400));
            assert_eq!(&bytes[BLOCK_SIZE..BLOCK_SIZE + 4], both16(2048));
            assert_eq!(&bytes[ROOT..ROOT + 34], [9; 34]);
            assert_eq!(&bytes[CREATED..CREATED + 17], b"1970010100000000\0");
            assert_eq!(&bytes[CREATED + 34..CREATED + 51], date::UNSET, "never expires");
            assert_eq!(bytes[881], 1, "file structure version");
        }
        let primary = descriptor(Type::Primary);
        assert_eq!(&primary[VOLUME_ID..VOLUME_ID + 32], b"MetalK8s 2.11.0-dev             ");
        assert_eq!(&primary[APPLICATION_USE..APPLICATION_USE + 512], [b' '; 512]);
        let joliet = descriptor(Type::Joliet);
        assert_eq!(&joliet[VOLUME_ID..VOLUME_ID + 4], b"\0M\0e");
        assert_eq!(&joliet[VOLUME_ID + 30..VOLUME_ID + 32], b"\0-", "cut at 16 characters");
        assert_eq!(&joliet[ESCAPES..ESCAPES + 4], b"%/E\0");
    }

    #[test]
    fn the_terminator_is_a_sector() {
        let bytes = terminator();
        assert_eq!((bytes.len(), &bytes[..7]), (SECTOR_LEN, b"\xffCD001\x01".as_slice()));
    }
}
