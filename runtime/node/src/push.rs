//! Pushing the images of an archive to a registry.
//!
//! [`ArchiveImages`] lets [`images::push`] read them straight from the ISO, without unpacking.
//!
//! ```no_run
//! use images::RegistrySession;
//! use images::push::{RegistryOptions, push};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let images = node::push::ArchiveImages::open("metalk8s-2.11.0.iso".as_ref())?;
//! let requests = images.requests("registry.example/mirror/metalk8s-2.11.0")?;
//! push(&requests, images, &RegistrySession::new(RegistryOptions::default()), &())?;
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use archive::tree::{Location, TreeEntry};
use archive::{Product, Tree, image, layout, product};
use content::Digest;
use images::push::{BlobSource, PushRequest};
use images::reference;

/// The images of an archive cannot be pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// An image is incomplete.
    #[error("{archive}: image {name}:{tag} cannot be pushed: {problem}")]
    NotWhole {
        /// The archive.
        archive: String,
        /// The image's name.
        name: String,
        /// Its tag.
        tag: String,
        /// What is missing.
        problem: String,
    },
    /// The target with the name of an image is not a valid reference.
    #[error(transparent)]
    Reference(#[from] reference::ReferenceError),
}

/// The images of an archive, by digest.
#[derive(Debug)]
pub struct ArchiveImages {
    tree: Tree,
    product: Option<Product>,
    named: Vec<Named>,
    places: HashMap<Digest, (String, TreeEntry)>,
}

#[derive(Debug)]
struct Named {
    name: String,
    tag: String,
    digest: Digest,
}

impl ArchiveImages {
    /// Opens an archive: an ISO file, or the folder it is mounted or unpacked at.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`], [`Error::NotWhole`].
    pub fn open(archive: &Path) -> Result<Self, Error> {
        let tree = Tree::open(archive)?;
        let product = product::of(&tree)?;
        let (mut named, mut places) = (Vec::new(), HashMap::new());
        for found in image::list(&tree, layout::IMAGES)? {
            let whole = found.whole().and(found.manifest.as_ref().map_err(Clone::clone));
            let digest = match whole {
                Ok(stored) => stored.digest,
                Err(defect) => {
                    let problem = defect.to_string();
                    let (archive, name, tag) = (archive.display().to_string(), found.name, found.tag);
                    return Err(Error::NotWhole { archive, name, tag, problem });
                }
            };
            for stored in found.stored() {
                places.entry(stored.digest).or_insert_with(|| (stored.path.clone(), stored.entry.clone()));
            }
            for (digest, blob) in found.blobs {
                places.entry(digest).or_insert((blob.path, blob.entry));
            }
            named.push(Named { name: found.name, tag: found.tag, digest });
        }
        Ok(Self { tree, product, named, places })
    }

    /// The product information of the archive.
    #[must_use]
    pub fn product(&self) -> Option<&Product> {
        self.product.as_ref()
    }

    /// The total size of all manifests and blobs, each counted once: the maximum that a push sends.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.places.values().fold(0, |sum, (_, entry)| sum.saturating_add(entry.size))
    }

    /// Every image with its tag, as `<to>/<name>:<tag>`; `to` is a registry with or without a path.
    ///
    /// # Errors
    ///
    /// [`Error::Reference`] if that is not a valid reference.
    pub fn requests(&self, to: &str) -> Result<Vec<PushRequest>, Error> {
        let request = |Named { name, tag, digest }: &Named| {
            let reference = format!("{}/{name}:{tag}", to.trim_end_matches('/')).parse()?;
            Ok(PushRequest { reference, digest: *digest })
        };
        self.named.iter().map(request).collect()
    }
}

impl BlobSource for ArchiveImages {
    fn size(&self, digest: &Digest) -> images::error::Result<Option<u64>> {
        Ok(self.places.get(digest).map(|(_, entry)| entry.size))
    }

    fn open(&self, digest: &Digest) -> images::error::Result<Box<dyn Read + Send>> {
        let failed = |reason: String| images::Error::Layout { path: self.tree.path().to_path_buf(), reason };
        let (path, entry) =
            self.places.get(digest).ok_or_else(|| failed(format!("{digest} is not in it")))?;
        let location = self.tree.locate_entry(path, entry).map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(Reader { location, position: 0 }))
    }
}

/// The bytes of a file, in order.
struct Reader {
    location: Location,
    position: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.location.read_at(self.position, buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}
