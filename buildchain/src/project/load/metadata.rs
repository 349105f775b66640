//! The name and version of the archive.

use std::path::Path;

use images::Platform;

use crate::project::error::{Error, Mistakes};
use crate::project::file::ProjectMetadata;
use crate::project::paths::Territory;
use crate::project::settings::Settings;
use crate::project::template::Values;
use crate::project::version;

/// The most bytes of a volume ID (ECMA-119, 8.4.8).
const VOLUME_ID_MAX: usize = 32;

/// The values of templates, from the `metadata` of the project file at `path`.
///
/// # Errors
///
/// Every mistake in them.
pub(super) fn values(
    root: &Path,
    path: &Path,
    metadata: &ProjectMetadata,
    settings: &Settings,
    territory: &Territory,
) -> Result<Values, Error> {
    let mut mistakes = Mistakes::default();
    let name = match &settings.project_name {
        Some(name) => Some(name.clone()),
        None => mistakes.note(metadata.name.value(path)).cloned(),
    };
    let version = mistakes.note(version::resolve(root, path, metadata, territory));
    let (Some(name), Some(version)) = mistakes.end((name, version))? else { return Ok(Values::default()) };
    let (name, version) = (name.to_string(), version.to_string());
    let volume_id = format!("{name} {version}");
    if volume_id.len() > VOLUME_ID_MAX {
        let message = format!(
            "the volume ID `{volume_id}` of the ISO has {} bytes: at most {VOLUME_ID_MAX} fit",
            volume_id.len()
        );
        return Err(Error::at(path, metadata.name.place(), message));
    }
    let build_root = settings.build_root.strip_prefix(root).unwrap_or(&settings.build_root);
    Ok(Values {
        slug: name.to_ascii_lowercase(),
        name,
        short_version: version.split(['.', '-']).take(2).collect::<Vec<_>>().join("."),
        version,
        machine: std::env::consts::ARCH.to_owned(),
        architecture: Platform::host().architecture,
        build_root: build_root.to_string_lossy().into_owned(),
    })
}
