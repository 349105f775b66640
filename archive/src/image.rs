//! The container images of an archive: every folder with a `manifest.json`, in skopeo's `dir:` layout.
//!
//! The folder's place names the image: `images/library/redis/7` is `library/redis:7`. Beside the manifest lie the
//! blobs, each named by the hexadecimal digits of its SHA-256, and, if the manifest is an index, the manifests it
//! lists as `<hex>.manifest.json`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use images::{Digest, manifest};

use crate::tree::{Entry, Kind, Tree};
use crate::{Error, Result, layout};

/// A container image of an archive.
#[derive(Debug)]
pub struct Image {
    /// The name: the path below `images/` without the tag.
    pub name: String,
    /// The tag: the name of the folder.
    pub tag: String,
    /// The folder, relative to the root of the tree.
    pub folder: String,
    /// The manifest the tag names, or why there is none that could be served.
    pub manifest: std::result::Result<Arc<Stored>, String>,
    /// The manifests below an index that lie in the folder, by digest.
    pub children: BTreeMap<Digest, std::result::Result<Arc<Stored>, String>>,
    /// The blobs that lie in the folder, by digest.
    pub blobs: HashMap<Digest, Blob>,
}

/// A manifest or index of an image, as it is stored.
#[derive(Debug)]
pub struct Stored {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its path in the tree.
    pub path: String,
    /// Its entry in the tree.
    pub entry: Entry,
    /// What it says.
    pub manifest: manifest::Manifest,
}

/// A blob as it is stored.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its path in the tree.
    pub path: String,
    /// Its entry in the tree.
    pub entry: Entry,
}

impl Image {
    /// Whether all that the manifest needs is there, in the sizes it says; if not, what is missing.
    ///
    /// An index may list manifests that the archive was built without (other platforms), but not all of them; those
    /// that are there must be whole.
    ///
    /// # Errors
    ///
    /// What is missing, as a sentence.
    pub fn whole(&self) -> std::result::Result<(), String> {
        let stored = self.manifest.as_ref().map_err(Clone::clone)?;
        if !stored.manifest.kind.is_index() {
            return self.manifest_whole(&stored.manifest);
        }
        let mut found = 0;
        for descriptor in &stored.manifest.manifests {
            if let Some(child) = self.children.get(&descriptor.digest) {
                let child =
                    child.as_ref().map_err(|problem| format!("manifest {}: {problem}", descriptor.digest))?;
                self.manifest_whole(&child.manifest)?;
                found += 1;
            }
        }
        if found == 0 && !stored.manifest.manifests.is_empty() {
            return Err("none of the manifests of the index is there".into());
        }
        Ok(())
    }

    /// Whether the blobs of one manifest of this image are there.
    ///
    /// # Errors
    ///
    /// What is missing, as a sentence.
    pub fn manifest_whole(&self, manifest: &manifest::Manifest) -> std::result::Result<(), String> {
        for descriptor in manifest.blobs() {
            match self.blobs.get(&descriptor.digest) {
                None => return Err(format!("blob {} is missing", descriptor.digest)),
                Some(blob) if blob.entry.size != descriptor.size => {
                    return Err(format!(
                        "blob {} has {} bytes, expected {}",
                        descriptor.digest, blob.entry.size, descriptor.size
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// All manifests of this image that can be read, the tagged one first.
    pub fn stored(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.manifest.iter().chain(self.children.values().flatten())
    }
}

/// Hands out the images below the folder `below` of the tree, one by one, sorted by folder: `images` in an archive, the
/// empty path for a plain `images` folder.
///
/// An image that is damaged is handed out with the reason; other images do not suffer.
///
/// # Errors
///
/// What reading folders gives.
pub fn each(tree: &Tree, below: &str, visit: &mut dyn FnMut(Image)) -> Result<()> {
    // The folder may be a link; the paths that come back are below where it leads.
    let Some(below) = tree.resolve(below)? else { return Ok(()) };
    let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
    tree.each_folder(&below, &mut |folder, files| {
        let place = folder.strip_prefix(&prefix).and_then(|place| place.rsplit_once('/'));
        let has_manifest = files.iter().any(|entry| entry.name == layout::IMAGE_MANIFEST);
        if let (Some((name, tag)), true) = (place, has_manifest) {
            visit(read(tree, name, tag, folder, files)?);
        }
        Ok(())
    })
}

/// The images that [`each`] hands out, all at once.
///
/// # Errors
///
/// Those of [`each`].
pub fn list(tree: &Tree, below: &str) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    each(tree, below, &mut |image| images.push(image))?;
    Ok(images)
}

fn read(tree: &Tree, name: &str, tag: &str, folder: &str, files: Vec<Entry>) -> Result<Image> {
    let mut manifest = Err("manifest.json is missing".to_owned());
    let mut children = BTreeMap::new();
    let mut blobs = HashMap::new();
    for entry in files {
        let path = format!("{folder}/{}", entry.name);
        let (path, entry) = match entry.kind {
            Kind::File => (path, entry),
            // Deduplicated with links instead of hard links: the file it leads to inside the archive.
            Kind::Symlink(_) => match followed(tree, &path)? {
                Some(found) => (path, Entry { name: entry.name, ..found }),
                None => continue,
            },
            Kind::Directory | Kind::Other => continue,
        };
        // A truncated image: as if the file were not there.
        if !tree.holds(&entry) {
            continue;
        }
        if entry.name == layout::IMAGE_MANIFEST {
            manifest = stored(tree, path, entry, None)?;
        } else if let Some(digits) = entry.name.strip_suffix(".manifest.json") {
            if let Ok(digest) = Digest::from_hex(digits) {
                children.insert(digest, stored(tree, path, entry, Some(digest))?);
            }
        } else if let Ok(digest) = Digest::from_hex(&entry.name) {
            blobs.insert(digest, Blob { path, entry });
        }
    }
    if !images::reference::is_repository(name) {
        manifest = Err(format!("{name:?} is no name of an image"));
    } else if !images::reference::is_tag(tag) {
        manifest = Err(format!("{tag:?} is no tag"));
    }
    let (name, tag, folder) = (name.to_owned(), tag.to_owned(), folder.to_owned());
    Ok(Image { name, tag, folder, manifest, children, blobs })
}

fn followed(tree: &Tree, path: &str) -> Result<Option<Entry>> {
    match tree.resolve(path) {
        Ok(Some(target)) => Ok(tree.entry(&target)?.filter(|entry| entry.kind == Kind::File)),
        Ok(None) | Err(Error::Path { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a manifest. The outer error is one of reading, the inner one a manifest that cannot be served.
fn stored(
    tree: &Tree,
    path: String,
    entry: Entry,
    expected: Option<Digest>,
) -> Result<std::result::Result<Arc<Stored>, String>> {
    if entry.size > manifest::MANIFEST_MAX {
        return Ok(Err(format!(
            "a manifest of {} bytes, expected at most {}",
            entry.size,
            manifest::MANIFEST_MAX
        )));
    }
    let bytes = match tree.locate_entry(&path, &entry)?.read_all() {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(format!("the manifest cannot be read: {error}"))),
    };
    let digest = Digest::of(&bytes);
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Ok(Err(format!("the manifest has the digest {digest}, expected {expected}")));
    }
    Ok(match manifest::Manifest::parse(&bytes) {
        Ok(manifest) => Ok(Arc::new(Stored { digest, path, entry, manifest })),
        Err(error) => Err(error.to_string()),
    })
}
