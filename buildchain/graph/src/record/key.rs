//! The key of a task: the digest of a manifest, which lists all that the task depends on and so explains the key.
//!
//! One traversal writes the manifest ([`survey`](super::survey)). The state keeps its bytes, so an explanation is the
//! difference of two manifests, and cannot contradict the keys.
//!
//! An item is a tag, a name and a value, all with explicit lengths, so different lists of items have different bytes:
//!
//! ```text
//! item  = tag:u8 name:text value          text = length:u32le bytes
//! value = 0                               nothing
//!       | 1 kind:u8 mode:u16le sha256     a file, link or folder
//!       | 2 sha256                        a listing, itself a list of items
//!       | 3 text                          a value
//! ```

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use content::Digest;

use crate::model::reason::InputChange;
use crate::record::entry::{FileEntry, FileEntryKind};

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ItemTag {
    File = 1,
    Folder = 2,
    Glob = 3,
    Value = 4,
    /// The declaration of an output file.
    OutputFile = 5,
    /// The declaration of an output folder.
    OutputFolder = 6,
    /// A file whose path is not part of the key.
    Named = 7,
}

impl ItemTag {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::File, Self::Folder, Self::Glob, Self::Value, Self::OutputFile, Self::OutputFolder, Self::Named]
            .into_iter()
            .find(|tag| *tag as u8 == byte)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Glob => "glob",
            Self::Value => "value",
            Self::OutputFile => "output file",
            Self::OutputFolder => "output folder",
            Self::Named => "named file",
        }
    }
}

/// The value of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemValue<'a> {
    Nothing,
    Entry(FileEntry),
    Listing(Digest),
    Text(&'a [u8]),
}

/// One line of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ManifestItem<'a> {
    pub(crate) tag: ItemTag,
    pub(crate) name: &'a [u8],
    pub(crate) value: ItemValue<'a>,
}

impl<'a> ManifestItem<'a> {
    pub(crate) fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.name))
    }
}

pub(crate) fn put(bytes: &mut Vec<u8>, item: &ManifestItem<'_>) {
    bytes.push(item.tag as u8);
    put_text(bytes, item.name);
    match item.value {
        ItemValue::Nothing => bytes.push(0),
        ItemValue::Entry(FileEntry { kind, mode, digest }) => {
            bytes.extend([1, kind as u8]);
            bytes.extend(mode.to_le_bytes());
            bytes.extend(digest.as_bytes());
        }
        ItemValue::Listing(digest) => {
            bytes.push(2);
            bytes.extend(digest.as_bytes());
        }
        ItemValue::Text(text) => {
            bytes.push(3);
            put_text(bytes, text);
        }
    }
}

pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    // Names and values are far shorter than 4 GiB. A longer one is cut here, which can only cause a needless run.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.get(..length as usize).unwrap_or(text));
}

/// The items of a manifest. Ends early at malformed bytes, which the checksums of the state rule out.
pub(crate) fn items(bytes: &[u8]) -> impl Iterator<Item = ManifestItem<'_>> {
    let mut bytes = ByteReader(bytes);
    std::iter::from_fn(move || item(&mut bytes))
}

/// The items of bytes that may come from anywhere; `None` unless all of the bytes are items.
pub(crate) fn all_items(bytes: &[u8]) -> Option<Vec<ManifestItem<'_>>> {
    let mut bytes = ByteReader(bytes);
    let mut found = Vec::new();
    while !bytes.0.is_empty() {
        found.push(item(&mut bytes)?);
    }
    Some(found)
}

