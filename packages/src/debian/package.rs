//! Package files: `ar` archives with a control file and the files to install (deb(5)).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use content::{Digest, Hashed, LinkPolicy};

use super::ar::{Ar, unreadable};
use super::members::members;
use super::stanza::Stanza;
use crate::error::{Error, Result};
use crate::metadata::unpacked;
use crate::repository::HeaderFault;

/// Bytes of an unpacked `control.tar`.
const MAX_CONTROL_TAR: u64 = 64 << 20;
/// Bytes of the control file.
const MAX_CONTROL: u64 = 1 << 20;
/// Bytes of an unpacked `data.tar`.
const MAX_DATA: u64 = 64 << 30;
/// Bytes of the paths of a package.
const MAX_PATHS: usize = 64 << 20;
/// KiB of memory that unpacking `data.tar.lzma` may take.
const LZMA_MEMORY: u32 = 128 << 10;

/// What a package is: its name, version and architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebIdentity {
    /// The name.
    pub name: String,
    /// `[epoch:]version[-revision]`.
    pub version: String,
    /// The architecture of dpkg, such as `amd64` or `all`.
    pub architecture: String,
}

impl DebIdentity {
    /// What the fields `Package`, `Version` and `Architecture` say.
    pub(super) fn of(control: &Stanza) -> Result<Self, HeaderFault> {
        let field = |name: &str, expected: &str, is_valid: fn(&str) -> bool| match control.get(name) {
            Some(value) if value.len() <= 255 && is_valid(value) => Ok(value.to_owned()),
            value => {
                let found = value.map_or("none".to_owned(), |value| format!("`{value}`"));
                Err(HeaderFault::new(format!("control, {name}"), expected, found))
            }
        };
        Ok(Self {
            name: field("Package", "a name", is_name)?,
            version: field("Version", "a version", is_version)?,
            architecture: field("Architecture", "an architecture", is_architecture)?,
        })
    }

    /// The usual name of the file: `name_version_architecture.deb`, where the version has no epoch.
    #[must_use]
    pub fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }
}

impl fmt::Display for DebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.name, self.version, self.architecture)
    }
}

/// As dpkg: letters, digits and `-+._` after a letter or digit.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte))
}

/// As dpkg: `[epoch:]version[-revision]`.
pub(super) fn is_version(version: &str) -> bool {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let is_epoch = epoch.parse::<u32>().is_ok_and(|epoch| i32::try_from(epoch).is_ok())
        && epoch.bytes().all(|digit| digit.is_ascii_digit());
    is_epoch
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !rest.ends_with('-')
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+:~".contains(&byte))
}

/// As dpkg: letters, digits and `-` after a letter or digit.
pub(super) fn is_architecture(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A package file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebPackage {
    /// What it is.
    pub identity: DebIdentity,
    /// Its control file.
    pub control: Stanza,
    /// When it was built, in seconds since 1970: the time of its first member.
    pub date: i64,
    /// Of the file, in bytes.
    pub size: u64,
    /// The SHA-256 of the file.
    pub digest: Digest,
    /// The paths of all it installs but folders, without `/` at the start, sorted; `None` unless they were wanted.
    pub paths: Option<Vec<String>>,
}

impl DebPackage {
    /// Reads a package file. Its paths are read if they are wanted, for which all of it is unpacked.
    ///
    /// # Errors
    ///
    /// [`Error::Deb`] if it is not a package or is damaged, and [`Error::Io`].
    pub fn open(path: &Path, with_paths: bool) -> Result<Self> {
        Self::read(content::open(path, LinkPolicy::Follow)?, path, with_paths)
    }

    /// Reads a package as [`Self::open`] does, from `file`, to its end; `path` is for messages.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`].
    pub fn read(file: impl Read + Send, path: &Path, with_paths: bool) -> Result<Self> {
        Self::parse(file, with_paths).map_err(deb_error(path))
    }

    /// What the package at `path` is. Only its start is read, up to the end of its control file.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`].
    pub fn identify(path: &Path) -> Result<DebIdentity> {
        let control = Self::control(content::open(path, LinkPolicy::Follow)?, path)?;
        DebIdentity::of(&control).map_err(deb_error(path))
    }

    /// The control file of a package. Only the start of `file` is read, up to the end of it; `path` is for messages.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`].
    pub fn control(file: impl Read + Send, path: &Path) -> Result<Stanza> {
        let read = || {
            let mut archive = Ar::new(BufReader::with_capacity(128 << 10, file))?;
            format_version(&mut archive)?;
            control(&mut archive)
        };
        read().map_err(deb_error(path))
    }

    fn parse(file: impl Read + Send, with_paths: bool) -> Result<Self, HeaderFault> {
        let mut archive = Ar::new(BufReader::with_capacity(128 << 10, Hashed::new(file)))?;
        format_version(&mut archive)?;
        let date = archive.time;
        let control = control(&mut archive)?;
        let mut paths = None;
        let name = next_member(&mut archive, "data.tar")?;
        if with_paths {
            paths = Some(read_paths(&name, BufReader::with_capacity(128 << 10, &mut archive))?);
        }
        // dpkg ignores further members.
        while archive.next()?.is_some() {}
        let (_, digest, size) = archive.into_inner().into_inner().finish();
        Ok(Self { identity: DebIdentity::of(&control)?, control, date, size, digest, paths })
    }
}

pub(super) fn deb_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Deb { path: path.to_owned(), place, expected, found }
}

