//! Trees on disk, and their comparison.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use content::Digest;
use proptest::prelude::*;

/// Something in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Folder { mode: u32 },
    File { mode: u32, size: u64, sha256: String, first_name: PathBuf },
    Link { target: PathBuf },
}

/// Everything below a folder by its path.
pub(super) type Snapshot = BTreeMap<PathBuf, Item>;

/// Reads a tree from disk. A hard link refers to the first of its names.
pub(super) fn snapshot(root: &Path) -> Snapshot {
    let mut out = Snapshot::new();
    let mut inodes = HashMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            fs::read_dir(root.join(&folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        entries.sort();
        for name in entries {
            let path = folder.join(name);
            let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
            let mode = metadata.mode() & 0o7_777;
            let item = if metadata.is_dir() {
                folders.push(path.clone());
                Item::Folder { mode }
            } else if metadata.is_symlink() {
                Item::Link { target: fs::read_link(root.join(&path)).unwrap() }
            } else {
                let content = fs::read(root.join(&path)).unwrap();
                inodes.entry(metadata.ino()).or_insert_with(Vec::new).push(path.clone());
                let (size, sha256) = (content.len() as u64, Digest::of(&content).hex());
                Item::File { mode, size, sha256, first_name: path.clone() }
            };
            out.insert(path, item);
        }
    }
    for names in inodes.values() {
        let first = names.iter().min().unwrap();
        for name in names {
            if let Some(Item::File { first_name, .. }) = out.get_mut(name) {
                first_name.clone_from(first);
            }
        }
    }
    out
}

/// The tree as an ISO must have it: nothing is writable, files that anybody could execute are executable by all, and equal
/// content is stored once.
pub(super) fn as_archived(mut tree: Snapshot) -> Snapshot {
    for item in tree.values_mut() {
        match item {
            Item::Folder { mode } => *mode = 0o555,
            Item::File { mode, .. } => *mode = if *mode & 0o111 == 0 { 0o444 } else { 0o555 },
            Item::Link { .. } => {}
        }
    }
    // Equal content is stored once: files that are equal in everything else are hard links.
    let mut first = HashMap::new();
    for (path, item) in &mut tree {
        if let Item::File { mode, size, sha256, first_name } = item {
            first_name
                .clone_from(first.entry((*mode, *size, sha256.clone())).or_insert_with(|| path.clone()));
        }
    }
    tree
}

/// Fails with a message that has only the differences.
pub(super) fn assert_same(who: &str, expected: &Snapshot, found: &Snapshot) {
    let mut differences = Vec::new();
    for (path, item) in expected {
        match found.get(path) {
            Some(other) if other == item => {}
            other => differences.push(format!("{path:?}\n  expected {item:?}\n  found    {other:?}")),
        }
    }
    let more = found.iter().filter(|(path, _)| !expected.contains_key(*path));
    differences.extend(more.map(|(path, item)| format!("{path:?}\n  not expected: {item:?}")));
    assert!(differences.is_empty(), "{who}:\n{}", differences.join("\n"));
}

/// An element of a random tree.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Folder,
    File {
        size: usize,
        executable: bool,
    },
    Link {
        target: String,
    },
    /// Another name of an earlier file.
    HardLink {
        of: usize,
    },
}

/// A random tree: each node's folder is chosen among those before it.
pub(super) fn random() -> impl Strategy<Value = Vec<(prop::sample::Index, String, Node)>> {
    // Without colons and backslashes: bsdtar reads `a:` and `\\` in front of a name as a Windows path.
    let name = prop_oneof![
        6 => "[a-zA-Z0-9_.-]{1,30}",
        2 => r"[ -.0-9;-\[\]-~]{1,60}",
        2 => "[a-zé漢🚀.]{1,20}",
        1 => "[a-z0-9]{100,253}",
        1 => "[A-C]{1}[.]{1}[a-c]{1}",
    ];
    let size = prop_oneof![Just(0), Just(1), 2_040_usize..2_060, 1_usize..5_000, 30_000_usize..70_000];
    let target = prop_oneof![
        "(\\.\\./){0,40}[a-z]{1,20}(/[a-z.]{1,20}x){0,8}",
        "(/[a-zA-Z0-9 ]{1,60}){1,16}",
        "[a-z]{1,255}(/[b-z]{1,255}){1,2}",
    ];
    let node = prop_oneof![
        3 => Just(Node::Folder),
        6 => (size, any::<bool>()).prop_map(|(size, executable)| Node::File { size, executable }),
        2 => target.prop_map(|target| Node::Link { target }),
        1 => any::<prop::sample::Index>().prop_map(|of| Node::HardLink { of: of.index(1_000) }),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), name, node), 0..60)
}

/// Writes a random tree to disk. Duplicate and invalid names are left out.
pub(super) fn create(root: &Path, nodes: &[(prop::sample::Index, String, Node)]) {
    fs::create_dir_all(root).unwrap();
    let mut folders = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    for (number, (parent, name, node)) in nodes.iter().enumerate() {
        let path = parent.get(&folders).join(name);
        if name == "."
            || name == ".."
            || path.as_os_str().len() > 3_000
            || fs::symlink_metadata(&path).is_ok()
        {
            continue;
        }
        match node {
            Node::Folder => {
                fs::create_dir(&path).unwrap();
                folders.push(path);
            }
            Node::File { size, executable } => {
                fs::write(&path, content(number, *size)).unwrap();
                let mode = if *executable { 0o710 } else { 0o640 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                files.push(path);
            }
            Node::Link { target } => symlink(target, &path).unwrap(),
            Node::HardLink { of } => {
                if let Some(file) = files.get(of % files.len().max(1)) {
                    fs::hard_link(file, &path).unwrap();
                }
            }
        }
    }
}

/// Bytes that differ between files and positions.
pub(super) fn content(seed: usize, size: usize) -> Vec<u8> {
    let mut state = seed as u64 * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..size).map(|_| next()).collect()
}
