//! Repository metadata: the `repodata/` folder that dnf, yum and zypper read.
//!
//! `repomd.xml` names three compressed files with their checksums: `primary` (what each package is, provides and
//! requires), `filelists` (its files) and `other` (its changelog). Each package is read once, its headers parsed
//! and all of it hashed in the same pass, and its three entries are written before the next one is opened, so
//! that memory does not grow with the repository.
//!
//! The files are called `primary.xml.gz` and so on, without a checksum in the name: a build knows its outputs
//! beforehand, and the names fit the 64 characters of Joliet. The folder is replaced as a whole, so a reader
//! that opens it again never sees files of two runs.
//!
//! # Differences from createrepo_c
//!
//! The metadata say what those of `createrepo_c --no-database --simple-md-filenames --compress-type gz` say,
//! except for these:
//!
//! * `time/@file` is the package's build time and not the file's modification time, which depends on who copied
//!   the file when.
//! * Every required version of `libc.so.6` is listed, where createrepo_c keeps the highest only.
//! * A dependency that a package names several times over is listed once, where createrepo_c compares each with the
//!   one before it only.
//! * The size of the payload is also given for RPM 6 packages, where older createrepo_c write 0.
//! * Prose with characters that XML cannot express gets U+FFFD in their place, where createrepo_c leaves out the
//!   package.
//! * A file that is not a package, or is damaged, is an error unless [`IndexOptions::skip_broken`] is set; createrepo_c warns about
//!   the one, and indexes the other. A repository that silently lacks a package is found out when a node needs that package.
//! * A link to a folder that it lies in is skipped with a warning, where createrepo_c follows it 40 times.
//! * Groups and updates are also taken from `comps.xml` and `updateinfo.xml` beside the packages, and descriptions of modules
//!   are not taken from the older `repodata/` unless [`IndexOptions::keep_metadata`] is set.

mod extra;
mod find;
mod header;
mod integrity;
mod metadata;
mod modules;
mod output;
mod signed;
mod tag;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use content::{Hashed, LinkPolicy};
use quick_xml::events::Event;

use self::find::FoundPackages;
pub(crate) use self::header::HeaderFault;
use self::header::Headers;
use self::integrity::Integrity;
pub use self::metadata::PackageIdentity;
pub(crate) use self::metadata::is_primary_path;
use self::metadata::{EntryFailure, PackageEntry, close, element, full, open};
pub(crate) use self::modules::documents as module_documents;
use self::output::{MetadataFile, MetadataKind, MetadataWriter, declaration, new_xml};
pub use self::signed::{VerifiedPackage, verify_package};
use crate::error::{Error, Result};
use crate::publish::{PrivateFolder, remove_folder, replace_folder};

/// The folder of the metadata.
const REPODATA: &str = "repodata";
/// Where the metadata are written before they replace the folder; what a killed run left is removed by the next.
const STAGING: &str = ".repodata.new";

/// How a folder of packages is indexed.
#[derive(Clone, Debug, Default)]
pub struct IndexOptions {
    /// The revision of the repository, and the time of its files in Unix seconds. Clients take metadata with another
    /// revision for newer ones.
    pub revision: i64,
    /// Patterns of files and folders that are left out: `*` and `?` as in createrepo_c, held against the name and the
    /// path in the repository.
    pub exclude: Vec<String>,
    /// The file of groups, in place of a `comps.xml` in the folder.
    pub groups: Option<PathBuf>,
    /// Whether metadata that are not made from packages are kept from the existing `repodata/`.
    pub keep_metadata: bool,
    /// Whether packages that cannot be indexed are left out with a warning. Else they are an error.
    pub skip_broken: bool,
    /// Whether packages of one name, version, release and architecture with different content are an error. Else they are a
    /// warning.
    pub unique: bool,
    /// The root of the archive that the folder is in: no link may lead out of it. Without it links are followed wherever they lead.
    pub boundary: Option<PathBuf>,
}