/// The first member says that the format is of version 2.
fn format_version(archive: &mut Ar<impl BufRead>) -> Result<(), HeaderFault> {
    let name = archive.next()?.map(|(name, _)| name).unwrap_or_default();
    if name != "debian-binary" {
        return Err(HeaderFault::new("ar archive", "the member debian-binary first", format!("`{name}`")));
    }
    let version = content::read_bounded(archive, 64).map_err(|error| unreadable("debian-binary", &error))?;
    if !version.starts_with(b"2.") {
        let found = String::from_utf8_lossy(&version).into_owned();
        return Err(HeaderFault::new("debian-binary", "the version 2 of the format", found));
    }
    Ok(())
}

/// The name of the next member, which starts with `wanted`. Members with `_` at the start of their names are skipped.
fn next_member(archive: &mut Ar<impl BufRead>, wanted: &str) -> Result<String, HeaderFault> {
    loop {
        match archive.next()? {
            Some((name, _)) if name.starts_with('_') => {}
            Some((name, _)) if is_member(&name, wanted) => return Ok(name),
            found => {
                let found = found.map_or("the end".to_owned(), |(name, _)| format!("`{name}`"));
                return Err(HeaderFault::new("ar archive", format!("the member {wanted}"), found));
            }
        }
    }
}

fn is_member(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|end| matches!(end, "" | ".gz" | ".xz" | ".zst" | ".bz2" | ".lzma"))
}

/// The control file.
fn control(archive: &mut Ar<impl BufRead + Send>) -> Result<Stanza, HeaderFault> {
    next_member(archive, "control.tar")?;
    let input = BufReader::with_capacity(64 << 10, archive);
    let mut tar = unpacked(input, MAX_CONTROL_TAR).map_err(|error| unreadable("control.tar", &error))?;
    let mut found: Option<Vec<u8>> = None;
    members("control.tar", &mut tar, |member, content| {
        if member.path != "control" || !member.is_file {
            return Ok(());
        }
        if found.is_some() {
            return Err(HeaderFault::new("control.tar", "one file control", "two"));
        }
        let read = content::read_bounded(content, MAX_CONTROL);
        found = Some(read.map_err(|error| unreadable("control", &error))?);
        Ok(())
    })?;
    // Only the end of a compressed file has its checksum.
    io::copy(&mut tar, &mut io::sink()).map_err(|error| unreadable("control.tar", &error))?;
    let text = found.ok_or_else(|| HeaderFault::new("control.tar", "a file control", "none"))?;
    let mut text = text.as_slice();
    let stanza = Stanza::read(&mut text, "control")?.unwrap_or_default();
    match Stanza::read(&mut text, "control")? {
        None => Ok(stanza),
        Some(_) => Err(HeaderFault::new("control", "one stanza", "two")),
    }
}

/// The paths in `data.tar`, which has this name.
fn read_paths(name: &str, input: impl BufRead + Send) -> Result<Vec<String>, HeaderFault> {
    let damaged = |error: io::Error| unreadable("data.tar", &error);
    let mut tar: Box<dyn BufRead + Send + '_> = if name.ends_with(".lzma") {
        let reader = lzma_rust2::LzmaReader::new_mem_limit(input, LZMA_MEMORY, None).map_err(damaged)?;
        unpacked(BufReader::new(reader), MAX_DATA).map_err(damaged)?
    } else {
        unpacked(input, MAX_DATA).map_err(damaged)?
    };
    let (mut paths, mut bytes) = (Vec::new(), 0);
    members("data.tar", &mut tar, |member, _| {
        if !member.is_folder {
            bytes += member.path.len() + size_of::<String>();
            if bytes > MAX_PATHS {
                return Err(HeaderFault::new("data.tar", "64 MiB of paths at most", "more"));
            }
            paths.push(member.path.to_owned());
        }
        Ok(())
    })?;
    io::copy(&mut tar, &mut io::sink()).map_err(damaged)?;
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}
