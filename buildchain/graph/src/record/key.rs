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

use crate::model::reason::Change;
use crate::record::entry::{FileEntry, FileKind};

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
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

impl Tag {
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
pub(crate) enum Value<'a> {
    Nothing,
    Entry(FileEntry),
    Listing(Digest),
    Text(&'a [u8]),
}

/// One line of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) tag: Tag,
    pub(crate) name: &'a [u8],
    pub(crate) value: Value<'a>,
}

impl<'a> Item<'a> {
    pub(crate) fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.name))
    }
}

pub(crate) fn put(bytes: &mut Vec<u8>, item: &Item<'_>) {
    bytes.push(item.tag as u8);
    put_text(bytes, item.name);
    match item.value {
        Value::Nothing => bytes.push(0),
        Value::Entry(FileEntry { kind, mode, digest }) => {
            bytes.extend([1, kind as u8]);
            bytes.extend(mode.to_le_bytes());
            bytes.extend(digest.as_bytes());
        }
        Value::Listing(digest) => {
            bytes.push(2);
            bytes.extend(digest.as_bytes());
        }
        Value::Text(text) => {
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
pub(crate) fn items(bytes: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let mut bytes = Bytes(bytes);
    std::iter::from_fn(move || item(&mut bytes))
}

/// The items of bytes that may come from anywhere; `None` unless all of the bytes are items.
pub(crate) fn all_items(bytes: &[u8]) -> Option<Vec<Item<'_>>> {
    let mut bytes = Bytes(bytes);
    let mut found = Vec::new();
    while !bytes.0.is_empty() {
        found.push(item(&mut bytes)?);
    }
    Some(found)
}

fn item<'a>(bytes: &mut Bytes<'a>) -> Option<Item<'a>> {
    let tag = Tag::from_byte(bytes.u8()?)?;
    let name = bytes.text()?;
    let value = match bytes.u8()? {
        0 => Value::Nothing,
        1 => {
            let kind = match bytes.u8()? {
                0 => FileKind::File,
                1 => FileKind::Link,
                2 => FileKind::Folder,
                _ => return None,
            };
            Value::Entry(FileEntry {
                kind,
                mode: u16::from_le_bytes(bytes.array()?),
                digest: bytes.digest()?,
            })
        }
        2 => Value::Listing(bytes.digest()?),
        3 => Value::Text(bytes.text()?),
        _ => return None,
    };
    Some(Item { tag, name, value })
}

/// Bytes that are parsed from the front. Each step returns `None` if too few are left.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
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
) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(was, now, &mut |before, after| {
        if changes.len() >= MANY {
            return;
        }
        if let (Some(Value::Listing(old)), Some(Value::Listing(new))) =
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
fn compare(was: &[u8], now: &[u8], differ: &mut dyn FnMut(Option<Item<'_>>, Option<Item<'_>>)) {
    let mut before: Vec<Item<'_>> = items(was).collect();
    let mut after: Vec<Item<'_>> = items(now).collect();
    let key = |item: &Item<'_>| (item.tag as u8, item.name.to_vec());
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

fn change(folder: Option<&Path>, before: Option<Item<'_>>, after: Option<Item<'_>>) -> Option<Change> {
    let item = before.or(after)?;
    let path = folder.map_or_else(|| item.path().to_owned(), |folder| folder.join(item.path()));
    let same_content = match (before.map(|item| item.value), after.map(|item| item.value)) {
        (Some(Value::Entry(was)), Some(Value::Entry(now))) => {
            was.digest == now.digest && was.kind == now.kind
        }
        _ => false,
    };
    let text = |item: Item<'_>| match item.value {
        Value::Nothing => None,
        Value::Entry(entry) if same_content => Some(format!("permissions {:o}", entry.mode)),
        Value::Entry(FileEntry { kind: FileKind::Folder, mode, .. }) => {
            Some(format!("folder, permissions {mode:o}"))
        }
        Value::Entry(FileEntry { kind: FileKind::Link, digest, .. }) => Some(format!("link, {digest}")),
        Value::Entry(FileEntry { digest, .. }) | Value::Listing(digest) => Some(digest.to_string()),
        Value::Text(text) => Some(format!("`{}`", String::from_utf8_lossy(text))),
    };
    // A declaration has no value.
    let declared = |item: Item<'_>| match item.tag {
        Tag::OutputFile | Tag::OutputFolder => Some("declared".to_owned()),
        _ => text(item),
    };
    Some(Change {
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

    fn entry(content: &str, mode: u16) -> Value<'static> {
        Value::Entry(FileEntry { kind: FileKind::File, mode, digest: Digest::of(content.as_bytes()) })
    }

    fn manifest(items: &[(Tag, &'static str, Value<'static>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, name, value) in items {
            put(&mut bytes, &Item { tag: *tag, name: name.as_bytes(), value: *value });
        }
        bytes
    }

    #[test]
    fn items_are_read_as_they_were_written() {
        let listed = [
            (Tag::File, "a", entry("x", 0o644)),
            (Tag::Folder, "", Value::Listing(Digest::of(b"l"))),
            (Tag::Value, "version", Value::Text(b"1.0")),
            (Tag::OutputFile, "o", Value::Nothing),
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
            (Tag::File, "same", entry("x", 0o644)),
            (Tag::File, "edited", entry("x", 0o644)),
            (Tag::File, "chmod", entry("x", 0o644)),
            (Tag::File, "gone", entry("x", 0o644)),
            (Tag::Value, "version", Value::Text(b"1")),
        ]);
        let now = manifest(&[
            (Tag::Value, "version", Value::Text(b"2")),
            (Tag::File, "same", entry("x", 0o644)),
            (Tag::File, "edited", entry("y", 0o600)),
            (Tag::File, "chmod", entry("x", 0o755)),
            (Tag::OutputFile, "new", Value::Nothing),
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
            manifest(&[(Tag::File, "f", entry("x", 0o644))]),
            manifest(&[(Tag::File, "f", entry("y", 0o644))]),
        );
        let digests = [Digest::of(&old), Digest::of(&new)];
        let was = manifest(&[(Tag::Folder, "salt", Value::Listing(digests[0]))]);
        let now = manifest(&[(Tag::Folder, "salt", Value::Listing(digests[1]))]);
        let found = differences(&was, &now, &|digest| {
            Some(Cow::Owned(if digest == digests[0] { old.clone() } else { new.clone() }))
        });
        assert_eq!(found.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["salt/f"]);
        let found = differences(&was, &now, &|_| None);
        assert_eq!(found.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["salt"]);
    }
}
