//! Copying content from one open file to another.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::io::Errno;

use crate::{Digest, IoError, hash_reader};

/// Copies the rest of `source` to `target`; the number of bytes. `from` and `to` are their paths, for messages.
///
/// # Errors
///
/// One of the files fails. The error names `to` where only a file that is written to can fail that way (the disk is
/// full, the quota is used up), else `from`.
pub fn copy(source: &File, from: &Path, target: &File, to: &Path) -> Result<u64, IoError> {
    let (mut source, mut target) = (source, target);
    io::copy(&mut source, &mut target).map_err(|error| failed(error, from, to))
}

/// As [`copy`], and hashes the bytes on their way: their digest and number.
///
/// # Errors
///
/// As [`copy`].
pub fn copy_hashed(source: &File, from: &Path, target: &File, to: &Path) -> Result<(Digest, u64), IoError> {
    let mut target = target;
    hash_reader(source, |bytes| target.write_all(bytes)).map_err(|error| failed(error, from, to))
}

fn failed(error: io::Error, from: &Path, to: &Path) -> IoError {
    let of_target = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::ROFS];
    match Errno::from_io_error(&error) {
        Some(errno) if of_target.contains(&errno) => IoError::at("write", to)(error),
        _ => IoError::at("copy", from)(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_blamed_on_the_target_and_a_folder_on_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        std::fs::write(&from, "content").unwrap();
        let full = Path::new("/dev/full");
        let to = File::options().write(true).open(full).unwrap();
        let error = copy(&File::open(&from).unwrap(), &from, &to, full).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/full: No space left"), "{error}");
        let hashed = copy_hashed(&File::open(&from).unwrap(), &from, &to, full).unwrap_err();
        assert_eq!(hashed.to_string(), error);

        let to = folder.path().join("to");
        let source = File::open(folder.path()).unwrap();
        let error = copy(&source, folder.path(), &File::create(&to).unwrap(), &to).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot copy {}: ", folder.path().display())), "{error}");
    }

    #[test]
    fn a_copy_is_hashed_on_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, "content").unwrap();
        let target = File::create(&to).unwrap();
        let copied = copy_hashed(&File::open(&from).unwrap(), &from, &target, &to).unwrap();
        assert_eq!(copied, (Digest::of(b"content"), 7));
        assert_eq!(std::fs::read(&to).unwrap(), b"content");
    }
}
