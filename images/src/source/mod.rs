//! Where images come from besides registries: folders and archives, as containers/image names them.
//!
//! ```text
//! [docker://]REFERENCE            a registry
//! oci:FOLDER[:NAME|:@N]           an OCI layout
//! oci-archive:FILE[:NAME|:@N]     an OCI layout in a tar
//! docker-archive:FILE[:NAME|:@N]  what `docker save` writes
//! dir:FOLDER                      skopeo's folder of one image
//! docker-daemon:NAME[:TAG]        the storage of Docker
//! containers-storage:NAME[:TAG]   the storage of podman and buildah
//! ```
//!
//! The first colon ends the path. A name is what the image is called in the layout, in short or in full; `@N` is the image
//! at this position, from 0.
//!
//! All but `docker-archive:` hold manifests, which are taken over byte for byte with their digests. `docker save` of
//! older Docker drops the manifest; one is made for its uncompressed layers then, the same every time.

mod docker;
mod engine;
mod files;
mod index;
mod naming;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use content::Digest;

pub use self::engine::{EngineImage, EngineStorage};
use self::files::SourceFiles;
pub use self::naming::{default_name, named_images, names_file, original_references};
use crate::closure::Closure;
use crate::error::{Error, Result, io};
use crate::manifest::{Descriptor, MANIFEST_MAX, Platform};
use crate::store::BlobSlot;
use crate::{Reference, Store, platform, reference};

/// How often to check for a blob that another process is storing.
const BUSY_POLL: Duration = Duration::from_millis(100);

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageLocation {
    /// In a registry; see [`crate::pull`].
    Registry(Reference),
    /// On this machine.
    Local(LocalImage),
    /// In the storage of a container engine.
    Engine(EngineImage),
}

/// An image in a folder or archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// How it is laid out.
    pub layout: LocalLayout,
    /// The folder or archive.
    pub path: PathBuf,
    /// Which image of several: its name, or `@` and its position from 0; not for [`LocalLayout::Dir`].
    pub name: Option<String>,
}

/// How images are laid out in a folder or archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalLayout {
    /// `oci:`
    Oci,
    /// `oci-archive:`
    OciArchive,
    /// `docker-archive:`
    DockerArchive,
    /// `dir:`
    Dir,
}

impl LocalLayout {
    const ALL: [(&'static str, Self); 4] = [
        ("oci:", Self::Oci),
        ("oci-archive:", Self::OciArchive),
        ("docker-archive:", Self::DockerArchive),
        ("dir:", Self::Dir),
    ];
}

impl FromStr for ImageLocation {
    type Err = reference::ReferenceError;

    fn from_str(text: &str) -> Result<Self, reference::ReferenceError> {
        for (prefix, layout) in LocalLayout::ALL {
            let Some(rest) = text.strip_prefix(prefix) else { continue };
            let (path, name) = match rest.split_once(':') {
                Some((path, name)) if layout != LocalLayout::Dir => (path, Some(name)),
                _ => (rest, None),
            };
            if path.is_empty() {
                let reason = "expected a folder or file after the colon";
                return Err(reference::ReferenceError { found: text.into(), reason: reason.into() });
            }
            let name: Option<String> = name.filter(|name| !name.is_empty()).map(Into::into);
            let of_docker = name.as_deref().filter(|_| layout == LocalLayout::DockerArchive);
            if let Some(name) = of_docker.filter(|name| position(name).is_none()) {
                name.parse::<Reference>()?;
            }
            return Ok(Self::Local(LocalImage { layout, path: path.into(), name }));
        }
        if let Some(image) = EngineImage::recognise(text) {
            return image.map(Self::Engine);
        }
        text.strip_prefix("docker://").unwrap_or(text).parse().map(Self::Registry)
    }
}

impl fmt::Display for LocalImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = LocalLayout::ALL
            .iter()
            .find(|(_, layout)| *layout == self.layout)
            .map_or("", |(prefix, _)| prefix);
        write!(f, "{prefix}{}", self.path.display())?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Engine(image) => image.fmt(f),
        }
    }
}

/// Takes an image over into the store: the digest of its manifest or index. Of an index, the images for `platforms`
/// are taken, all where it is empty. Every manifest and blob is checked against the digest it is listed under.
///
/// # Errors
///
/// [`Error::Layout`] if there is no image, or several and no name is given, [`Error::DigestMismatch`],
/// [`Error::SizeMismatch`], [`Error::NoPlatform`], [`Error::TooDeep`], [`Error::Io`].
pub fn import(local: &LocalImage, platforms: &[Platform], store: &Store) -> Result<Digest> {
    let (files, name) = (SourceFiles::of(local)?, local.name.as_deref());
    if local.layout == LocalLayout::Dir {
        let root = files.read("manifest.json", MANIFEST_MAX)?;
        let tree = Tree { files, manifest: "{}.manifest.json", blob: "{}" };
        return tree.import(root, platforms, store);
    }
    let root = match index::choose(&files, local) {
        Some(chosen) => chosen?,
        None => return docker::import(&files, name, platforms, store).map(|image| image.digest),
    };
    let tree = Tree { files, manifest: "blobs/sha256/{}", blob: "blobs/sha256/{}" };
    tree.import(tree.read_manifest(&root.digest)?, platforms, store)
}

