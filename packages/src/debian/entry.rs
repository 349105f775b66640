//! The entry of a package in `Packages`, from its file or from existing metadata.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use content::{LinkPolicy, printable};

use super::contents::{qualified, read_contents};
use super::package::{DebIdentity, DebPackage};
use super::release::{ListedFile, listed_files};
use super::stanza::{Stanza, metadata_error};
use super::upstream::MAX_RELEASE;
use crate::error::{Error, Result};
use crate::metadata::{ChecksumKind, MAX_PACKAGE_METADATA, unpacked};
use crate::repository::{FoundPackage, HeaderFault};

/// Bytes of the paths of existing contents.
const MAX_PATHS: usize = 256 << 20;
/// The modification time of a package, in metadata that can be taken over.
const FILE_MODIFIED: &str = "File-Modified";
/// What the repository says about a package, and never the package itself.
const OF_REPOSITORY: [&str; 8] =
    ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Status", FILE_MODIFIED];

/// What is written about a package.
pub(super) struct Entry {
    pub(super) identity: DebIdentity,
    /// When the package was built, in seconds since 1970; 0 if its entry was taken over.
    pub(super) date: i64,
    /// The SHA-256 of the file, in hexadecimal.
    pub(super) digest: String,
    /// The stanza in `Packages`, which lacks the location.
    pub(super) stanza: Stanza,
    /// What the package is called in contents.
    pub(super) qualified: String,
    pub(super) paths: Option<Vec<String>>,
    /// Whether the package was read.
    pub(super) is_read: bool,
}

impl Entry {
    /// Reads the package at `path`.
    pub(super) fn read(path: &Path, with_modified: bool, with_paths: bool) -> Result<Self> {
        let file = content::open(path, LinkPolicy::Follow)?;
        let modified = file.metadata().map_err(Error::io("read", path))?.mtime();
        let package = DebPackage::read(file, path, with_paths)?;
        let mut control = package.control;
        for field in OF_REPOSITORY {
            control.remove(field);
        }
        let description = control.remove("Description");
        let mut stanza = Stanza::default();
        // First, as readers expect.
        stanza.set("Package", package.identity.name.clone());
        for (name, value) in control.fields().filter(|(name, _)| !name.eq_ignore_ascii_case("Package")) {
            stanza.set(name, value);
        }
        let digest = package.digest.hex();
        stanza.set("Size", package.size.to_string());
        stanza.set("SHA256", digest.as_str());
        if with_modified {
            stanza.set(FILE_MODIFIED, modified.to_string());
        }
        if let Some(description) = description {
            stanza.set("Description", description);
        }
        let qualified = qualified(&package.identity.name, stanza.get("Section"));
        Ok(Self {
            identity: package.identity,
            date: package.date,
            digest,
            stanza,
            qualified,
            paths: package.paths,
            is_read: true,
        })
    }
}

/// Texts that are written one after the other into a file without a name.
pub(super) struct Spool {
    written: File,
    read: File,
    end: u64,
}

impl Spool {
    /// A file in this folder.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(".spool");
        let written = File::create_new(&path).map_err(Error::io("create", &path))?;
        let read = content::open(&path, LinkPolicy::Refuse)?;
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        Ok(Self { written, read, end: 0 })
    }

    pub(super) fn append(&mut self, stanza: &Stanza) -> io::Result<Range<u64>> {
        let mut text = Vec::new();
        stanza.write(&mut text)?;
        self.written.write_all_at(&text, self.end)?;
        let start = self.end;
        self.end += text.len() as u64;
        Ok(start..self.end)
    }

    pub(super) fn read(&self, span: &Range<u64>) -> io::Result<Vec<u8>> {
        let mut text = vec![0; usize::try_from(span.end - span.start).unwrap_or(0)];
        self.read.read_exact_at(&mut text, span.start)?;
        Ok(text)
    }
}

/// The packages of existing metadata, by their locations.
#[derive(Default)]
pub(super) struct PreviousDebs {
    spool: Option<Spool>,
    packages: HashMap<String, OldDeb>,
    /// The paths of packages in contents: by the folder of `Packages`, and the package.
    contents: HashMap<String, HashMap<String, Vec<String>>>,
    /// How many packages have the same name in one `Packages`.
    same_name: HashMap<(String, String), usize>,
}

struct OldDeb {
    identity: DebIdentity,
    digest: String,
    size: u64,
    modified: i64,
    qualified: String,
    /// The folder of the `Packages` that lists it.
    listed_in: String,
    span: Range<u64>,
}

