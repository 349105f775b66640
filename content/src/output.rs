//! Output where the user said: a file, a link to one, a pipe or a device.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use crate::open::unexpected;
use crate::{AtomicFile, Durability, IoError};

/// The names of standard output. Only the first is a word of ours; the others are links that cannot be replaced.
const STANDARD_OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Whether `path` means standard output.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    STANDARD_OUTPUT.iter().any(|name| path == Path::new(name))
}

/// A place that the user gave for output.
#[derive(Debug)]
pub enum OutputFile {
    /// A regular file, or nothing yet, perhaps behind a symbolic link: replaced whole or not at all.
    File(AtomicFile),
    /// A named pipe or a character device: takes bytes one after the other.
    Stream(File),
    /// A block device that nobody has mounted: written in place.
    Device(File),
}

impl OutputFile {
    /// Opens `path` for output. A new file has permissions `mode` whatever the umask, and is flushed to the disk.
    ///
    /// A named pipe is waited for until somebody reads it.
    ///
    /// # Errors
    ///
    /// `path` is a folder or a socket, or its folder does not exist or cannot be written to.
    pub fn open(path: &Path, mode: u32) -> Result<Self, IoError> {
        let kind = fs::metadata(path).map(|metadata| metadata.file_type());
        let open = |flags| {
            let file = openat(CWD, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty());
            file.map(File::from).map_err(|errno| IoError::at("write", path)(errno.into()))
        };
        match kind {
            Ok(kind) if kind.is_block_device() => Ok(Self::Device(open(OFlags::RDWR | OFlags::EXCL)?)),
            Ok(kind) if kind.is_fifo() || kind.is_char_device() => Ok(Self::Stream(open(OFlags::WRONLY)?)),
            Ok(kind) if kind.is_socket() => Err(IoError::at("write", path)(unexpected(FileType::Socket))),
            _ => AtomicFile::create(path, mode, Durability::Durable).map(Self::File),
        }
    }
}

/// Writes `bytes` to a place that the user gave, as [`OutputFile`] says; a new file is readable by all. A block device is
/// refused: only an image is meant for one.
///
/// # Errors
///
/// As [`OutputFile::open`]; the disk or the reader refuses.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    match OutputFile::open(path, 0o644)? {
        OutputFile::File(file) => {
            file.file().write_all(bytes).map_err(IoError::at("write", path))?;
            file.commit()
        }
        OutputFile::Stream(mut file) => file.write_all(bytes).map_err(IoError::at("write", path)),
        OutputFile::Device(_) => Err(IoError::at("write", path)(unexpected(FileType::BlockDevice))),
    }
}
