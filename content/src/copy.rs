//! Copying content from one open file to another.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::IoError;

/// Copies the rest of `source` to `target`; the number of bytes. `from` and `to` are their paths, for messages.
///
/// # Errors
///
/// One of the files fails. The error names `to` where only a file that is written to can fail that way (the disk is
/// full, the quota is used up), else `from`.
pub fn copy(source: &File, from: &Path, target: &File, to: &Path) -> Result<u64, IoError> {
    let (mut source, mut target) = (source, target);
    io::copy(&mut source, &mut target).map_err(|error| {
        let of_target = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::ROFS];
        match Errno::from_io_error(&error) {
            Some(errno) if of_target.contains(&errno) => IoError::at("write", to)(error),
            _ => IoError::at("copy", from)(error),
        }
    })
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

        let to = folder.path().join("to");
        let source = File::open(folder.path()).unwrap();
        let error = copy(&source, folder.path(), &File::create(&to).unwrap(), &to).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot copy {}: ", folder.path().display())), "{error}");
    }
}
