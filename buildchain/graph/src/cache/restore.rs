//! Putting results back into the build root: the only place that creates files from a record.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use content::{Links, Root};

use super::Cache;
use crate::model::paths;
use crate::record::files::{Files, Kind};
use crate::record::parts::Part;

/// The longest target of a symbolic link, in bytes.
const TARGET_MAX: u64 = 4095;

/// The folder that results are put back into.
pub(super) struct Target<'a> {
    /// The root of the graph.
    pub(super) root: &'a Path,
    /// The build root, relative to it or absolute. Nothing is created anywhere else.
    pub(super) build_root: &'a Path,
}

impl Cache {
    /// Creates the parts of a result from contents that were found right. Each is created below the build root, through
    /// no link, and replaces nothing; folders of outputs are there already and empty.
    pub(super) fn put_back(&self, target: &Target<'_>, parts: &[Part], files: &Files) -> io::Result<()> {
        let root = Root::open(&target.root.join(target.build_root))?;
        let mut clones = true;
        for part in parts {
            let path = inside(target, part)?;
            match part.seen.kind {
                // Links in the way to it are refused here; what lies below it is created in order.
                Kind::Folder if part.is_output => drop(root.folder(path)?),
                // Open to its owner until it is full.
                Kind::Folder => root.create_dir(path, 0o700)?,
                Kind::Link => root.symlink(self.link_target(part)?.as_os_str(), path)?,
                Kind::File => {
                    place(&self.blob(&part.seen), &root, path, part.seen.mode.into(), &mut clones)?;
                    files.teach(&part.path, part.seen.digest).map_err(io::Error::other)?;
                }
            }
        }
        for part in parts.iter().rev().filter(|part| part.seen.kind == Kind::Folder) {
            root.set_mode(inside(target, part)?, part.seen.mode.into())?;
        }
        Ok(())
    }

    fn link_target(&self, part: &Part) -> io::Result<PathBuf> {
        let bytes = content::open_read(&self.blob(&part.seen), Links::Refuse, TARGET_MAX)?;
        if bytes.is_empty() || bytes.contains(&0) {
            let message = format!("the link {:?} has no target that a file system can hold", part.path);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(OsStr::from_bytes(&bytes).into())
    }
}

/// The path of a part below the build root.
fn inside<'a>(target: &Target<'_>, part: &'a Part) -> io::Result<&'a Path> {
    paths::relative_to(&part.path, target.build_root).filter(|path| !path.as_os_str().is_empty()).ok_or_else(
        || io::Error::new(io::ErrorKind::InvalidData, format!("{:?} is not in the build root", part.path)),
    )
}

/// Gives the content of `from`, a regular file with permissions `mode`, a name below `root`, sharing what can be shared:
/// its blocks, else the file itself. Across file systems, and where a file has as many names as it may have, it is copied.
/// `clones` turns false once blocks cannot be shared.
pub(super) fn place(from: &Path, root: &Root, path: &Path, mode: u32, clones: &mut bool) -> io::Result<()> {
    if *clones {
        let source = content::open(from, Links::Refuse)?;
        // A clone is whole from the start, or there is none; the name comes last.
        let cloned = root.create_whole(path, mode, |file| Ok(rustix::fs::ioctl_ficlone(file, &source)?));
        if cloned.is_ok() {
            return Ok(());
        }
        *clones = false;
    }
    if root.hard_link(from, path).is_err() {
        let source = content::open(from, Links::Refuse)?;
        let to = root.path().join(path);
        root.create_whole(path, mode, |file| Ok(content::copy(&source, from, file, &to).map(drop)?))?;
    }
    Ok(())
}
