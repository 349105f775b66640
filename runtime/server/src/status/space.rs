//! The free space of file systems.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::model::FileSystem;

/// The maximum number of file systems, and of folders that are named for each.
const FOLDERS_MAX: usize = 10;

/// File systems that have no free space, since nobody can write to them (`f_type` of statfs(2)): ISO 9660, UDF, squashfs, EROFS and
/// cramfs. That a mount is read-only says nothing: systemd's `ProtectSystem=strict` mounts all file systems so for the service.
const IMAGES: [u64; 5] = [0x9660, 0x1501_3346, 0x7371_7368, 0xE0F5_E1E2, 0x28CD_3D45];
/// `f_type` of FUSE: archives are mounted with it too, read-only.
const FUSE: u64 = 0x6573_5546;

/// The file systems of archives and folders, in their order. Those that do not exist, and those of images, are left out. Can wait for
/// a disk.
pub(super) fn file_systems(archives: &[PathBuf], folders: &[PathBuf]) -> Vec<FileSystem> {
    let archives = archives.iter().map(|path| folder_of(path));
    let mut found: Vec<FileSystem> = Vec::new();
    let mut by_device: BTreeMap<u64, usize> = BTreeMap::new();
    for folder in archives.chain(folders.iter().map(PathBuf::as_path)) {
        let Ok(data) = std::fs::metadata(folder) else { continue };
        // A reader of the page does not know the folder that the server was started in.
        let shown = absolute(folder);
        if let Some(known) = by_device.get(&data.dev()).and_then(|index| found.get_mut(*index)) {
            if known.folders.len() < FOLDERS_MAX && !known.folders.contains(&shown) {
                known.folders.push(shown);
            }
            continue;
        }
        let space = rustix::fs::statvfs(folder).ok();
        let is_read_only =
            space.as_ref().is_some_and(|space| space.f_flag.contains(StatVfsMountFlags::RDONLY));
        if is_read_only && is_image(folder) || found.len() == FOLDERS_MAX {
            continue;
        }
        // `f_blocks` and `f_bavail` count in `f_frsize`.
        let bytes = |count: fn(&StatVfs) -> u64| {
            space.as_ref().map(|space| count(space).saturating_mul(space.f_frsize))
        };
        by_device.insert(data.dev(), found.len());
        found.push(FileSystem {
            folders: vec![shown],
            free: bytes(|space| space.f_bavail),
            size: bytes(|space| space.f_blocks),
        });
    }
    found
}

/// Whether a read-only folder is that of an image.
fn is_image(folder: &Path) -> bool {
    let kind = rustix::fs::statfs(folder).ok().and_then(|found| u64::try_from(found.f_type).ok());
    kind.is_some_and(|kind| kind == FUSE || IMAGES.contains(&kind))
}

/// A path from the root.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).as_deref().unwrap_or(path).display().to_string()
}

/// The folder that an archive is in; one that is mounted is a file system itself.
fn folder_of(archive: &Path) -> &Path {
    let device = |path: &Path| std::fs::metadata(path).map(|data| data.dev()).ok();
    match archive.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) if device(folder) == device(archive) => folder,
        _ => archive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_file_system_are_named_together() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::create_dir_all(&one).unwrap();
        std::fs::create_dir_all(&two).unwrap();
        std::fs::write(one.join("a.iso"), "").unwrap();
        let missing = folder.path().join("missing");
        let found = file_systems(&[one.join("a.iso"), one.join("b.iso")], &[two.clone(), missing]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].folders, [one.display().to_string(), two.display().to_string()]);
        assert!(found[0].free.unwrap() <= found[0].size.unwrap());
        let here = std::env::current_dir().unwrap();
        assert_eq!(file_systems(&["a.iso".into()], &[])[0].folders, [here.display().to_string()]);
    }
}
