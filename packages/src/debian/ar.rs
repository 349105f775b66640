//! The container of a Debian package: an `ar` archive (deb(5)), read as it streams by.

use std::io::{self, BufRead, Read};

use crate::repository::HeaderFault;

/// The first bytes.
pub(super) const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of the header of a member.
pub(super) const HEADER: usize = 60;
/// The last two bytes of a header.
pub(super) const HEADER_END: &[u8; 2] = b"`\n";

/// An archive whose members are read one after the other. Reading it gives the content of the current member.
pub(crate) struct Ar<R> {
    input: R,
    /// Bytes of the current member that were not read yet.
    left: u64,
    is_padded: bool,
    /// The time of the current member, in seconds since 1970; 0 where the header has none.
    pub(super) time: i64,
}

impl<R: BufRead> Ar<R> {
    pub(crate) fn new(mut input: R) -> Result<Self, HeaderFault> {
        let mut magic = [0; MAGIC.len()];
        let read = fill(&mut input, &mut magic).map_err(|error| unreadable("ar header", &error))?;
        if &magic != MAGIC {
            let found = hex::encode(magic.get(..read).unwrap_or_default());
            return Err(HeaderFault::new("ar header", "the magic `!<arch>`", found));
        }
        Ok(Self { input, left: 0, is_padded: false, time: 0 })
    }

    /// The name and size of the next member; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(String, u64)>, HeaderFault> {
        let (skipped, padding) = (self.left, u64::from(self.is_padded));
        let cut_off =
            || HeaderFault::new("ar member", format!("{skipped} more bytes"), "the end of the file");
        if io::copy(&mut *self, &mut io::sink()).map_err(|error| unreadable("ar member", &error))? < skipped {
            return Err(cut_off());
        }
        let mut padded = self.input.by_ref().take(padding);
        io::copy(&mut padded, &mut io::sink()).map_err(|error| unreadable("ar member", &error))?;
        let mut header = [0; HEADER];
        let read = fill(&mut self.input, &mut header).map_err(|error| unreadable("ar header", &error))?;
        if read == 0 {
            return Ok(None);
        }
        let text = header.get(..read).unwrap_or_default();
        let (Some(name), Some(time), Some(size), true) =
            (text.get(..16), text.get(16..28), text.get(48..58), text.ends_with(HEADER_END))
        else {
            return Err(HeaderFault::new("ar header", "60 bytes with `\\n at the end", hex::encode(text)));
        };
        let name = String::from_utf8_lossy(name).trim_end().trim_end_matches('/').to_owned();
        let digits = String::from_utf8_lossy(size).trim_end().to_owned();
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let size = digits.parse().ok().filter(|_| is_number);
        let size: u64 = size.ok_or_else(|| HeaderFault::new("ar header", "a size in digits", digits))?;
        (self.left, self.is_padded) = (size, size % 2 == 1);
        self.time = String::from_utf8_lossy(time).trim_end().parse().unwrap_or_default();
        Ok(Some((name, size)))
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }
}

impl<R: Read> Read for Ar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.input.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads until the buffer is full or the input ends; the number of bytes.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn unreadable(place: &str, error: &io::Error) -> HeaderFault {
    HeaderFault::new(place, "readable content", error.to_string())
}
