//! Armour: bytes as text (RFC 9580, section 6).

use std::io::Write;

use pgp::armor::{self, BlockType};
use pgp::errors::Result as PgpResult;
use pgp::ser::Serialize;

/// Bytes in armour, with the checksum that rpm 4 requires.
pub(super) fn armoured(kind: BlockType, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3 / 2 + 128);
    // Writing to memory cannot fail.
    let _ = armor::write(&Packets(bytes), kind, &mut text, None, true);
    text
}

/// Packets that are bytes already.
struct Packets<'a>(&'a [u8]);

impl Serialize for Packets<'_> {
    fn to_writer<W: Write>(&self, writer: &mut W) -> PgpResult<()> {
        Ok(writer.write_all(self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}
