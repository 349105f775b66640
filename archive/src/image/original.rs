//! The original references of the images of an archive.

use images::original_names::{FILE, FILE_MAX, OriginalNames};

use crate::{Error, Result, Tree};

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
