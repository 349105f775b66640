//! The content of folders.

use std::fs;
use std::path::Path;

/// The names in a folder, in order.
///
/// # Panics
///
/// If it cannot be read, or a name is not UTF-8.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
