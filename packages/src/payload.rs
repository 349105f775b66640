//! The compression of a package's files.
//!
//! The crate `rpm` compresses with C libraries, but for gzip. So it writes the files as they are, and they are compressed here.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use content::Digest;
use lzma_rust2::{XzOptions, XzWriter};
use rpm::{CompressionWithLevel, Header, HeaderEntry, IndexData, IndexTag, Package};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Level 9 makes this project's own package 3 % smaller and takes more than twice as long.
const GZIP_LEVEL: u32 = 6;
/// As rpmbuild of EL 7 does with `w2.xzdio`, but smaller.
const XZ_LEVEL: u32 = 6;

/// How a package's files are compressed: `METHOD` or `METHOD:LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(gzip(:[0-9])?|xz(:[0-9])?|zstd|none)$"))]
pub enum PackageCompression {
    /// gzip with this level, 0 to 9.
    Gzip(u32),
    /// xz with this level, 0 to 9.
    Xz(u32),
    /// zstd, which EL 8 and later read.
    Zstd,
    /// No compression.
    None,
}

impl Default for PackageCompression {
    fn default() -> Self {
        Self::Gzip(GZIP_LEVEL)
    }
}

impl PackageCompression {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What the crate does.
    pub(crate) fn of_crate(self) -> CompressionWithLevel {
        match self {
            Self::Gzip(level) => CompressionWithLevel::Gzip(level),
            Self::Xz(_) | Self::Zstd | Self::None => CompressionWithLevel::None,
        }
    }

    /// What rpm must know to read it, and since when it does.
    pub(crate) fn feature(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Xz(_) => Some(("PayloadIsXz", "5.2-1")),
            Self::Zstd => Some(("PayloadIsZstd", "5.4.18-1")),
            Self::Gzip(_) | Self::None => None,
        }
    }

    /// The package with its files compressed, which the crate left as they are.
    pub(crate) fn pack(self, mut package: Package) -> Result<Package, rpm::Error> {
        let (method, level) = match self {
            Self::Gzip(_) | Self::None => return Ok(package),
            Self::Xz(level) => {
                let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(level))?;
                writer.write_all(&package.payload)?;
                package.payload = writer.finish()?;
                ("xz", level.to_string())
            }
            Self::Zstd => {
                package.payload = compress_to_vec(package.payload.as_slice(), CompressionLevel::Fastest);
                ("zstd", "1".to_owned())
            }
        };
        let digest = Digest::of(&package.payload).hex();
        let changed = [
            (IndexTag::RPMTAG_PAYLOADSHA256 as u32, IndexData::StringArray(vec![digest])),
            (IndexTag::RPMTAG_PAYLOADCOMPRESSOR as u32, IndexData::StringTag(method.to_owned())),
            (IndexTag::RPMTAG_PAYLOADFLAGS as u32, IndexData::StringTag(level)),
        ];
        let entries = package.metadata.header.get_all_entries()?.into_iter();
        let kept = entries.filter(|(tag, _)| {
            *tag != IndexTag::RPMTAG_HEADERIMMUTABLE as u32 && !changed.iter().any(|(known, _)| known == tag)
        });
        let mut entries: Vec<_> = kept.map(|(tag, data)| HeaderEntry::new(tag, data)).collect();
        entries.extend(changed.map(|(tag, data)| HeaderEntry::new(tag, data)));
        package.metadata.header = Header::from_entries(entries, IndexTag::RPMTAG_HEADERIMMUTABLE);
        Ok(package)
    }
}

impl FromStr for PackageCompression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (method, level) = match text.split_once(':') {
            Some((method, level)) => (method, Some(level)),
            None => (text, None),
        };
        let level_of = |default| match level.map(str::as_bytes) {
            None => Some(default),
            Some([digit @ b'0'..=b'9']) => Some(u32::from(digit - b'0')),
            Some(_) => None,
        };
        let read = match (method, level) {
            ("gzip", _) => level_of(GZIP_LEVEL).map(Self::Gzip),
            ("xz", _) => level_of(XZ_LEVEL).map(Self::Xz),
            ("zstd", None) => Some(Self::Zstd),
            ("none", None) => Some(Self::None),
            _ => None,
        };
        read.ok_or_else(|| Error::Value {
            expected: "`gzip`, `xz`, `zstd` or `none`, the first two also with a level from 0 to 9 such as `gzip:9`",
            found: text.to_owned(),
        })
    }
}

impl TryFrom<String> for PackageCompression {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<PackageCompression> for String {
    fn from(compression: PackageCompression) -> Self {
        compression.to_string()
    }
}

impl fmt::Display for PackageCompression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip(level) => write!(formatter, "gzip:{level}"),
            Self::Xz(level) => write!(formatter, "xz:{level}"),
            Self::Zstd => formatter.write_str("zstd"),
            Self::None => formatter.write_str("none"),
        }
    }
}
