//! Writing files whole or not at all.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What the names of temporary files begin with.
const PREFIX: &str = ".sealift.";

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
    let mut temporary = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().set_permissions(permissions)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Removes from a folder what a [`replace`] that was killed has left there. For whoever knows that no other one runs.
pub(crate) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            // Whoever cannot write there will be told by what comes next.
            let _ = std::fs::remove_file(entry.path());
        }
    }
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
