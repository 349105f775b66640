//! Image archives for containerd to load where no registry is up yet.
//!
//! An archive is an OCI layout in a tar (OCI image specification, "Image Layout") whose index names the very manifest
//! that the registry serves, so an image has one digest however it came to a node:
//!
//! ```text
//! blobs/sha256/<hex>
//! index.json           one descriptor, annotated with `io.containerd.image.name`
//! oci-layout
//! ```

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use content::{Digest, Hashed};
use serde_json::json;

use crate::Reference;
use crate::dir_layout;
use crate::error::{Error, Result, io};

/// Packs the image in `folder` (the `dir:` layout) into the archive `output`, under the name `name` with its tag. Every
/// entry carries the time `source_date`, in seconds since 1970. The archive appears whole.
///
/// # Errors
///
/// What [`dir_layout::read`] finds wrong, [`Error::SizeMismatch`] and [`Error::DigestMismatch`] for a blob that is not what
/// its name says, [`Error::Io`].
pub fn write(folder: &Path, name: &Reference, output: &Path, source_date: i64) -> Result<()> {
    let image = dir_layout::read(folder)?;
    let root = image.manifests.first().map_or(0, |stored| stored.size);
    let mut annotations = json!({ "io.containerd.image.name": name.to_string() });
    if let Some(tag) = name.tag() {
        annotations["org.opencontainers.image.ref.name"] = tag.into();
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": crate::MediaKind::OciIndex.media_type(),
        "manifests": [{
            "mediaType": image.kind.media_type(),
            "digest": image.digest,
            "size": root,
            "annotations": annotations,
        }],
    });
    let mut files: BTreeMap<Digest, (PathBuf, u64)> = BTreeMap::new();
    for stored in &image.manifests {
        files.insert(stored.digest, (folder.join(&stored.file), stored.size));
    }
    for blob in &image.blobs {
        files.insert(blob.digest, (folder.join(blob.digest.hex()), blob.size));
    }
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new()
        .prefix(".image-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(io("create a file in", parent))?;
    let mut archive = Archive {
        tar: tar::Builder::new(BufWriter::with_capacity(1 << 20, temporary)),
        output,
        mtime: u64::try_from(source_date).unwrap_or_default(),
    };
    archive.folder("blobs/")?;
    archive.folder("blobs/sha256/")?;
    for (digest, (path, size)) in &files {
        archive.file(digest, path, *size)?;
    }
    archive.bytes("index.json", index.to_string().as_bytes())?;
    archive.bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let failed = || io("write", output);
    let buffer = archive.tar.into_inner().map_err(failed())?;
    let temporary = buffer.into_inner().map_err(|error| failed()(error.into_error()))?;
    temporary.as_file().sync_all().map_err(io("flush", output))?;
    temporary.persist(output).map_err(|error| io("create", output)(error.error))?;
    Ok(())
}

/// A tar whose entries all belong to root and have the same time.
struct Archive<'a, W: Write> {
    tar: tar::Builder<W>,
    output: &'a Path,
    mtime: u64,
}

impl<W: Write> Archive<'_, W> {
    fn header(&self, kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        header.set_size(size);
        header
    }

    fn folder(&mut self, name: &str) -> Result<()> {
        let mut header = self.header(tar::EntryType::Directory, 0o755, 0);
        self.tar.append_data(&mut header, name, io::empty()).map_err(io("write", self.output))
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = self.header(tar::EntryType::Regular, 0o644, bytes.len() as u64);
        self.tar.append_data(&mut header, name, bytes).map_err(io("write", self.output))
    }

    /// Adds a blob and hashes it on its way.
    fn file(&mut self, digest: &Digest, path: &Path, size: u64) -> Result<()> {
        let file = content::open(path, content::LinkPolicy::Follow)?;
        let found = file.metadata().map_err(io("stat", path))?.len();
        if found != size {
            return Err(Error::SizeMismatch { path: path.to_owned(), expected: size, found });
        }
        let mut header = self.header(tar::EntryType::Regular, 0o644, size);
        let mut reader = Hashed::new(file.take(size));
        let name = format!("blobs/sha256/{}", digest.hex());
        self.tar.append_data(&mut header, name, &mut reader).map_err(io("write", self.output))?;
        let (_, found, _) = reader.finish();
        if found == *digest {
            return Ok(());
        }
        Err(Error::DigestMismatch { path: path.to_owned(), expected: *digest, found })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Store;

    #[test]
    fn a_blob_that_is_not_what_its_name_says_is_in_no_archive() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let manifest = json!({
            "schemaVersion": 2, "layers": [],
            "config": { "mediaType": "c", "digest": store.put(b"{}").unwrap(), "size": 2 },
        });
        let root = store.put(manifest.to_string().as_bytes()).unwrap();
        let (folder, output) = (scratch.path().join("a/1"), scratch.path().join("a.tar"));
        dir_layout::write(&store, &root, &[], &folder).unwrap();
        let name: Reference = "a:1".parse().unwrap();
        write(&folder, &name, &output, 0).unwrap();
        fs::remove_file(&output).unwrap();
        let config = folder.join(Digest::of(b"{}").hex());
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&config, "[]").unwrap();
        let error = write(&folder, &name, &output, 0).unwrap_err();
        assert!(matches!(&error, Error::DigestMismatch { path, .. } if *path == config), "{error}");
        assert!(!output.exists());
    }
}
