//! An image as a file system, without the kernel's isofs and without root: FUSE, read-only.
//!
//! The table of entries is made once, when mounting; contents are read from the image as they are asked for, by several
//! threads. An image does not change, so the kernel may cache every reply.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, KernelConfig,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen,
    ReplyStatfs, Request, SessionACL,
};

use crate::format::{SECTOR, sectors};
use crate::image::{EntryFault, IsoEntry, IsoEntryKind, IsoImage};
use crate::{Error, Result};

/// How long the kernel may cache a reply: forever.
const FOREVER: Duration = Duration::from_secs(1 << 30);
/// Threads that serve requests of the kernel.
const THREADS: usize = 4;
/// Bytes that the kernel may read ahead.
const READ_AHEAD: u32 = 1 << 20;

/// A mounted image. Dropping it unmounts.
#[derive(Debug)]
pub struct IsoMount {
    /// There until this is dropped.
    session: Option<fuser::BackgroundSession>,
    at: PathBuf,
    faults: Vec<(String, EntryFault)>,
}

impl IsoMount {
    /// The paths that can be seen and not be read, with what is wrong with them.
    #[must_use]
    pub fn faults(&self) -> &[(String, EntryFault)] {
        &self.faults
    }

    /// Whether somebody else has unmounted it (`umount`, `fusermount3 -u`).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.guard.is_finished())
    }

    /// Unmounts it, unless somebody else has. A mount that is in use is detached from the tree of folders:
    /// this process ends, and a mount that nobody answers for would make every access to the folder fail. Files that are
    /// still open fail then.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be unmounted.
    pub fn unmount(mut self) -> Result<()> {
        if self.is_gone() {
            return Ok(());
        }
        let Some(session) = self.session.take() else { return Ok(()) };
        match session.umount_and_join() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                rustix::mount::unmount(&self.at, rustix::mount::UnmountFlags::DETACH).map_err(io::Error::from)
            }
            done => done,
        }
        .map_err(Error::io("unmount", &self.at))
    }
}

impl Drop for IsoMount {
    fn drop(&mut self) {
        // A session unmounts by path when it is dropped, also what stands there by now in place of its own.
        if self.is_gone() {
            std::mem::forget(self.session.take());
        }
    }
}

impl IsoImage<File> {
    /// Shows the image read-only in the folder `at`, through `/dev/fuse`. A user who is not root needs `fusermount3`.
    /// `everybody` lets other users see it, which root may always say and others only where `/etc/fuse.conf` lets them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no FUSE or no right to it, besides the errors of [`IsoImage::walk`].
    pub fn mount(self, at: &Path, everybody: bool) -> Result<IsoMount> {
        let mut config = fuser::Config::default();
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::DefaultPermissions,
            MountOption::FSName(self.path().display().to_string()),
            MountOption::Subtype("iso9660".to_owned()),
        ];
        config.acl = if everybody { SessionACL::All } else { SessionACL::Owner };
        config.n_threads = Some(THREADS);
        config.clone_fd = true;
        let view = View::new(self)?;
        let faults = view.faults();
        let session = fuser::spawn_mount(view, at, &config).map_err(Error::io("mount on", at))?;
        Ok(IsoMount { session: Some(session), at: at.to_owned(), faults })
    }
}

/// An image with all its entries numbered.
struct View {
    image: IsoImage<File>,
    /// The root first, the children of a folder together.
    nodes: Vec<Node>,
    /// For lookups: the node of each name in each folder.
    names: HashMap<(usize, Vec<u8>), usize>,
}

struct Node {
    entry: IsoEntry,
    parent: usize,
    children: Range<usize>,
    /// The first node with the same content, for hard links.
    inode: usize,
}

impl View {
    fn new(image: IsoImage<File>) -> Result<Self> {
        let mut nodes = vec![Node { entry: image.root(), parent: 0, children: 0..0, inode: 0 }];
        let mut names = HashMap::new();
        let mut linked = HashMap::new();
        for (parent, entry) in image.entries()? {
            // The root is not an entry of its own walk, so every position moves by one.
            let (number, parent) = (nodes.len(), parent.map_or(0, |parent| parent + 1));
            names.entry((parent, entry.name_bytes().to_owned())).or_insert(number);
            let inode = match entry.extents.first() {
                Some(extent) if entry.kind == IsoEntryKind::File && entry.links > 1 && extent.len > 0 => {
                    *linked.entry(extent.offset).or_insert(number)
                }
                _ => number,
            };
            if let Some(folder) = nodes.get_mut(parent) {
                let start = if folder.children.is_empty() { number } else { folder.children.start };
                folder.children = start..number + 1;
            }
            nodes.push(Node { entry, parent, children: 0..0, inode });
        }
        Ok(Self { image, nodes, names })
    }

