//! Forged records, and a builder whose home they must not change: for tests and for the fuzzer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fixture that cannot be set up fails its test"
)]

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Digest;
use tempfile::TempDir;

use crate::cache::local::{Restored, ResultCache, parse};
use crate::cache::remote::{RemoteCache, RemoteError};
use crate::model::paths;
use crate::model::task::TaskOutput;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::files::{KnownFiles, NEVER};
use crate::record::journal::{self, JournalEntry};
use crate::record::key::{ItemTag, ItemValue, ManifestItem, put};
use crate::record::survey::FolderListing;

/// The content of the files in hostile records.
pub(super) const EVIL: &[u8] = b"evil";

/// A builder: a project, a cache, and a home that a build must not change.
pub(super) struct Builder {
    folder: TempDir,
    files: KnownFiles,
}

impl Builder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project/_build/tree", "home/.ssh", "cache"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("home/.ssh/authorized_keys"), "mine").unwrap();
        let files = KnownFiles::new(&folder.path().join("project"), None, HashMap::new(), 1).unwrap();
        Self { folder, files }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn cache(&self) -> ResultCache {
        ResultCache::new(self.path("cache"), None)
    }

    pub(super) fn restore(
        &self,
        cache: &ResultCache,
        declared: &[TaskOutput],
    ) -> io::Result<Option<Restored>> {
        cache.restore(&self.path("project"), Path::new("_build"), KEY(), declared, &self.files, &NEVER)
    }

    /// All new files outside of the build root and the cache, and every file with a special mode.
    pub(super) fn harm(&self) -> Vec<String> {
        let expected = ["home", "home/.ssh", "home/.ssh/authorized_keys", "project"];
        let mut found = Vec::new();
        let mut open = vec![self.folder.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let name = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                if metadata.is_dir() {
                    open.push(path);
                }
                let ours = name.starts_with("cache") || name.starts_with("project/_build");
                if !metadata.is_symlink() && metadata.mode() & 0o7000 != 0 {
                    found.push(format!("{name:?} has the mode {:o}", metadata.mode()));
                }
                if !ours && !expected.iter().any(|expected| Path::new(expected) == name) {
                    found.push(format!("{name:?} was created"));
                }
            }
        }
        let keys = self.path("home/.ssh/authorized_keys");
        let metadata = keys.symlink_metadata().unwrap();
        if fs::read(&keys).unwrap() != b"mine" || metadata.mode() & 0o7777 != 0o644 {
            found.push(format!("{keys:?} was changed: {:o}", metadata.mode()));
        }
        found
    }
}

#[expect(non_snake_case, reason = "a constant that needs a computation")]
pub(super) fn KEY() -> Digest {
    Digest::of(b"key")
}

pub(super) fn declared() -> [TaskOutput; 2] {
    [TaskOutput::File("_build/file".into()), TaskOutput::Folder("_build/tree".into())]
}

/// A line of a listing.
pub(super) type ForgedLine<'a> = (&'a str, FileEntryKind, u16, &'a [u8]);

/// A record under construction, and the contents that it needs.
#[derive(Default)]
pub(super) struct Forged {
    pub(super) outputs: Vec<u8>,
    pub(super) listings: Vec<FolderListing>,
    pub(super) contents: Vec<(FileEntry, Vec<u8>)>,
    pub(super) tail: Vec<u8>,
}

