//! One metadata file while it is written: compressed, and measured before and after compression.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::header::HeaderFault;
use super::kind::MetadataKind;
use super::metadata::EntryFailure;
use super::options::{IndexOptions, MetadataCompression};
use super::pack::Packer;
use super::xml::{Xml, close, declaration, new_xml, open};
use crate::error::{Error, Result};
use crate::metadata::{Checksum, ChecksumKind};

/// A metadata file that was written, as `repomd.xml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataFile {
    pub(super) name: String,
    pub(super) file_name: String,
    pub(super) checksum: Checksum,
    pub(super) size: u64,
    /// Of what is compressed in it.
    pub(super) open_checksum: Option<Checksum>,
    pub(super) open_size: Option<u64>,
}

/// How metadata files are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetadataForm {
    pub(super) compression: MetadataCompression,
    pub(super) checksum: ChecksumKind,
    /// Whether names start with checksums.
    pub(super) unique_names: bool,
}

impl MetadataForm {
    pub(super) fn new(options: &IndexOptions) -> Self {
        Self {
            compression: options.compression,
            checksum: options.repomd_checksum.unwrap_or(options.checksum),
            unique_names: options.unique_names,
        }
    }
}

/// A metadata file that is being written.
pub(super) struct MetadataWriter {
    name: String,
    /// The element around all others.
    root: Option<&'static str>,
    path: PathBuf,
    form: MetadataForm,
    packer: Packer,
}

impl MetadataWriter {
    /// A file about packages, with its first lines.
    pub(super) fn create(
        folder: &Path,
        kind: MetadataKind,
        packages: usize,
        form: MetadataForm,
    ) -> Result<Self> {
        let mut output = Self::plain(folder, kind.name(), &format!("{}.xml", kind.name()), form)?;
        let (root, namespaces) = kind.root();
        output.root = Some(root);
        let packages = packages.to_string();
        let about = output.path.clone();
        output.write(&about, |xml| {
            declaration(xml)?;
            open(xml, root, &[namespaces, &[("packages", packages.as_str())]].concat())
        })?;
        Ok(output)
    }

    /// An empty file, `name` in `repomd.xml`, and `file_name` but for the end that says how it is compressed.
    pub(super) fn plain(folder: &Path, name: &str, file_name: &str, form: MetadataForm) -> Result<Self> {
        let path = folder.join(format!("{file_name}{}", form.compression.suffix()));
        let packer = Packer::create(&path, form.compression, form.checksum)?;
        Ok(Self { name: name.to_owned(), root: None, path, form, packer })
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.packer.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Writes XML about the package file `about`.
    pub(super) fn write(
        &mut self,
        about: &Path,
        content: impl FnOnce(&mut Xml<'_>) -> Result<(), EntryFailure>,
    ) -> Result<()> {
        content(&mut new_xml(&mut self.packer)).map_err(|failure| match failure {
            EntryFailure::Write(source) => Error::io("write", &self.path)(source),
            EntryFailure::Package(HeaderFault { place, expected, found }) => {
                Error::Rpm { path: about.to_owned(), place, expected, found }
            }
        })
    }

    /// Writes the last lines. [`Self::finish`] waits until the file is on disk; several can be on the way there.
    pub(super) fn close(&mut self) -> Result<()> {
        let about = self.path.clone();
        if let Some(root) = self.root.take() {
            self.write(&about, |xml| close(xml, root))?;
        }
        self.packer.close().map_err(Error::io("write", &self.path))
    }

    /// Ends the file and waits until it is on disk.
    pub(super) fn finish(mut self) -> Result<MetadataFile> {
        self.close()?;
        let Self { name, path, form, packer, .. } = self;
        let packed = packer.finish().map_err(Error::io("write", &path))?;
        let is_compressed = form.compression != MetadataCompression::Plain;
        let mut file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if form.unique_names {
            file_name = format!("{}-{file_name}", packed.checksum.hex);
            let named = path.with_file_name(&file_name);
            fs::rename(&path, named).map_err(Error::io("rename", &path))?;
        }
        Ok(MetadataFile {
            name,
            file_name,
            size: packed.size,
            open_checksum: is_compressed.then_some(packed.open_checksum),
            open_size: is_compressed.then_some(packed.open_size),
            checksum: packed.checksum,
        })
    }
}
