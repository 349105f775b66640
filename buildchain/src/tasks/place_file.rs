//! Files put into the tree: whole under their final name or not there, never written into the inode of another name.

use std::fs::Metadata;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use content::{AtomicFile, Durability, IoError};

/// Copies content and [`mode_of`].
pub(super) fn copy(source: &Path, target: &Path) -> Result<(), IoError> {
    copy_as(source, target, None)
}

/// Copies content, and [`mode_of`] the source unless a `mode` is given.
pub(super) fn copy_as(source: &Path, target: &Path, mode: Option<u32>) -> Result<(), IoError> {
    let from = content::open(source, content::LinkPolicy::Follow)?;
    let mode = match mode {
        Some(mode) => mode,
        None => mode_of(&from.metadata().map_err(IoError::at("inspect", source))?),
    };
    put(target, mode, |file| content::copy(&from, source, file.file(), target).map(drop))
}

/// The mode that git keeps of a file: 0755 for a program, 0644 for any other. The rest of a checked-out file's mode comes from
/// the umask of whoever cloned the repository.
pub(super) fn mode_of(metadata: &Metadata) -> u32 {
    if metadata.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 }
}

/// Writes `content` with the permissions `mode`.
pub(super) fn write(target: &Path, content: &str, mode: u32) -> Result<(), IoError> {
    put(target, mode, |file| file.file().write_all(content.as_bytes()).map_err(IoError::at("write", target)))
}

/// Gives the file at `source` a second name, or copies it where the file system cannot link: another device, too many links.
pub(super) fn link(source: &Path, target: &Path) -> Result<(), IoError> {
    vacate(target)?;
    match std::fs::hard_link(source, target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(IoError::at("create", target)(error)),
        Err(_) => copy(source, target),
        Ok(()) => Ok(()),
    }
}

/// Makes a symbolic link that says `text`.
pub(super) fn symlink(text: &Path, target: &Path) -> Result<(), IoError> {
    vacate(target)?;
    std::os::unix::fs::symlink(text, target).map_err(IoError::at("create", target))
}

fn put(
    target: &Path,
    mode: u32,
    fill: impl FnOnce(&AtomicFile) -> Result<(), IoError>,
) -> Result<(), IoError> {
    // A link that stands there is replaced, not followed.
    vacate(target)?;
    let file = AtomicFile::create(target, mode, Durability::Cache)?;
    fill(&file)?;
    file.commit()
}

fn vacate(target: &Path) -> Result<(), IoError> {
    match std::fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IoError::at("remove", target)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_lets_it() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, "content").unwrap();
        for length in 240..=255 {
            let target = folder.path().join("n".repeat(length));
            write(&target, "text", 0o600).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), "text");
            copy(&source, &target).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), "content");
            link(&source, &target).unwrap();
            symlink(Path::new("source"), &target).unwrap();
        }
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 17, "something was left");
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (mine, target) = (folder.path().join("mine"), folder.path().join("target"));
        fs::write(&mine, "mine").unwrap();
        symlink(&mine, &target).unwrap();
        write(&target, "text", 0o644).unwrap();
        assert_eq!((fs::read_to_string(&mine).unwrap().as_str(), target.is_symlink()), ("mine", false));
    }

    #[test]
    fn an_error_names_the_file_that_it_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = copy(&missing, &folder.path().join("target")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot open {}: ", missing.display())), "{error}");
        let source = folder.path().join("source");
        fs::write(&source, "").unwrap();
        let target = folder.path().join("no/target");
        let error = copy(&source, &target).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot create {}: ", target.display())), "{error}");
    }

    #[test]
    fn a_copy_has_the_mode_that_git_keeps_and_not_that_of_a_umask() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        for (mode, expected) in
            [(0o600, 0o644), (0o666, 0o644), (0o640, 0o644), (0o700, 0o755), (0o777, 0o755), (0o4711, 0o755)]
        {
            fs::write(&source, "text").unwrap();
            fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
            copy(&source, &target).unwrap();
            let found = fs::metadata(&target).unwrap().permissions().mode() & 0o7777;
            assert_eq!(found, expected, "{mode:o}");
        }
    }
}
