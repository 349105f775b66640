//! What differs between two archives.

use archive::diff::{
    Comparison, FileDifference, FileState, ImageDifference, ImagePackageDifference, PackageChange,
    PackageDifference, Sameness, TaggedDigest,
};
use archive::inspect::Inspection;
use schemars::JsonSchema;
use serde::Serialize;

use super::archives::ProductDocument;
use super::text;
use crate::output::document::Document;

/// What differs between two archives.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveDiffDocument {
    /// The first archive.
    former: ComparedArchive,
    /// The second archive.
    new: ComparedArchive,
    /// How much they have in common.
    sameness: SamenessWord,
    /// The images that differ.
    images: Vec<ChangedImage>,
    /// The packages that differ.
    packages: Vec<ChangedPackage>,
    /// The packages in images that differ, if both archives have an SBOM of the image.
    image_packages: Vec<ChangedImagePackage>,
    /// The other files and links that differ. Files that follow from others are left out unless nothing else differs: the registry
    /// index, the metadata of package repositories, SBOMs, `SHA256SUMS` and `LINKS.mtree`.
    files: Vec<ChangedFile>,
}

impl Document for ArchiveDiffDocument {
    const KIND: &'static str = "ArchiveDiff";
}

/// One of two archives that are compared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ComparedArchive {
    /// Its path.
    path: String,
    /// Null if the archive has neither `product.txt` nor `manifest.yaml`.
    product: Option<ProductDocument>,
    /// The number of its files.
    files: u64,
    /// The bytes of its files.
    bytes: u64,
    /// The size of the ISO; null for a folder.
    iso_bytes: Option<u64>,
    /// The bytes of the content that the other archive does not have. Shared content counts once.
    own_bytes: u64,
}

/// How much two archives have in common.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SamenessWord {
    /// The files and links are equal, and two ISOs are equal byte for byte.
    Identical,
    /// The files and links are equal. The ISOs differ elsewhere: in dates, the volume ID, the order of the files, or what is outside
    /// of files.
    SameFiles,
    /// Files or links differ.
    Different,
}

/// A file or symbolic link that differs.
#[derive(Debug, Serialize, JsonSchema)]
struct ChangedFile {
    /// The path relative to the root of the archive.
    path: String,
    /// Null if the first archive does not have it.
    former: Option<ComparedFile>,
    /// Null if the second archive does not have it.
    new: Option<ComparedFile>,
}

/// A file or symbolic link of an archive.
#[derive(Debug, Serialize, JsonSchema)]
struct ComparedFile {
    /// The size of a file; 0 for a link.
    bytes: u64,
    /// Whether a file can be executed.
    executable: bool,
    /// The digest of a file; null if the comparison did not need it.
    digest: Option<String>,
    /// The target of a link; null for a file.
    target: Option<String>,
}

/// An image that differs between two archives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangedImage {
    /// The name.
    name: String,
    /// Its tags that only the former archive has, or has with this digest.
    former: Vec<TaggedImage>,
    /// Its tags that only the new archive has, or has with this digest.
    new: Vec<TaggedImage>,
}

/// A tag and its digest.
#[derive(Debug, Serialize, JsonSchema)]
struct TaggedImage {
    /// The tag.
    tag: String,
    /// The digest of the manifest or index; null if it cannot be read.
    digest: Option<String>,
}

/// A package that differs between two archives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangedPackage {
    /// The repository: its folder below `packages/`.
    repository: String,
    /// The name.
    name: String,
    /// The architecture.
    arch: String,
    /// How it differs.
    change: ChangeWord,
    /// The versions with releases that only the former archive has.
    former: Vec<String>,
    /// The versions with releases that only the new archive has.
    new: Vec<String>,
}

/// A package in an image that differs between two archives.
#[derive(Debug, Serialize, JsonSchema)]
struct ChangedImagePackage {
    /// The name of the image.
    image: String,
    /// `rpm`, `deb`, `apk`, `pypi`, `npm`, `golang` or `generic`.
    ecosystem: &'static str,
    /// The name of the package.
    name: String,
    /// The architecture; empty if it has none.
    arch: String,
    /// How it differs.
    change: ChangeWord,
    /// The versions that only the former image has.
    former: Vec<String>,
    /// The versions that only the new image has.
    new: Vec<String>,
}

impl From<&ImagePackageDifference> for ChangedImagePackage {
    fn from(one: &ImagePackageDifference) -> Self {
        Self {
            image: one.image.clone(),
            ecosystem: one.ecosystem.name(),
            name: one.name.clone(),
            arch: one.arch.clone(),
            change: one.change().into(),
            former: one.former.clone(),
            new: one.new.clone(),
        }
    }
}

/// How a package differs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ChangeWord {
    /// Only the second archive has it.
    Added,
    /// Only the first archive has it.
    Removed,
    /// A higher version.
    Upgraded,
    /// A lower version.
    Downgraded,
    /// Other versions: several, or of a Debian package in a repository.
    Changed,
}

impl From<PackageChange> for ChangeWord {
    fn from(change: PackageChange) -> Self {
        match change {
            PackageChange::Added => Self::Added,
            PackageChange::Removed => Self::Removed,
            PackageChange::Upgraded => Self::Upgraded,
            PackageChange::Downgraded => Self::Downgraded,
            PackageChange::Changed => Self::Changed,
        }
    }
}

impl From<&ImageDifference> for ChangedImage {
    fn from(one: &ImageDifference) -> Self {
        let tagged = |one: &TaggedDigest| TaggedImage { tag: one.tag.clone(), digest: one.digest.clone() };
        Self {
            name: one.name.clone(),
            former: one.former.iter().map(tagged).collect(),
            new: one.new.iter().map(tagged).collect(),
        }
    }
}

impl From<&PackageDifference> for ChangedPackage {
    fn from(one: &PackageDifference) -> Self {
        Self {
            repository: one.repository.clone(),
            name: one.name.clone(),
            arch: one.arch.clone(),
            change: one.change().into(),
            former: one.former.clone(),
            new: one.new.clone(),
        }
    }
}

impl From<&FileState> for ComparedFile {
    fn from(state: &FileState) -> Self {
        Self {
            bytes: state.size,
            executable: state.executable,
            digest: state.digest.map(|digest| digest.to_string()),
            target: state.target.clone(),
        }
    }
}

impl From<&FileDifference> for ChangedFile {
    fn from(one: &FileDifference) -> Self {
        Self {
            path: one.path.clone(),
            former: one.former.as_ref().map(Into::into),
            new: one.new.as_ref().map(Into::into),
        }
    }
}

impl From<&Comparison> for ArchiveDiffDocument {
    fn from(found: &Comparison) -> Self {
        let archive = |one: &Inspection, own_bytes| ComparedArchive {
            path: text(&one.archive),
            product: one.product.as_ref().map(Into::into),
            files: one.files,
            bytes: one.bytes,
            iso_bytes: one.image_bytes,
            own_bytes,
        };
        Self {
            former: archive(&found.former, found.former_bytes),
            new: archive(&found.new, found.new_bytes),
            sameness: match found.sameness {
                Sameness::Identical => SamenessWord::Identical,
                Sameness::SameFiles => SamenessWord::SameFiles,
                Sameness::Different => SamenessWord::Different,
            },
            images: found.contents.images.iter().map(Into::into).collect(),
            packages: found.contents.packages.iter().map(Into::into).collect(),
            image_packages: found.image_packages.iter().map(Into::into).collect(),
            files: found.files.iter().map(Into::into).collect(),
        }
    }
}