/// What [`index`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedRepository {
    /// `repodata/repomd.xml`.
    pub repomd: PathBuf,
    /// How many packages the repository has.
    pub packages: usize,
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
/// below `dir`, the others in `dir` itself. Equal files under equal names and equal options give equal bytes.
///
/// # Errors
///
/// [`Error::Rpm`] where a file is not a package or damaged, [`Error::Metadata`] where groups and the like are not what they
/// should be, [`Error::Unindexable`] where a name or kind cannot be part of a repository, [`Error::Pattern`] and
/// [`Error::Io`]. Whatever the error, the `repodata/` that was there is untouched.
pub fn index_with(dir: &Path, options: &IndexOptions) -> Result<IndexedRepository> {
    let folder = PrivateFolder::lock_existing(dir)?;
    let mut found = find::find(dir, options)?;
    let staging = dir.join(STAGING);
    let (mut skipped, mut warnings) =
        (std::mem::take(&mut found.broken), std::mem::take(&mut found.warnings));
    let mut ambiguous = Vec::new();
    let written = loop {
        ambiguous.clear();
        remove_folder(&staging)?;
        fs::create_dir(&staging).map_err(Error::io("create the folder", &staging))?;
        // The files say first how many packages there are: those that are left out are known only after all were read.
        let mut broken = Vec::new();
        let written = write_metadata(dir, &staging, &found, options, &mut broken, &mut ambiguous);
        if written.is_err() || broken.is_empty() {
            break written;
        }
        found.packages.retain(|location| !broken.iter().any(|(bad, _)| bad == location));
        skipped.extend(broken.into_iter().map(|(_, error)| error));
    };
    let dropped = match written {
        Ok(dropped) => dropped,
        Err(error) => {
            // Best effort: the next run removes it, and the first error is the one that counts.
            let _ = fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    let repodata = dir.join(REPODATA);
    replace_folder(&folder, &staging, &repodata)?;
    warnings.extend(skipped.iter().map(|error| format!("skipped {error}")));
    warnings.extend(ambiguous.iter().map(Error::to_string));
    Ok(IndexedRepository {
        repomd: repodata.join("repomd.xml"),
        packages: found.packages.len(),
        warnings,
        dropped,
    })
}

/// Writes all metadata; the types that the older ones had and these lack. With [`IndexOptions::skip_broken`] packages that cannot be indexed go to `broken`, and what
/// was written does not count.
fn write_metadata(
    dir: &Path,
    staging: &Path,
    found: &FoundPackages,
    options: &IndexOptions,
    broken: &mut Vec<(String, Error)>,
    ambiguous: &mut Vec<Error>,
) -> Result<Vec<String>> {
    let create = |kind| MetadataWriter::create(staging, kind, found.packages.len());
    let (mut primary, mut filelists, mut other) =
        (create(MetadataKind::Primary)?, create(MetadataKind::Filelists)?, create(MetadataKind::Other)?);
    let mut known: HashMap<String, (PathBuf, String)> = HashMap::new();
    for location in &found.packages {
        let path = dir.join(location);
        let indexed = (|| {
            let file = content::open(&path, LinkPolicy::Follow)?;
            let (headers, checksum, size) = read_package(&file, &path)?;
            let package =
                PackageEntry::new(&headers, &checksum, size, location).map_err(package_error(&path))?;
            primary.write(&path, |xml| package.primary(xml, false))?;
            filelists.write(&path, |xml| package.filelists(xml))?;
            other.write(&path, |xml| package.other(xml))?;
            let identity = package.identity().map_err(package_error(&path))?.to_string();
            Ok((identity, checksum))
        })();
        match indexed {
            Err(error @ Error::Rpm { .. }) if options.skip_broken => broken.push((location.clone(), error)),
            Err(error) => return Err(error),
            Ok((identity, checksum)) => {
                let (first, sum) =
                    known.entry(identity.clone()).or_insert_with(|| (path.clone(), checksum.clone()));
                if *sum != checksum {
                    let error = Error::Ambiguous { package: identity, first: first.clone(), second: path };
                    if options.unique {
                        return Err(error);
                    }
                    ambiguous.push(error);
                }
            }
        }
    }
    if !broken.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = vec![primary.finish()?, filelists.finish()?, other.finish()?];
    let (extra, dropped) = extra::write(dir, staging, found, options)?;
    files.extend(extra);

    let mut repomd = Vec::new();
    let rendered = write_repomd(&mut repomd, &files, options.revision);
    let path = staging.join("repomd.xml");
    rendered.map_err(|failure| match failure {
        EntryFailure::Write(source) => Error::io("write", &path)(source),
        EntryFailure::Package(fault) => package_error(&path)(fault),
    })?;
    let staged = PrivateFolder::lock_existing(staging)?;
    staged.write("repomd.xml", |file| file.write_all(&repomd).map_err(Error::io("write", &path)))?;
    Ok(dropped)
}

/// What the package file at `path` is. Only its headers are read, and no digest is checked.
///
/// # Errors
///
/// [`Error::Rpm`] if it is not a package, or lacks a name, a version, a release or an architecture, and [`Error::Io`].
pub fn identify(path: &Path) -> Result<PackageIdentity> {
    let file = content::open(path, LinkPolicy::Follow)?;
    let headers = Headers::read(&mut io::BufReader::new(file)).map_err(package_error(path))?;
    PackageEntry::new(&headers, "", 0, "").and_then(|entry| entry.identity()).map_err(package_error(path))
}

/// Bytes of the metadata of one package.
const MAX_ENTRY: u64 = 512 << 20;

/// Calls `take` with the path and a `primary.xml` of each package below `dir`, which has all files of the package.
pub(crate) fn package_metadata(dir: &Path, mut take: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
    let found = find::find(dir, &IndexOptions::default())?;
    let mut xml = Vec::new();
    for location in &found.packages {
        let path = dir.join(location);
        let (headers, checksum, size) = read_package(content::open(&path, LinkPolicy::Follow)?, &path)?;
        let package = PackageEntry::new(&headers, &checksum, size, location).map_err(package_error(&path))?;
        xml.clear();
        let mut to = BoundedVec(&mut xml);
        let mut writer = new_xml(&mut to);
        let written = open(&mut writer, "metadata", &[])
            .and_then(|()| package.primary(&mut writer, true))
            .and_then(|()| close(&mut writer, "metadata"));
        written.map_err(|failure| match failure {
            EntryFailure::Write(source) => Error::io("read", &path)(source),
            EntryFailure::Package(fault) => package_error(&path)(fault),
        })?;
        take(&path, &xml)?;
    }
    Ok(())
}

/// Bytes in memory, up to [`MAX_ENTRY`].
struct BoundedVec<'a>(&'a mut Vec<u8>);

impl io::Write for BoundedVec<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > MAX_ENTRY {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("metadata of more than {MAX_ENTRY} bytes"),
            ));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a package from `file` and checks all digests that it carries; `path` is for messages.
