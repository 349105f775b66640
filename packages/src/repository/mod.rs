//! Repository metadata: the `repodata/` folder that dnf, yum and zypper read.
//!
//! `repomd.xml` names three compressed files with their checksums: `primary` (what each package is, provides and
//! requires), `filelists` (its files) and `other` (its changelog). Each package is read once, its headers parsed
//! and all of it hashed in the same pass, and its three entries are written before the next one is opened, so
//! that memory does not grow with the repository.
//!
//! The files are called `primary.xml.gz` and so on, without a checksum in the name: a build knows its outputs
//! beforehand, and the names fit the 64 characters of Joliet. The folder is replaced as a whole, so a reader
//! that opens it anew never sees files of two runs.
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
//! * A file that is no package, or a symbolic link, is an error, where createrepo_c warns and goes on: a
//!   repository that lacks a package silently is found out when a node needs that package.

mod header;
mod metadata;
mod output;
mod tag;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use content::Links;
use quick_xml::events::Event;

use self::header::{Fault, Headers};
use self::metadata::{Failure, Package, close, element, full, open};
use self::output::{Kind, Measured, Output, Written, declaration, new_xml};
use crate::error::{Error, Result};
use crate::publish::{Folder, remove_folder, replace_folder};

/// The folder of the metadata.
const REPODATA: &str = "repodata";
/// Where the metadata are written before they replace the folder; what a killed run left is removed by the next.
const STAGING: &str = ".repodata.new";
/// Folders below the repository's that are looked into.
const MAX_DEPTH: usize = 16;

/// What [`index`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// `repodata/repomd.xml`.
    pub repomd: PathBuf,
    /// How many packages the repository has.
    pub packages: usize,
}

/// Indexes every `*.rpm` below `dir` and replaces `dir/repodata` as a whole.
///
/// `revision` is written as the repository's revision and as the time of its files (Unix seconds); clients take
/// metadata with another revision for newer ones. Equal packages under equal names and an equal revision give
/// equal bytes. What else lay in an older `repodata/`, such as signatures or groups, is gone.
///
/// # Errors
///
/// [`Error::Rpm`] where a file is not a package or damaged, [`Error::Unindexable`] where its name or kind cannot
/// be part of a repository, and [`Error::Io`]. Whatever the error, the `repodata/` that was there is untouched.
pub fn index(dir: &Path, revision: i64) -> Result<Index> {
    let folder = Folder::lock_existing(dir)?;
    let locations = find_packages(dir)?;
    let staging = dir.join(STAGING);
    remove_folder(&staging)?;
    fs::create_dir(&staging).map_err(Error::io("create the folder", &staging))?;
    let written = write_metadata(dir, &staging, &locations, revision);
    if let Err(error) = written {
        // Best effort: the next run removes it, and the first error is the one that counts.
        let _ = fs::remove_dir_all(&staging);
        return Err(error);
    }
    let repodata = dir.join(REPODATA);
    replace_folder(&folder, &staging, &repodata)?;
    Ok(Index { repomd: repodata.join("repomd.xml"), packages: locations.len() })
}

fn write_metadata(dir: &Path, staging: &Path, locations: &[String], revision: i64) -> Result<()> {
    let create = |kind| Output::create(staging, kind, locations.len());
    let (mut primary, mut filelists, mut other) =
        (create(Kind::Primary)?, create(Kind::Filelists)?, create(Kind::Other)?);
    for location in locations {
        let path = dir.join(location);
        let (headers, checksum, size) = read_package(&path)?;
        let package = Package::new(&headers, &checksum, size, location).map_err(package_error(&path))?;
        primary.write(&path, |xml| package.primary(xml))?;
        filelists.write(&path, |xml| package.filelists(xml))?;
        other.write(&path, |xml| package.other(xml))?;
    }
    let files = [primary.finish()?, filelists.finish()?, other.finish()?];

    let mut repomd = Vec::new();
    let rendered = write_repomd(&mut repomd, &files, revision);
    let path = staging.join("repomd.xml");
    rendered.map_err(|failure| match failure {
        Failure::Write(source) => Error::Io { operation: "write", path: path.clone(), source },
        Failure::Package(fault) => package_error(&path)(fault),
    })?;
    let staged = Folder::lock_existing(staging)?;
    staged.write("repomd.xml", |file| file.write_all(&repomd).map_err(Error::io("write", &path)))?;
    Ok(())
}

/// Reads a package once: its headers, and the SHA-256 (hexadecimal) and size of the whole file.
fn read_package(path: &Path) -> Result<(Headers, String, u64)> {
    let file = content::open(path, Links::Refuse)?;
    let mut input = Measured::new(io::BufReader::with_capacity(128 << 10, file));
    let headers = Headers::read(&mut input).map_err(package_error(path))?;
    io::copy(&mut input, &mut io::sink()).map_err(Error::io("read", path))?;
    let (checksum, size) = input.sums();
    Ok((headers, checksum, size))
}

fn package_error(path: &Path) -> impl FnOnce(Fault) -> Error {
    |Fault { place, expected, found }| Error::Rpm { path: path.to_owned(), place, expected, found }
}

fn write_repomd(repomd: &mut Vec<u8>, files: &[Written], revision: i64) -> Result<(), Failure> {
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
        open(xml, "data", &[("type", file.name)])?;
        full(xml, "checksum", &[("type", "sha256")], &file.checksum)?;
        full(xml, "open-checksum", &[("type", "sha256")], &file.open_checksum)?;
        let href = format!("{REPODATA}/{}", file.file_name);
        xml.write_event(Event::Empty(
            quick_xml::events::BytesStart::new("location").with_attributes([("href", href.as_str())]),
        ))?;
        element(xml, "timestamp", &revision)?;
        element(xml, "size", &file.size.to_string())?;
        element(xml, "open-size", &file.open_size.to_string())?;
        close(xml, "data")?;
    }
    close(xml, "repomd")
}

/// The packages below `dir` as paths from it, in the order of their bytes.
fn find_packages(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::io("read the folder", &folder))? {
            let entry = entry.map_err(Error::io("read the folder", &folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(Error::io("read", &path))?;
            let is_rpm = path.extension().is_some_and(|extension| extension == "rpm");
            let unindexable = |reason| Error::Unindexable { path: path.clone(), reason };
            let name = entry.file_name();
            let is_own = depth == 0 && (name == REPODATA || name == STAGING);
            if is_own || !(is_rpm || kind.is_dir()) {
                continue;
            }
            let name = name.into_string().map_err(|_| unindexable("its name is not UTF-8"))?;
            if name.chars().any(char::is_control) {
                return Err(unindexable("its name has control characters"));
            }
            let location = format!("{prefix}{name}");
            if kind.is_dir() {
                if depth == MAX_DEPTH {
                    return Err(unindexable("it lies more than 16 folders deep"));
                }
                folders.push((path, format!("{location}/"), depth + 1));
            } else if kind.is_file() {
                found.push(location);
            } else {
                return Err(unindexable("it is named like a package but is no regular file"));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
