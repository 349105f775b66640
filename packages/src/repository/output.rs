//! One metadata file while it is written: compressed, and measured before and after compression.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use content::Hashed;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use quick_xml::events::{BytesDecl, Event};

use super::header::HeaderFault;
use super::metadata::{EntryFailure, Xml, close, open};
use crate::error::{Error, Result};

const COMMON: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/common");
const RPM: (&str, &str) = ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm");
const FILELISTS: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/filelists");
const OTHER: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/other");

/// A metadata file's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataKind {
    Primary,
    Filelists,
    Other,
}

impl MetadataKind {
    fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Filelists => "filelists",
            Self::Other => "other",
        }
    }

    fn root(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Primary => ("metadata", &[COMMON, RPM]),
            Self::Filelists => ("filelists", &[FILELISTS]),
            Self::Other => ("otherdata", &[OTHER]),
        }
    }
}

/// A metadata file that was written, as `repomd.xml` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataFile {
    pub(super) name: String,
    pub(super) file_name: String,
    /// SHA-256.
    pub(super) checksum: String,
    pub(super) size: u64,
    /// Of what is compressed in it: the algorithm and the sum, and the size.
    pub(super) open_checksum: Option<(String, String)>,
    pub(super) open_size: Option<String>,
}

/// A metadata file that is being written.
pub(super) struct MetadataWriter {
    name: &'static str,
    /// The element around all others.
    root: Option<&'static str>,
    path: PathBuf,
    writer: Hashed<GzEncoder<Hashed<BufWriter<File>>>>,
}

impl MetadataWriter {
    /// A file about packages, with its first lines.
    pub(super) fn create(folder: &Path, kind: MetadataKind, packages: usize) -> Result<Self> {
        let mut output = Self::plain(folder, kind.name(), &format!("{}.xml.gz", kind.name()))?;
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

    /// An empty file, `name` in `repomd.xml`.
    pub(super) fn plain(folder: &Path, name: &'static str, file_name: &str) -> Result<Self> {
        let path = folder.join(file_name);
        let file = BufWriter::new(File::create_new(&path).map_err(Error::io("create", &path))?);
        // No name and no time in the gzip header: equal metadata are equal bytes.
        let encoder = GzBuilder::new().write(Hashed::new(file), Compression::default());
        Ok(Self { name, root: None, path, writer: Hashed::new(encoder) })
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Writes XML about the package file `about`.
    pub(super) fn write(
        &mut self,
        about: &Path,
        content: impl FnOnce(&mut Xml<'_>) -> Result<(), EntryFailure>,
    ) -> Result<()> {
        content(&mut new_xml(&mut self.writer)).map_err(|failure| match failure {
            EntryFailure::Write(source) => Error::io("write", &self.path)(source),
            EntryFailure::Package(HeaderFault { place, expected, found }) => {
                Error::Rpm { path: about.to_owned(), place, expected, found }
            }
        })
    }

    /// Ends the file and waits until it is on disk.
    pub(super) fn finish(mut self) -> Result<MetadataFile> {
        let about = self.path.clone();
        if let Some(root) = self.root {
            self.write(&about, |xml| close(xml, root))?;
        }
        let Self { name, path, writer: open, .. } = self;
        let (encoder, open_digest, open_size) = open.finish();
        let written = encoder.finish().and_then(|packed| {
            let (file, digest, size) = packed.finish();
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            Ok(MetadataFile {
                name: name.to_owned(),
                file_name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                checksum: digest.hex(),
                size,
                open_checksum: Some(("sha256".to_owned(), open_digest.hex())),
                open_size: Some(open_size.to_string()),
            })
        });
        written.map_err(Error::io("write", &path))
    }
}

/// A writer of XML with a line for each element.
pub(super) fn new_xml(writer: &mut dyn Write) -> Xml<'_> {
    Xml::new_with_indent(writer, b' ', 2)
}

/// Writes the first line of an XML file.
pub(super) fn declaration(xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
    Ok(xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?)
}
