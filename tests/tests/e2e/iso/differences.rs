//! Differences between an intact ISO and what a peer shows of it, with the reason. The comparisons allow these and no others.
//!
//! | peer | difference | allowed by |
//! | --- | --- | --- |
//! | all | several names of one empty file look like several empty files, since they have no content | [`empty_files_apart`] |
//! | xorriso, pycdlib, 7z | extract hard links as files of their own | [`without_hard_links`] |
//! | 7z | reads Joliet, which has no permissions and no links | [`without_modes`] |
//! | 7z | drops dots and spaces at the end of names, and shows `_` for an empty name | [`without_trailing_dots`] |
//! | pycdlib | shows a link to `/` as a link to nothing | [`without_root_targets`] |
//! | pycdlib | reads no names that are not UTF-8 | random trees have none |
//! | bsdtar | reads `a:` and a backslash in front of a name as a Windows path | random trees have none |
//! | isovfy | writes beyond its buffer for link targets of about 1000 bytes | [`isovfy_survives`] |
//! | genisoimage | leaves the empty folder `rr_moved`, which had the deep folders | [`without_moved_folder`] |
//! | implantisomd5 | below 351 sectors, its own check expects the fragment sums in another place | [`fragments_agree`] |

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::tree::{Item, Snapshot};

/// The tree with separate empty files instead of hard links.
pub(super) fn empty_files_apart(mut tree: Snapshot) -> Snapshot {
    for (path, item) in &mut tree {
        if let Item::File { size: 0, first_name, .. } = item {
            first_name.clone_from(path);
        }
    }
    tree
}

/// The tree with a separate file for every hard link.
pub(super) fn without_hard_links(mut tree: Snapshot) -> Snapshot {
    for (path, item) in &mut tree {
        if let Item::File { first_name, .. } = item {
            first_name.clone_from(path);
        }
    }
    tree
}

/// The tree without permissions.
pub(super) fn without_modes(mut tree: Snapshot) -> Snapshot {
    for item in tree.values_mut() {
        if let Item::Folder { mode } | Item::File { mode, .. } = item {
            *mode = 0;
        }
    }
    tree
}

/// The names as 7z shows them.
pub(super) fn without_trailing_dots(tree: &Snapshot) -> Snapshot {
    let part = |part: &OsStr| match part.to_str().unwrap().trim_end_matches(['.', ' ']) {
        "" => "_".to_owned(),
        kept => kept.to_owned(),
    };
    let shown = |path: &Path| -> PathBuf { path.iter().map(part).collect() };
    let shown = |(path, item): (&PathBuf, &Item)| (shown(path), item.clone());
    without_hard_links(tree.iter().map(shown).collect())
}

/// The targets as pycdlib shows them.
pub(super) fn without_root_targets(mut tree: Snapshot) -> Snapshot {
    for item in tree.values_mut() {
        if *item == (Item::Link { target: "/".into() }) {
            *item = Item::Link { target: "".into() };
        }
    }
    tree
}

/// Whether isovfy can read this tree.
pub(super) fn isovfy_survives(tree: &Snapshot) -> bool {
    let target = |item: &Item| match item {
        Item::Link { target } => target.as_os_str().len(),
        _ => 0,
    };
    tree.values().map(target).max().is_none_or(|longest| longest <= 900)
}

/// The tree without the folder that genisoimage leaves.
pub(super) fn without_moved_folder(mut tree: Snapshot) -> Snapshot {
    tree.remove(Path::new("rr_moved"));
    tree
}

/// Whether implantisomd5 and its own check agree about fragments of a volume of this size in bytes.
pub(super) fn fragments_agree(bytes: u64) -> bool {
    bytes >= 351 * 2_048
}
