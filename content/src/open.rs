//! Opening files for reading whose path, or what lies there, somebody else chose.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fcntl_setfl, fstat, openat, statat};
use rustix::io::Errno;

use crate::IoError;

/// How often opening is retried while other processes create and remove the file.
const CREATE_TRIES: usize = 16;

/// What a symbolic link at the end of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPolicy {
    /// The file that it leads to: for paths that the user gave.
    Follow,
    /// An error: for paths in folders that others may write to.
    Refuse,
}

/// Opens a regular file for reading.
///
/// A named pipe would block until somebody writes to it, and a device may act when it is opened. Both are refused
/// at once, as are sockets and folders.
///
/// # Errors
///
/// The file cannot be opened or is not a regular file; with [`LinkPolicy::Refuse`] also if `path` is a symbolic link.
pub fn open(path: &Path, links: LinkPolicy) -> Result<File, IoError> {
    open_kind(path, links, &[FileType::RegularFile])
}

/// As [`open`], and block devices too: an ISO may be a disc in a drive.
///
/// # Errors
///
/// As [`open`].
pub fn open_device(path: &Path, links: LinkPolicy) -> Result<File, IoError> {
    open_kind(path, links, &[FileType::RegularFile, FileType::BlockDevice])
}

/// Reads a whole regular file of at most `max` bytes.
///
/// # Errors
///
/// As [`open`]; the file cannot be read, or is larger than `max` bytes.
pub fn open_read(path: &Path, links: LinkPolicy, max: u64) -> Result<Vec<u8>, IoError> {
    let mut file = open(path, links)?;
    read_bounded(&mut file, max).map_err(IoError::at("read", path))
}

/// As [`open_read`], for text.
///
/// # Errors
///
/// As [`open_read`]; the file is not UTF-8 ([`io::ErrorKind::InvalidData`]).
pub fn open_text(path: &Path, links: LinkPolicy, max: u64) -> Result<String, IoError> {
    String::from_utf8(open_read(path, links, max)?).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let message = format!("byte {place} is not UTF-8");
        IoError::at("read", path)(io::Error::new(io::ErrorKind::InvalidData, message))
    })
}

/// Reads the rest of `reader`, at most `max` bytes.
///
/// # Errors
///
/// `reader` fails, or has more than `max` bytes ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bounded(reader: &mut dyn io::Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let message = match max {
            0 => "larger than the limit of 0 bytes".to_owned(),
            max if max % (1 << 20) == 0 => format!("larger than the limit of {} MiB", max >> 20),
            max if max % (1 << 10) == 0 => format!("larger than the limit of {} KiB", max >> 10),
            max => format!("larger than the limit of {max} bytes"),
        };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Opens an existing regular file or block device for reading and writing, in place and as it is.
///
/// # Errors
///
/// As [`open`].
pub fn open_to_write(path: &Path, links: LinkPolicy) -> Result<File, IoError> {
    let allowed = [FileType::RegularFile, FileType::BlockDevice];
    open_beneath(CWD, path, links, &allowed, OFlags::RDWR).map_err(IoError::at("open", path))
}

/// Opens a regular file for reading and writing, and creates it empty if it does not exist: for locks and journals, in
/// folders that others may write to. A symbolic link is refused.
///
/// # Errors
///
/// As [`open`] with [`LinkPolicy::Refuse`]; the folder does not exist or cannot be written to.
pub fn open_or_create(path: &Path, mode: u32) -> Result<File, IoError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Whoever removes it between the two gets another try.
    for _ in 0..CREATE_TRIES {
        match openat(CWD, path, flags, Mode::from_raw_mode(mode)) {
            Ok(file) => return Ok(File::from(file)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(IoError::at("create", path)(errno.into())),
        }
        match open_beneath(CWD, path, LinkPolicy::Refuse, &[FileType::RegularFile], OFlags::RDWR) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map_err(IoError::at("open", path)),
        }
    }
    Err(IoError::at("open", path)(Errno::AGAIN.into()))
}

fn open_kind(path: &Path, links: LinkPolicy, allowed: &[FileType]) -> Result<File, IoError> {
    let refuse = IoError::at("open", path);
    open_beneath(CWD, path, links, allowed, OFlags::RDONLY).map_err(refuse)
}

/// Opens `path`, relative to `folder`, if it is of one of the `allowed` kinds; `access` says for reading or writing.
pub(crate) fn open_beneath(
    folder: impl std::os::fd::AsFd,
    path: &Path,
    links: LinkPolicy,
    allowed: &[FileType],
    access: OFlags,
) -> io::Result<File> {
    let folder = folder.as_fd();
    let (flags, look) = match links {
        LinkPolicy::Follow => (OFlags::empty(), AtFlags::empty()),
        LinkPolicy::Refuse => (OFlags::NOFOLLOW, AtFlags::SYMLINK_NOFOLLOW),
    };
    // Looked at first, since opening a device may act on it; and once more when open, since it may be replaced
    // between the two. `NONBLOCK` keeps the open of a pipe that came in between from blocking.
    check(FileType::from_raw_mode(statat(folder, path, look)?.st_mode), allowed)?;
    let flags = flags | access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file: OwnedFd = openat(folder, path, flags, Mode::empty()).map_err(|errno| match errno {
        // What `NOFOLLOW` says of a symbolic link.
        Errno::LOOP if links == LinkPolicy::Refuse => unexpected(FileType::Symlink),
        errno => errno.into(),
    })?;
    check(FileType::from_raw_mode(fstat(&file)?.st_mode), allowed)?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(File::from(file))
}

fn check(found: FileType, allowed: &[FileType]) -> io::Result<()> {
    if allowed.contains(&found) { Ok(()) } else { Err(unexpected(found)) }
}

/// The error for something of another kind than a regular file.
pub(crate) fn unexpected(found: FileType) -> io::Error {
    let (kind, found) = match found {
        FileType::Directory => (io::ErrorKind::IsADirectory, "a folder"),
        FileType::Symlink => (io::ErrorKind::InvalidInput, "a symbolic link"),
        FileType::Fifo => (io::ErrorKind::InvalidInput, "a named pipe"),
        FileType::Socket => (io::ErrorKind::InvalidInput, "a socket"),
        FileType::CharacterDevice => (io::ErrorKind::InvalidInput, "a character device"),
        FileType::BlockDevice => (io::ErrorKind::InvalidInput, "a block device"),
        _ => (io::ErrorKind::InvalidInput, "of an unknown kind"),
    };
    io::Error::new(kind, format!("it is {found}, not a regular file"))
}
