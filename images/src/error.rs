//! What can go wrong with content that is on disk already; pulls have their own [`crate::pull::Error`].

use std::io;
use std::path::{Path, PathBuf};

use content::{Digest, IoError, ParseDigestError};

use crate::closure::Refusal;
use crate::manifest::{self, DEPTH_MAX, MANIFESTS_MAX, MissingPlatform};
use crate::reference;
use crate::source::{EngineImage, EngineStorage};

/// A failed operation on the store or on a tree made from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Bytes that should have a digest have another.
    #[error("{}: expected {expected}, found {found}", content::printable_path(path))]
    DigestMismatch {
        /// The file.
        path: PathBuf,
        /// The digest it should have.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// A file that is longer or shorter than its descriptor says.
    #[error("{}: expected {expected} bytes, found {found}", content::printable_path(path))]
    SizeMismatch {
        /// The file.
        path: PathBuf,
        /// The size it should have, in bytes.
        expected: u64,
        /// The size it has, in bytes.
        found: u64,
    },
    /// A file over the limit for its kind.
    #[error("{}: larger than {limit} bytes", content::printable_path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The store lacks what a manifest names.
    #[error("{digest} is not in the store {}", content::printable_path(store))]
    NotInStore {
        /// What is missing.
        digest: Digest,
        /// The store.
        store: PathBuf,
    },
    /// Others are working with the store.
    #[error("the content store {} is in use by another process", content::printable_path(store))]
    StoreInUse {
        /// The store.
        store: PathBuf,
    },
    /// A file that should be a manifest is not one.
    #[error("{}: {reason}", content::printable_path(path))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: manifest::ManifestError,
    },
    /// An image is not for a platform that was asked for.
    #[error("{image}: {missing}")]
    NoPlatform {
        /// The image or index.
        image: Digest,
        /// The platform, and those that there are.
        missing: Box<MissingPlatform>,
    },
    /// Indexes inside indexes, deeper than anyone needs.
    #[error("{root}: indexes are nested deeper than {limit}")]
    TooDeep {
        /// The outermost index.
        root: Digest,
        /// The limit.
        limit: usize,
    },
    /// A folder that is not what the layout says.
    #[error("{}: {reason}", content::printable_path(path))]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of original names that cannot be used.
    #[error("{}: {reason}", content::printable_path(path))]
    OriginalNames {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An image definition or a parameter that cannot be used.
    #[error("{field}: {reason}")]
    Definition {
        /// Which part.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing that could run a `Containerfile`.
    #[error(
        "no container engine to build a Containerfile with: looked for {looked_for}; install buildah or podman, or name one \
         with DOCKER_BIN"
    )]
    NoEngine {
        /// The programs that were looked for.
        looked_for: String,
    },
    /// No program that runs containers.
    #[error(
        "no container engine that runs builders of packages: looked for {looked_for}; install buildah or podman, or name one of them \
         with DOCKER_BIN"
    )]
    NoContainers {
        /// The programs that were looked for.
        looked_for: String,
    },
    /// No program that has the images of a storage.
    #[error(
        "no container engine with the images of `{storage}`: looked for {looked_for}; install {}, or name it with DOCKER_BIN",
        storage.programs()
    )]
    NoStorage {
        /// The storage.
        storage: EngineStorage,
        /// The programs that were looked for.
        looked_for: String,
    },
    /// A container engine that does not save an image.
    #[error("{image}: {} does not save it: {reason}", content::printable_path(program))]
    NotSaved {
        /// The image.
        image: Box<EngineImage>,
        /// The program.
        program: PathBuf,
        /// What it wrote, or how it ended.
        reason: String,
    },
    /// Text that is not a digest.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// Text that is not a reference.
    #[error(transparent)]
    Reference(#[from] reference::ReferenceError),
}

impl Error {
    /// Why the manifest `digest` at `path` ends the walk over the manifests of `root`.
    pub(crate) fn refused(refusal: Refusal, root: &Digest, digest: &Digest, path: PathBuf) -> Self {
        match refusal {
            Refusal::Manifest(reason) => Self::Manifest { path, reason },
            Refusal::Platform(missing) => Self::NoPlatform { image: *digest, missing },
            Refusal::TooDeep => Self::TooDeep { root: *root, limit: DEPTH_MAX },
            Refusal::TooLarge => Self::TooLarge { path, limit: MANIFESTS_MAX },
        }
    }

    /// Whether a place cannot be used: it must not be written to, or something else than a folder has its name.
    #[must_use]
    pub fn is_unusable_place(&self) -> bool {
        use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
        let Self::Io(error) = self else { return false };
        matches!(error.kind(), NotADirectory | PermissionDenied | ReadOnlyFilesystem)
    }
}

/// A result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says which operation on which path an [`io::Error`] stopped.
pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| IoError { operation, path, source }.into()
}
