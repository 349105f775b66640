//! The container images of an archive: every folder with a `manifest.json`, in skopeo's `dir:` layout.
//!
//! The folder's place names the image: `images/library/redis/7` is `library/redis:7`. Beside the manifest lie the
//! blobs, each named by the hexadecimal digits of its SHA-256, and, if the manifest is an index, the manifests it
//! lists as `<hex>.manifest.json`.

mod index;
mod original;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub use index::ImageIndex;
pub use original::{folder_of, original_names};

use content::Digest;
use images::manifest::{Descriptor, MANIFEST_MAX, Manifest, MediaKind as ManifestKind, Platform};
use images::reference::NameError;

use crate::tree::{EntryKind, LocationPiece, Tree, TreeEntry};
use crate::{Error, Result, layout};

/// The most bytes all manifests of an archive may have together, those that share a place in an ISO counted once: ten
/// thousand images with 26 KiB each. It bounds the memory and the time that a forged archive can take.
pub const MANIFESTS_MAX: u64 = 256 << 20;
/// The most characters that are kept of what is wrong with a manifest, which may quote all of it.
const REASON_MAX: usize = 300;
/// The longest platform that is kept.
pub(crate) const PLATFORM_MAX: usize = 100;

/// A container image of an archive.
#[derive(Debug)]
pub struct ArchiveImage {
    /// The name: the path below `images/` without the tag.
    pub name: String,
    /// The tag: the name of the folder.
    pub tag: String,
    /// The folder, relative to the root of the tree.
    pub folder: String,
    /// The manifest that the tag names, or why it cannot be served.
    pub manifest: std::result::Result<Arc<StoredManifest>, ImageDefect>,
    /// The manifests below an index that lie in the folder, by digest.
    pub children: BTreeMap<Digest, std::result::Result<Arc<StoredManifest>, ImageDefect>>,
    /// The blobs that lie in the folder, by digest.
    pub blobs: HashMap<Digest, StoredBlob>,
}

/// Why an image of an archive, or one of its manifests, cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageDefect {
    /// The folder has no manifest that the tag could name.
    #[error("manifest.json is missing")]
    NoManifest,
    /// The path of the folder is not the name of an image.
    #[error("{name:?} cannot name an image: it {reason}")]
    Name {
        /// The path below `images/`, without the tag.
        name: String,
        /// Why.
        reason: NameError,
    },
    /// The name of the folder is not a tag.
    #[error("{tag:?} cannot be a tag: it {reason}")]
    Tag {
        /// The name of the folder.
        tag: String,
        /// Why.
        reason: NameError,
    },
    /// The manifest is too large.
    #[error("a manifest of {found} bytes, expected at most {MANIFEST_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
    },
    /// Reading the manifest failed.
    #[error("the manifest cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The manifest has another digest than its name says.
    #[error("the manifest has the digest {found}, expected {expected}")]
    Digest {
        /// The digest that its name says.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// The bytes are not a manifest.
    #[error("{reason}")]
    Invalid {
        /// Why.
        reason: Arc<str>,
    },
    /// A manifest that the index lists cannot be served.
    #[error("manifest {digest}: {defect}")]
    Listed {
        /// Its digest.
        digest: Digest,
        /// Why.
        defect: Box<Self>,
    },
    /// None of the manifests that the index lists exists.
    #[error("none of the manifests of the index exists")]
    NoListed,
    /// A configuration or layer is missing.
    #[error("blob {digest} is missing")]
    BlobMissing {
        /// Its digest.
        digest: Digest,
    },
    /// A configuration or layer has another size than its manifest states.
    #[error("blob {digest} has {found} bytes, expected {expected}")]
    BlobSize {
        /// Its digest.
        digest: Digest,
        /// The size that the manifest states, in bytes.
        expected: u64,
        /// The size of the file in bytes.
        found: u64,
    },
}

/// A manifest or index of an image, as it is stored.
#[derive(Debug)]
pub struct StoredManifest {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its path in the tree.
    pub path: String,
    /// Its entry in the tree.
    pub entry: TreeEntry,
    /// The part of its content that serving needs.
    pub manifest: Arc<ManifestSummary>,
}

