//! The original references of the images of an archive.

use images::original_names::{FILE, FILE_MAX, OriginalNames};

use crate::{Error, Result, Tree, layout, product};

/// The folder with the images of a tree, as [`super::each`] has it: `images` in an archive, the empty path for a folder of images
/// itself. `None` for an archive without images.
///
/// # Errors
///
/// What reading the tree gives.
pub fn folder_of(tree: &Tree) -> Result<Option<&'static str>> {
    if tree.entry(layout::IMAGES)?.is_some() {
        return Ok(Some(layout::IMAGES));
    }
    let is_archive = product::of(tree)?.is_some() || tree.entry(layout::PACKAGES)?.is_some();
    Ok((!is_archive).then_some(""))
}

/// The original references of the images below the folder `below`, as [`super::each`] has it. Empty if none are recorded.
///
/// # Errors
///
/// [`Error::Content`] for an invalid file; what reading it gives.
pub fn original_names(tree: &Tree, below: &str) -> Result<OriginalNames> {
    let file = if below.is_empty() { FILE.to_owned() } else { format!("{below}/{FILE}") };
    let Some(path) = tree.resolve(&file)? else { return Ok(OriginalNames::default()) };
    let bytes = tree.read(&path, FILE_MAX)?;
    OriginalNames::read(&bytes).map_err(|error| Error::Content { file, problem: error.to_string() })
}