/// An image by its configuration, which has the digests of its uncompressed layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedImage {
    /// The digest of the manifest that was made for it; always the same for the same configuration.
    pub digest: Digest,
    /// The digest of its configuration, which engines call its ID.
    pub id: Digest,
}

/// The image with the configuration `id`, if the store has all of it from an earlier [`EngineImage::save`] or `docker-archive:`.
///
/// # Errors
///
/// [`Error::Layout`] if `id` is the digest of something else, [`Error::NoPlatform`] if the image is for none of `platforms`,
/// [`Error::Io`].
pub fn stored(id: &Digest, platforms: &[Platform], store: &Store) -> Result<Option<SavedImage>> {
    docker::stored(id, platforms, store)
}

/// The number in `@N`.
fn position(name: &str) -> Option<usize> {
    name.strip_prefix('@')?.parse().ok()
}

/// The most names that an error lists.
const NAMES_SHOWN: usize = 10;
/// The longest name that an error lists, in bytes: no reference is longer.
const NAME_SHOWN: usize = 400;

/// What to type for one of several images, each at its position and with its name, if it has one: "`1`, `@1` or `2`".
fn offered(images: &[(usize, Option<&str>)]) -> String {
    let is_alone = |name: &str| images.iter().filter(|(_, other)| *other == Some(name)).count() == 1;
    let word = |(position, name): &(usize, Option<&str>)| match name {
        Some(name) if name.len() <= NAME_SHOWN && is_alone(name) => format!("`{}`", content::printable(name)),
        _ => format!("`@{position}`"),
    };
    let mut words: Vec<String> = images.iter().take(NAMES_SHOWN).map(word).collect();
    if let Some(more) = images.len().checked_sub(NAMES_SHOWN).filter(|more| *more > 0) {
        words.push(format!("{more} more"));
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Why no image, or no single one, of `all` is meant by `name`; `found` are those that match.
fn no_choice(name: Option<&str>, found: &[(usize, Option<&str>)], all: &[(usize, Option<&str>)]) -> String {
    match (name, found, all) {
        (_, [], []) => "no image".into(),
        (Some(name), [], all) => {
            format!("no image named `{}`: expected {}", content::printable(name), offered(all))
        }
        (_, found, _) => format!(
            "{} images match: choose {}, written after the path and a colon",
            found.len(),
            offered(found)
        ),
    }
}

/// Whether two names are of one image: as they are, or both in full.
fn same_name(one: &str, other: &str) -> bool {
    let full = |name: &str| name.parse::<Reference>().ok();
    one == other || full(one).is_some_and(|one| full(other) == Some(one))
}

/// Manifests and blobs by digest; `{}` in a pattern stands for the hexadecimal digits.
struct Tree {
    files: SourceFiles,
    manifest: &'static str,
    blob: &'static str,
}

impl Tree {
    fn import(&self, root_bytes: Vec<u8>, platforms: &[Platform], store: &Store) -> Result<Digest> {
        let root = Digest::of(&root_bytes);
        let mut root_bytes = Some(root_bytes);
        let mut closure = Closure::of(root);
        while let Some(node) = closure.next() {
            let bytes = root_bytes.take().map_or_else(|| self.read_manifest(&node.digest), Ok)?;
            let manifest = closure.read(&node, &bytes, platforms).map_err(|refusal| {
                let path = self.files.display(&self.manifest.replace("{}", &node.digest.hex()));
                Error::refused(refusal, &root, &node.digest, path)
            })?;
            for blob in manifest.blobs() {
                self.take_blob(blob, store)?;
            }
            store.put(&bytes)?;
        }
        let unconfirmed = closure.take_unconfirmed();
        let mut offered = Vec::new();
        for config in &unconfirmed.configs {
            let bytes = store.read(&config.digest, MANIFEST_MAX)?;
            let path = || self.files.display(&self.blob.replace("{}", &config.digest.hex()));
            offered.extend(platform_of(&bytes, path)?);
        }
        platform::confirm(&unconfirmed.platforms, offered)
            .map_err(|missing| Error::NoPlatform { image: root, missing })?;
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
                BlobSlot::Present => return Ok(()),
                BlobSlot::Partial(partial) => break partial,
                BlobSlot::Busy => std::thread::sleep(BUSY_POLL),
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

/// The platform that the configuration at `path` names, if it names one.
fn platform_of(bytes: &[u8], path: impl FnOnce() -> PathBuf) -> Result<Option<Platform>> {
    platform::of_config(bytes).map_err(|error| Error::Layout { path: path(), reason: error.to_string() })
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
