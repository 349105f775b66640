//! Building a Debian package of a definition.

mod archive;
mod control;
mod definition;
mod documents;
mod scripts;
#[cfg(test)]
mod tests;
mod tree;

use std::path::{Path, PathBuf};

use self::archive::{assemble, container};
use self::control::Identity;
pub use self::definition::{DebDefinition, DebDependency, DebScripts};
use super::package::DebPackage;
use crate::build::{BuiltPackage, put};
use crate::definition::RpmDefinition;
use crate::error::{Error, Result};
use crate::expand::ExpandedDefinition;

/// Builds the Debian package of a definition and puts it into `out_dir` (created where it is missing) as [`file_name`] says.
///
/// Equal definitions, files and dates give equal bytes: `source_date` (Unix seconds) is the time of every file.
///
/// # Errors
///
/// [`Error::Definition`] where a Debian package cannot hold what the definition says or a source is not a regular file,
/// [`Error::Deb`] where the package that was written does not read back, and [`Error::Io`]. After any error, an existing package is
/// unchanged.
pub fn build(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
    out_dir: &Path,
) -> Result<BuiltPackage> {
    let (bytes, mut built) = build_in_memory(definition, base_dir, source_date)?;
    built.path = put(out_dir, &mut built, &[&bytes])?;
    Ok(built)
}

/// The bytes of the package that [`build`] makes, and what it is called, the path being its file name.
///
/// # Errors
///
/// As [`build`], but for what concerns the folder.
pub fn build_in_memory(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
) -> Result<(Vec<u8>, BuiltPackage)> {
    definition.check()?;
    let identity = Identity::of(definition)?;
    let ExpandedDefinition { definition, mut warnings, .. } = definition.expand(base_dir)?;
    warnings.extend(definition.warnings());
    warnings.extend(control::warnings(&definition));
    let members = assemble(&definition, &identity, base_dir, source_date)?;
    let bytes = container(&members, source_date);
    let path = PathBuf::from(identity.deb.file_name());
    let read = DebPackage::read(bytes.as_slice(), &path, true)?;
    Ok((bytes, BuiltPackage { path, nevra: read.identity.to_string(), warnings }))
}

/// The name of the file that [`build`] makes: `name_version_architecture.deb`, where the version has no epoch.
///
/// # Errors
///
/// [`Error::Definition`] where a Debian package cannot hold what the definition says.
pub fn file_name(definition: &RpmDefinition) -> Result<String> {
    definition.check()?;
    Ok(Identity::of(definition)?.deb.file_name())
}

/// What a field of the definition cannot be.
fn mistake(definition: &RpmDefinition, field: &str, expected: &'static str, found: &str) -> Error {
    let (package, field, found) = (definition.name.clone(), field.to_owned(), found.to_owned());
    Error::Definition { package, field, expected, found }
}
