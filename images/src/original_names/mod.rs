//! The references that images were published under, and where their images are.
//!
//! Images are in folders such as `images/nginx/1.25`, which do not say that charts call this image
//! `docker.io/library/nginx:1.25`. The file [`FILE`] beside the folders says it:
//!
//! ```json
//! {
//!   "schemaVersion": 1,
//!   "images": {
//!     "nginx:1.25": [
//!       "docker.io/library/nginx:1.25"
//!     ]
//!   }
//! }
//! ```
//!
//! The keys are names and tags of folders. The values are [`OriginalReference`]s, in one spelling only. An image may have
//! several, and images that did not come from a registry have none. A folder that is not listed is not an error, and neither
//! is a listed folder that does not exist.

mod file;
mod reference;
mod requested;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use content::Digest;
use serde::{Deserialize, Serialize};

pub use self::file::OriginalNamesFile;
pub use self::reference::{OriginalReference, canonical_host, host_of_part, host_part};
pub use self::requested::{NameMeaning, RequestedRegistry};
use crate::json;
use crate::reference::{Reference, check_repository, check_tag};

/// The name of the file in the folder of images.
pub const FILE: &str = "original-names.json";
/// The maximum size of the file in bytes. With references of usual length, this is about 100,000 images.
pub const FILE_MAX: u64 = 16 << 20;
/// The version of the format.
const SCHEMA_VERSION: u32 = 1;

/// The folder of an image in a folder of images: `<name>/<tag>`, written `name:tag`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The name, such as `nginx` or `library/nginx`.
    pub name: String,
    /// The tag.
    pub tag: String,
}

impl Place {
    /// The folder of the image in the folder `images`.
    #[must_use]
    pub fn folder(&self, images: &Path) -> PathBuf {
        images.join(&self.name).join(&self.tag)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl FromStr for Place {
    type Err = OriginalNamesError;

    fn from_str(text: &str) -> Result<Self, OriginalNamesError> {
        let bad = |reason: String| OriginalNamesError::Place { place: shown(text), reason };
        let (name, tag) = text.split_once(':').ok_or_else(|| bad("must be NAME:TAG".into()))?;
        check_repository(name).map_err(|reason| bad(format!("the name {reason}")))?;
        check_tag(tag).map_err(|reason| bad(format!("the tag {reason}")))?;
        Ok(Self { name: name.into(), tag: tag.into() })
    }
}

/// The original references of the images in a folder.
///
/// ```
/// use images::original_names::{OriginalNames, Place};
///
/// let mut names = OriginalNames::default();
/// let place: Place = "nginx:1.25".parse()?;
/// names.insert(&place, &"nginx:1.25".parse()?);
/// assert_eq!(names.lookup("docker.io", "library/nginx", "1.25"), Some(&place));
/// assert_eq!(OriginalNames::read(&names.write())?, names);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginalNames {
    /// The references of each image. No set is empty.
    images: BTreeMap<Place, BTreeSet<OriginalReference>>,
    /// The same, from the other side: host, repository, and the places of each tag or digest in it.
    hosts: BTreeMap<String, BTreeMap<String, Repository>>,
}

/// A repository of a registry, as far as images of it are in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Repository {
    tags: BTreeMap<String, BTreeSet<Place>>,
    digests: BTreeMap<Digest, BTreeSet<Place>>,
}

/// The file, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    #[serde(default)]
    images: BTreeMap<String, Vec<String>>,
}

/// Only the version, which decides about the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: u32,
}

impl OriginalNames {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// The bytes are too many, are not JSON that every client reads alike, have another version, or hold a place or a reference
    /// that is not in the one spelling.
    pub fn read(bytes: &[u8]) -> Result<Self, OriginalNamesError> {
        if bytes.len() as u64 > FILE_MAX {
            return Err(OriginalNamesError::TooLarge);
        }
        let bad = |error: serde_json::Error| OriginalNamesError::Json { reason: shown(&error.to_string()) };
        let Version { schema_version } = json::parse(bytes, &json::ORIGINAL_NAMES).map_err(bad)?;
        if schema_version != SCHEMA_VERSION {
            return Err(OriginalNamesError::Version { found: schema_version });
        }
        let document: Document = serde_json::from_slice(bytes).map_err(bad)?;
        let mut names = Self::default();
        for (place, references) in document.images {
            let place: Place = place.parse()?;
            for reference in references {
                names.add(&place, reference.parse()?);
            }
        }
        Ok(names)
    }

