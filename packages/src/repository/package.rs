//! One package of a repository: its entries, from its file or from older metadata.

use std::io::{self, BufReader, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::{Digest, Hasher, LinkPolicy};

use super::find::FoundPackage;
use super::header::Headers;
use super::kind::MetadataKind;
use super::metadata::{EntryFailure, Listing, PackageEntry};
use super::options::IndexOptions;
use super::output::MetadataWriter;
use super::previous::Previous;
use super::xml::{Xml, new_xml};
use super::{package_error, read_package};
use crate::error::{Error, Result};

/// Bytes of an entry that is kept until its turn comes. A larger one is written from the package when it comes.
pub(super) const MAX_KEPT: usize = 16 << 20;

/// What is written about a package.
pub(super) struct Indexed {
    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    pub(super) identity: String,
    pub(super) checksum: String,
    /// Whether the package was read.
    pub(super) is_read: bool,
    entries: Entries,
}

enum Entries {
    /// In the order of [`MetadataKind::ALL`].
    Kept([Vec<u8>; 3]),
    /// They are large. The digest is that of the header that they are made of.
    Large { header: Digest, size: u64, modified: i64 },
}

/// Makes the entries of packages.
pub(super) struct Packages<'a> {
    dir: &'a Path,
    options: &'a IndexOptions,
    base: Option<String>,
    previous: &'a Previous,
}

impl<'a> Packages<'a> {
    pub(super) fn new(dir: &'a Path, options: &'a IndexOptions, previous: &'a Previous) -> Self {
        // As createrepo_c: a path is a URL of this machine.
        let base = options.base_url.as_ref().filter(|base| !base.is_empty());
        let base =
            base.map(|base| if base.starts_with('/') { format!("file://{base}") } else { base.clone() });
        Self { dir, options, base, previous }
    }

    /// The folder of the packages.
    pub(super) fn dir(&self) -> &Path {
        self.dir
    }

    pub(super) fn path(&self, package: &FoundPackage) -> PathBuf {
        self.dir.join(&package.location)
    }

    /// The path of the package in the metadata.
    pub(super) fn href(&self, package: &FoundPackage) -> String {
        href(&package.location, self.options)
    }

    fn listing(&self, modified: i64) -> Listing<'_> {
        let default = Listing::default();
        Listing {
            algorithm: self.options.checksum.as_str(),
            base: self.base.as_deref(),
            file_time: self.options.reuse.is_some().then_some(modified),
            changelog_entries: self.options.changelog_entries.unwrap_or(default.changelog_entries),
        }
    }

    /// Reads the package, unless older metadata have its entries.
    pub(super) fn read(&self, package: &FoundPackage) -> Result<Indexed> {
        let href = self.href(package);
        if let Some(old) = self.previous.find(&href, package, self.options) {
            let entries = old.entries(self.base.as_deref(), &href)?;
            let (identity, checksum) = old.identity();
            return Ok(Indexed { identity, checksum, is_read: false, entries: Entries::Kept(entries) });
        }
        let path = self.path(package);
        let file = content::open(&path, LinkPolicy::Follow)?;
        let modified = file.metadata().map_err(Error::io("read", &path))?.mtime();
        let (headers, checksum, size) = read_package(&file, &path, self.options.checksum)?;
        let entry = PackageEntry::new(&headers, &checksum, size, &href).map_err(package_error(&path))?;
        let entry = entry.listed(self.listing(modified));
        let identity = entry.identity().map_err(package_error(&path))?.to_string();
        let mut texts = [const { Vec::new() }; 3];
        let mut is_large = false;
        for (kind, text) in MetadataKind::ALL.into_iter().zip(&mut texts) {
            let mut kept = Kept { text, is_full: false };
            match write(&entry, kind, &mut new_xml(&mut kept)) {
                Ok(()) => {}
                Err(_) if kept.is_full => is_large = true,
                Err(EntryFailure::Package(fault)) => return Err(package_error(&path)(fault)),
                Err(EntryFailure::Write(source)) => return Err(Error::io("describe", &path)(source)),
            }
        }
        let entries = if is_large {
            Entries::Large { header: digest(&headers), size, modified }
        } else {
            Entries::Kept(texts)
        };
        Ok(Indexed { identity, checksum, is_read: true, entries })
    }

    /// Writes the entries of `package` into the three files.
    pub(super) fn write(
        &self,
        package: &FoundPackage,
        indexed: &Indexed,
        outputs: &mut [MetadataWriter; 3],
    ) -> Result<()> {
        let path = self.path(package);
        match &indexed.entries {
            Entries::Kept(texts) => {
                outputs.iter_mut().zip(texts).try_for_each(|(output, text)| output.write_bytes(text))
            }
            Entries::Large { header, size, modified } => {
                let file = content::open(&path, LinkPolicy::Follow)?;
                let headers = Headers::read(&mut BufReader::new(file)).map_err(package_error(&path))?;
                if digest(&headers) != *header {
                    let reason = "it changed while it was indexed";
                    return Err(Error::Unindexable { path, reason });
                }
                let href = self.href(package);
                let entry = PackageEntry::new(&headers, &indexed.checksum, *size, &href);
                let entry = entry.map_err(package_error(&path))?.listed(self.listing(*modified));
                MetadataKind::ALL
                    .into_iter()
                    .zip(outputs)
                    .try_for_each(|(kind, output)| output.write(&path, |xml| write(&entry, kind, xml)))
            }
        }
    }
}

fn write(entry: &PackageEntry<'_>, kind: MetadataKind, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
    match kind {
        MetadataKind::Primary => entry.primary(xml, false),
        MetadataKind::Filelists => entry.filelists(xml),
        MetadataKind::Other => entry.other(xml),
    }
}

fn digest(headers: &Headers) -> Digest {
    let mut hasher = Hasher::new();
    headers.main.bytes().iter().for_each(|part| hasher.update(part));
    hasher.finish()
}

/// Takes text up to [`MAX_KEPT`].
struct Kept<'a> {
    text: &'a mut Vec<u8>,
    is_full: bool,
}

impl Write for Kept<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_KEPT {
            *self.text = Vec::new();
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The location of a package in the metadata, as createrepo_c makes it.
pub(super) fn href(location: &str, options: &IndexOptions) -> String {
    let mut rest = location;
    for _ in 0..options.cut_folders {
        let Some((_, below)) = rest.split_once('/') else { break };
        rest = below;
    }
    match options.location_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/')) {
        None => rest.to_owned(),
        Some("") if options.location_prefix.as_deref() == Some("") => rest.to_owned(),
        Some(prefix) => format!("{prefix}/{rest}"),
    }
}
