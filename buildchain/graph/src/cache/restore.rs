//! Restoring results into the build root. Only this module creates files from a record.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use content::{LinkPolicy, Root};

use crate::cache::local::ResultCache;
use crate::model::paths;
use crate::record::entry::FileEntryKind;
use crate::record::files::KnownFiles;
use crate::record::parts::OutputPart;

/// The longest target of a symbolic link, in bytes.
const TARGET_MAX: u64 = 4095;

/// The folder that results are restored into.
pub(super) struct RestoreTarget<'a> {
    /// The root of the graph.
    pub(super) root: &'a Path,
    /// The build root, relative to the root or absolute. Nothing is created outside of it.
    pub(super) build_root: &'a Path,
}

impl ResultCache {
    /// Creates the parts of a result from blobs that were checked. Each is created below the build root, through no link,
    /// and replaces nothing. The folders of outputs exist already and are empty.
    pub(super) fn restore_parts(
        &self,
        target: &RestoreTarget<'_>,
        parts: &[OutputPart],
        files: &KnownFiles,
    ) -> io::Result<()> {
        let root = Root::open(&target.root.join(target.build_root))?;
        let mut clones = true;
        for part in parts {
            let path = inside(target, part)?;
            match part.entry.kind {
                // Opening it refuses links in its path. What is below it follows in order.
                FileEntryKind::Folder if part.is_output => drop(root.folder(path)?),
                // The owner can write to it until it is complete.
                FileEntryKind::Folder => root.create_dir(path, 0o700)?,
                FileEntryKind::Link => root.symlink(self.link_target(part)?.as_os_str(), path)?,
                FileEntryKind::File => {
                    place(&self.blob(&part.entry), &root, path, part.entry.mode.into(), &mut clones)?;
                    files.record(&part.path, part.entry.digest).map_err(io::Error::other)?;
                }
            }
        }
        for part in parts.iter().rev().filter(|part| part.entry.kind == FileEntryKind::Folder) {
            root.set_mode(inside(target, part)?, part.entry.mode.into())?;
        }
        Ok(())
    }

    fn link_target(&self, part: &OutputPart) -> io::Result<PathBuf> {
        let bytes = content::open_read(&self.blob(&part.entry), LinkPolicy::Refuse, TARGET_MAX)?;
        if bytes.is_empty() || bytes.contains(&0) {
            let message = format!("the link {:?} has an invalid target", part.path);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(OsStr::from_bytes(&bytes).into())
    }
}

/// The path of a part below the build root.
fn inside<'a>(target: &RestoreTarget<'_>, part: &'a OutputPart) -> io::Result<&'a Path> {
    paths::relative_to(&part.path, target.build_root).filter(|path| !path.as_os_str().is_empty()).ok_or_else(
        || io::Error::new(io::ErrorKind::InvalidData, format!("{:?} is not in the build root", part.path)),
    )
}

/// Creates `path` below `root` with the content of `from`, a regular file with the permissions `mode`: as a reflink, else as
/// a hard link, else as a copy (across file systems, and if the file has the maximum number of links). `clones` becomes
/// false once a reflink fails.
pub(super) fn place(from: &Path, root: &Root, path: &Path, mode: u32, clones: &mut bool) -> io::Result<()> {
    if *clones {
        let source = content::open(from, LinkPolicy::Refuse)?;
        // The file gets its name once it is complete.
        let cloned = root.create_whole(path, mode, |file| Ok(rustix::fs::ioctl_ficlone(file, &source)?));
        if cloned.is_ok() {
            return Ok(());
        }
        *clones = false;
    }
    if root.hard_link(from, path).is_err() {
        let source = content::open(from, LinkPolicy::Refuse)?;
        let to = root.path().join(path);
        root.create_whole(path, mode, |file| Ok(content::copy(&source, from, file, &to).map(drop)?))?;
    }
    Ok(())
}
