//! The version of the archive.

use std::path::Path;

use super::error::Error;
use super::file::{ProjectMetadata, VersionFile};
use super::names::{ParsedName as _, Version};
use super::paths::Territory;
use super::read::read;

/// The version, read from the file that holds it where it is not written in the project file.
pub(crate) fn resolve(
    root: &Path,
    project_file: &Path,
    metadata: &ProjectMetadata,
    territory: &Territory,
) -> Result<Version, Error> {
    match (&metadata.version, &metadata.version_from) {
        (Some(version), None) => version.value(project_file).cloned(),
        (None, Some(source)) => {
            let text = from_file(root, project_file, source, territory)?;
            Version::parse(&text).map_err(|message| Error::at(project_file, source.file.place(), message))
        }
        (Some(version), Some(_)) => {
            let message = "both `version` and `versionFrom`: write the version in one place only";
            Err(Error::at(project_file, version.place(), message))
        }
        (None, None) => {
            let message = "no version: `metadata` needs `version` or `versionFrom`";
            Err(Error::at(project_file, metadata.name.place(), message))
        }
    }
}

fn from_file(
    root: &Path,
    project_file: &Path,
    source: &VersionFile,
    territory: &Territory,
) -> Result<String, Error> {
    let place = source.file.place();
    let path = root.join(territory.inner_path(project_file, &source.file)?);
    let text = read(&path).map_err(|error| error.missing_at(project_file, place, root))?;
    let Some(key) = &source.key else {
        return Ok(text.lines().next().unwrap_or_default().trim().to_owned());
    };
    let wrong =
        |message: String| Error::at(project_file, place, format!("{}: {message}", source.file.text()));
    let value: serde_json::Value = match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?,
        Some("json") => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        Some("yaml" | "yml") => {
            serde_saphyr::from_str(&text).map_err(|error| wrong(error.without_snippet().to_string()))?
        }
        _ => return Err(wrong("`key` needs a file that ends in .toml, .json or .yaml".into())),
    };
    let found = key.split('.').try_fold(&value, |value, part| value.get(part));
    match found {
        Some(serde_json::Value::String(version)) => Ok(version.clone()),
        Some(_) => Err(wrong(format!("`{key}` is not a string"))),
        None => Err(wrong(format!("no key `{key}`"))),
    }
}
