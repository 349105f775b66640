//! The files of an image that say which packages it holds.
//!
//! | file | packages |
//! | --- | --- |
//! | `rpmdb.sqlite`, `Packages.db`, `Packages` in `var/lib/rpm`, `usr/lib/sysimage/rpm`, `usr/share/rpm` | RPM |
//! | `var/lib/dpkg/status`, `var/lib/dpkg/status.d/*` | dpkg |
//! | `lib/apk/db/installed`, `usr/lib/apk/db/installed` | apk |
//! | `*.dist-info/METADATA`, `*.egg-info`, `*.egg-info/PKG-INFO` | Python |
//! | `node_modules/NAME/package.json` | npm |
//! | executables with build information of Go | Go |
//! | `etc/os-release`, `usr/lib/os-release` | the distribution |

mod apk;
mod dpkg;
mod go;
mod npm;
mod os_release;
mod python;

use std::io::{self, Read};

pub(super) use self::dpkg::component as of_control;
pub use self::go::{GoFault, modules as go_modules};
pub use self::os_release::Distribution;
use super::component::Component;
use super::rpm_database::DatabaseFormat;

/// Bytes of a text database.
const DATABASE_MAX: u64 = 64 << 20;
/// Bytes of the metadata of one package.
const METADATA_MAX: u64 = 1 << 20;
/// Bytes of the header of a Python package. What follows is its description.
const HEADER_MAX: u64 = 256 << 10;

/// The folders of RPM's database.
const RPM_FOLDERS: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];

/// What a file may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A database of RPM.
    RpmDatabase(DatabaseFormat),
    /// The write-ahead log of `rpmdb.sqlite`.
    RpmLog,
    /// The database of dpkg.
    DpkgStatus,
    /// A package of an image that was made without dpkg.
    DpkgStatusFile,
    /// The database of apk.
    Apk,
    /// The metadata of a Python package.
    Python,
    /// The metadata of an npm package.
    Npm,
    /// The distribution.
    OsRelease,
}

impl SourceKind {
    /// What the file at `path`, which has no `/` at its start, may say.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/')?;
        if RPM_FOLDERS.contains(&folder) {
            return match name {
                "rpmdb.sqlite" => Some(Self::RpmDatabase(DatabaseFormat::Sqlite)),
                "rpmdb.sqlite-wal" => Some(Self::RpmLog),
                "Packages.db" => Some(Self::RpmDatabase(DatabaseFormat::Ndb)),
                "Packages" => Some(Self::RpmDatabase(DatabaseFormat::Bdb)),
                _ => None,
            };
        }
        match (folder, name) {
            ("var/lib/dpkg", "status") => Some(Self::DpkgStatus),
            ("var/lib/dpkg/status.d", name) if !name.ends_with(".md5sums") => Some(Self::DpkgStatusFile),
            ("lib/apk/db" | "usr/lib/apk/db", "installed") => Some(Self::Apk),
            ("etc" | "usr/lib", "os-release") => Some(Self::OsRelease),
            (folder, "METADATA") if folder.ends_with(".dist-info") => Some(Self::Python),
            (folder, "PKG-INFO") if folder.ends_with(".egg-info") => Some(Self::Python),
            (_, name) if name.ends_with(".egg-info") => Some(Self::Python),
            (folder, "package.json") if is_npm_package(folder) => Some(Self::Npm),
            _ => None,
        }
    }
}

/// Whether a folder is `node_modules/NAME` or `node_modules/@SCOPE/NAME`.
fn is_npm_package(folder: &str) -> bool {
    let mut parts = folder.rsplit('/').skip(1);
    match parts.next() {
        Some("node_modules") => true,
        Some(scope) if scope.starts_with('@') => parts.next() == Some("node_modules"),
        _ => false,
    }
}

/// What a file says.
#[derive(Debug, Default)]
pub struct SourceContent {
    /// The packages.
    pub components: Vec<Component>,
    /// The distribution.
    pub distribution: Option<Distribution>,
}

/// Reads a file of a kind that is no database of RPM.
///
/// # Errors
///
/// What is wrong with it.
pub fn read(kind: SourceKind, content: &mut dyn Read) -> Result<SourceContent, String> {
    let mut bytes = |max| content::read_bounded(content, max).map_err(|error| error.to_string());
    let components = match kind {
        SourceKind::RpmDatabase(_) | SourceKind::RpmLog => Vec::new(),
        SourceKind::DpkgStatus => dpkg::status(&bytes(DATABASE_MAX)?)?,
        SourceKind::DpkgStatusFile => dpkg::status_file(&bytes(METADATA_MAX)?)?,
        SourceKind::Apk => apk::installed(&bytes(DATABASE_MAX)?),
        SourceKind::Python => {
            python::metadata(&start(content, HEADER_MAX).map_err(|error| error.to_string())?)
        }
        SourceKind::Npm => npm::package(&bytes(METADATA_MAX)?)?,
        SourceKind::OsRelease => {
            let distribution = Some(os_release::read(&bytes(METADATA_MAX)?));
            return Ok(SourceContent { components: Vec::new(), distribution });
        }
    };
    Ok(SourceContent { components, distribution: None })
}

/// The first bytes of a file.
fn start(content: &mut dyn Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file without a stated encoding.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
