//! What an archive is: layout, product information, checksums, verification.
//!
//! An archive is a tree of files with a product description, container images, package repositories and checksums. It
//! comes as an ISO file, as that file mounted, or as a folder; [`Tree`] reads all three alike, and without mounting or
//! unpacking anything.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let root = folder.path();
//! std::fs::write(root.join("product.txt"), "NAME=Example\nVERSION=1.0.0\n")?;
//! std::fs::write(root.join("README"), "Hello.\n")?;
//! archive::sums::write(root, &archive::sums::digest_file)?;
//!
//! // Beyond the air gap:
//! let report = archive::verify(root, &archive::verify::VerifyOptions::default(), &())?;
//! assert!(report.ok());
//!
//! std::fs::write(root.join("README"), "Hullo.\n")?;
//! let report = archive::verify(root, &archive::verify::VerifyOptions::default(), &())?;
//! assert_eq!(report.findings[0].path, "README");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod attestation;
pub mod check;
pub mod closure;
pub mod diff;
mod error;
#[cfg(test)]
mod fixture;
mod id;
pub mod image;
pub mod inspect;
pub mod layout;
pub mod licences;
mod lines;
pub mod links;
pub mod product;
pub mod requires;
pub mod sbom;
pub mod signatures;
pub mod solution;
mod summary;
pub mod sums;
pub mod tree;
mod unindexed;
pub mod unpack;
pub mod verify;
pub mod version;
pub mod yaml;

pub use diff::{ArchiveDiff, diff};
pub use error::{Error, Result};
pub use id::{ArchiveId, ArchiveIdError};
pub use inspect::inspect;
pub use packages::PackageFormat;
pub use product::Product;
pub use summary::{contents_digest, implanted_md5};
pub use tree::Tree;
pub use unindexed::{UnindexedPackages, unindexed, unindexed_of};
pub use verify::verify;
