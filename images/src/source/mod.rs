//! Where images come from besides registries: folders and archives, as containers/image names them.
//!
//! ```text
//! [docker://]REFERENCE            a registry
//! oci:FOLDER[:NAME]               an OCI layout
//! oci-archive:FILE[:NAME]         an OCI layout in a tar
//! docker-archive:FILE[:NAME]      what `docker save` writes
//! dir:FOLDER                      skopeo's folder of one image
//! ```
//!
//! All but `docker-archive:` hold manifests, which are taken over byte for byte with their digests. `docker save` of
//! older Docker drops the manifest; one is made for its uncompressed layers then, the same every time.

mod docker;
mod files;

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use self::files::Files;
use crate::error::{Error, Result, io};
use crate::manifest::{DEPTH_MAX, Descriptor, MANIFEST_MAX, MANIFESTS_MAX, Manifest, Platform};
use crate::store::Slot;
use crate::{Digest, Reference, Store, reference};

/// How often a blob is looked for that another process is storing.
const BUSY_POLL: Duration = Duration::from_millis(100);

/// What else containers/image knows; without this they would be taken for names of images.
const OTHER_TRANSPORTS: [&str; 5] = ["docker-daemon:", "containers-storage:", "ostree:", "sif:", "tarball:"];

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a registry; see [`crate::pull`].
    Registry(Reference),
    /// On this machine.
    Local(Local),
}

/// An image in a folder or archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// How it is laid out.
    pub layout: Layout,
    /// The folder or archive.
    pub path: PathBuf,
    /// Which image of several; not for [`Layout::Dir`].
    pub name: Option<String>,
}

/// How images are laid out in a folder or archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `oci:`
    Oci,
    /// `oci-archive:`
    OciArchive,
    /// `docker-archive:`
    DockerArchive,
    /// `dir:`
    Dir,
}

impl Layout {
    const ALL: [(&'static str, Self); 4] = [
        ("oci:", Self::Oci),
        ("oci-archive:", Self::OciArchive),
        ("docker-archive:", Self::DockerArchive),
        ("dir:", Self::Dir),
    ];
}

impl FromStr for Source {
    type Err = reference::ParseError;

    fn from_str(text: &str) -> Result<Self, reference::ParseError> {
        for (prefix, layout) in Layout::ALL {
            let Some(rest) = text.strip_prefix(prefix) else { continue };
            // The name begins at the first colon after the last folder: `oci:a:b/c:1` is `c`, `1`'s folder is `a:b`.
            let (path, name) = match (layout, rest.rfind('/').map_or(0, |slash| slash + 1)) {
                (Layout::Dir, _) => (rest, None),
                (_, last) => match rest.get(last..).and_then(|file| file.find(':')) {
                    Some(colon) => rest
                        .split_at_checked(last + colon)
                        .map_or((rest, None), |(path, name)| (path, name.strip_prefix(':'))),
                    None => (rest, None),
                },
            };
            let name = name.filter(|name| !name.is_empty()).map(Into::into);
            return Ok(Self::Local(Local { layout, path: path.into(), name }));
        }
        if let Some(other) = OTHER_TRANSPORTS.iter().find(|other| text.starts_with(**other)) {
            let reason =
                "images of this kind cannot be read; save them as docker-archive: or oci-archive: first";
            return Err(reference::ParseError { found: (*other).into(), reason });
        }
        text.strip_prefix("docker://").unwrap_or(text).parse().map(Self::Registry)
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix =
            Layout::ALL.iter().find(|(_, layout)| *layout == self.layout).map_or("", |(prefix, _)| prefix);
        write!(f, "{prefix}{}", self.path.display())?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local(local) => local.fmt(f),
        }
    }
}

/// Takes an image over into the store: the digest of its manifest or index. Of an index, the images for `platforms`
/// are taken, all where it is empty. Every manifest and blob is checked against the digest it is listed under.
///
/// # Errors
///
/// [`Error::Layout`] for what is no image or holds several of which none was named, [`Error::DigestMismatch`],
/// [`Error::SizeMismatch`], [`Error::NoPlatform`], [`Error::TooDeep`], [`Error::Io`].
pub fn import(local: &Local, platforms: &[Platform], store: &Store) -> Result<Digest> {
    let files = match local.layout {
        Layout::Oci | Layout::Dir => Files::folder(&local.path),
        Layout::OciArchive | Layout::DockerArchive => Files::archive(&local.path)?,
    };
    match local.layout {
        Layout::Dir => {
            let root = files.read("manifest.json", MANIFEST_MAX)?;
            let tree = Tree { files, manifest: "{}.manifest.json", blob: "{}" };
            tree.import(root, platforms, store)
        }
        Layout::DockerArchive if !files.contains("index.json") => {
            docker::import(&files, local.name.as_deref(), store)
        }
        Layout::Oci | Layout::OciArchive | Layout::DockerArchive => {
            let root = choose(&files, local.name.as_deref())?;
            let tree = Tree { files, manifest: "blobs/sha256/{}", blob: "blobs/sha256/{}" };
            tree.import(tree.read_manifest(&root.digest)?, platforms, store)
        }
    }
}

