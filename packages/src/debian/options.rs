//! How a folder of Debian packages is indexed.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use crate::openpgp::Signer;
use crate::repository::{MetadataCompression, PackageSelection};

/// How a folder of Debian packages is indexed.
#[derive(Clone, Debug, Default)]
pub struct DebIndexOptions {
    /// The packages that are indexed.
    pub selection: PackageSelection,
    /// The suite, for a repository with `dists/`. Without it, the metadata lie beside the packages.
    pub suite: Option<Suite>,
    /// Who made the repository.
    pub origin: Option<String>,
    /// What the repository is.
    pub label: Option<String>,
    /// What is in it, on one line.
    pub description: Option<String>,
    /// The date of the metadata, in seconds since 1970; by default that of the newest package that is read.
    pub date: Option<i64>,
    /// The folder that gets the repository, with hard links to the packages; by default that of the packages.
    pub output: Option<PathBuf>,
    /// Whether entries of existing metadata are taken over, if the package has the same size and modification time. To make that
    /// possible, metadata that are written with it have the modification time of each package.
    pub reuse: bool,
    /// How the metadata are compressed. apt reads no zstd here.
    pub compression: MetadataCompression,
    /// Whether packages of one name, version and architecture with different content are an error. Else they are a warning.
    pub unique: bool,
    /// Signs `Release`: `InRelease`, `Release.gpg`, and the public key as [`KEY`](super::KEY) in the folder of the repository.
    pub signer: Option<Arc<Signer>>,
    /// How many threads read packages; by default one for each processor. The metadata do not depend on it.
    pub threads: Option<NonZero<usize>>,
}

/// A suite of a repository: `dists/NAME/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its code name, where it is not the name.
    pub codename: Option<String>,
    /// Its components. If there are several, the packages of each lie in a folder of that name, or in one of that name in `pool/`.
    pub components: Vec<String>,
    /// Architectures that it has beside those of its packages.
    pub architectures: Vec<String>,
    /// Whether `Contents-ARCHITECTURE` list the files of packages, for `apt-file`. For that, packages are unpacked.
    pub contents: bool,
}

impl Suite {
    /// The suite of this name, with the component `main`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            codename: None,
            components: vec!["main".to_owned()],
            architectures: Vec::new(),
            contents: true,
        }
    }
}