fn item<'a>(bytes: &mut ByteReader<'a>) -> Option<ManifestItem<'a>> {
    let tag = ItemTag::from_byte(bytes.u8()?)?;
    let name = bytes.text()?;
    let value = match bytes.u8()? {
        0 => ItemValue::Nothing,
        1 => {
            let kind = match bytes.u8()? {
                0 => FileEntryKind::File,
                1 => FileEntryKind::Link,
                2 => FileEntryKind::Folder,
                _ => return None,
            };
            ItemValue::Entry(FileEntry {
                kind,
                mode: u16::from_le_bytes(bytes.array()?),
                digest: bytes.digest()?,
            })
        }
        2 => ItemValue::Listing(bytes.digest()?),
        3 => ItemValue::Text(bytes.text()?),
        _ => return None,
    };
    Some(ManifestItem { tag, name, value })
}

/// Bytes that are parsed from the front. Each step returns `None` if too few are left.
#[derive(Clone, Copy)]
pub(crate) struct ByteReader<'a>(pub(crate) &'a [u8]);

impl<'a> ByteReader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// The most differences that are listed.
const MANY: usize = 1000;

/// The differences of two manifests, with those inside of folders whose listings `listing` returns.
pub(crate) fn differences<'a>(
    was: &'a [u8],
    now: &'a [u8],
    listing: &dyn Fn(Digest) -> Option<Cow<'a, [u8]>>,
) -> Vec<InputChange> {
    let mut changes = Vec::new();
    compare(was, now, &mut |before, after| {
        if changes.len() >= MANY {
            return;
        }
        if let (Some(ItemValue::Listing(old)), Some(ItemValue::Listing(new))) =
            (before.map(|item| item.value), after.map(|item| item.value))
            && let (Some(old), Some(new), Some(folder)) = (listing(old), listing(new), after)
        {
            compare(&old, &new, &mut |before, after| {
                changes.extend(change(Some(folder.path()), before, after))
            });
        } else {
            changes.extend(change(None, before, after));
        }
    });
    changes.truncate(MANY);
    changes
}

/// Calls `differ` for each item that differs.
fn compare(
    was: &[u8],
    now: &[u8],
    differ: &mut dyn FnMut(Option<ManifestItem<'_>>, Option<ManifestItem<'_>>),
) {
    let mut before: Vec<ManifestItem<'_>> = items(was).collect();
    let mut after: Vec<ManifestItem<'_>> = items(now).collect();
    let key = |item: &ManifestItem<'_>| (item.tag as u8, item.name.to_vec());
    before.sort_by_cached_key(key);
    after.sort_by_cached_key(key);
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(b), Some(a)) => (b.tag as u8, b.name).cmp(&(a.tag as u8, a.name)),
        };
        match order {
            std::cmp::Ordering::Less => differ(before.next(), None),
            std::cmp::Ordering::Greater => differ(None, after.next()),
            std::cmp::Ordering::Equal => {
                let (b, a) = (before.next(), after.next());
                if b != a {
                    differ(b, a);
                }
            }
        }
    }
}

