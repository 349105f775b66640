//! Finding the images that manifests, charts, compose files and Salt files name.
//!
//! | file | read as | certainty |
//! | --- | --- | --- |
//! | Kubernetes objects, in YAML or JSON | containers and image volumes, however deep in the object | certain |
//! | compose files | `services.*.image` | certain |
//! | lists: a reference on each line, and files for `skopeo sync` | the references | certain; likely if no line has a registry |
//! | Helm charts, rendered by `helm template` | the objects that it writes | certain |
//! | Helm charts without `helm` | `values.yaml`, and texts in the templates | likely |
//! | other keys, and variables of containers, named `image` or `…Image` | a reference, or a map of registry, repository, tag and digest | likely |
//! | files that are not YAML before they are rendered, such as Salt states | the same keys, line by line | likely |
//! | environment, arguments, any other text | a reference in full, with registry and tag | maybe |
//!
//! All files are untrusted: their sizes, depth and number are bounded, and symbolic links are not followed.

mod chart;
mod document;
mod lines;
mod list;
mod scan;
mod text;

use std::path::{Path, PathBuf};

use content::IoError;

use self::scan::Scan;
use crate::Reference;

/// How certain it is that a cluster pulls an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Text that looks like a reference in full.
    Maybe,
    /// A key that usually names an image.
    Likely,
    /// A key that names an image by the definition of its format.
    Certain,
}

/// The rule by which an image was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindRule {
    /// `image` of a container of a pod.
    Container,
    /// `volumes[].image.reference` of a pod.
    ImageVolume,
    /// `services.*.image` of a compose file.
    Service,
    /// A list of images.
    List,
    /// A key, or a variable of a container, named `image` or `…Image`.
    Key,
    /// A map with `repository` and `registry`, `tag` or `digest`, as in the values of charts.
    Values,
    /// Text that holds a reference in full.
    Text,
}

/// One place that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// The image.
    pub reference: Reference,
    /// Whether the place names neither tag nor digest, so that `latest` is assumed.
    pub is_untagged: bool,
    /// Whether the tag is the `appVersion` of the chart, because the values have none. A template can choose another one.
    pub is_app_version: bool,
    /// How certain it is.
    pub certainty: Certainty,
    /// The rule.
    pub rule: FindRule,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; `None` for what `helm` rendered from the file.
    pub line: Option<u64>,
}

/// One place that names an image which only the program that renders the file knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputedImage {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; `None` for what `helm` rendered from the file.
    pub line: Option<u64>,
    /// What the file says, cut to 200 characters.
    pub written: String,
}

/// A file or chart that was not read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteFile {
    /// The file or the folder of the chart.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct FoundImages {
    /// The places that name images, sorted by file and line.
    pub images: Vec<FoundImage>,
    /// The places whose image is computed, sorted by file and line.
    pub computed: Vec<ComputedImage>,
    /// What was not read in full, sorted by path.
    pub incomplete: Vec<IncompleteFile>,
    /// The number of files that were read.
    pub files: usize,
}

/// How to find images.
#[derive(Debug, Default)]
pub struct FindOptions {
    /// Files and folders that are not read.
    pub skip: Vec<PathBuf>,
    /// The program `helm`, to render charts.
    pub helm: Option<PathBuf>,
}

/// Finds the images that the files in `paths`, files or folders, name. Version control, `node_modules` and binary files are
/// skipped.
///
/// # Errors
///
/// One of `paths` does not exist, or a folder cannot be listed.
pub fn find(paths: &[PathBuf], options: &FindOptions) -> Result<FoundImages, IoError> {
    let mut scan = Scan::new(options);
    for path in paths {
        scan.add(path)?;
    }
    Ok(scan.finish())
}

/// Whether [`find`] reads a file of a folder, by its name.
#[must_use]
pub fn is_read(path: &Path) -> bool {
    scan::is_read(path)
}

/// Finds the images that `text`, the content of a file at `path`, names.
#[must_use]
pub fn find_in(path: &Path, text: &str) -> FoundImages {
    let mut found = FoundImages { files: 1, ..FoundImages::default() };
    scan::read(path, text, None, &mut found);
    scan::tidy(&mut found);
    found
}

#[cfg(test)]
mod tests;
