//! Container images: from references to a tree that nginx or the server of this project serves to any client.
//!
//! ```no_run
//! use std::path::Path;
//! use images::pull::{self, RegistryOptions, PullRequest};
//! use images::{RegistrySession, Store, dir_layout, registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(Path::new("store"))?;
//! let pause = PullRequest {
//!     name: "pause".into(),
//!     tag: "3.9".into(),
//!     reference: "registry.k8s.io/pause:3.9".parse()?,
//!     platforms: vec!["linux/amd64".parse()?],
//!     expected: None,
//!     referrers: false,
//! };
//! let session = RegistrySession::new(RegistryOptions::default());
//! for image in pull::pull(&[pause], &store, &session, &())? {
//!     let folder = Path::new("images").join(&image.name).join(&image.tag);
//!     dir_layout::write(&store, &image.digest, &["linux/amd64".parse()?], &folder)?;
//! }
//! registry::index(Path::new("images"), Path::new("registry"))?;
//! # Ok(())
//! # }
//! ```
//!
//! Content is named by the SHA-256 of its bytes, and manifests and layers are never changed: an image keeps the digest that
//! it was published under. The modules, in the order of the data:
//!
//! | module | from | to |
//! | --- | --- | --- |
//! | [`pull`] | registries and mirrors | the store |
//! | [`tags`] | the tags of a repository | those of a pattern or a range of versions |
//! | [`source`] | folders and archives of images | the store |
//! | [`mod@build`] | a definition and files | the store |
//! | [`store`] | | every manifest and blob once |
//! | [`dir_layout`] | the store | `images/<name>/<tag>/`, as skopeo's `dir:` |
//! | [`original_names`] | the references of pulls | `images/original-names.json` |
//! | [`oci_archive`] | `images/<name>/<tag>/` | a tar for containerd to load |
//! | [`registry`] | `images/` | `registry/`, the answers to the pull API as files |
//! | [`nginx`] | | the configuration that serves them |
//! | [`push`] | the store, an archive | registries |
//! | [`mod@find`] | manifests, charts, compose and Salt files | the images that they name |
//! | [`signatures`] | rules for repositories | whether the signatures of an image count |
//! | [`yaml`] | YAML and JSON | values with their places |
//! | [`mod@check`] | `images/` | what is missing, extra or damaged |
//!
//! Requests go through `reqwest`, not a registry client: resuming by Range, `Retry-After`, bounded manifests, hashing while
//! bytes arrive, and keeping credentials from redirections need the response itself. A [`RegistrySession`] holds what the
//! transfers of a command share.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod build;
pub mod check;
mod client;
mod closure;
pub mod dir_layout;
pub mod error;
pub mod find;
mod json;
pub mod manifest;
pub mod nginx;
pub mod oci_archive;
pub mod original_names;
pub mod platform;
pub mod pull;
pub mod push;
mod redact;
pub mod reference;
mod referrers;
pub mod registry;
pub mod signatures;
pub mod source;
pub mod store;
pub mod tags;
mod tree;
pub mod yaml;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use client::fuzz_credentials;
pub use client::{DocumentClient, RegistrySession};
pub use error::Error;
pub use manifest::{MediaKind, Platform};
pub use reference::Reference;
pub use source::ImageLocation;
pub use store::{REPOSITORIES, Store};