fn change(
    folder: Option<&Path>,
    before: Option<ManifestItem<'_>>,
    after: Option<ManifestItem<'_>>,
) -> Option<InputChange> {
    let item = before.or(after)?;
    let path = folder.map_or_else(|| item.path().to_owned(), |folder| folder.join(item.path()));
    let same_content = match (before.map(|item| item.value), after.map(|item| item.value)) {
        (Some(ItemValue::Entry(was)), Some(ItemValue::Entry(now))) => {
            was.digest == now.digest && was.kind == now.kind
        }
        _ => false,
    };
    let text = |item: ManifestItem<'_>| match item.value {
        ItemValue::Nothing => None,
        ItemValue::Entry(entry) if same_content => Some(format!("permissions {:o}", entry.mode)),
        ItemValue::Entry(FileEntry { kind: FileEntryKind::Folder, mode, .. }) => {
            Some(format!("folder, permissions {mode:o}"))
        }
        ItemValue::Entry(FileEntry { kind: FileEntryKind::Link, digest, .. }) => {
            Some(format!("link, {digest}"))
        }
        ItemValue::Entry(FileEntry { digest, .. }) | ItemValue::Listing(digest) => Some(digest.to_string()),
        ItemValue::Text(text) => Some(format!("`{}`", String::from_utf8_lossy(text))),
    };
    // A declaration has no value.
    let declared = |item: ManifestItem<'_>| match item.tag {
        ItemTag::OutputFile | ItemTag::OutputFolder => Some("declared".to_owned()),
        _ => text(item),
    };
    Some(InputChange {
        kind: item.tag.word(),
        name: path.to_string_lossy().into_owned(),
        was: before.and_then(declared),
        now: after.and_then(declared),
        by: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(content: &str, mode: u16) -> ItemValue<'static> {
        ItemValue::Entry(FileEntry {
            kind: FileEntryKind::File,
            mode,
            digest: Digest::of(content.as_bytes()),
        })
    }

    fn manifest(items: &[(ItemTag, &'static str, ItemValue<'static>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, name, value) in items {
            put(&mut bytes, &ManifestItem { tag: *tag, name: name.as_bytes(), value: *value });
        }
        bytes
    }

    #[test]
    fn items_are_read_as_they_were_written() {
        let listed = [
            (ItemTag::File, "a", entry("x", 0o644)),
            (ItemTag::Folder, "", ItemValue::Listing(Digest::of(b"l"))),
            (ItemTag::Value, "version", ItemValue::Text(b"1.0")),
            (ItemTag::OutputFile, "o", ItemValue::Nothing),
        ];
        let bytes = manifest(&listed);
        let found: Vec<_> = items(&bytes).map(|item| (item.tag, item.name.to_vec(), item.value)).collect();
        assert_eq!(found, listed.map(|(tag, name, value)| (tag, name.as_bytes().to_vec(), value)));
        for end in 0..bytes.len() {
            assert!(items(&bytes[..end]).count() < listed.len(), "cut at {end}");
        }
    }

    #[test]
    fn differences_have_a_name_and_both_values() {
        let was = manifest(&[
            (ItemTag::File, "same", entry("x", 0o644)),
            (ItemTag::File, "edited", entry("x", 0o644)),
            (ItemTag::File, "chmod", entry("x", 0o644)),
            (ItemTag::File, "gone", entry("x", 0o644)),
            (ItemTag::Value, "version", ItemValue::Text(b"1")),
        ]);
        let now = manifest(&[
            (ItemTag::Value, "version", ItemValue::Text(b"2")),
            (ItemTag::File, "same", entry("x", 0o644)),
            (ItemTag::File, "edited", entry("y", 0o600)),
            (ItemTag::File, "chmod", entry("x", 0o755)),
            (ItemTag::OutputFile, "new", ItemValue::Nothing),
        ]);
        let found: Vec<_> = differences(&was, &now, &|_| None).iter().map(ToString::to_string).collect();
        let (x, y) = (Digest::of(b"x"), Digest::of(b"y"));
        assert_eq!(
            found,
            [
                "file chmod changed: permissions 644 -> permissions 755".to_owned(),
                format!("file edited changed: {x} -> {y}"),
                format!("file gone was removed (was {x})"),
                "value version changed: `1` -> `2`".to_owned(),
                "output file new is new: declared".to_owned(),
            ]
        );
    }

    #[test]
    fn a_changed_folder_names_the_file() {
        let (old, new) = (
            manifest(&[(ItemTag::File, "f", entry("x", 0o644))]),
            manifest(&[(ItemTag::File, "f", entry("y", 0o644))]),
        );
        let digests = [Digest::of(&old), Digest::of(&new)];
        let was = manifest(&[(ItemTag::Folder, "salt", ItemValue::Listing(digests[0]))]);
        let now = manifest(&[(ItemTag::Folder, "salt", ItemValue::Listing(digests[1]))]);
        let found = differences(&was, &now, &|digest| {
            Some(Cow::Owned(if digest == digests[0] { old.clone() } else { new.clone() }))
        });
        assert_eq!(found.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["salt/f"]);
        let found = differences(&was, &now, &|_| None);
        assert_eq!(found.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["salt"]);
    }
}