impl Forged {
    pub(super) fn entry(&mut self, kind: FileEntryKind, mode: u16, content: &[u8]) -> ItemValue<'static> {
        let digest =
            if kind == FileEntryKind::Folder { Digest::from_bytes([0; 32]) } else { Digest::of(content) };
        let entry = FileEntry { kind, mode, digest };
        if kind != FileEntryKind::Folder {
            self.contents.push((entry, content.to_vec()));
        }
        ItemValue::Entry(entry)
    }

    pub(super) fn file(mut self, name: &str) -> Self {
        let value = self.entry(FileEntryKind::File, 0o644, EVIL);
        put(&mut self.outputs, &ManifestItem { tag: ItemTag::File, name: name.as_bytes(), value });
        self
    }

    pub(super) fn output(mut self, tag: ItemTag, name: &str, value: ItemValue<'static>) -> Self {
        put(&mut self.outputs, &ManifestItem { tag, name: name.as_bytes(), value });
        self
    }

    /// An output file, whose kind or mode may be wrong.
    pub(super) fn one(mut self, name: &str, kind: FileEntryKind, mode: u16, content: &[u8]) -> Self {
        let value = self.entry(kind, mode, content);
        self.output(ItemTag::File, name, value)
    }

    pub(super) fn folder(self, name: &str, lines: &[ForgedLine<'_>]) -> Self {
        let whole: Vec<ForgedLine<'_>> = std::iter::once(("", FileEntryKind::Folder, 0o755, &b""[..]))
            .chain(lines.iter().copied())
            .collect();
        self.listing(name, &whole, b"")
    }

    pub(super) fn listing(mut self, name: &str, lines: &[ForgedLine<'_>], tail: &[u8]) -> Self {
        let mut listing = Vec::new();
        for (name, kind, mode, content) in lines {
            let value = self.entry(*kind, *mode, content);
            put(&mut listing, &ManifestItem { tag: ItemTag::File, name: name.as_bytes(), value });
        }
        listing.extend(tail);
        let digest = Digest::of(&listing);
        self.listings.push((digest, listing));
        self.output(ItemTag::Folder, name, ItemValue::Listing(digest))
    }

    /// The usual file, and a folder with these lines.
    pub(super) fn tree(lines: &[ForgedLine<'_>]) -> Self {
        Self::default().file("_build/file").folder("_build/tree", lines)
    }

    pub(super) fn record(&self) -> Vec<u8> {
        let mut record = journal::MAGIC.to_vec();
        for (digest, bytes) in &self.listings {
            journal::put(&mut record, &JournalEntry::Listing { digest: *digest, bytes });
        }
        let outputs = &self.outputs;
        journal::put(
            &mut record,
            &JournalEntry::Task { name: "", key: KEY(), manifest: b"", outputs, millis: 0 },
        );
        record.extend(&self.tail);
        record
    }

    /// Writes the record and its contents into a cache, as a run would.
    pub(super) fn plant(&self, cache: &ResultCache) {
        for (entry, content) in &self.contents {
            let blob = cache.blob(entry);
            fs::create_dir_all(blob.parent().unwrap()).unwrap();
            fs::write(&blob, content).unwrap();
            fs::set_permissions(&blob, fs::Permissions::from_mode(entry.mode.into())).unwrap();
        }
        fs::create_dir_all(cache.folder.join("tasks")).unwrap();
        fs::write(cache.record(KEY()), self.record()).unwrap();
        // The test wrote these, not a restore.
        for (entry, _) in self.contents.iter().filter(|(entry, _)| entry.mode & 0o7000 != 0) {
            // Several lines may have the same one.
            let _ = fs::remove_file(cache.blob(entry));
        }
    }
}

/// How a remote cache delivers a content.
pub(super) type Deliver = fn(&Path, &[u8], &Path);

/// A remote cache that returns forged results.
pub(super) struct Liar {
    record: Vec<u8>,
    contents: HashMap<Digest, Vec<u8>>,
    deliver: Deliver,
    /// The home of the builder.
    home: PathBuf,
}

impl RemoteCache for Liar {
    fn record(&self, _: Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        Ok(Some(self.record.clone()))
    }

    fn contents(&self, _: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError> {
        for digest in wanted {
            (self.deliver)(&folder.join(digest.hex()), &self.contents[digest], &self.home);
        }
        Ok(())
    }

    fn store(&self, _: Digest, _: &[u8], _: &[(Digest, PathBuf)]) -> Result<(), RemoteError> {
        Ok(())
    }
}

pub(super) fn honestly(to: &Path, content: &[u8], _: &Path) {
    fs::write(to, content).unwrap();
}

pub(super) fn remote(builder: &Builder, forged: &Forged, deliver: Deliver) -> ResultCache {
    let contents = forged.contents.iter().map(|(entry, content)| (entry.digest, content.clone())).collect();
    let liar = Liar { record: forged.record(), contents, deliver, home: builder.path("home") };
    builder.cache().with_remote(Arc::new(liar), false)
}

/// The components of names in records that are made from bytes.
const NAMES: [&str; 8] = ["a", "b", "link", "..", ".", "", "authorized_keys", "/home"];

/// Makes a record from bytes, and restores it from the local and from the remote cache: neither may do harm.
pub(super) fn restore_from_bytes(bytes: &[u8]) {
    let _ = parse(bytes, KEY());
    let forged = Forged::from_bytes(bytes);
    for from_remote in [false, true] {
        let builder = Builder::new();
        let cache = if from_remote { remote(&builder, &forged, honestly) } else { builder.cache() };
        if !from_remote {
            forged.plant(&cache);
        }
        let _ = builder.restore(&cache, &declared());
        assert_eq!(builder.harm(), Vec::<String>::new(), "from a remote cache: {from_remote}");
    }
}

impl Forged {
    /// The declared outputs, with a listing that the bytes describe. If the first byte is 0, the others are the listing.
    /// Else each line has a byte for its kind and mode, one for the number of components of its name, and one for each.
    fn from_bytes(bytes: &[u8]) -> Self {
        let Some((&first, mut bytes)) = bytes.split_first() else { return Self::tree(&[]) };
        if first == 0 {
            return Self::default().file("_build/file").listing("_build/tree", &[], bytes);
        }
        let mut lines = Vec::new();
        while let [what, count, rest @ ..] = bytes {
            let parts = rest.get(..usize::from(count % 4)).unwrap_or(rest);
            bytes = rest.get(parts.len()..).unwrap_or_default();
            let name: Vec<&str> = parts.iter().map(|part| NAMES[usize::from(part % 8)]).collect();
            let kind =
                [FileEntryKind::File, FileEntryKind::Link, FileEntryKind::Folder, FileEntryKind::Folder]
                    [usize::from(what % 4)];
            let mode = [0o644, 0o755, 0o4755, 0][usize::from(what >> 6)];
            lines.push((name.join("/"), kind, mode));
        }
        // Lines are sorted in most records: the others are refused early.
        if first % 4 != 1 {
            lines.sort_by(|a, b| paths::order(Path::new(&a.0), Path::new(&b.0)));
        }
        if first % 4 == 2 {
            lines.dedup_by(|a, b| a.0 == b.0);
        }
        let lines: Vec<ForgedLine<'_>> = lines
            .iter()
            .map(|(name, kind, mode)| {
                let content = if *kind == FileEntryKind::Link { &b"../../../home/.ssh"[..] } else { EVIL };
                (name.as_str(), *kind, *mode, content)
            })
            .collect();
        Self::tree(&lines)
    }
}
