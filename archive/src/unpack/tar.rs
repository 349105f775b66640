//! Tars: plain, or compressed with gzip.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::members::{TarMember, TarMembers, damaged, each_member};
use super::{TreeWriter, UnpackError};

/// The bytes of a block of a tar.
const BLOCK: usize = 512;

/// What is unpacked of a tar.
pub struct TarSelection<'a> {
    /// How many leading parts of each name are removed. What has no more parts is left out.
    pub strip: usize,
    /// Whether what has this path, without the parts that are removed, is wanted; the second argument says whether it is a folder.
    pub keep: &'a mut dyn FnMut(&str, bool) -> bool,
}

impl std::fmt::Debug for TarSelection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarSelection").field("strip", &self.strip).finish_non_exhaustive()
    }
}

/// Unpacks what `selection` wants of a tar, plain or compressed with gzip. [`TreeWriter::finish`] is left to the caller.
///
/// # Errors
///
/// [`UnpackError::Format`] if `file` has another format or is damaged; those of the writer.
pub fn unpack_tar(
    file: &mut dyn Read,
    selection: &mut TarSelection<'_>,
    writer: &mut TreeWriter,
) -> Result<(), UnpackError> {
    let (head, rest) = peek(file)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let mut decoder = Gunzip { member: Some(GzDecoder::new(BufReader::new(rest))) };
        let (head, rest) = peek(&mut decoder)?;
        if !is_tar(&head) {
            return Err(unknown("is compressed with gzip, but is not a tar"));
        }
        members(rest, selection, writer)?;
        return rest_of(&mut decoder, writer);
    }
    if !is_tar(&head) {
        return Err(unknown(name_of(&head)));
    }
    members(rest, selection, writer)
}

/// What gzip unpacks: one member after the other, and zeros after the last one.
struct Gunzip<R> {
    /// The member that is read; `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.member.take().map(GzDecoder::into_inner);
            while let Some(mut reader) = rest.take() {
                let bytes = reader.fill_buf()?;
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                if zeros > 0 {
                    reader.consume(zeros);
                    rest = Some(reader);
                } else if !bytes.is_empty() {
                    self.member = Some(GzDecoder::new(reader));
                }
            }
        }
        Ok(0)
    }
}

/// Reads what is left after the end of a tar: only the end of a gzip has its checksum.
fn rest_of(reader: &mut dyn Read, writer: &mut TreeWriter) -> Result<(), UnpackError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => writer.take(count as u64)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
}

fn unknown(found: &str) -> UnpackError {
    UnpackError::Format(format!("the file {found}; the known formats are tar and tar.gz"))
}

/// What a file that is not a tar is.
fn name_of(head: &[u8]) -> &'static str {
    match head {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "is compressed with xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "is compressed with zstd",
        [b'B', b'Z', b'h', ..] => "is compressed with bzip2",
        [b'P', b'K', 3, 4, ..] => "is a zip",
        [b'7', b'z', 0xbc, 0xaf, ..] => "is a 7z archive",
        [] => "is empty",
        _ => "has an unknown format",
    }
}

/// The first block, and a reader that still has it.
fn peek(reader: &mut dyn Read) -> Result<(Vec<u8>, impl Read), UnpackError> {
    let mut head = Vec::with_capacity(BLOCK);
    reader.take(BLOCK as u64).read_to_end(&mut head).map_err(damaged)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// Whether the first block of a file is that of a tar: its checksum is right, or it is the end of an empty one.
fn is_tar(head: &[u8]) -> bool {
    if head.len() != BLOCK {
        return false;
    }
    if head.iter().all(|byte| *byte == 0) {
        return true;
    }
    let sum = |range: std::ops::Range<usize>| -> u32 {
        head.get(range).unwrap_or_default().iter().copied().map(u32::from).sum()
    };
    let expected = sum(0..148) + 8 * u32::from(b' ') + sum(156..BLOCK);
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(head);
    header.cksum().is_ok_and(|found| found == expected)
}

/// What writes the members of a tar.
struct Unpacking<'a, 'keep> {
    selection: &'a mut TarSelection<'keep>,
    writer: &'a mut TreeWriter,
}

impl TarMembers for Unpacking<'_, '_> {
    fn count(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.writer.count(bytes)
    }

    fn take(&mut self, member: TarMember, content: &mut dyn Read) -> Result<(), UnpackError> {
        let name = text(member.name)?;
        write(&name, &member.header, member.target, content, self.selection, self.writer)
    }
}

fn members(
    reader: impl Read,
    selection: &mut TarSelection<'_>,
    writer: &mut TreeWriter,
) -> Result<(), UnpackError> {
    each_member(reader, &mut Unpacking { selection, writer })
}

/// Writes a member, if it is wanted.
fn write(
    name: &str,
    header: &tar::Header,
    target: Option<Vec<u8>>,
    bytes: &mut dyn Read,
    selection: &mut TarSelection<'_>,
    writer: &mut TreeWriter,
) -> Result<(), UnpackError> {
    let (kind, size) = (header.entry_type(), header.entry_size().map_err(damaged)?);
    // Before POSIX, a folder was a file whose name ends in a slash.
    let is_folder = kind.is_dir() || kind.is_file() && name.ends_with('/');
    let wanted = stripped(name, selection.strip)?.filter(|path| (selection.keep)(path, is_folder));
    let Some(path) = wanted else { return writer.count(size) };
    let target = || text(target.unwrap_or_default());
    match kind {
        _ if is_folder => writer.folder(&path),
        EntryType::Regular | EntryType::Continuous => {
            let mode = header.mode().map_err(damaged)?;
            writer.file(&path, mode & 0o100 != 0, size, bytes)
        }
        EntryType::Symlink => writer.link(&path, &target()?),
        EntryType::Link => {
            let target = target()?;
            let target = stripped(&target, selection.strip)?.unwrap_or_default();
            writer.hard_link(&path, &target)
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            Err(UnpackError::entry(name, "it is a device or a pipe"))
        }
        EntryType::GNUSparse => Err(UnpackError::entry(name, "sparse files are not supported")),
        other => {
            let kind = char::from(other.as_byte());
            Err(UnpackError::entry(name, format!("members of the kind `{kind}` are not supported")))
        }
    }
}

/// The path without its first `strip` parts; `None` if nothing is left. `.` and repeated slashes do not count.
fn stripped(name: &str, strip: usize) -> Result<Option<String>, UnpackError> {
    if name.starts_with('/') {
        return Err(UnpackError::entry(name, "it is absolute"));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(UnpackError::entry(name, "a part of it is `..`"));
    }
    let path = parts.get(strip..).unwrap_or_default().join("/");
    Ok(Some(path).filter(|path| !path.is_empty()))
}

fn text(bytes: Vec<u8>) -> Result<String, UnpackError> {
    String::from_utf8(bytes).map_err(|error| {
        let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
        UnpackError::entry(&name, "the name is not UTF-8")
    })
}
