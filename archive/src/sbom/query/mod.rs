//! Which images and repositories of an archive hold a package: `openssl < 3.0.15`.

mod apk;
mod order;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use self::order::compare_versions;
use content::{Digest, printable};
use images::pull::is_attached_tag;
use iso::ByteProgress;

use super::component::Component;
use super::spdx::{self, Document, image_document};
use super::{ImageReader, each_image_document};
use crate::image::ArchiveImage;
use crate::layout::PathOwner;
use crate::tree::EntryKind;
use crate::{Result, Tree, image, layout};

/// The longest query, in bytes.
const QUERY_MAX: usize = 1024;
/// The operators, those that others start with last.
const OPERATORS: [(&str, Operator); 7] = [
    ("<=", Operator::NotNewer),
    (">=", Operator::NotOlder),
    ("==", Operator::Equal),
    ("!=", Operator::Different),
    ("<", Operator::Older),
    (">", Operator::Newer),
    ("=", Operator::Equal),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Older,
    NotNewer,
    Equal,
    Different,
    NotOlder,
    Newer,
}

/// The packages that are asked for: `NAME`, or `NAME < VERSION` with one of `< <= = != >= >`. An empty query asks for all.
///
/// A name can have `*` for any text. Capitals do not count. The name of a source package stands for all that were built from it.
///
/// ```
/// let query: archive::sbom::PackageQuery = "openssl < 3.0.15".parse()?;
/// assert_eq!(query.to_string(), "openssl < 3.0.15");
/// assert!("< 3.0.15".parse::<archive::sbom::PackageQuery>().is_err());
/// # Ok::<(), archive::sbom::PackageQueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageQuery {
    text: String,
    name: String,
    condition: Option<(Operator, String)>,
}

/// A query that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query `{}` is invalid: expected NAME, or NAME < VERSION with one of <, <=, =, !=, >=, >", printable(.0))]
pub struct PackageQueryError(String);

impl FromStr for PackageQuery {
    type Err = PackageQueryError;

    fn from_str(text: &str) -> std::result::Result<Self, PackageQueryError> {
        let wrong = || PackageQueryError(text.chars().take(100).collect());
        if text.len() > QUERY_MAX {
            return Err(wrong());
        }
        let text = text.trim();
        let Some(start) = text.find(['<', '>', '=', '!']) else {
            if text.contains(char::is_whitespace) {
                return Err(wrong());
            }
            return Ok(Self { text: text.to_owned(), name: text.to_lowercase(), condition: None });
        };
        let (name, rest) = text.split_at(start);
        let found =
            OPERATORS.iter().find_map(|(sign, operator)| Some((sign, operator, rest.strip_prefix(sign)?)));
        let (sign, operator, version) = found.ok_or_else(wrong)?;
        let (name, version) = (name.trim(), version.trim());
        let is_word =
            |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "<>=".contains(c));
        if !is_word(name) || !is_word(version) {
            return Err(wrong());
        }
        let text = format!("{name} {sign} {version}");
        Ok(Self { text, name: name.to_lowercase(), condition: Some((*operator, version.to_owned())) })
    }
}

impl fmt::Display for PackageQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PackageQuery {
    /// Whether a package is asked for.
    #[must_use]
    pub fn matches(&self, component: &Component) -> bool {
        let is_named = self.name.is_empty()
            || is_like(&self.name, &component.name.to_lowercase())
            || is_like(&self.name, &source_name(&component.source).to_lowercase());
        let Some((operator, version)) = self.condition.as_ref().filter(|_| is_named) else { return is_named };
        let order = order::compare(component.ecosystem, &component.version, version);
        match operator {
            Operator::Older => order == Ordering::Less,
            Operator::NotNewer => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::Different => order != Ordering::Equal,
            Operator::NotOlder => order != Ordering::Less,
            Operator::Newer => order == Ordering::Greater,
        }
    }
}

