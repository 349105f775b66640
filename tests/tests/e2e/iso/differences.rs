//! Where a peer shows a sound image otherwise than it is, and why: all that the comparisons allow for, in one place.
//!
//! | peer | difference | allowed by |
//! | --- | --- | --- |
//! | all | names of one empty file cannot be told from several empty files, for they lie nowhere | [`empty_files_apart`] |
//! | xorriso, pycdlib, 7z | extract hard links as files of their own | [`without_hard_links`] |
//! | 7z | reads Joliet, which has no permissions and no links | [`without_modes`] |
//! | 7z | drops dots and spaces at the end of names, and shows `_` where nothing is left | [`without_trailing_dots`] |
//! | pycdlib | shows a link to `/` as a link to nothing | [`without_root_targets`] |
//! | pycdlib | reads no names that are not UTF-8 | random trees have none |
//! | bsdtar | takes `a:` and a backslash in front of a name for a Windows path | random trees have none |
//! | isovfy | writes beyond its buffer for link targets of about 1000 bytes | [`isovfy_survives`] |
//! | genisoimage | leaves the empty folder `rr_moved`, where it hid deep folders | [`without_moved_folder`] |
//! | implantisomd5 | its fragment sums stand elsewhere than its own check looks below 351 sectors | [`fragments_agree`] |

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::tree::{Item, Snapshot};

/// Makes every empty file one of its own.
pub(super) fn empty_files_apart(mut tree: Snapshot) -> Snapshot {
    for (path, item) in &mut tree {
        if let Item::File { size: 0, first_name, .. } = item {
            first_name.clone_from(path);
        }
    }
    tree
}

/// The tree without what hard links say: every name is a file of its own.
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

/// Whether isovfy can be asked about this tree.
pub(super) fn isovfy_survives(tree: &Snapshot) -> bool {
    let target = |item: &Item| match item {
        Item::Link { target } => target.as_os_str().len(),
        _ => 0,
    };
    tree.values().map(target).max().is_none_or(|longest| longest <= 900)
}

/// The tree without what genisoimage left behind.
pub(super) fn without_moved_folder(mut tree: Snapshot) -> Snapshot {
    tree.remove(Path::new("rr_moved"));
    tree
}

/// Whether implantisomd5 and its own check agree about fragments of a volume of this size in bytes.
pub(super) fn fragments_agree(bytes: u64) -> bool {
    bytes >= 351 * 2_048
}
