//! The source package of a definition: the definition, its files as they are installed, and a spec file that makes the
//! package of them with `rpmbuild --rebuild`.
//!
//! The crate `rpm` builds packages that are installed. So it gets the files of the source package as if they were installed in `/`,
//! and its header and payload are changed here into those of a source package: names without a folder, and the mark.

mod spec;
mod tree;

use std::path::{Path, PathBuf};

use content::Digest;
use rpm::{
    CompressionWithLevel, FileFlags, FileOptions, HeaderEntry, IndexData, IndexTag, Package, Timestamp,
};

use crate::build::{BuiltPackage, check_date, described, put, timestamp};
use crate::definition::RpmDefinition;
use crate::error::{Error, Result};
use crate::expand::ExpandedDefinition;
use crate::{relations, repository};

/// The definition in the source package.
const DEFINITION: &str = "package.yaml";
/// Permissions of the files in a source package.
const MODE: u16 = 0o644;
/// The type of a source package in the lead, whose number starts at this byte.
const LEAD_TYPE: (usize, [u8; 2]) = (6, [0, 1]);

/// Builds the source package of a definition and puts it into `out_dir` (created where it is missing) as
/// `<name>-<version>-<release>.src.rpm`.
///
/// Equal definitions, files and dates give equal bytes, as for [`build`](crate::build()).
///
/// # Errors
///
/// As [`build`](crate::build()), and [`Error::Definition`] where a spec file cannot say what the definition does: a path with a wildcard, or
/// a line of a script that starts with `%`.
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
    definition.check()?;
    let name = format!("{}-{}-{}.src", definition.name, definition.rpm_version(), definition.release);
    let build_error = |reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) };
    let ExpandedDefinition { definition: expanded, mut warnings, .. } = definition.expand(base_dir)?;
    warnings.extend(expanded.warnings());
    let date = timestamp(definition, source_date)?;
    let archive = format!("{}-{}.tar.gz", definition.name, definition.rpm_version());
    let written = serde_saphyr::to_string(definition)
        .map_err(|error| build_error(rpm::Error::Io(std::io::Error::other(error))))?;
    let mut files = [
        SourceFile {
            name: format!("{}.spec", definition.name),
            content: spec::text(&expanded, &archive)?.into_bytes(),
        },
        SourceFile { content: tree::archive(&expanded, base_dir, date.0)?, name: archive.clone() },
        SourceFile { name: DEFINITION.to_owned(), content: written.into_bytes() },
    ];
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let package = assemble(definition, &files, date).map_err(build_error)?;
    check_date(definition, &package, date)?;
    let package = into_source(package, &files, &archive, date).map_err(build_error)?;
    let mut bytes = Vec::new();
    package.write(&mut bytes).map_err(build_error)?;
    let (place, kind) = LEAD_TYPE;
    if let Some(lead) = bytes.get_mut(place..place + kind.len()) {
        lead.copy_from_slice(&kind);
    }
    let path = PathBuf::from(format!("{name}.rpm"));
    repository::check(bytes.as_slice(), &path)?;
    Ok((bytes, BuiltPackage { path, nevra: name, warnings }))
}

/// A file of the source package.
struct SourceFile {
    name: String,
    content: Vec<u8>,
}

/// A package that has the files in `/`.
fn assemble(
    definition: &RpmDefinition,
    files: &[SourceFile],
    date: Timestamp,
) -> Result<Package, rpm::Error> {
    let mut builder = described(definition, CompressionWithLevel::None, date);
    for file in files {
        let options = FileOptions::new(format!("/{}", file.name)).permissions(MODE).modified_at(date);
        builder.with_file_contents(file.content.clone(), options)?;
    }
    builder.build()
}

/// The same files and metadata as a source package.
fn into_source(
    mut package: Package,
    files: &[SourceFile],
    archive: &str,
    date: Timestamp,
) -> Result<Package, rpm::Error> {
    let payload = cpio(files, date);
    let digest = || IndexData::StringArray(vec![Digest::of(&payload).hex()]);
    let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    let flags = files.iter().map(|file| {
        let is_spec = file.name.ends_with(".spec");
        if is_spec { FileFlags::SPECFILE.bits() } else { 0 }
    });
    let changed = [
        (IndexTag::RPMTAG_SOURCEPACKAGE, IndexData::Int32(vec![1])),
        (IndexTag::RPMTAG_SOURCE, IndexData::StringArray(vec![DEFINITION.to_owned(), archive.to_owned()])),
        (IndexTag::RPMTAG_DIRNAMES, IndexData::StringArray(vec![String::new()])),
        (IndexTag::RPMTAG_FILEFLAGS, IndexData::Int32(flags.collect())),
        (IndexTag::RPMTAG_PAYLOADSHA256, digest()),
        (IndexTag::RPMTAG_PAYLOADSHA256ALT, digest()),
        (IndexTag::RPMTAG_PAYLOADSIZE, IndexData::Int64(vec![size])),
        (IndexTag::RPMTAG_PAYLOADSIZEALT, IndexData::Int64(vec![size])),
    ];
    let entries = package.metadata.header.get_all_entries()?;
    let has = |tag: IndexTag| entries.iter().any(|(known, _)| *known == tag as u32);
    let added = [IndexTag::RPMTAG_SOURCEPACKAGE, IndexTag::RPMTAG_SOURCE];
    let changed: Vec<_> = changed.into_iter().filter(|(tag, _)| has(*tag) || added.contains(tag)).collect();
    // What only an installed package has, and the region, which is made again.
    let is_left_out = |tag: u32| {
        [IndexTag::RPMTAG_SOURCERPM, IndexTag::RPMTAG_HEADERIMMUTABLE]
            .iter()
            .any(|known| *known as u32 == tag)
            || relations::is_tag(tag)
            || changed.iter().any(|(known, _)| *known as u32 == tag)
    };
    let kept = entries.into_iter().filter(|(tag, _)| !is_left_out(*tag));
    let mut entries: Vec<_> = kept.map(|(tag, data)| HeaderEntry::new(tag, data)).collect();
    entries.extend(changed.into_iter().map(|(tag, data)| HeaderEntry::new(tag as u32, data)));
    entries.extend(relations::of_source(&package.metadata.header));
    package.payload = payload;
    relations::with_header(package, entries)
}

/// The files as cpio(5) stores them in its form `newc`.
fn cpio(files: &[SourceFile], date: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut entry = |inode: usize, mode: u32, time: u32, name: &str, content: &[u8]| {
        let links = 1;
        let (size, name_size) = (content.len(), name.len() + 1);
        let header = format!(
            "070701{inode:08x}{mode:08x}{owner:08x}{owner:08x}{links:08x}{time:08x}{size:08x}{device:032x}{name_size:08x}{sum:08x}{name}\0",
            owner = 0,
            device = 0,
            sum = 0,
        );
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    for (number, file) in files.iter().enumerate() {
        entry(number + 1, 0o100_000 | u32::from(MODE), date.0, &file.name, &file.content);
    }
    entry(0, 0, 0, "TRAILER!!!", &[]);
    bytes
}
