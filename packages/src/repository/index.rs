//! Indexing a folder: what is found becomes metadata, and these replace the older ones as a whole.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use content::{LinkPolicy, parallel};
use quick_xml::events::{BytesStart, Event};

use super::find::FoundPackages;
use super::kind::MetadataKind;
use super::metadata::EntryFailure;
use super::options::{IndexOptions, RepositoryTags};
use super::output::{MetadataFile, MetadataForm, MetadataWriter};
use super::package::{Packages, href};
use super::previous::Previous;
use super::xml::{close, declaration, element, full, new_xml, open};
use super::{OWN, REPODATA, STAGING, extra, find, package_error, retain};
use crate::error::{Error, Result};
use crate::format::PackageFormat;
use crate::openpgp::Signing;
use crate::publish::{PrivateFolder, remove_folder, replace_folder};

/// How many packages may be read before the first of them is written.
const AHEAD: usize = 32;

/// What [`index`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedRepository {
    /// `repodata/repomd.xml`.
    pub repomd: PathBuf,
    /// How many packages the repository has.
    pub packages: usize,
    /// The packages that were read, in order: all but those whose entries were taken from existing metadata.
    pub read: Vec<PathBuf>,
    /// What was left out, a sentence for each.
    pub warnings: Vec<String>,
    /// The types of metadata (`group`, `modules`) that the older `repodata/` had and the new one has not.
    pub dropped: Vec<String>,
}

/// Indexes a folder as [`index_with`] does, with this revision and else the default options.
///
/// # Errors
///
/// Those of [`index_with`].
pub fn index(dir: &Path, revision: i64) -> Result<IndexedRepository> {
    index_with(dir, &IndexOptions { revision, ..IndexOptions::default() })
}

/// Indexes every `*.rpm` below `dir`, also behind links, and replaces `dir/repodata` as a whole.
///
/// Groups (`comps.xml`), updates (`updateinfo.xml`) and modules (`modules.yaml`, `*.modulemd.yaml`,
/// `*.modulemd-defaults.yaml`), plain or compressed, are taken into the metadata where they lie: modules anywhere
/// below `dir`, the others in `dir` itself. Equal files under equal names and equal options give equal bytes; with
/// [`IndexOptions::reuse`] their modification times must be equal too.
///
/// # Errors
///
/// [`Error::Rpm`] where a file is not a package or damaged, [`Error::Metadata`] where groups and the like are not what they
/// should be, [`Error::Unindexable`] where a name or kind cannot be part of a repository, [`Error::Pattern`] and
/// [`Error::Io`]. Whatever the error, the `repodata/` that was there is untouched.
pub fn index_with(dir: &Path, options: &IndexOptions) -> Result<IndexedRepository> {
    let target = options.output.as_deref().unwrap_or(dir);
    let folder = if options.output.is_some() {
        PrivateFolder::lock(target)?
    } else {
        PrivateFolder::lock_existing(target)?
    };
    let staging = target.join(STAGING);
    // What a killed run left.
    remove_folder(&staging)?;
    let written = write_all(dir, target, &staging, options);
    if written.is_err() {
        // Best effort: the next run removes it, and the first error is the one that counts.
        let _ = fs::remove_dir_all(&staging);
    }
    let mut written = written?;
    written.repomd = target.join(REPODATA).join("repomd.xml");
    replace_folder(&folder, &staging, &target.join(REPODATA))?;
    Ok(written)
}