pub(crate) fn check(file: impl Read, path: &Path) -> Result<()> {
    read_package(file, path).map(drop)
}

/// Reads and checks a package once: its headers, and the SHA-256 (hexadecimal) and size of the whole file.
fn read_package(file: impl Read, path: &Path) -> Result<(Headers, String, u64)> {
    let mut input = Hashed::new(io::BufReader::with_capacity(128 << 10, file));
    let headers = Headers::read(&mut input).map_err(package_error(path))?;
    let mut integrity = Integrity::new(&headers).map_err(package_error(path))?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = input.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        integrity.update(buffer.get(..read).unwrap_or_default());
    }
    integrity.finish().map_err(package_error(path))?;
    let (_, digest, size) = input.finish();
    Ok((headers, digest.hex(), size))
}

fn package_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Rpm { path: path.to_owned(), place, expected, found }
}

fn write_repomd(repomd: &mut Vec<u8>, files: &[MetadataFile], revision: i64) -> Result<(), EntryFailure> {
    let mut xml = new_xml(repomd);
    let xml = &mut xml;
    let revision = revision.to_string();
    declaration(xml)?;
    let namespaces = [
        ("xmlns", "http://linux.duke.edu/metadata/repo"),
        ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm"),
    ];
    open(xml, "repomd", &namespaces)?;
    element(xml, "revision", &revision)?;
    for file in files {
        open(xml, "data", &[("type", file.name.as_str())])?;
        full(xml, "checksum", &[("type", "sha256")], &file.checksum)?;
        if let Some((algorithm, sum)) = &file.open_checksum {
            full(xml, "open-checksum", &[("type", algorithm.as_str())], sum)?;
        }
        let href = format!("{REPODATA}/{}", file.file_name);
        xml.write_event(Event::Empty(
            quick_xml::events::BytesStart::new("location").with_attributes([("href", href.as_str())]),
        ))?;
        element(xml, "timestamp", &revision)?;
        element(xml, "size", &file.size.to_string())?;
        if let Some(size) = &file.open_size {
            element(xml, "open-size", size)?;
        }
        close(xml, "data")?;
    }
    close(xml, "repomd")
}
