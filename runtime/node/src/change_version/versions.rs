//! The record of the versions that a node runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use archive::ArchiveId;
use content::{IoError, LinkPolicy};
use serde::{Deserialize, Serialize};

use crate::care::CareLayout;

/// The most bytes of the record.
const FILE_MAX: u64 = 1 << 20;
const API_VERSION: &str = "sealift.dev/v1alpha1";
const KIND: &str = "NodeVersions";
/// The start of the record.
const HEAD: &str =
    "# The versions that this node runs. `sealift node bootstrap`, `upgrade` and `downgrade` write it.\n";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    api_version: String,
    kind: String,
    versions: BTreeMap<String, String>,
}

/// The versions that the node runs, by the names of their archives (`metalk8s`); empty if there is no record.
pub(crate) fn versions(layout: &CareLayout) -> Result<BTreeMap<String, String>, RecordError> {
    let path = layout.versions();
    match content::open_text(&path, LinkPolicy::Follow, FILE_MAX) {
        Ok(text) => parse(&text).map_err(|problem| RecordError::Invalid { path, problem }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// The record of versions cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file is invalid.
    #[error("{}: {}", content::printable_path(path), content::printable(problem))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// Reads the text of a record.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let record: Record = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    })?;
    if (record.api_version.as_str(), record.kind.as_str()) != (API_VERSION, KIND) {
        return Err(format!("expected apiVersion {API_VERSION} and kind {KIND}"));
    }
    for (name, version) in &record.versions {
        format!("{name}-{version}").parse::<ArchiveId>().map_err(|error| error.to_string())?;
    }
    Ok(record.versions)
}

/// The text of a record.
pub(super) fn text(versions: &BTreeMap<String, String>) -> String {
    let mut text = format!("{HEAD}apiVersion: {API_VERSION}\nkind: {KIND}\nversions:\n");
    for (name, version) in versions {
        // JSON strings are YAML scalars in double quotes.
        text.push_str(&format!(
            "  {}: {}\n",
            serde_json::Value::from(name.as_str()),
            serde_json::Value::from(version.as_str())
        ));
    }
    text
}

/// Records that the node runs `version` of the archives `name`, as a bootstrap does. Returns the record.
///
/// # Errors
///
/// The record cannot be read or written; it is as before then.
pub fn set(layout: &CareLayout, name: &str, version: &str) -> Result<PathBuf, RecordError> {
    let mut all = versions(layout)?;
    all.insert(name.to_lowercase(), version.to_owned());
    let path = layout.versions();
    content::create_folder(path.parent().unwrap_or(Path::new("/")))?;
    crate::file::replace(&path, text(&all).as_bytes()).map_err(IoError::at("write", &path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let versions: BTreeMap<String, String> = [("base-os", "8.9"), ("metalk8s", "2.10.0-alpha1")]
            .map(|(name, version)| (name.into(), version.into()))
            .into();
        let written = text(&versions);
        assert_eq!(parse(&written), Ok(versions));
        assert!(
            written.ends_with("versions:\n  \"base-os\": \"8.9\"\n  \"metalk8s\": \"2.10.0-alpha1\"\n"),
            "{written}"
        );
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let record =
            |versions: &str| format!("apiVersion: {API_VERSION}\nkind: {KIND}\nversions: {versions}\n");
        for text in
            ["", "a", "kind: NodeVersions", &record("[]"), &record("{a: ../b}"), &record("{a: '1', b: {}}")]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
