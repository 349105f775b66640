//! Indexing a folder of Debian packages.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use content::parallel;

use super::entry::{Entry, PreviousDebs, Spool};
use super::options::{DebIndexOptions, Suite};
use super::package::{DebIdentity, is_architecture, is_name};
use super::place::Place;
use super::write::write_metadata;
use crate::error::{Error, Result};
use crate::format::PackageFormat;
use crate::repository::{FoundPackage, MetadataCompression, find};

/// How many packages may be read before the first of them is written.
const AHEAD: usize = 32;
/// Bytes of the paths of all packages, which are sorted in memory.
const MAX_PATHS: usize = 256 << 20;

/// What [`index`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedDebs {
    /// The file `Release`.
    pub release: PathBuf,
    /// How many packages the repository has.
    pub packages: usize,
    /// The packages that were read, in order: all but those whose entries were taken from existing metadata.
    pub read: Vec<PathBuf>,
    /// What was left out, a sentence for each.
    pub warnings: Vec<String>,
    /// The signatures of an older `Release`, which were removed.
    pub dropped: Vec<String>,
}

/// A package whose stanza is in the spool.
pub(super) struct Listed {
    pub(super) identity: DebIdentity,
    pub(super) component: usize,
    pub(super) location: String,
    pub(super) stanza: Range<u64>,
    pub(super) qualified: String,
    pub(super) paths: Vec<String>,
}

/// Indexes every `*.deb` below `dir`, also behind links.
///
/// Without a suite, it writes `Packages` and `Release` into `dir`; apt reads such a repository as `deb URL ./`. With one, it
/// replaces `dists/SUITE/` as a whole. Equal files under equal names and options give equal bytes; with
/// [`DebIndexOptions::reuse`] their modification times must be equal too.
///
/// # Errors
///
/// [`Error::Deb`] where a file is not a package or damaged, [`Error::Unindexable`] where a name or kind cannot be part of a
/// repository, [`Error::Ambiguous`], [`Error::Pattern`], [`Error::Contents`], [`Error::Value`] where an option is invalid, and
/// [`Error::Io`]. Whatever the error, the metadata that were there are untouched.
pub fn index(dir: &Path, options: &DebIndexOptions) -> Result<IndexedDebs> {
    check(dir, options)?;
    let place = Place::lock(dir, options)?;
    let written = write_all(dir, options, &place);
    if written.is_err() {
        place.abandon();
    }
    let (mut indexed, files) = written?;
    let published = place.publish(&files)?;
    (indexed.release, indexed.dropped) = (published.release, published.dropped);
    Ok(indexed)
}

