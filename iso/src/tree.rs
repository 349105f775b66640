//! The source tree, read into compact tables: a million files have to fit into memory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::format::SECTION_MAX;
use crate::options::{IsoOptions, Owner, Permissions, Times};
use crate::{Error, Result, pattern};

/// Bytes of a name: Linux shows 254 and 255 cut to the first piece.
const NAME_MAX: u64 = 253;
/// Bytes of a link's target: libisofs refuses a whole tree for one of 1024.
const TARGET_MAX: u64 = 1023;
/// Sections of a file that Linux follows.
const SECTIONS_MAX: u64 = 100;
/// Folders that a path table can number (its parent numbers have 16 bits).
const DIRECTORIES_MAX: u64 = 65_535;

/// Where the file type stands in a mode.
pub(crate) const TYPE: u32 = 0o170_000;
/// File types of a mode.
pub(crate) const TYPE_PIPE: u32 = 0o010_000;
pub(crate) const TYPE_DIRECTORY: u32 = 0o040_000;
pub(crate) const TYPE_FILE: u32 = 0o100_000;
pub(crate) const TYPE_SYMLINK: u32 = 0o120_000;

/// The number of a node: 0 is the root, the children of a folder stand together in the byte order of their names.
pub(crate) type NodeId = u32;

/// A tree of folders, files and links.
#[derive(Debug)]
pub(crate) struct SourceTree {
    root: PathBuf,
    pub(crate) nodes: Vec<SourceNode>,
    /// What the files contain; several nodes may share one.
    pub(crate) contents: Vec<SharedContent>,
    /// The patterns of [`IsoOptions::exclude`] that match nothing.
    pub(crate) unused: Vec<String>,
    /// All names and targets, one after the other.
    text: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct SourceNode {
    pub(crate) parent: NodeId,
    name: NameText,
    pub(crate) kind: SourceNodeKind,
    /// Permissions and type.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) time: i64,
}

/// A stretch of [`SourceTree::text`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NameText {
    start: u32,
    length: u16,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum SourceNodeKind {
    /// The first child, the number of children and how many of these are folders.
    Directory {
        first: NodeId,
        count: u32,
        folders: u32,
    },
    /// An index into [`SourceTree::contents`].
    File {
        content: u32,
    },
    Symlink {
        target: NameText,
    },
}

/// The bytes that one or more files share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedContent {
    pub(crate) size: u64,
    /// The first node with this content, which it is read from.
    pub(crate) node: NodeId,
    /// Names that share it and all attributes, once [`sharing`](crate::sharing) has counted them; 0 for a single one.
    pub(crate) links: u32,
    /// The sector where it lies; set by the layout.
    pub(crate) sector: u32,
    /// See [`IsoOptions::sort`].
    pub(crate) weight: i32,
    /// An earlier content with the same bytes, whose place this one shares.
    pub(crate) twin: Option<u32>,
}

impl SourceNode {
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, SourceNodeKind::Directory { .. })
    }

    pub(crate) fn is_symlink(&self) -> bool {
        matches!(self.kind, SourceNodeKind::Symlink { .. })
    }
}

/// An entry of a source folder.
struct Child {
    name: NameText,
    metadata: Metadata,
}

