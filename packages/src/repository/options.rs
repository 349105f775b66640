//! How a folder of packages is indexed.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use crate::metadata::ChecksumKind;
use crate::openpgp::Signer;

/// How a folder of packages is indexed.
#[derive(Clone, Debug, Default)]
pub struct IndexOptions {
    /// The time of the metadata in Unix seconds, and the revision of the repository unless [`Self::revision_name`] is another.
    /// Clients take metadata with another revision for newer ones.
    pub revision: i64,
    /// The revision, where it is not a time.
    pub revision_name: Option<String>,
    /// What `repomd.xml` says about the repository.
    pub tags: RepositoryTags,
    /// The folder that gets `repodata/`; by default that of the packages.
    pub output: Option<PathBuf>,
    /// The packages that are indexed.
    pub selection: PackageSelection,
    /// The file of groups, in place of a `comps.xml` in the folder.
    pub groups: Option<PathBuf>,
    /// The file of updates, in place of an `updateinfo.xml` in the folder.
    pub updates: Option<PathBuf>,
    /// Whether metadata that are not made from packages are kept from the existing `repodata/`.
    pub keep_metadata: bool,
    /// How many older copies of each file about packages stay beside the new one. Only useful with [`Self::unique_names`].
    pub retain: usize,
    /// Which entries of existing metadata are taken over.
    pub reuse: Option<Reuse>,
    /// How the metadata are compressed.
    pub compression: MetadataCompression,
    /// The checksums of packages; by default SHA-256.
    pub checksum: ChecksumKind,
    /// The checksums of metadata files; by default as those of packages.
    pub repomd_checksum: Option<ChecksumKind>,
    /// Whether the names of metadata files start with their checksums.
    pub unique_names: bool,
    /// Whether the metadata files get [`Self::revision`] as their modification time.
    pub set_file_times: bool,
    /// The URL that the locations of packages start at, where it is not the repository's own.
    pub base_url: Option<String>,
    /// How many folders are cut from the start of each location.
    pub cut_folders: usize,
    /// What is put before each location.
    pub location_prefix: Option<String>,
    /// How many entries of each changelog are kept, the newest ones; by default 10.
    pub changelog_entries: Option<usize>,
    /// Whether packages of one name, version, release and architecture with different content are an error. Else they are a
    /// warning.
    pub unique: bool,
    /// What signs `repomd.xml`: `repomd.xml.asc` is the signature, dated [`Self::revision`], and `repomd.xml.key` the public key.
    pub signer: Option<Arc<Signer>>,
    /// How many threads read packages; by default one for each processor. The metadata do not depend on it.
    pub threads: Option<NonZero<usize>>,
}

/// Which packages of a folder are indexed.
#[derive(Clone, Debug, Default)]
pub struct PackageSelection {
    /// Patterns of files and folders that are left out: `*` and `?` as in createrepo_c, held against the name and the
    /// path in the repository.
    pub exclude: Vec<String>,
    /// The only packages that are indexed, as paths from the folder.
    pub only: Option<Vec<String>>,
    /// Whether links to packages and folders are left out.
    pub skip_links: bool,
    /// Whether packages that cannot be indexed are left out with a warning. Else they are an error.
    pub skip_broken: bool,
    /// The root of the archive that the folder is in: no link may lead out of it. Without it links are followed wherever they lead.
    pub boundary: Option<PathBuf>,
}

/// Which entries of existing metadata are taken over without reading the package again: those with the same location, size and
/// modification time. To make that possible, metadata that are written with it have the modification time of each file, and not
/// the time of its build.
#[derive(Clone, Debug, Default)]
pub struct Reuse {
    /// Repositories whose metadata are used beside those that are replaced.
    pub also: Vec<PathBuf>,
    /// Whether the same location is enough.
    pub by_location_only: bool,
    /// Whether exactly the packages of the existing metadata are indexed.
    pub same_packages: bool,
}

/// What `repomd.xml` says about a repository, for people and for other tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryTags {
    /// What is in it.
    pub content: Vec<String>,
    /// What it is.
    pub repository: Vec<String>,
    /// For which distributions it is: the CPE name, if there is one, and the name.
    pub distributions: Vec<(Option<String>, String)>,
}

/// How metadata files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataCompression {
    /// gzip, which all clients read.
    #[default]
    Gzip,
    /// zstd, which dnf of EL 8 and later reads, fastest of all.
    Zstd,
    /// xz, the smallest.
    Xz,
    /// None.
    Plain,
}

impl MetadataCompression {
    /// The end of the names of compressed files.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Plain => "",
        }
    }
}
