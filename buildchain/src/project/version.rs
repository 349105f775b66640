//! The archive's version, from where it is written.

use std::path::Path;

use super::Territory;
use super::error::Error;
use super::file::{Metadata, VersionFile};

/// The version, read from the file that holds it where it is not written in the project file.
pub(crate) fn resolve(
    root: &Path,
    project_file: &Path,
    metadata: &Metadata,
    territory: &Territory,
) -> Result<String, Error> {
    let (text, location) = match (&metadata.version, &metadata.version_from) {
        (Some(text), None) => (text.value.clone(), text.referenced),
        (None, Some(source)) => (read(root, project_file, source, territory)?, source.file.referenced),
        (Some(version), Some(_)) => {
            let message = "both `version` and `versionFrom`: the version stands in one place only";
            return Err(Error::at(project_file, version.referenced, message));
        }
        (None, None) => {
            let message = "no version: `metadata` needs `version` or `versionFrom`";
            return Err(Error::at(project_file, metadata.name.referenced, message));
        }
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(legal) {
        Ok(text)
    } else {
        let message = format!(
            "`{text}` is not a version: expected letters, digits and `.-_~`, a letter or digit first"
        );
        Err(Error::at(project_file, location, message))
    }
}

fn read(
    root: &Path,
    project_file: &Path,
    source: &VersionFile,
    territory: &Territory,
) -> Result<String, Error> {
    let place = source.file.referenced;
    let path = root.join(territory.inner_path(project_file, &source.file)?);
    let text = super::read(&path).map_err(|error| error.missing_at(project_file, place, root))?;
    let Some(key) = &source.key else {
        return Ok(text.lines().next().unwrap_or_default().trim().to_owned());
    };
    let wrong = |message: String| Error::at(project_file, place, format!("{}: {message}", source.file.value));
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
