//! The payload of an RPM: cpio(5) in its form `newc`, or RPM's own form for files of more than 4 GiB, which is not read.

use std::io::{self, Read};

use super::{Replacements, differs};

/// The bytes before the name of a member.
const HEADER: usize = 110;
/// The marks of the form, without and with checksums.
const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];
/// The name of the last member.
const END: &[u8] = b"TRAILER!!!";
/// The most bytes of a name.
const NAME_MAX: u64 = 1 << 16;

/// A member: its numbers and its name.
struct Member {
    /// Mode, owner, group, number of links, time.
    numbers: [u64; 5],
    size: u64,
    name: Vec<u8>,
}

/// What differs between two payloads apart from the replacements; at most the first difference.
pub(super) fn compare(
    mut former: impl Read,
    mut new: impl Read,
    replaced: &Replacements,
) -> io::Result<Option<String>> {
    loop {
        let (one, other) = (next(&mut former)?, next(&mut new)?);
        let (one, other) = match (one, other) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => (one, other),
            (Some(only), None) | (None, Some(only)) => {
                let name = String::from_utf8_lossy(&only.name).into_owned();
                return Ok(Some(format!("only one has {}", content::printable(&name))));
            }
        };
        let mut contents = (former.by_ref().take(one.size), new.by_ref().take(other.size));
        if !replaced.explain(&one.name, &other.name)
            || one.numbers != other.numbers
            || !replaced.equal(&mut contents.0, &mut contents.1)?
        {
            return Ok(Some(differs(&String::from_utf8_lossy(&other.name))));
        }
        pad(&mut former, one.size)?;
        pad(&mut new, other.size)?;
    }
}

/// The next member; `None` at the end.
fn next(input: &mut impl Read) -> io::Result<Option<Member>> {
    let mut header = [0; HEADER];
    input.read_exact(&mut header)?;
    if !MAGIC.iter().any(|magic| header.starts_with(magic)) {
        return Err(invalid("it has files of more than 4 GiB, or is not a cpio archive"));
    }
    let number = |place: usize| {
        let digits = header.get(6 + place * 8..14 + place * 8).unwrap_or_default();
        let text = std::str::from_utf8(digits).map_err(|_| invalid("a number is not hexadecimal"))?;
        u64::from_str_radix(text, 16).map_err(|_| invalid("a number is not hexadecimal"))
    };
    let (size, length) = (number(6)?, number(11)?);
    if length == 0 || length > NAME_MAX {
        return Err(invalid("a name is too long"));
    }
    let mut name = Vec::new();
    input.take(length).read_to_end(&mut name)?;
    pad(input, HEADER as u64 + length)?;
    if name.pop() != Some(0) {
        return Err(invalid("a name has no end"));
    }
    if name == END {
        return Ok(None);
    }
    Ok(Some(Member { numbers: [number(1)?, number(2)?, number(3)?, number(4)?, number(5)?], size, name }))
}

/// Skips the bytes up to a multiple of four.
fn pad(input: &mut impl Read, after: u64) -> io::Result<()> {
    let bytes = after.next_multiple_of(4) - after;
    io::copy(&mut input.take(bytes), &mut io::sink()).map(drop)
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