/// The part of a manifest that is kept for each image of an archive: annotations, which may be large, are not in it.
#[derive(Debug, PartialEq, Eq)]
pub struct ManifestSummary {
    /// What it is.
    pub kind: ManifestKind,
    /// The image configuration.
    pub config: Option<Digest>,
    /// Digest and size of configuration and layers, each once, in the order they stand. Empty for an index.
    pub blobs: Box<[(Digest, u64)]>,
    /// How many of the blobs are foreign layers.
    pub foreign: u32,
    /// The manifests of an index with their platforms, sorted.
    pub manifests: Box<[(Digest, Option<Platform>)]>,
    /// The manifest that this one is attached to.
    pub subject: Option<Digest>,
    /// The attestations that BuildKit lists in an index, each with the manifest that it is about.
    pub references: Box<[(Digest, Digest)]>,
}

/// The annotation by which an index says which of its manifests an attestation is about.
const REFERENCE: &str = "vnd.docker.reference.digest";

impl ManifestSummary {
    fn of(manifest: &Manifest) -> Self {
        let mut seen = HashSet::new();
        let blob = |blob: &Descriptor| (blob.digest, blob.size);
        let blobs = manifest.blobs().map(blob).filter(|blob| seen.insert(*blob)).collect();
        let platform = |platform: &&Platform| platform.to_string().len() <= PLATFORM_MAX;
        let listed =
            |listed: &Descriptor| (listed.digest, listed.platform.as_ref().filter(platform).cloned());
        let mut manifests: Vec<_> = manifest.manifests.iter().map(listed).collect();
        manifests.sort_unstable();
        manifests.dedup();
        let reference = |listed: &Descriptor| {
            let subject = listed.annotations.as_ref()?.get(REFERENCE)?.as_str()?;
            Some((listed.digest, subject.parse().ok()?))
        };
        let references = manifest.manifests.iter().filter_map(reference).collect();
        Self {
            references,
            kind: manifest.kind,
            config: manifest.config.as_ref().map(|config| config.digest),
            foreign: u32::try_from(manifest.layers.iter().filter(|layer| layer.is_foreign()).count())
                .unwrap_or(u32::MAX),
            blobs,
            manifests: manifests.into(),
            subject: manifest.subject.as_ref().map(|subject| subject.digest),
        }
    }

    /// What an index says of a manifest: a platform, or none, for each time that it lists it.
    pub fn listed(&self, digest: Digest) -> impl Iterator<Item = Option<&Platform>> {
        let start = self.manifests.partition_point(|(listed, _)| *listed < digest);
        let from = self.manifests.get(start..).unwrap_or_default().iter();
        from.take_while(move |(listed, _)| *listed == digest).map(|(_, platform)| platform.as_ref())
    }
}

/// A blob as it is stored.
#[derive(Clone, Debug)]
pub struct StoredBlob {
    /// Its path in the tree.
    pub path: String,
    /// Its entry in the tree.
    pub entry: TreeEntry,
}

impl ArchiveImage {
    /// Checks that everything the manifest needs exists, with the sizes it states.
    ///
    /// An index may list manifests that the archive was built without (other platforms), but not all of them; those
    /// that exist must be whole.
    ///
    /// # Errors
    ///
    /// What is missing or wrong.
    pub fn whole(&self) -> std::result::Result<(), ImageDefect> {
        let stored = self.manifest.as_ref().map_err(Clone::clone)?;
        if !stored.manifest.kind.is_index() {
            return self.manifest_whole(&stored.manifest);
        }
        let mut found = 0;
        for (digest, child) in &self.children {
            if stored.manifest.listed(*digest).next().is_some() {
                let child = child.as_ref().map_err(|defect| ImageDefect::Listed {
                    digest: *digest,
                    defect: Box::new(defect.clone()),
                })?;
                self.manifest_whole(&child.manifest)?;
                found += 1;
            }
        }
        if found == 0 && !stored.manifest.manifests.is_empty() {
            return Err(ImageDefect::NoListed);
        }
        Ok(())
    }