    /// The bytes of the file: sorted, indented, with a newline at the end. Equal content gives equal bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let images = self.images.iter().map(|(place, references)| {
            let mut references: Vec<String> = references.iter().map(ToString::to_string).collect();
            references.sort_unstable();
            (place.to_string(), references)
        });
        let document = Document { schema_version: SCHEMA_VERSION, images: images.collect() };
        // Strings, a number and a map with keys of text: nothing that JSON cannot hold.
        let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Whether no image has an original reference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Records that the image at `place` came from `reference`; whether this is new. See [`OriginalReference::of`] for what is
    /// kept of a reference.
    pub fn insert(&mut self, place: &Place, reference: &Reference) -> bool {
        self.add(place, OriginalReference::of(reference))
    }

    /// As [`OriginalNames::insert`], with a reference in its one spelling.
    pub fn add(&mut self, place: &Place, reference: OriginalReference) -> bool {
        let hosts = self.hosts.entry(reference.host().to_owned()).or_default();
        let repository = hosts.entry(reference.repository().to_owned()).or_default();
        match reference.digest() {
            None => repository.tags.entry(reference.tag().unwrap_or_default().to_owned()).or_default(),
            Some(digest) => repository.digests.entry(*digest).or_default(),
        }
        .insert(place.clone());
        self.images.entry(place.clone()).or_default().insert(reference)
    }

    /// Forgets that the image at `place` came from `reference`.
    pub fn remove(&mut self, place: &Place, reference: &OriginalReference) {
        let mut references = self.images.remove(place).unwrap_or_default();
        references.remove(reference);
        self.retain(|_| true);
        for reference in references {
            self.add(place, reference);
        }
    }

    /// Forgets the images for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&Place) -> bool) {
        let mut kept = Self::default();
        for (place, references) in std::mem::take(&mut self.images) {
            if keep(&place) {
                for reference in references {
                    kept.add(&place, reference);
                }
            }
        }
        *self = kept;
    }

    /// All images that have original references, sorted, with these references.
    pub fn images(&self) -> impl Iterator<Item = (&Place, &BTreeSet<OriginalReference>)> {
        self.images.iter()
    }

    /// The original references of the image at `place`, sorted.
    pub fn of(&self, place: &Place) -> impl Iterator<Item = &OriginalReference> {
        self.images.get(place).into_iter().flatten()
    }

    /// The hosts of all original references, sorted, as [`canonical_host`] returns them.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// Whether an image came from this host, as [`canonical_host`] returns it.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// The repositories of a host, sorted.
    pub fn repositories(&self, host: &str) -> impl Iterator<Item = &str> {
        self.hosts.get(host).into_iter().flat_map(|repositories| repositories.keys().map(String::as_str))
    }

    /// The image of a tag of an original repository. Where several folders hold it, they hold the same image in every valid
    /// archive; this is the first.
    #[must_use]
    pub fn lookup(&self, host: &str, repository: &str, tag: &str) -> Option<&Place> {
        self.repository(host, repository)?.tags.get(tag)?.first()
    }

    /// The tags of an original repository, sorted, with the places of their images. Images that were pulled by digest alone
    /// have no tag.
    pub fn tags(&self, host: &str, repository: &str) -> impl Iterator<Item = (&str, &BTreeSet<Place>)> {
        let tags = self.repository(host, repository).into_iter().flat_map(|found| &found.tags);
        tags.map(|(tag, places)| (tag.as_str(), places))
    }

    /// The images of an original repository that were pulled by digest alone, with their places.
    pub fn digests(&self, host: &str, repository: &str) -> impl Iterator<Item = (&Digest, &BTreeSet<Place>)> {
        self.repository(host, repository).into_iter().flat_map(|found| &found.digests)
    }

    /// The places of all images of an original repository, sorted, each once.
    #[must_use]
    pub fn places(&self, host: &str, repository: &str) -> BTreeSet<&Place> {
        let tagged = self.tags(host, repository).flat_map(|(_, places)| places);
        tagged.chain(self.digests(host, repository).flat_map(|(_, places)| places)).collect()
    }

    fn repository(&self, host: &str, repository: &str) -> Option<&Repository> {
        self.hosts.get(host)?.get(repository)
    }
}

/// What makes bytes no file of original references.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginalNamesError {
    /// More than [`FILE_MAX`] bytes.
    #[error("larger than {FILE_MAX} bytes")]
    TooLarge,
    /// Not JSON, or JSON with other types of values, or with a key that is given twice.
    #[error("invalid JSON: {reason}")]
    Json {
        /// What is wrong, and where.
        reason: String,
    },
    /// Another version of the format.
    #[error("schemaVersion {found} is not supported; this version of Sealift reads {SCHEMA_VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// A key that is not the name and the tag of an image.
    #[error("`{place}` is not the name and tag of an image: {reason}")]
    Place {
        /// The key, printable and cut to 300 characters.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that is not an original reference.
    #[error("`{reference}` is not an original reference: {reason}")]
    Reference {
        /// The value, printable and cut to 300 characters.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Text from outside, for a message.
fn shown(text: &str) -> String {
    content::printable(text).to_string().chars().take(300).collect()
}

#[cfg(test)]
mod tests;
