//! Existing metadata whose entries are taken over, so that packages that did not change are not read again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use content::{LinkPolicy, printable, printable_path};

use super::find::FoundPackage;
use super::kind::MetadataKind;
use super::metadata::{EntryFailure, PackageIdentity, write_location};
use super::options::{IndexOptions, Reuse};
use super::package::MAX_KEPT;
use super::scan::{ScannedPackage, scan};
use super::xml::new_xml;
use super::{REPODATA, extra, header::HeaderFault};
use crate::error::{Error, Result};
use crate::metadata::{MAX_PACKAGE_METADATA, MAX_REPOMD, Repomd, RepomdFile, unpacked};

/// The packages of existing metadata by their location.
#[derive(Default)]
pub(super) struct Previous {
    repositories: Vec<OldRepository>,
    packages: HashMap<String, (usize, OldPackage)>,
}

/// Three files, unpacked: that of packages, and where the others have each package.
struct OldRepository {
    files: [File; 3],
    spans: [HashMap<String, Span>; 2],
}

type Span = std::ops::Range<u64>;

struct OldPackage {
    algorithm: String,
    checksum: String,
    identity: PackageIdentity,
    size: u64,
    file_time: i64,
    entry: Span,
    /// The element in the entry that says where the package is.
    location: Span,
}

/// The entries of one package.
pub(super) struct OldEntries<'a> {
    package: &'a OldPackage,
    repository: &'a OldRepository,
    spans: [Span; 2],
}

impl Previous {
    /// Reads the metadata of `target` and those that `reuse` names. Their files are unpacked into `scratch`. Metadata that cannot
    /// be used are named in `warnings`.
    pub(super) fn read(
        target: &Path,
        reuse: &Reuse,
        scratch: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut previous = Self::default();
        for (place, repository) in
            std::iter::once(target).chain(reuse.also.iter().map(AsRef::as_ref)).enumerate()
        {
            let is_own = place == 0;
            match previous.add(repository, scratch) {
                Ok(true) => {}
                Ok(false) if is_own => {}
                Ok(false) => warnings.push(format!("{}: it has no metadata", printable_path(repository))),
                Err(error @ (Error::Metadata { .. } | Error::Io(_))) => {
                    warnings.push(format!("the existing metadata are not reused: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(previous)
    }

    /// Whether the repository has metadata.
    fn add(&mut self, repository: &Path, scratch: &Path) -> Result<bool> {
        let path = repository.join(REPODATA).join("repomd.xml");
        let bytes = match content::open_read(&path, LinkPolicy::Follow, MAX_REPOMD) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            read => read?,
        };
        let repomd = Repomd::read(bytes.as_slice(), &path)?;
        let mut files = Vec::new();
        for kind in MetadataKind::ALL {
            let file = repomd.file(kind.name()).filter(|file| extra::file_name(file).is_some());
            let missing = || HeaderFault::new("repomd.xml", format!("a file {}", kind.name()), "none");
            let file = file.ok_or_else(missing).map_err(extra::metadata_error(&path))?;
            files.push(unpack(repository, file, kind, scratch)?);
        }
        let Ok([primary, filelists, other]) = <[_; 3]>::try_from(files) else { return Ok(true) };
        let [(primary, packages), (filelists, files), (other, changes)] = [primary, filelists, other];
        let spans = [files, changes].map(|packages| {
            packages.into_iter().map(|package| (package.checksum, package.entry)).collect::<HashMap<_, _>>()
        });
        let number = self.repositories.len();
        self.repositories.push(OldRepository { files: [primary, filelists, other], spans });
        for package in packages {
            let ScannedPackage { algorithm, checksum, identity, size, file_time, entry, href, location } =
                package;
            let package = OldPackage { algorithm, checksum, identity, size, file_time, entry, location };
            self.packages.entry(href).or_insert((number, package));
        }
        Ok(true)
    }

    /// Whether a package is listed at this location.
    pub(super) fn has(&self, href: &str) -> bool {
        self.packages.contains_key(href)
    }

    /// The entries of the package that lies at `href`, if it did not change since they were written.
    pub(super) fn find(
        &self,
        href: &str,
        found: &FoundPackage,
        options: &IndexOptions,
    ) -> Option<OldEntries<'_>> {
        let (repository, package) = self.packages.get(href)?;
        let repository = self.repositories.get(*repository)?;
        let is_same = options.reuse.as_ref().is_some_and(|reuse| reuse.by_location_only)
            || package.size == found.size && package.file_time == found.modified;
        let [files, changes] = &repository.spans;
        let spans = [files.get(&package.checksum)?.clone(), changes.get(&package.checksum)?.clone()];
        let is_small =
            spans.iter().chain([&package.entry]).all(|span| span.end - span.start <= MAX_KEPT as u64);
        (is_same && is_small && package.algorithm == options.checksum.as_str()).then_some(OldEntries {
            package,
            repository,
            spans,
        })
    }
}

impl OldEntries<'_> {
    pub(super) fn identity(&self) -> (String, String) {
        (self.package.identity.to_string(), self.package.checksum.clone())
    }

    /// The three entries, with this location.
    pub(super) fn entries(&self, base: Option<&str>, href: &str) -> Result<[Vec<u8>; 3]> {
        let [primary, filelists, other] = &self.repository.files;
        let OldPackage { entry, location, .. } = self.package;
        let mut text = read(primary, &(entry.start..location.start))?;
        match write_location(&mut new_xml(&mut text), base, href) {
            Ok(()) => {}
            Err(EntryFailure::Write(error)) => return Err(old_error(error)),
            Err(EntryFailure::Package(fault)) => {
                return Err(extra::metadata_error(Path::new("primary.xml"))(fault));
            }
        }
        text.append(&mut read(primary, &(location.end..entry.end))?);
        let [files, changes] = &self.spans;
        Ok([text, read(filelists, files)?, read(other, changes)?])
    }
}

fn read(file: &File, span: &Span) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(span.end - span.start).unwrap_or(0)];
    file.read_exact_at(&mut bytes, span.start).map_err(old_error)?;
    Ok(bytes)
}