impl SourceTree {
    /// Reads the tree below `root`, breadth first, and refuses what an image cannot hold.
    pub(crate) fn scan(root: &Path, options: &IsoOptions) -> Result<Self> {
        let mut exclude = pattern::Exclude::new(&options.exclude)?;
        let weights = pattern::Weights::new(&options.sort)?;
        let metadata = fs::metadata(root).map_err(Error::io("read", root))?;
        let nothing = SourceNodeKind::Directory { first: 0, count: 0, folders: 0 };
        let root_node = SourceNode::new(options, 0, NameText::default(), nothing, &metadata);
        let mut scan = Scan {
            tree: Self {
                root: root.to_owned(),
                nodes: vec![root_node],
                contents: Vec::new(),
                unused: Vec::new(),
                text: Vec::new(),
            },
            options,
            weights,
            inodes: HashMap::new(),
        };
        let mut directories = 1_u64;
        let mut next = 0;
        while let Some(node) = scan.tree.nodes.get(next) {
            if node.is_directory() {
                let parent = id(next);
                let relative = scan.tree.relative(parent);
                let path = root.join(&relative);
                let first = scan.tree.nodes.len();
                let before = directories;
                for name in scan.names(&path)? {
                    let relative = relative.join(OsStr::from_bytes(scan.tree.text(name)));
                    let path = root.join(&relative);
                    let metadata = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
                    if !exclude.excludes(&relative, metadata.is_dir()) {
                        let child = Child { name, metadata };
                        directories += u64::from(child.metadata.is_dir());
                        scan.add(parent, &child, &relative)?;
                    }
                }
                let count = id(scan.tree.nodes.len() - first);
                limit(&path, "folders in one image", DIRECTORIES_MAX, directories)?;
                limit(&path, "entries in one image", u64::from(u32::MAX), scan.tree.nodes.len() as u64)?;
                if let Some(node) = scan.tree.nodes.get_mut(next) {
                    let folders = u32::try_from(directories - before).unwrap_or(u32::MAX);
                    node.kind = SourceNodeKind::Directory { first: id(first), count, folders };
                }
            }
            next += 1;
        }
        scan.tree.unused = exclude.unused().map(ToOwned::to_owned).collect();
        Ok(scan.tree)
    }

    pub(crate) fn name(&self, node: &SourceNode) -> &[u8] {
        self.text(node.name)
    }

    pub(crate) fn text(&self, text: NameText) -> &[u8] {
        let start = text.start as usize;
        self.text.get(start..start + usize::from(text.length)).unwrap_or_default()
    }

    /// The path of a node below the root.
    pub(crate) fn relative(&self, mut node: NodeId) -> PathBuf {
        let mut names = Vec::new();
        while let Some(found) = self.nodes.get(node as usize).filter(|_| node > 0) {
            names.push(OsStr::from_bytes(self.name(found)));
            node = found.parent;
        }
        names.iter().rev().collect()
    }

    /// The path of a node in the source.
    pub(crate) fn source(&self, node: NodeId) -> PathBuf {
        self.root.join(self.relative(node))
    }

    /// The children of a folder with their numbers; none of anything else.
    pub(crate) fn children(&self, node: &SourceNode) -> impl Iterator<Item = (NodeId, &SourceNode)> + Clone {
        let range = match node.kind {
            SourceNodeKind::Directory { first, count, .. } => first..first + count,
            _ => 0..0,
        };
        range.filter_map(|id| Some((id, self.nodes.get(id as usize)?)))
    }
}

/// What is needed only while scanning.
struct Scan<'a> {
    tree: SourceTree,
    options: &'a IsoOptions,
    weights: pattern::Weights,
    /// Contents of the inodes with several names.
    inodes: HashMap<(u64, u64), u32>,
}

