//! Writing files whole or not at all.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Replaces the content of a file, or makes it: a temporary file beside it, written to the disk, then renamed. Keeps
/// the permissions of what was there; a new file is readable by all. A symbolic link keeps leading to the file.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = match std::fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
        Err(error) => return Err(error),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = match std::fs::metadata(&path) {
        Ok(data) => data.permissions(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::Permissions::from_mode(0o644),
        Err(error) => return Err(error),
    };
    let mut temporary = tempfile::Builder::new().prefix(".sealift.").tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().set_permissions(permissions)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Gives a file of the same folder another name, for good.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => path.parent().map_or(Ok(()), |folder| match sync_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }),
    }
}

/// Makes a rename or removal in a folder last through a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
