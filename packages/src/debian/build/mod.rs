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
use self::control::{Identity, identity_mistakes, relation_mistakes};
pub use self::definition::{DebDefinition, DebDependency, DebScripts};
use super::package::DebPackage;
use crate::automatic;
use crate::build::{BuiltPackage, put};
use crate::check::Mistake;
use crate::definition::RpmDefinition;
use crate::error::Result;
use crate::expand::ExpandedDefinition;

/// Builds the Debian package of a definition and puts it into `out_dir` (created where it is missing) as [`file_name`] says.
///
/// Equal definitions, files and dates give equal bytes: `source_date` (Unix seconds) is the time of every file.
///
/// # Errors
///
/// [`Error::Definition`](crate::Error::Definition) where a Debian package cannot hold what the definition says or a source is not a regular file,
/// [`Error::Deb`](crate::Error::Deb) where the package that was written does not read back, and [`Error::Io`](crate::Error::Io). After any error, an existing package is
/// unchanged.
pub fn build(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
    out_dir: &Path,
) -> Result<BuiltPackage> {
    let (bytes, built) = build_in_memory(definition, base_dir, source_date)?;
    put(out_dir, built, &[&bytes])
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
    let identity = identity(definition)?;
    let ExpandedDefinition { definition, mut warnings, .. } = definition.expand(base_dir)?;
    warnings.extend(definition.warnings());
    warnings.extend(control::warnings(&definition, base_dir)?);
    warnings.extend(automatic::machine_warnings(&definition, base_dir, &identity.deb.architecture)?);
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
/// [`Error::Definition`](crate::Error::Definition) where a Debian package cannot hold what the definition says.
pub fn file_name(definition: &RpmDefinition) -> Result<String> {
    Ok(identity(definition)?.deb.file_name())
}

/// Every field that a Debian package cannot hold as it is, beside the [mistakes](RpmDefinition::mistakes) of the definition itself.
/// The source files are not read.
#[must_use]
pub fn mistakes(definition: &RpmDefinition) -> Vec<Mistake> {
    let mut mistakes = identity_mistakes(definition);
    mistakes.extend(relation_mistakes(definition));
    mistakes.extend(scripts::scripts(definition).into_iter().filter_map(std::result::Result::err));
    mistakes
}

/// What the package of a definition without mistakes is.
fn identity(definition: &RpmDefinition) -> Result<Identity> {
    definition.check()?;
    match mistakes(definition).into_iter().next() {
        Some(mistake) => Err(mistake.in_package(&definition.name)),
        None => Identity::of(definition).map_err(|mistake| mistake.in_package(&definition.name)),
    }
}

/// What a field of the definition cannot be.
fn mistake(field: &str, expected: &'static str, found: &str) -> Mistake {
    Mistake { field: field.to_owned(), expected, found: found.to_owned() }
}
