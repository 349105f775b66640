//! Container images, folders of them, and the content store.

use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::{Document, List};

/// An image in a folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Image")]
pub(crate) struct ImageDocument {
    /// The name of the image.
    pub(crate) name: String,
    /// Its tag.
    pub(crate) tag: String,
    /// The digest of the manifest or index.
    pub(crate) digest: String,
    /// The media type of the manifest or index.
    pub(crate) media_type: String,
    /// The bytes of its blobs.
    pub(crate) bytes: u64,
}

impl Document for List<ImageDocument> {
    const KIND: &'static str = "ImageList";
}

/// The check of a folder of images.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageCheck {
    /// The number of images that can be read.
    pub(crate) images: usize,
    /// What is wrong, sorted by path.
    pub(crate) problems: Vec<ImageProblem>,
}

impl Document for ImageCheck {
    const KIND: &'static str = "ImageCheck";
}

/// One thing that is wrong with an image.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImageProblem {
    /// The file, relative to the folder.
    path: String,
    /// What is wrong.
    problem: String,
}

impl From<&images::check::ImageFinding> for ImageProblem {
    fn from(problem: &images::check::ImageFinding) -> Self {
        Self { path: text(&problem.path), problem: problem.to_string() }
    }
}

/// The check of the content store.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentStoreCheck {
    /// The folder of the content store.
    pub(crate) store: String,
    /// The number of files that were read.
    pub(crate) files: usize,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The files that were damaged and are removed, sorted by path.
    pub(crate) damaged: Vec<DamagedContent>,
}

impl Document for ContentStoreCheck {
    const KIND: &'static str = "ContentStoreCheck";
}

/// A file whose content does not have the digest in its name.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DamagedContent {
    /// The path of the file.
    pub(crate) path: String,
    /// The digest of its content; null if it is no regular file.
    pub(crate) found: Option<String>,
    /// The number of folders that share the file.
    pub(crate) linked: u64,
}

/// The pruning of the content store.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContentStorePruning {
    /// The folder of the content store.
    pub(crate) store: String,
    /// Whether nothing was removed.
    pub(crate) dry_run: bool,
    /// The files that were removed, or would be.
    pub(crate) removed: ContentSum,
    /// The files that stay although nothing uses them.
    pub(crate) kept: ContentSum,
    /// The files that stay because folders of images share them.
    pub(crate) in_use: ContentSum,
}

impl Document for ContentStorePruning {
    const KIND: &'static str = "ContentStorePruning";
}

/// A number of files and their bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Sum")]
pub(crate) struct ContentSum {
    /// The number of files.
    files: usize,
    /// Their size.
    bytes: u64,
}

impl From<images::store::FileTotals> for ContentSum {
    fn from(sum: images::store::FileTotals) -> Self {
        Self { files: sum.files, bytes: sum.bytes }
    }
}

/// The registry tree of a folder of images.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RegistryIndex {
    /// The folder of the registry tree.
    pub(crate) registry: String,
    /// The number of images.
    pub(crate) images: usize,
}

impl Document for RegistryIndex {
    const KIND: &'static str = "RegistryIndex";
}

/// The images that files name.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FoundImages")]
pub(crate) struct FoundImagesDocument {
    /// The number of files that were read.
    pub(crate) files: usize,
    /// The images, sorted by reference.
    pub(crate) images: Vec<FoundImageDocument>,
    /// The places whose image only the program that renders the file knows.
    pub(crate) computed: Vec<ComputedImageDocument>,
    /// The files and charts that were not read in full.
    pub(crate) incomplete: Vec<IncompleteFileDocument>,
}

impl Document for FoundImagesDocument {
    const KIND: &'static str = "FoundImages";
}

/// An image that files name.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FoundImage")]
pub(crate) struct FoundImageDocument {
    /// The reference in full.
    pub(crate) reference: String,
    /// How certain it is that a cluster pulls it.
    pub(crate) certainty: CertaintyDocument,
    /// Whether a place names neither tag nor digest, so that `latest` is assumed.
    pub(crate) untagged: bool,
    /// Whether the archive of `--check` has it; null without `--check` and for images that are not checked.
    pub(crate) in_archive: Option<bool>,
    /// The places that name it.
    pub(crate) places: Vec<FoundPlaceDocument>,
}

/// A place that names an image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FoundPlace")]
pub(crate) struct FoundPlaceDocument {
    /// The file.
    pub(crate) path: String,
    /// The line, from 1; null if helm rendered the file.
    pub(crate) line: Option<u64>,
    /// The rule that found it: `container`, `image-volume`, `service`, `key`, `values`, `text`.
    pub(crate) rule: &'static str,
}

/// How certain it is that a cluster pulls an image.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Certainty")]
pub(crate) enum CertaintyDocument {
    /// A key names it by the definition of its format.
    Certain,
    /// A key that usually names an image.
    Likely,
    /// Text that looks like a reference in full.
    Maybe,
}

/// A place whose image is computed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ComputedImage")]
pub(crate) struct ComputedImageDocument {
    /// The file.
    pub(crate) path: String,
    /// The line, from 1; null if helm rendered the file.
    pub(crate) line: Option<u64>,
    /// What the file says.
    pub(crate) written: String,
}

/// A file or chart that was not read in full.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IncompleteFile")]
pub(crate) struct IncompleteFileDocument {
    /// The file or the folder of the chart.
    pub(crate) path: String,
    /// Why.
    pub(crate) reason: String,
}
