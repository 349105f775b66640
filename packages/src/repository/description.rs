//! What a header says about a package, of a package file or of an installed package.

use std::io::{BufReader, Read};
use std::path::Path;

use super::header::{Header, HeaderFault, Headers, INTRODUCTION, text};
use super::tag::{self, Tag};
use super::{label, package_error};
use crate::error::Result;

/// What a package is, who made it and under which license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpmDescription {
    /// The name.
    pub name: String,
    /// The epoch; 0 without one.
    pub epoch: u32,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture; empty if the package has none, `src` for a source package.
    pub arch: String,
    /// Who distributes it; empty if it does not say.
    pub vendor: String,
    /// Its license, as it is written there.
    pub license: String,
    /// The file name of its source package; empty for a source package.
    pub source_package: String,
}

impl RpmDescription {
    /// Reads the headers at the start of a package file. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Rpm`] if it is not a package.
    pub fn read(file: impl Read, path: &Path) -> Result<Self> {
        let headers = Headers::read(&mut BufReader::new(file)).map_err(package_error(path))?;
        let main = &headers.main;
        let mut described = Self::of(main).map_err(package_error(path))?;
        if main.has(tag::SOURCEPACKAGE) || !main.has(tag::SOURCERPM) {
            described.arch = "src".into();
        }
        Ok(described)
    }

    /// Reads the header of an installed package, as the database of RPM has it: without the first 8 bytes of a header in a file.
    /// `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Rpm`] if it is not a header.
    pub fn of_installed(blob: &[u8], path: &Path) -> Result<Self> {
        let mut bytes = INTRODUCTION.chain(&[0; 4][..]).chain(blob);
        Header::read(&mut bytes, "header").and_then(|header| Self::of(&header)).map_err(package_error(path))
    }

    fn of(header: &Header) -> Result<Self, HeaderFault> {
        let optional = |tag: Tag| Ok::<_, HeaderFault>(text(header.string(tag)?).into_owned());
        Ok(Self {
            name: label(header, tag::NAME)?.into_owned(),
            epoch: header.u32s(tag::EPOCH)?.next().unwrap_or(0),
            version: label(header, tag::VERSION)?.into_owned(),
            release: label(header, tag::RELEASE)?.into_owned(),
            arch: optional(tag::ARCH)?,
            vendor: optional(tag::VENDOR)?,
            license: optional(tag::LICENSE)?,
            source_package: optional(tag::SOURCERPM)?,
        })
    }
}