/// The name in the qualifier `upstream`, which others write as `NAME@VERSION` or as the file name of a source RPM.
fn source_name(source: &str) -> &str {
    if let Some(file) = source.strip_suffix(".src.rpm") {
        return file
            .rsplit_once('-')
            .and_then(|(rest, _)| rest.rsplit_once('-'))
            .map_or(file, |(name, _)| name);
    }
    source.split('@').next().unwrap_or_default()
}

/// Whether a name has the form of a pattern, in which `*` stands for any text.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = rest.get(place + part.len()..).unwrap_or_default();
    }
    rest.ends_with(end)
}

/// What holds a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageHolder {
    /// An image.
    Image {
        /// Its name.
        name: String,
        /// Its tag.
        tag: String,
    },
    /// A repository of packages.
    Repository {
        /// Its folder below `packages/`.
        folder: String,
    },
}

impl fmt::Display for PackageHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { name, tag } => write!(f, "image {}:{}", printable(name), printable(tag)),
            Self::Repository { folder } => write!(f, "repository {}", printable(folder)),
        }
    }
}

/// The packages that a query found.
#[derive(Debug)]
pub struct FoundPackages {
    /// The packages with what holds them, sorted, each once.
    pub packages: Vec<(PackageHolder, Component)>,
    /// What is not known about the content of images.
    pub notes: Vec<(PackageHolder, String)>,
    /// How many images were read because the archive has no usable SBOM of them.
    pub images_read: usize,
}

/// An archive whose packages are about to be searched. Its SBOMs are used; an image without a usable one is read.
#[derive(Debug)]
pub struct PackageSearch {
    tree: Tree,
    /// The SBOMs of images by their paths, each with the digest of the image that the archive has there.
    documents: BTreeMap<String, Option<Digest>>,
    images: Vec<ArchiveImage>,
    /// Images that cannot be read, and why.
    defects: Vec<(PackageHolder, String)>,
}