/// Writes the metadata into `staging`, which lies beside the older ones in `target`.
fn write_all(dir: &Path, target: &Path, staging: &Path, options: &IndexOptions) -> Result<IndexedRepository> {
    let create = || fs::create_dir(staging).map_err(Error::io("create the folder", staging));
    create()?;
    let mut warnings = Vec::new();
    let previous = match &options.reuse {
        Some(reuse) => Previous::read(target, reuse, staging, &mut warnings)?,
        None => Previous::default(),
    };
    let same_packages = options.reuse.as_ref().is_some_and(|reuse| reuse.same_packages);
    let is_kept = |location: &str| !same_packages || previous.has(&href(location, options));
    let mut found = find::find(dir, &options.selection, &[PackageFormat::Rpm], OWN, &is_kept)?;
    warnings.append(&mut found.warnings);
    let mut skipped = std::mem::take(&mut found.broken);
    let packages = Packages::new(dir, options, &previous);
    check_locations(&packages, &found, options)?;
    let mut written = loop {
        // The files say first how many packages there are: those that are left out are known only after all were read.
        let mut broken = HashMap::new();
        let written = write_metadata(target, staging, &packages, &found, options, &mut broken)?;
        if broken.is_empty() {
            break written;
        }
        found.packages.retain(|package| !broken.contains_key(&package.location));
        let mut broken: Vec<_> = broken.into_iter().collect();
        broken.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        skipped.extend(broken.into_iter().map(|(_, error)| error));
        remove_folder(staging)?;
        create()?;
    };
    written
        .warnings
        .splice(0..0, warnings.into_iter().chain(skipped.iter().map(|error| format!("skipped {error}"))));
    if options.set_file_times {
        set_times(staging, options.revision)?;
    }
    if options.retain > 0 {
        retain::keep(&target.join(REPODATA), staging, options.retain)?;
    }
    Ok(written)
}

/// Two packages cannot be at one place; cutting folders can bring them there.
fn check_locations(packages: &Packages<'_>, found: &FoundPackages, options: &IndexOptions) -> Result<()> {
    let mut seen = HashSet::new();
    for package in found.packages.iter().filter(|_| options.cut_folders > 0) {
        if !seen.insert(packages.href(package)) {
            let reason = "another package has the same location without the folders that are cut";
            return Err(Error::Unindexable { path: packages.path(package), reason });
        }
    }
    Ok(())
}