impl Scan<'_> {
    /// The names in a folder in their byte order. A folder of a million names has to fit into memory, so they go where they
    /// are to stay; those that are left out are few.
    fn names(&mut self, path: &Path) -> Result<Vec<NameText>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
            let entry = entry.map_err(Error::io("list", path))?;
            names.push(self.keep(entry.file_name().as_bytes()));
        }
        limit(path, "bytes of names in one image", u64::from(u32::MAX), self.tree.text.len() as u64)?;
        names.sort_unstable_by_key(|name| self.tree.text(*name));
        Ok(names)
    }

    fn add(&mut self, parent: NodeId, child: &Child, relative: &Path) -> Result<()> {
        let path = || self.tree.root.join(relative);
        check_name_length(path, child.name.length.into())?;
        let kind = child.metadata.file_type();
        let kind = if kind.is_dir() {
            SourceNodeKind::Directory { first: 0, count: 0, folders: 0 }
        } else if kind.is_file() {
            limit_with(path, "bytes in a file", SECTION_MAX * SECTIONS_MAX, child.metadata.len())?;
            SourceNodeKind::File { content: self.content(child, relative) }
        } else if kind.is_symlink() {
            let target = fs::read_link(path()).map_err(Error::io("read the link", &path()))?;
            let target = target.as_os_str().as_bytes();
            check_target(&path(), target)?;
            SourceNodeKind::Symlink { target: self.keep(target) }
        } else {
            let kind = if kind.is_fifo() {
                "named pipe"
            } else if kind.is_socket() {
                "socket"
            } else {
                "device node"
            };
            return Err(Error::SpecialFile { path: path(), kind });
        };
        self.tree.nodes.push(SourceNode::new(self.options, parent, child.name, kind, &child.metadata));
        Ok(())
    }

    /// The content of a file that is about to become the next node.
    fn content(&mut self, child: &Child, relative: &Path) -> u32 {
        let next = id(self.tree.contents.len());
        if child.metadata.nlink() > 1 {
            let inode = (child.metadata.dev(), child.metadata.ino());
            let known = *self.inodes.entry(inode).or_insert(next);
            if known < next {
                return known;
            }
        }
        self.tree.contents.push(SharedContent {
            size: child.metadata.len(),
            node: id(self.tree.nodes.len()),
            links: 0,
            sector: 0,
            weight: self.weights.of(relative),
            twin: None,
        });
        next
    }

    fn keep(&mut self, bytes: &[u8]) -> NameText {
        let start = id(self.tree.text.len());
        self.tree.text.extend(bytes);
        NameText { start, length: u16::try_from(bytes.len()).unwrap_or(u16::MAX) }
    }
}

impl SourceNode {
    fn new(
        options: &IsoOptions,
        parent: NodeId,
        name: NameText,
        kind: SourceNodeKind,
        metadata: &Metadata,
    ) -> Self {
        let (kind_bits, permissions) = (metadata.mode() & 0o170_000, metadata.mode() & 0o7_777);
        let permissions = match options.permissions {
            Permissions::Source => permissions,
            // Links have all bits in every file system that keeps none for them.
            Permissions::ReadOnly if kind_bits == TYPE_DIRECTORY || permissions & 0o111 != 0 => 0o555,
            Permissions::ReadOnly => 0o444,
        };
        let (uid, gid) = match options.owner {
            Owner::Fixed { uid, gid } => (uid, gid),
            Owner::Source => (metadata.uid(), metadata.gid()),
        };
        let time = match options.times {
            Times::SourceDate => options.source_date,
            Times::Clamped => metadata.mtime().min(options.source_date),
        };
        Self { parent, name, kind, mode: kind_bits | permissions, uid, gid, time }
    }
}

/// Refuses a path whose last part is a name that no image can hold: Linux shows names of 254 and 255 bytes cut.
///
/// ```
/// assert!(iso::check_name("salt/top.sls".as_ref()).is_ok());
/// assert!(iso::check_name("x".repeat(254).as_ref()).is_err());
/// ```
///
/// # Errors
///
/// [`Error::Limit`] with the path.
pub fn check_name(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    check_name_length(|| path.to_owned(), name.len() as u64)
}

fn check_name_length(path: impl FnOnce() -> PathBuf, length: u64) -> Result<()> {
    limit_with(path, "bytes in a name", NAME_MAX, length)
}

/// Refuses a symbolic link at `path` whose target is longer than images can hold.
///
/// # Errors
///
/// [`Error::Limit`] with the path.
pub fn check_target(path: &Path, target: &[u8]) -> Result<()> {
    limit(path, "bytes in a link's target", TARGET_MAX, target.len() as u64)
}

/// A position in a table whose length is limited to 32 bits.
fn id(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn limit(path: &Path, limit: &'static str, most: u64, found: u64) -> Result<()> {
    limit_with(|| path.to_owned(), limit, most, found)
}

fn limit_with(path: impl FnOnce() -> PathBuf, limit: &'static str, most: u64, found: u64) -> Result<()> {
    if found > most { Err(Error::Limit { path: path(), limit, most, found }) } else { Ok(()) }
}