impl PackageSearch {
    /// Opens an archive: an ISO, a mount point or a folder.
    ///
    /// # Errors
    ///
    /// The archive cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let tree = Tree::open(path)?;
        let folder = format!("{}/{}", layout::ATTESTATIONS, layout::IMAGES);
        let files = tree.walk_below(&folder)?.into_iter().filter(|(_, entry)| entry.kind == EntryKind::File);
        let mut documents: BTreeMap<String, Option<Digest>> = files.map(|(path, _)| (path, None)).collect();
        let (mut images, mut defects) = (Vec::new(), Vec::new());
        image::each(&tree, layout::IMAGES, &mut |image| {
            let document = documents.get_mut(&layout::image_sbom(&image.name, &image.tag));
            if let Some(digest) = document {
                *digest = image.manifest.as_ref().ok().map(|stored| stored.digest);
                return;
            }
            if is_attached_tag(&image.tag) {
                return;
            }
            match &image.manifest {
                Ok(_) => images.push(image),
                Err(defect) => {
                    let holder = PackageHolder::Image { name: image.name, tag: image.tag };
                    defects.push((holder, format!("it cannot be read: {defect}")));
                }
            }
        })?;
        Ok(Self { tree, documents, images, defects })
    }

    /// The bytes of the images that are read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let blobs = self.images.iter().flat_map(|image| image.blobs.values());
        blobs.fold(0, |sum, blob| sum.saturating_add(blob.entry.size))
    }

    /// Searches. Files without a name are created in the folder `scratch`; `progress` gets [`PackageSearch::bytes`].
    ///
    /// # Errors
    ///
    /// The archive cannot be read.
    pub fn run(
        &self,
        query: &PackageQuery,
        scratch: &Path,
        progress: &dyn ByteProgress,
    ) -> Result<FoundPackages> {
        let notes = self.defects.clone();
        let mut found = FoundPackages { packages: Vec::new(), notes, images_read: self.images.len() };
        let mut unusable = Vec::new();
        each_image_document(&self.tree, &mut |path, document| {
            let Some((name, tag)) = place_of(path) else { return Ok(()) };
            let holder = PackageHolder::Image { name: name.to_owned(), tag: tag.to_owned() };
            let digest = self.documents.get(path).copied().flatten();
            let problem = match document {
                Ok(document) => match digest.filter(|digest| document.subject() != Some(*digest)) {
                    Some(_) => "its SBOM is about another image".to_owned(),
                    None => {
                        found.add_image(query, &holder, &document);
                        return Ok(());
                    }
                },
                Err(reason) => format!("its SBOM cannot be read: {reason}"),
            };
            match digest {
                Some(_) => {
                    found.notes.push((holder, format!("{problem}; the image was read")));
                    unusable.push((name.to_owned(), tag.to_owned()));
                }
                None => found.notes.push((holder, problem)),
            }
            Ok(())
        })?;
        let reader = ImageReader::new(&self.tree, scratch)?;
        let mut read = |image: &ArchiveImage, progress: &dyn ByteProgress| -> Result<()> {
            let Some(contents) = reader.read(image, progress)? else { return Ok(()) };
            let holder = PackageHolder::Image { name: image.name.clone(), tag: image.tag.clone() };
            found.add_image(query, &holder, &image_document(&contents, None, ""));
            Ok(())
        };
        for image in &self.images {
            read(image, progress)?;
        }
        for (name, tag) in &unusable {
            let image = image::find(&self.tree, name, tag, &layout::image_folder(name, tag))?;
            image.iter().try_for_each(|image| read(image, &Unplanned(progress)))?;
        }
        found.images_read += unusable.len();
        self.repositories(query, &mut found)?;
        found.packages.sort();
        found.packages.dedup();
        Ok(found)
    }

    /// Searches the repositories of packages: in the SBOM of the archive, else in their files.
    fn repositories(&self, query: &PackageQuery, found: &mut FoundPackages) -> Result<()> {
        let mut add = |path: &str, component: Component| {
            if let PathOwner::Package { repository, .. } = layout::owner(path)
                && query.matches(&component)
            {
                found.packages.push((PackageHolder::Repository { folder: repository }, component));
            }
        };
        if self.tree.entry(layout::ARCHIVE_SBOM)?.is_some_and(|entry| entry.kind == EntryKind::File) {
            let bytes = self.tree.read(layout::ARCHIVE_SBOM, spdx::DOCUMENT_MAX)?;
            if let Ok(document) = Document::read(&bytes) {
                for (package, component) in document.components() {
                    add(package.package_file_name.trim_start_matches("./"), component);
                }
                return Ok(());
            }
        }
        for (path, entry) in self.tree.walk_below(layout::PACKAGES)? {
            if entry.kind != EntryKind::File {
                continue;
            }
            // A file that is no package is damage, which `archive verify` reports.
            if let Ok(Some(component)) = spdx::package_in(&self.tree, &path) {
                add(&path, component);
            }
        }
        Ok(())
    }
}

impl FoundPackages {
    fn add_image(&mut self, query: &PackageQuery, holder: &PackageHolder, document: &Document) {
        let matching = document.components().map(|(_, component)| component).filter(|one| query.matches(one));
        self.packages.extend(matching.map(|component| (holder.clone(), component)));
        self.notes.extend(document.comment.iter().map(|comment| (holder.clone(), comment.clone())));
    }
}

/// The name and tag of the image that the archive has for a document, by its path.
fn place_of(path: &str) -> Option<(&str, &str)> {
    let place = path.strip_prefix(layout::ATTESTATIONS)?.strip_prefix('/')?.strip_prefix(layout::IMAGES)?;
    place.strip_prefix('/')?.strip_suffix(layout::SBOM_EXTENSION)?.rsplit_once('/')
}

/// The progress of bytes that no total includes.
struct Unplanned<'a>(&'a dyn ByteProgress);

impl ByteProgress for Unplanned<'_> {
    fn advance(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[cfg(test)]
mod tests;
