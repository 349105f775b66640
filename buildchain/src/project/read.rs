//! Reading the files of a project.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::error::{Error, Mistakes};
use super::{lock, schema_check};

/// The largest file of a project that is read as a definition, a template or a lock file, in bytes.
pub(super) const FILE_MAX: u64 = 16 << 20;

/// Reads a text file of the project. It is never a named pipe, and never longer than [`FILE_MAX`].
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let bytes = content::open_read(path, content::LinkPolicy::Follow, FILE_MAX)
        .map_err(|error| Error::file(error.operation, path, error.source))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        Error::Invalid { path: path.into(), line, column: 1, message: "not UTF-8 text".into(), snippet: None }
    })
}

/// Parses `text`, the content of the file `path`, into a type whose names are [`Field`](super::field::Field)s: invalid names are
/// left to those.
///
/// # Errors
///
/// Everything that is wrong with the form of the file; then with its invalid names.
pub(super) fn parse<T: DeserializeOwned + JsonSchema>(path: &Path, text: &str) -> Result<T, Error> {
    check_merged(path, text)?;
    let found = schema_check::mistakes(path, text, &schemars::schema_for!(T).to_value());
    if !found.form.is_empty() {
        return Mistakes::from(found.all()).end(()).and_then(|()| deserialize(path, text));
    }
    deserialize(path, text)
}

/// As [`parse`], into a type that refuses invalid names by itself, one at a time.
///
/// # Errors
///
/// Everything that is wrong with the form of the file and its names.
pub(super) fn parse_strict<T: DeserializeOwned + JsonSchema>(path: &Path, text: &str) -> Result<T, Error> {
    check_merged(path, text)?;
    Mistakes::from(schema_check::mistakes(path, text, &schemars::schema_for!(T).to_value()).all()).end(())?;
    deserialize(path, text)
}

/// Refuses a file with a conflict that git left in it: no YAML file of ours has such a line.
fn check_merged(path: &Path, text: &str) -> Result<(), Error> {
    let begins = text.lines().position(|line| line.starts_with("<<<<<<< "));
    let Some(line) = begins.filter(|_| text.lines().any(|line| line.starts_with(">>>>>>> "))) else {
        return Ok(());
    };
    let help = match path.file_name() {
        Some(name) if name == lock::FILE_NAME => ": keep one side, and run `sealift lock` for the rest",
        _ => "",
    };
    let message = format!("a merge conflict{help}");
    Err(Error::Invalid { path: path.into(), line: line as u64 + 1, column: 1, message, snippet: None })
}

fn deserialize<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error::yaml(path, &error))
}