    fn faults(&self) -> Vec<(String, EntryFault)> {
        let faults = self.nodes.iter().filter_map(|node| Some((node, node.entry.fault.as_deref()?.clone())));
        faults.map(|(node, fault)| (self.path(node), fault)).collect()
    }

    /// The path of a node below the root.
    fn path(&self, node: &Node) -> String {
        let (mut names, mut parent) = (vec![node.entry.name.as_str()], node.parent);
        while let Some(above) = self.nodes.get(parent).filter(|_| parent > 0) {
            names.push(&above.entry.name);
            parent = above.parent;
        }
        names.reverse();
        names.join("/")
    }

    fn node(&self, inode: INodeNo) -> Option<&Node> {
        self.nodes.get(usize::try_from(inode.0).ok()?.checked_sub(1)?)
    }

    fn attributes(&self, node: &Node) -> FileAttr {
        let entry = &node.entry;
        let since = Duration::from_secs(entry.mtime.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        let time = if entry.mtime < 0 { epoch.checked_sub(since) } else { epoch.checked_add(since) };
        let time = time.unwrap_or(epoch);
        FileAttr {
            ino: number(node.inode),
            size: entry.target_bytes().map_or(entry.size, |target| target.len() as u64),
            blocks: entry.size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: kind(&entry.kind),
            perm: (entry.mode & 0o7_777) as u16,
            nlink: entry.links,
            uid: entry.uid,
            gid: entry.gid,
            rdev: 0,
            blksize: SECTOR as u32,
            flags: 0,
        }
    }
}

/// The kernel's number of a node; its root is 1.
fn number(node: usize) -> INodeNo {
    INodeNo(node as u64 + 1)
}

fn kind(kind: &IsoEntryKind) -> FileType {
    match kind {
        IsoEntryKind::Directory => FileType::Directory,
        IsoEntryKind::File => FileType::RegularFile,
        IsoEntryKind::Symlink(_) => FileType::Symlink,
        // Without its numbers a device is of no use; as a socket nobody mistakes it for one.
        IsoEntryKind::Other => FileType::Socket,
    }
}

impl Filesystem for View {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // The kernel answers with its own maximum where that is lower.
        if let Err(most) = config.set_max_readahead(READ_AHEAD) {
            let _ = config.set_max_readahead(most);
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let parent = usize::try_from(parent.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let found =
            self.names.get(&(parent, name.as_bytes().to_owned())).and_then(|node| self.nodes.get(*node));
        match found {
            Some(node) => reply.entry(&FOREVER, &self.attributes(node), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(inode) {
            Some(node) => reply.attr(&FOREVER, &self.attributes(node)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        match self.node(inode).and_then(|node| node.entry.target_bytes()) {
            Some(target) => reply.data(target),
            None => reply.error(Errno::EINVAL),
        }
    }

    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH);
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(node) = self.node(inode) else { return reply.error(Errno::ENOENT) };
        let rest = node.entry.size.saturating_sub(offset);
        let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(size as usize)];
        let mut done = 0;
        while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
            match self.image.read_at(&node.entry, offset + done as u64, room) {
                Ok(0) => break,
                Ok(length) => done += length,
                Err(_) => return reply.error(Errno::EIO),
            }
        }
        reply.data(buffer.get(..done).unwrap_or_default());
    }

    fn opendir(&self, _request: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if self.node(inode).is_some_and(|node| node.entry.fault.is_some()) {
            return reply.error(Errno::EIO);
        }
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR);
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let Some(node) = self.node(inode) else { return reply.error(Errno::ENOENT) };
        let dots = [(".", inode), ("..", number(node.parent))];
        let dots = dots.map(|(name, inode)| (inode, FileType::Directory, OsStr::new(name)));
        let children = node.children.clone().filter_map(|child| self.nodes.get(child)).map(|child| {
            (number(child.inode), kind(&child.entry.kind), OsStr::from_bytes(child.entry.name_bytes()))
        });
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        for (next, (inode, kind, name)) in (offset + 1..).zip(dots.into_iter().chain(children).skip(skip)) {
            if reply.add(inode, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let block = SECTOR as u32;
        reply.statfs(sectors(self.image.size()), 0, 0, self.nodes.len() as u64, 0, block, 255, block);
    }
}