fn old_error(error: io::Error) -> Error {
    Error::io("read the existing metadata below", Path::new(REPODATA))(error)
}

/// Unpacks a file that `repomd.xml` names into one without a name, after a look at its checksum, and scans it.
fn unpack(
    repository: &Path,
    listed: &RepomdFile,
    kind: MetadataKind,
    scratch: &Path,
) -> Result<(File, Vec<ScannedPackage>)> {
    let path = repository.join(&listed.location);
    if let Some(expected) = &listed.checksum {
        let found = expected.kind.of(&mut content::open(&path, LinkPolicy::Follow)?);
        let found = found.map_err(Error::io("read", &path))?;
        if found != *expected {
            let fault = HeaderFault::new("repomd.xml", format!("the checksum {expected}"), found.to_string());
            return Err(extra::metadata_error(&path)(fault));
        }
    }
    let name = scratch.join(format!("previous-{}", kind.name()));
    let mut written = File::create_new(&name).map_err(Error::io("create", &name))?;
    let file = content::open(&name, LinkPolicy::Refuse)?;
    fs::remove_file(&name).map_err(Error::io("remove", &name))?;
    let source = BufReader::new(content::open(&path, LinkPolicy::Follow)?);
    let copied =
        unpacked(source, MAX_PACKAGE_METADATA).and_then(|mut source| io::copy(&mut source, &mut written));
    copied.map_err(Error::io("unpack", &path))?;
    let packages = scan(BufReader::with_capacity(128 << 10, &file), kind);
    let packages = packages.map_err(|HeaderFault { place, expected, found }| Error::Metadata {
        path,
        place,
        expected,
        found: printable(&found).to_string(),
    })?;
    Ok((file, packages))
}
