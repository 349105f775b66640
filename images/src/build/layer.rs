//! The layer of a built image: a deterministic tar, compressed with gzip.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use content::{Digest, Hashed, LinkPolicy};
use flate2::{Compression, GzBuilder};

use super::definition::{DefinedImage, ImageUser, entry_name, source};
use crate::Store;
use crate::error::{Error, Result, io};

/// A layer in the store.
pub(super) struct Layer {
    /// Digest of the compressed bytes.
    pub(super) digest: Digest,
    /// Compressed size in bytes.
    pub(super) size: u64,
    /// Digest of the tar.
    pub(super) diff_id: Digest,
}

/// One entry, under its name without a leading slash.
struct Entry {
    content: Content,
    mode: u32,
    uid: u32,
    gid: u32,
}

enum Content {
    Folder,
    File(PathBuf),
    Bytes(Vec<u8>),
    Link(String),
}

/// Writes the layer into the store; `None` where an image only says something else of its base.
pub(super) fn write(
    definition: &DefinedImage,
    project: &Path,
    source_date: i64,
    store: &Store,
) -> Result<Option<Layer>> {
    let entries = entries(definition, project)?;
    if entries.is_empty() && definition.base.is_some() {
        return Ok(None);
    }
    let mtime = u64::try_from(source_date)
        .map_err(|_| Error::Definition { field: "source date".into(), reason: "lies before 1970".into() })?;
    let blob = store.create()?;
    let in_store = store.root().to_owned();
    let failed = || io("write a layer in", &in_store);
    // The header names no file, no time and no operating system: the bytes depend on the content alone.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(blob, Compression::default());
    let mut archive = tar::Builder::new(Hashed::new(gzip));
    for (name, entry) in entries {
        append(&mut archive, &name, &entry, mtime)?;
    }
    let (gzip, diff_id, _) = archive.into_inner().map_err(failed())?.finish();
    let (digest, size) = gzip.finish().map_err(failed())?.finish()?;
    Ok(Some(Layer { digest, size, diff_id }))
}

/// Everything in the layer in the order of names, folders before what is in them.
fn entries(definition: &DefinedImage, project: &Path) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut insert = |path: &str, entry: Entry| match entries.insert(entry_name(path)?, entry) {
        None => Ok(()),
        Some(_) => {
            Err(Error::Definition { field: format!("path `{path}`"), reason: "is given twice".into() })
        }
    };
    for directory in &definition.directories {
        let (mode, uid, gid) = (directory.mode.bits(), directory.uid, directory.gid);
        insert(&directory.path, Entry { content: Content::Folder, mode, uid, gid })?;
    }
    for file in &definition.files {
        let content = Content::File(source(project, &file.from)?);
        insert(&file.to, Entry { content, mode: file.mode.bits(), uid: file.uid, gid: file.gid })?;
    }
    for link in &definition.links {
        let content = Content::Link(link.target.clone());
        insert(&link.path, Entry { content, mode: 0o777, uid: 0, gid: 0 })?;
    }
    if let (Some(user), None) = (&definition.user, &definition.base) {
        for (path, text) in [("/etc/passwd", passwd(user)?), ("/etc/group", group(user))] {
            insert(path, Entry { content: Content::Bytes(text.into_bytes()), mode: 0o644, uid: 0, gid: 0 })?;
        }
    }
    let names: Vec<String> = entries.keys().cloned().collect();
    for name in names {
        let mut name = name.as_str();
        while let Some((parent, _)) = name.rsplit_once('/') {
            let folder = Entry { content: Content::Folder, mode: 0o755, uid: 0, gid: 0 };
            let found = match definition.base {
                // A folder of the base keeps its mode and owner; one that it lacks is created when the layer is unpacked.
                Some(_) => entries.get(parent),
                None => Some(&*entries.entry(parent.into()).or_insert(folder)),
            };
            match found.map(|entry| &entry.content) {
                None | Some(Content::Folder) => name = parent,
                Some(_) => {
                    let reason = "is below something that is not a folder".into();
                    return Err(Error::Definition { field: format!("path `/{name}`"), reason });
                }
            }
        }
    }
    Ok(entries)
}

fn passwd(user: &ImageUser) -> Result<String> {
    let name_ok = user.name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && user
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if !name_ok || user.name == "root" || user.home.contains([':', '\n']) {
        return Err(Error::Definition {
            field: "user".into(),
            reason:
                "needs a name of lower-case letters, digits, `_` and `-` that is not root, and a plain home"
                    .into(),
        });
    }
    let (name, uid, gid, home) = (&user.name, user.uid, user.gid(), &user.home);
    let none = "/sbin/nologin";
    Ok(format!("root:x:0:0:root:/root:{none}\n{name}:x:{uid}:{gid}:{name}:{home}:{none}\n"))
}

fn group(user: &ImageUser) -> String {
    format!("root:x:0:\n{}:x:{}:\n", user.name, user.gid())
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, entry: &Entry, mtime: u64) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(mtime);
    header.set_size(0);
    let entry_path = Path::new(name);
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, format!("{name}/"), io::empty())
        }
        Content::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice())
        }
        Content::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, name, target)
        }
        Content::File(path) => {
            let file = content::open(path, LinkPolicy::Follow)?;
            let found = file.metadata().map_err(io("stat", path))?;
            header.set_size(found.len());
            let mut exact = Exact { inner: file, left: found.len(), failed: false };
            let appended = archive.append_data(&mut header, name, &mut exact);
            if exact.failed {
                return appended.map_err(io("read", path));
            }
            if appended.is_ok() && exact.left > 0 {
                return Err(Error::Layout {
                    path: path.clone(),
                    reason: "became shorter while it was read".into(),
                });
            }
            appended
        }
    }
    .map_err(io("write the entry", entry_path))
}

/// Reads at most what a file had when its header was made: the tar stays well-formed if the file grows.
struct Exact<R> {
    inner: R,
    left: u64,
    /// Whether it could not be read.
    failed: bool,
}

impl<R: io::Read> io::Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..limit).unwrap_or_default());
        // What was interrupted is read again.
        let count = read.inspect_err(|error| self.failed = error.kind() != io::ErrorKind::Interrupted)?;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for the header alone.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(buffer.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_not_taken_for_a_file_that_cannot_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0; 5000]).unwrap();
        let entry = Entry { mode: 0o644, uid: 0, gid: 0, content: Content::File(file.path().to_owned()) };
        let error = append(&mut tar::Builder::new(Full(600)), "f", &entry, 0).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the entry f: "), "{error}");
    }
}
