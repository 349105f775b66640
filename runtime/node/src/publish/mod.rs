//! Archives in registries, as OCI artifacts: publishing and fetching them.
//!
//! The ISO is the only layer of a manifest (OCI image specification 1.1, "Guidelines for Artifact Usage"), with its file name as
//! title, so that ORAS pulls it under that name. The bundles of a signed archive and its SBOM are attached to it: manifests whose
//! `subject` is that of the archive. Equal archives give equal manifests.
//!
//! ```no_run
//! use images::RegistrySession;
//! use images::push::RegistryOptions;
//! use node::publish::{IsoToPublish, PublishedArchive};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = RegistrySession::new(RegistryOptions::default());
//! let iso = IsoToPublish::open("example-1.0.iso".as_ref())?;
//! let reference = format!("registry.example/archives/example:{}", iso.tag()).parse()?;
//! iso.publication(None, &())?.push(&reference, false, &session, &())?;
//!
//! let found = PublishedArchive::find(&reference, &session, &())?;
//! found.compare("downloads".as_ref(), false, &())?.fetch(&session, &())?;
//! # Ok(())
//! # }
//! ```

mod error;
mod fetch;
mod find;
mod kept;
mod publication;

pub use self::error::Error;
pub use self::fetch::{FetchPlan, FetchedFile};
pub use self::find::{FileName, PublishedArchive, PublishedFile};
pub use self::publication::{Attachment, IsoToPublish, Publication, PublishReport};

/// The type of the artifact.
pub const ARCHIVE_TYPE: &str = "application/vnd.sealift.archive.v1";
/// The media type of the ISO in it.
pub const ISO_TYPE: &str = "application/vnd.sealift.archive.iso.v1";
/// The media type of a configuration that is empty: OCI image specification 1.1, "Guidance for an Empty Descriptor".
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The content of that configuration.
const EMPTY: &[u8] = b"{}";

/// On a layer: the name of its file. On a manifest: the name of the archive.
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// What a bundle signs, as cosign writes it.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