/// Writes all metadata. With [`PackageSelection::skip_broken`](super::PackageSelection::skip_broken) packages that cannot be indexed go to `broken`, and what was written
/// does not count.
fn write_metadata(
    target: &Path,
    staging: &Path,
    packages: &Packages<'_>,
    found: &FoundPackages,
    options: &IndexOptions,
    broken: &mut HashMap<String, Error>,
) -> Result<IndexedRepository> {
    let form = MetadataForm::new(options);
    let create = |kind| MetadataWriter::create(staging, kind, found.packages.len(), form);
    let [primary, filelists, other] = MetadataKind::ALL;
    let mut outputs = [create(primary)?, create(filelists)?, create(other)?];
    let mut known: HashMap<String, (PathBuf, String)> = HashMap::new();
    let (mut read, mut warnings) = (Vec::new(), Vec::new());
    parallel::try_in_order(
        options.threads.unwrap_or_else(parallel::processors),
        AHEAD,
        &found.packages,
        |package| packages.read(package),
        |package, indexed| {
            let path = packages.path(package);
            let written = indexed.and_then(|indexed| {
                packages.write(package, &indexed, &mut outputs)?;
                Ok(indexed)
            });
            let indexed = match written {
                Ok(indexed) => indexed,
                Err(error @ Error::Rpm { .. }) if options.selection.skip_broken => {
                    broken.insert(package.location.clone(), error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let (first, sum) = known
                .entry(indexed.identity.clone())
                .or_insert_with(|| (path.clone(), indexed.checksum.clone()));
            if *sum != indexed.checksum {
                let first = first.clone();
                let error = Error::Ambiguous { package: indexed.identity, first, second: path.clone() };
                if options.unique {
                    return Err(error);
                }
                warnings.push(error.to_string());
            }
            if indexed.is_read {
                read.push(path);
            }
            Ok(())
        },
    )?;
    let count = found.packages.len();
    let mut indexed =
        IndexedRepository { repomd: PathBuf::new(), packages: count, read, warnings, dropped: Vec::new() };
    if !broken.is_empty() {
        return Ok(indexed);
    }
    outputs.iter_mut().try_for_each(MetadataWriter::close)?;
    let mut files = Vec::new();
    for output in outputs {
        files.push(output.finish()?);
    }
    let (extra, dropped) = extra::write(packages.dir(), target, staging, found, options, form)?;
    files.extend(extra);
    indexed.dropped = dropped;

    let mut repomd = Vec::new();
    let rendered = write_repomd(&mut repomd, &files, options);
    let path = staging.join("repomd.xml");
    rendered.map_err(|failure| match failure {
        EntryFailure::Write(source) => Error::io("write", &path)(source),
        EntryFailure::Package(fault) => package_error(&path)(fault),
    })?;
    let staged = PrivateFolder::lock_existing(staging)?;
    let write = |name: &str, bytes: &[u8]| {
        staged.write(name, |file| file.write_all(bytes).map_err(Error::io("write", &staging.join(name))))
    };
    write("repomd.xml", &repomd)?;
    if let Some(signer) = &options.signer {
        let signature = signer.detached_armoured(&repomd, Signing::at(options.revision));
        let path = target.join(REPODATA).join("repomd.xml");
        write("repomd.xml.asc", &signature.map_err(|fault| Error::Signing { path, fault })?)?;
        write("repomd.xml.key", signer.public_key())?;
    } else if target.join(REPODATA).join("repomd.xml.asc").exists() {
        let lost = "the new metadata have no signature, and those before had one (repomd.xml.asc)";
        indexed.warnings.push(format!("{lost}; clients may refuse them"));
    }
    Ok(indexed)
}

/// Gives all files in `folder` this modification time.
fn set_times(folder: &Path, seconds: i64) -> Result<()> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    let invalid = || Error::io("set the time of", folder)(std::io::ErrorKind::InvalidInput.into());
    let time = time.ok_or_else(invalid)?;
    for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
        let path = entry.map_err(Error::io("read the folder", folder))?.path();
        let file = content::open(&path, LinkPolicy::Refuse)?;
        file.set_modified(time).map_err(Error::io("set the time of", &path))?;
    }
    Ok(())
}

fn write_repomd(
    repomd: &mut Vec<u8>,
    files: &[MetadataFile],
    options: &IndexOptions,
) -> Result<(), EntryFailure> {
    let mut xml = new_xml(repomd);
    let xml = &mut xml;
    let time = options.revision.to_string();
    declaration(xml)?;
    let namespaces = [
        ("xmlns", "http://linux.duke.edu/metadata/repo"),
        ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm"),
    ];
    open(xml, "repomd", &namespaces)?;
    element(xml, "revision", options.revision_name.as_ref().unwrap_or(&time))?;
    let RepositoryTags { content, repository, distributions } = &options.tags;
    if options.tags != RepositoryTags::default() {
        open(xml, "tags", &[])?;
        content.iter().try_for_each(|tag| element(xml, "content", tag))?;
        repository.iter().try_for_each(|tag| element(xml, "repo", tag))?;
        for (cpe, name) in distributions {
            let cpe = cpe.iter().map(|cpe| ("cpeid", cpe.as_str())).collect::<Vec<_>>();
            full(xml, "distro", &cpe, name)?;
        }
        close(xml, "tags")?;
    }
    for file in files {
        open(xml, "data", &[("type", file.name.as_str())])?;
        full(xml, "checksum", &[("type", file.checksum.kind.as_str())], &file.checksum.hex)?;
        if let Some(sum) = &file.open_checksum {
            full(xml, "open-checksum", &[("type", sum.kind.as_str())], &sum.hex)?;
        }
        let href = format!("{REPODATA}/{}", file.file_name);
        xml.write_event(Event::Empty(
            BytesStart::new("location").with_attributes([("href", href.as_str())]),
        ))?;
        element(xml, "timestamp", &time)?;
        element(xml, "size", &file.size.to_string())?;
        if let Some(size) = file.open_size {
            element(xml, "open-size", &size.to_string())?;
        }
        close(xml, "data")?;
    }
    close(xml, "repomd")
}