/// Checks what becomes a path or a field.
fn check(dir: &Path, options: &DebIndexOptions) -> Result<()> {
    let value = |expected, found: &str| Err(Error::Value { expected, found: found.to_owned() });
    if options.compression == MetadataCompression::Zstd {
        return value("gz, xz or none as the compression of a repository for apt", "zstd");
    }
    if let Some(Suite { name, codename, components, architectures, .. }) = &options.suite {
        for name in [Some(name), codename.as_ref()].into_iter().flatten() {
            if !is_plain(name) {
                return value("the name of a suite: letters, digits and `-+._~`", name);
            }
        }
        let mut seen = BTreeSet::new();
        for component in components {
            if !is_plain(component) || component == "pool" || !seen.insert(component) {
                return value("the names of components, each once: letters, digits and `-+._~`", component);
            }
        }
        if components.is_empty() {
            return value("a component", "none");
        }
        if let Some(wrong) = architectures.iter().find(|name| !is_architecture(name)) {
            return value("an architecture such as `amd64`", wrong);
        }
    }
    if let Some(output) = options.output.as_deref().filter(|output| output.exists()) {
        let whole = |path: &Path| path.canonicalize().map_err(Error::io("read", path));
        if whole(output)?.starts_with(whole(dir)?) {
            let reason = "the packages would be found again in the output folder";
            return Err(Error::Unindexable { path: output.to_owned(), reason });
        }
        if options.reuse {
            return value("packages in the repository itself where entries are taken over", "another folder");
        }
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._~".contains(&byte))
}

/// Writes the metadata into the staging folder of `place`.
fn write_all(dir: &Path, options: &DebIndexOptions, place: &Place<'_>) -> Result<(IndexedDebs, Vec<String>)> {
    let with_paths = options.suite.as_ref().is_some_and(|suite| suite.contents);
    let mut warnings = Vec::new();
    let previous = if options.reuse {
        PreviousDebs::read(place.metadata(), place.staging(), with_paths, &mut warnings)?
    } else {
        PreviousDebs::default()
    };
    let mut found = find::find(dir, &options.selection, &[PackageFormat::Deb], place.own(), &|_| true)?;
    warnings.append(&mut found.warnings);
    warnings.extend(found.broken.iter().map(|error| format!("skipped {error}")));

    let mut spool = Spool::new(place.staging())?;
    let mut listed: Vec<Listed> = Vec::new();
    let mut known: HashMap<DebIdentity, (PathBuf, String)> = HashMap::new();
    let (mut read, mut bytes, mut newest) = (Vec::new(), 0, 0);
    parallel::try_in_order(
        options.threads.unwrap_or_else(parallel::processors),
        AHEAD,
        &found.packages,
        |package| match previous.find(&package.location, package, with_paths) {
            Some(entry) => Ok(entry),
            None => Entry::read(&dir.join(&package.location), options.reuse, with_paths),
        },
        |package, entry| {
            let path = dir.join(&package.location);
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error @ Error::Deb { .. }) if options.selection.skip_broken => {
                    warnings.push(format!("skipped {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let component = component(package, &path, options)?;
            let (first, digest) =
                known.entry(entry.identity.clone()).or_insert_with(|| (path.clone(), entry.digest.clone()));
            if *digest != entry.digest {
                let (package, first) = (entry.identity.to_string(), first.clone());
                let error = Error::Ambiguous { package, first, second: path.clone() };
                if options.unique || options.output.is_some() {
                    return Err(error);
                }
                warnings.push(error.to_string());
            }
            let location = match &options.output {
                None => package.location.clone(),
                Some(output) => {
                    let location = pooled(&entry, component, options);
                    super::place::link(&path, &output.join(&location))?;
                    location
                }
            };
            if options.output.is_some() && listed.iter().any(|other| other.location == location) {
                return Ok(());
            }
            newest = newest.max(entry.date);
            entry.stanza.insert_before("Size", "Filename", location.as_str());
            let stanza = spool.append(&entry.stanza).map_err(Error::io("write below", place.staging()))?;
            let paths = entry.paths.unwrap_or_default();
            bytes += paths.iter().map(|path| path.len() + size_of::<String>()).sum::<usize>();
            if bytes > MAX_PATHS {
                return Err(Error::Contents { max: MAX_PATHS });
            }
            if entry.is_read {
                read.push(path);
            }
            let (identity, qualified) = (entry.identity, entry.qualified);
            listed.push(Listed { identity, component, location, stanza, qualified, paths });
            Ok(())
        },
    )?;
    listed.sort_by(|one, other| {
        (&one.identity.name, &one.location).cmp(&(&other.identity.name, &other.location))
    });
    let packages = listed.len();
    let date = options.date.unwrap_or(newest);
    let files = write_metadata(options, date, place, &spool, &listed)?;
    let indexed = IndexedDebs { release: PathBuf::new(), packages, read, warnings, dropped: Vec::new() };
    Ok((indexed, files))
}

/// The component that a package is part of.
fn component(package: &FoundPackage, path: &Path, options: &DebIndexOptions) -> Result<usize> {
    let components = options.suite.as_ref().map(|suite| suite.components.as_slice()).unwrap_or_default();
    if components.len() < 2 {
        return Ok(0);
    }
    let location = package.location.strip_prefix("pool/").unwrap_or(&package.location);
    let folder = location.split_once('/').map_or("", |(folder, _)| folder);
    components.iter().position(|component| component == folder).ok_or_else(|| Error::Unindexable {
        path: path.to_owned(),
        reason: "it lies in the folder of no component",
    })
}

/// Where a package lies in a repository of its own: `pool/main/h/hello/hello_1.0_amd64.deb`.
fn pooled(entry: &Entry, component: usize, options: &DebIndexOptions) -> String {
    let file = entry.identity.file_name();
    let Some(component) = options.suite.as_ref().and_then(|suite| suite.components.get(component)) else {
        return file;
    };
    let source = entry.stanza.get("Source").and_then(|source| source.split([' ', '(']).next());
    let source = source.filter(|source| is_name(source)).unwrap_or(&entry.identity.name);
    let letters = if source.starts_with("lib") { 4 } else { 1 };
    let prefix = source.get(..letters).unwrap_or(source);
    format!("pool/{component}/{prefix}/{source}/{file}")
}

/// Removes the staging folder of a killed run.
pub(super) fn fresh(staging: &Path) -> Result<()> {
    crate::publish::remove_folder(staging)?;
    fs::create_dir(staging).map_err(Error::io("create the folder", staging))
}
