//! Repository metadata: the `repodata/` folder that dnf, yum and zypper read.
//!
//! `repomd.xml` names three compressed files with their checksums: `primary` (what each package is, provides and
//! requires), `filelists` (its files) and `other` (its changelog). Each package is read once, its headers parsed
//! and all of it hashed in the same pass. Several threads read, a thread for each file compresses, and the entries are written in
//! the order of the packages' paths: the metadata do not depend on the number of threads. Few packages are read ahead, so that
//! memory does not grow with the repository.
//!
//! The files are called `primary.xml.gz` and so on, without a checksum in the name unless
//! [`IndexOptions::unique_names`] is set: a build knows its outputs beforehand, and the names fit the 64 characters of Joliet.
//! The folder is replaced as a whole, so a reader
//! that opens it again never sees files of two runs.
//!
//! # Differences from createrepo_c
//!
//! The metadata say what those of `createrepo_c --no-database --simple-md-filenames --compress-type gz` say,
//! except for these:
//!
//! * `time/@file` is the package's build time and not the file's modification time, which depends on who copied
//!   the file when, unless [`IndexOptions::reuse`] is set, which compares it.
//! * Every required version of `libc.so.6` is listed, where createrepo_c keeps the highest only.
//! * A dependency that a package names several times over is listed once, where createrepo_c compares each with the
//!   one before it only.
//! * The size of the payload is also given for RPM 6 packages, where older createrepo_c write 0.
//! * In text that is not UTF-8, the bytes 80 to BF are characters of Latin-1, where createrepo_c drops them.
//! * Prose with characters that XML cannot express gets U+FFFD in their place, where createrepo_c leaves out the
//!   package.
//! * A file that is not a package, or is damaged, is an error unless [`PackageSelection::skip_broken`] is set; createrepo_c warns about
//!   the one, and indexes the other. A repository that silently lacks a package is found out when a node needs that package.
//! * A link to a folder that it lies in is skipped with a warning, where createrepo_c follows it 40 times.
//! * SHA-1 and MD5 are only read: they do not prove which package it is. Databases (`--database`), deltas, zchunk and split media
//!   have no equivalent: no client of EL 8 or later needs them.
//! * Groups and updates are also taken from `comps.xml` and `updateinfo.xml` beside the packages, and descriptions of modules
//!   are not taken from the older `repodata/` unless [`IndexOptions::keep_metadata`] is set.

mod description;
mod extra;
pub(crate) mod find;
mod header;
mod index;
mod integrity;
mod kind;
mod metadata;
mod modules;
mod options;
mod output;
mod pack;
mod package;
mod previous;
mod retain;
mod scan;
mod sign;
mod signature_header;
mod signed;
mod sum;
mod tag;
#[cfg(test)]
mod tests;
mod xml;

use std::io::{self, Read};
use std::path::Path;

use content::LinkPolicy;

pub use self::description::RpmDescription;
pub(crate) use self::find::FoundPackage;
pub(crate) use self::header::{Entry as HeaderEntry, HeaderFault, Headers, text};
pub use self::index::{IndexedRepository, index, index_with};
use self::integrity::Integrity;
pub use self::metadata::PackageIdentity;
pub(crate) use self::metadata::is_primary_path;
use self::metadata::{EntryFailure, PackageEntry, label};
pub(crate) use self::modules::documents as module_documents;
pub use self::options::{IndexOptions, MetadataCompression, PackageSelection, RepositoryTags, Reuse};
pub(crate) use self::pack::Packer;
pub(crate) use self::sign::sign_in_memory;
pub use self::sign::{SignedPackage, is_signed, is_unsigned_package, sign_package};
pub use self::signed::{VerifiedPackage, check_signature_of, verify_package};
use self::sum::Summed;
pub(crate) use self::tag::main_tag_name;
use self::xml::{close, new_xml, open};
use crate::error::{Error, Result};
use crate::format::PackageFormat;
use crate::metadata::ChecksumKind;

/// The folder of the metadata.
const REPODATA: &str = "repodata";
/// Where the metadata are written before they replace the folder; what a killed run left is removed by the next.
const STAGING: &str = ".repodata.new";
/// What at the root of a repository has no packages.
const OWN: &[&str] = &[REPODATA, STAGING];

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

/// Bytes that are read at a time.
const BUFFER: usize = 128 << 10;

/// Bytes of the metadata of one package.
const MAX_ENTRY: u64 = 512 << 20;

/// Calls `take` with the path and a `primary.xml` of each package below `dir`, which has all files of the package.
pub(crate) fn package_metadata(dir: &Path, mut take: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
    let found = find::find(dir, &PackageSelection::default(), &[PackageFormat::Rpm], OWN, &|_| true)?;
    let mut xml = Vec::new();
    for package in &found.packages {
        let location = &package.location;
        let path = dir.join(location);
        let (headers, checksum, size) =
            read_package(content::open(&path, LinkPolicy::Follow)?, &path, ChecksumKind::Sha256)?;
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
    read_package(file, path, ChecksumKind::Sha256).map(drop)
}

/// Reads and checks a package once: its headers, and the checksum (hexadecimal) and size of the whole file.
fn read_package(file: impl Read, path: &Path, checksum: ChecksumKind) -> Result<(Headers, String, u64)> {
    let mut input = Summed::new(io::BufReader::with_capacity(BUFFER, file), checksum);
    let (headers, _) = read_checked(&mut input, path)?;
    let (_, sum, size) = input.finish();
    Ok((headers, sum.hex, size))
}

/// Reads a package to its end and checks all digests that it carries: its headers, and whether they cover the payload.
fn read_checked(input: &mut impl Read, path: &Path) -> Result<(Headers, bool)> {
    let headers = Headers::read(input).map_err(package_error(path))?;
    let mut integrity = Integrity::new(&headers).map_err(package_error(path))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = input.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        integrity.update(buffer.get(..read).unwrap_or_default());
    }
    let covers_payload = integrity.covers_payload();
    integrity.finish().map_err(package_error(path))?;
    Ok((headers, covers_payload))
}

fn package_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Rpm { path: path.to_owned(), place, expected, found }
}