/// The image of an OCI layout: the only one, or the one with this name.
fn choose(files: &Files, name: Option<&str>) -> Result<Descriptor> {
    #[derive(Deserialize)]
    struct Index {
        manifests: Vec<Descriptor>,
    }
    let bytes = files.read("index.json", MANIFEST_MAX)?;
    let bad = |reason: String| Error::Layout { path: files.display("index.json"), reason };
    let Index { mut manifests } = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let named = |descriptor: &Descriptor, name: &str| {
        let annotations = descriptor.annotations.as_ref();
        ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
            .iter()
            .any(|key| annotations.and_then(|found| found.get(*key)?.as_str()) == Some(name))
    };
    if let Some(name) = name {
        manifests.retain(|descriptor| named(descriptor, name));
    }
    // One image under several names is one image.
    let distinct: BTreeSet<Digest> = manifests.iter().map(|descriptor| descriptor.digest).collect();
    match (manifests.pop(), distinct.len(), name) {
        (Some(descriptor), 1, _) => Ok(descriptor),
        (None, _, Some(name)) => Err(bad(format!("holds no image named `{name}`"))),
        (None, _, None) => Err(bad("holds no image".into())),
        (_, count, _) => Err(bad(format!("holds {count} images; say which by its name"))),
    }
}

/// Manifests and blobs by digest; `{}` in a pattern stands for the hexadecimal digits.
struct Tree {
    files: Files,
    manifest: &'static str,
    blob: &'static str,
}

impl Tree {
    fn import(&self, root_bytes: Vec<u8>, platforms: &[Platform], store: &Store) -> Result<Digest> {
        let root = Digest::of(&root_bytes);
        let mut root_bytes = Some(root_bytes);
        let mut waiting = vec![(root, 0)];
        let mut seen = BTreeSet::from([root]);
        let mut total = 0;
        while let Some((digest, depth)) = waiting.pop() {
            let bytes = match root_bytes.take() {
                Some(bytes) => bytes,
                None => self.read_manifest(&digest)?,
            };
            let path = || self.files.display(&self.manifest.replace("{}", &digest.hex()));
            total += bytes.len() as u64;
            if total > MANIFESTS_MAX {
                return Err(Error::TooLarge { path: path(), limit: MANIFESTS_MAX });
            }
            let manifest =
                Manifest::parse(&bytes).map_err(|source| Error::Manifest { path: path(), source })?;
            let wanted = if depth == 0 { platforms } else { &[] };
            let kept = manifest
                .select(wanted)
                .map_err(|platform| Error::NoPlatform { index: digest, platform: platform.clone() })?;
            if !kept.is_empty() && depth == DEPTH_MAX {
                return Err(Error::TooDeep { root, limit: DEPTH_MAX });
            }
            let unseen = kept.iter().filter(|child| seen.insert(child.digest));
            waiting.extend(unseen.map(|child| (child.digest, depth + 1)));
            for blob in manifest.blobs() {
                self.take_blob(blob, store)?;
            }
            store.put(&bytes)?;
        }
        Ok(root)
    }

    fn read_manifest(&self, digest: &Digest) -> Result<Vec<u8>> {
        let name = self.manifest.replace("{}", &digest.hex());
        let bytes = self.files.read(&name, MANIFEST_MAX)?;
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            Err(Error::DigestMismatch { path: self.files.display(&name), expected: *digest, found })
        }
    }

    fn take_blob(&self, blob: &Descriptor, store: &Store) -> Result<()> {
        let mut partial = loop {
            match store.slot(&blob.digest, blob.size)? {
                Slot::Present => return Ok(()),
                Slot::Partial(partial) => break partial,
                Slot::Busy => std::thread::sleep(BUSY_POLL),
            }
        };
        // What an earlier attempt left is not trusted: reading it again costs nothing here.
        partial.restart()?;
        let name = self.blob.replace("{}", &blob.digest.hex());
        let path = self.files.display(&name);
        let mut reader = self.files.open(&name)?;
        let mut buffer = vec![0; 256 * 1024];
        let here = |error| at(&path, error);
        loop {
            match reader.read(&mut buffer).map_err(io("read", &path))? {
                0 => return partial.finish().map_err(here),
                count => partial.write(buffer.get(..count).unwrap_or_default()).map_err(here)?,
            }
        }
    }
}

/// Errors about content name the file it came from, not the one it was going to.
fn at(source: &Path, error: Error) -> Error {
    match error {
        Error::DigestMismatch { expected, found, .. } => {
            Error::DigestMismatch { path: source.to_owned(), expected, found }
        }
        Error::SizeMismatch { expected, found, .. } => {
            Error::SizeMismatch { path: source.to_owned(), expected, found }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