impl PreviousDebs {
    /// Reads the metadata that the `Release` in `folder` lists. They are unpacked into `scratch`. What cannot be used is named in
    /// `warnings`.
    pub(super) fn read(
        folder: &Path,
        scratch: &Path,
        with_paths: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut previous = Self { spool: Some(Spool::new(scratch)?), ..Self::default() };
        match previous.add(folder, with_paths) {
            Ok(()) => Ok(previous),
            Err(error @ (Error::Metadata { .. } | Error::Io(_))) => {
                warnings.push(format!("the existing metadata are not reused: {error}"));
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, folder: &Path, with_paths: bool) -> Result<()> {
        let path = folder.join("Release");
        let text = match content::open_read(&path, LinkPolicy::Follow, MAX_RELEASE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        let release = Stanza::read_all(&text, &path)?.into_iter().next();
        let listed = listed_files(&release.unwrap_or_default());
        // `Packages` and its compressed forms are one.
        let mut done = Vec::new();
        for file in &listed {
            let (place, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let (stem, _) = name.split_once('.').unwrap_or((name, ""));
            let key = (place, stem);
            let is_wanted = stem == "Packages" || with_paths && stem.starts_with("Contents-");
            if !is_wanted || done.contains(&key) || !folder.join(&file.path).exists() {
                continue;
            }
            done.push(key);
            if stem == "Packages" {
                self.add_packages(folder, file, place)?;
            } else {
                let architecture = stem.trim_start_matches("Contents-");
                let path = folder.join(&file.path);
                let mut input = checked(folder, file)?;
                let read = read_contents(&mut input, MAX_PATHS).map_err(Error::io("read", &path))?;
                self.contents.insert(format!("{place}/binary-{architecture}"), read);
            }
        }
        Ok(())
    }

    fn add_packages(&mut self, folder: &Path, file: &ListedFile, place: &str) -> Result<()> {
        let path = folder.join(&file.path);
        let mut input = checked(folder, file)?;
        let Some(spool) = &mut self.spool else { return Ok(()) };
        while let Some(mut stanza) = Stanza::read(&mut input, "Packages").map_err(metadata_error(&path))? {
            let identity = DebIdentity::of(&stanza).map_err(metadata_error(&path))?;
            let qualified = qualified(&identity.name, stanza.get("Section"));
            *self.same_name.entry((place.to_owned(), qualified.clone())).or_default() += 1;
            let number = |name: &str| stanza.get(name).and_then(|value| value.parse::<i64>().ok());
            let (Some(size), Some(modified), Some(digest)) =
                (number("Size"), number(FILE_MODIFIED), stanza.get("SHA256").map(str::to_owned))
            else {
                continue;
            };
            let (Some(location), Ok(size)) = (stanza.remove("Filename"), size.try_into()) else { continue };
            let span = spool.append(&stanza).map_err(Error::io("copy", &path))?;
            let listed_in = place.to_owned();
            let old = OldDeb { identity, digest, size, modified, qualified, listed_in, span };
            self.packages.entry(location).or_insert(old);
        }
        Ok(())
    }

    /// The entry of a package, if it did not change since it was written.
    pub(super) fn find(&self, location: &str, found: &FoundPackage, with_paths: bool) -> Option<Entry> {
        let old = self.packages.get(location)?;
        if (old.size, old.modified) != (found.size, found.modified) {
            return None;
        }
        let mut paths = None;
        if with_paths {
            let key = (old.listed_in.clone(), old.qualified.clone());
            if self.same_name.get(&key) != Some(&1) {
                return None;
            }
            let contents = self.contents.get(&old.listed_in)?;
            paths = Some(contents.get(&old.qualified).cloned().unwrap_or_default());
        }
        let text = self.spool.as_ref()?.read(&old.span).ok()?;
        let stanza = Stanza::read(&mut text.as_slice(), "Packages").ok()??;
        let (identity, digest, qualified) = (old.identity.clone(), old.digest.clone(), old.qualified.clone());
        Some(Entry { identity, date: 0, digest, stanza, qualified, paths, is_read: false })
    }
}

/// Opens a file that `Release` lists, unpacked, after a look at its checksum.
fn checked(folder: &Path, file: &ListedFile) -> Result<Box<dyn io::BufRead + Send>> {
    let path = folder.join(&file.path);
    let found = ChecksumKind::Sha256.of(&mut content::open(&path, LinkPolicy::Follow)?);
    let found = found.map_err(Error::io("read", &path))?;
    if found.hex != file.digest {
        let expected = format!("the SHA-256 {}", printable(&file.digest));
        return Err(metadata_error(&path)(HeaderFault::new("Release", expected, found.hex)));
    }
    let input = BufReader::with_capacity(128 << 10, content::open(&path, LinkPolicy::Follow)?);
    unpacked(input, MAX_PACKAGE_METADATA).map_err(Error::io("unpack", &path))
}