    /// Checks that the blobs of one manifest of this image exist.
    ///
    /// # Errors
    ///
    /// What is missing or wrong.
    fn manifest_whole(&self, manifest: &ManifestSummary) -> std::result::Result<(), ImageDefect> {
        for (digest, size) in &manifest.blobs {
            match self.blobs.get(digest) {
                None => return Err(ImageDefect::BlobMissing { digest: *digest }),
                Some(blob) if blob.entry.size != *size => {
                    let (expected, found) = (*size, blob.entry.size);
                    return Err(ImageDefect::BlobSize { digest: *digest, expected, found });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// All manifests of this image that can be read, the tagged one first.
    pub fn stored(&self) -> impl Iterator<Item = &Arc<StoredManifest>> {
        self.manifest.iter().chain(self.children.values().flatten())
    }
}

/// Calls `visit` with each image below the folder `below` of the tree, sorted by folder: `images` in an archive, the
/// empty path for a plain `images` folder.
///
/// A damaged image is visited with the reason; other images are not affected.
///
/// # Errors
///
/// What reading folders gives; [`Error::Limit`] for more manifests than [`MANIFESTS_MAX`].
pub fn each(tree: &Tree, below: &str, visit: &mut dyn FnMut(ArchiveImage)) -> Result<()> {
    each_within(tree, below, MANIFESTS_MAX, visit, &mut |_, error| Err(error))
}

/// As [`each`], of at most `limit` bytes of manifests; `failed` decides about folders that cannot be read.
pub(crate) fn each_within(
    tree: &Tree,
    below: &str,
    limit: u64,
    visit: &mut dyn FnMut(ArchiveImage),
    failed: &mut dyn FnMut(&str, Error) -> Result<()>,
) -> Result<()> {
    // The folder may be a link; the paths that come back are below where it leads.
    let Some(below) = tree.resolve(below)? else { return Ok(()) };
    let mut reader = Reader { tree, limit, read: 0, places: HashMap::new(), digests: HashMap::new() };
    let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
    let mut visit = |folder: &str, files: Vec<TreeEntry>| {
        let place = folder.strip_prefix(&prefix).and_then(|place| place.rsplit_once('/'));
        let has_manifest = files.iter().any(|entry| entry.name == layout::IMAGE_MANIFEST);
        if let (Some((name, tag)), true) = (place, has_manifest) {
            visit(reader.image(name, tag, folder, files)?);
        }
        Ok(())
    };
    tree.each_folder_or(&below, &mut visit, failed)
}

/// The image in `folder`, which has this name and tag; `None` if there is no such folder, or no manifest in it.
///
/// # Errors
///
/// What reading the folder gives.
pub fn find(tree: &Tree, name: &str, tag: &str, folder: &str) -> Result<Option<ArchiveImage>> {
    let Some(folder) = tree.resolve(folder)? else { return Ok(None) };
    let files = tree.read_dir(&folder)?;
    if files.iter().all(|entry| entry.name != layout::IMAGE_MANIFEST) {
        return Ok(None);
    }
    let mut reader =
        Reader { tree, limit: MANIFESTS_MAX, read: 0, places: HashMap::new(), digests: HashMap::new() };
    reader.image(name, tag, &folder, files).map(Some)
}

/// All images that [`each`] visits.
///
/// # Errors
///
/// Those of [`each`].
pub fn list(tree: &Tree, below: &str) -> Result<Vec<ArchiveImage>> {
    let mut images = Vec::new();
    each(tree, below, &mut |image| images.push(image))?;
    Ok(images)
}

/// Reads the manifests of one archive, each content once.
struct Reader<'a> {
    tree: &'a Tree,
    /// The most bytes that are read, and how many were.
    limit: u64,
    read: u64,
    /// What lies at a place of an ISO: a forged one can put any number of manifests there.
    places: HashMap<Box<[LocationPiece]>, (Digest, Parsed)>,
    digests: HashMap<Digest, Parsed>,
}

type Parsed = std::result::Result<Arc<ManifestSummary>, Arc<str>>;

impl Reader<'_> {
    fn image(&mut self, name: &str, tag: &str, folder: &str, files: Vec<TreeEntry>) -> Result<ArchiveImage> {
        let mut manifest = Err(ImageDefect::NoManifest);
        let mut children = BTreeMap::new();
        let mut blobs = HashMap::new();
        for entry in files {
            let path = format!("{folder}/{}", entry.name);
            let (path, entry) = match entry.kind {
                EntryKind::File => (path, entry),
                // Deduplicated with links instead of hard links: the file it leads to inside the archive.
                EntryKind::Symlink(_) => match followed(self.tree, &path)? {
                    Some(found) => (path, TreeEntry { name: entry.name, ..found }),
                    None => continue,
                },
                EntryKind::Directory | EntryKind::Other => continue,
            };
            // A truncated image: as if the file were not there.
            if !self.tree.holds(&entry) {
                continue;
            }
            if entry.name == layout::IMAGE_MANIFEST {
                manifest = self.stored(path, entry, None)?;
            } else if let Some(digits) = entry.name.strip_suffix(".manifest.json") {
                if let Ok(digest) = Digest::from_hex(digits) {
                    children.insert(digest, self.stored(path, entry, Some(digest))?);
                }
            } else if let Ok(digest) = Digest::from_hex(&entry.name) {
                blobs.insert(digest, StoredBlob { path, entry });
            }
        }
        if let Err(reason) = images::reference::check_repository(name) {
            manifest = Err(ImageDefect::Name { name: name.to_owned(), reason });
        } else if let Err(reason) = images::reference::check_tag(tag) {
            manifest = Err(ImageDefect::Tag { tag: tag.to_owned(), reason });
        }
        let (name, tag, folder) = (name.to_owned(), tag.to_owned(), folder.to_owned());
        Ok(ArchiveImage { name, tag, folder, manifest, children, blobs })
    }

    /// Reads a manifest. The outer error is one of reading, the inner one a manifest that cannot be served.
    fn stored(
        &mut self,
        path: String,
        entry: TreeEntry,
        expected: Option<Digest>,
    ) -> Result<std::result::Result<Arc<StoredManifest>, ImageDefect>> {
        if entry.size > MANIFEST_MAX {
            return Ok(Err(ImageDefect::TooLarge { found: entry.size }));
        }
        let (digest, parsed) = match self.places.get(&entry.pieces) {
            Some(known) => known.clone(),
            None => match self.parsed(&path, &entry)? {
                Ok(parsed) => parsed,
                Err(error) => return Ok(Err(ImageDefect::Unreadable { reason: error.to_string() })),
            },
        };
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Ok(Err(ImageDefect::Digest { expected, found: digest }));
        }
        Ok(match parsed {
            Ok(manifest) => Ok(Arc::new(StoredManifest { digest, path, entry, manifest })),
            Err(reason) => Err(ImageDefect::Invalid { reason }),
        })
    }

    /// Reads what lies at a place and remembers it.
    fn parsed(&mut self, path: &str, entry: &TreeEntry) -> Result<std::io::Result<(Digest, Parsed)>> {
        self.read = self.read.saturating_add(entry.size);
        if self.read > self.limit {
            let what = format!("the bytes of all manifests in {}", self.tree.path().display());
            return Err(Error::Limit { what, limit: self.limit, found: self.read });
        }
        let bytes = match self.tree.locate_entry(path, entry)?.read_all() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let digest = Digest::of(&bytes);
        let parsed = self.digests.entry(digest).or_insert_with(|| match Manifest::parse(&bytes) {
            Ok(manifest) => Ok(Arc::new(ManifestSummary::of(&manifest))),
            Err(error) => Err(error.to_string().chars().take(REASON_MAX).collect::<String>().into()),
        });
        let found = (digest, parsed.clone());
        // In a folder a file has no place but its path.
        if !entry.pieces.is_empty() {
            self.places.insert(entry.pieces.clone(), found.clone());
        }
        Ok(Ok(found))
    }
}

fn followed(tree: &Tree, path: &str) -> Result<Option<TreeEntry>> {
    match tree.resolve(path) {
        Ok(Some(target)) => Ok(tree.entry(&target)?.filter(|entry| entry.kind == EntryKind::File)),
        Ok(None) | Err(Error::Path { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
