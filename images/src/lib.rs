//! Container images: from a list of references to a tree that nginx, or our own server, serves to any client.
//!
//! ```no_run
//! use std::path::Path;
//! use images::pull::{self, Options, Request};
//! use images::{Store, dir_layout, registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(Path::new("store"))?;
//! let pause = Request {
//!     name: "pause".into(),
//!     tag: "3.9".into(),
//!     reference: "registry.k8s.io/pause:3.9".parse()?,
//!     platforms: vec!["linux/amd64".parse()?],
//!     expected: None,
//!     referrers: false,
//! };
//! for image in pull::pull(&[pause], &store, &Options::default(), &())? {
//!     let folder = Path::new("images").join(&image.name).join(&image.tag);
//!     dir_layout::write(&store, &image.digest, &["linux/amd64".parse()?], &folder)?;
//! }
//! registry::index(Path::new("images"), Path::new("registry"))?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is named by the SHA-256 of its own bytes and no byte of a manifest or layer is ever changed, so an image
//! has the digest it was published under wherever it goes. The stations:
//!
//! | module | from | to |
//! | --- | --- | --- |
//! | [`pull`] | registries and mirrors | the store |
//! | [`source`] | folders and archives of images | the store |
//! | [`mod@build`] | a declaration and files | the store |
//! | [`store`] | | every manifest and blob once |
//! | [`dir_layout`] | the store | `images/<name>/<tag>/`, as skopeo's `dir:` |
//! | [`oci_archive`] | `images/<name>/<tag>/` | a tar for containerd to load |
//! | [`registry`] | `images/` | `registry/`, the answers to the pull API as files |
//! | [`nginx`] | | the configuration that serves them |
//! | [`push`] | the store, an archive | registries |
//! | [`mod@check`] | `images/` | what is missing, extra or damaged |
//!
//! The registry protocol is spoken over `reqwest` and not a registry client: resuming by Range, `Retry-After`, bounded
//! manifests and hashing while the bytes arrive all need the response itself, and so does keeping credentials from
//! following a redirection.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod build;
pub mod check;
mod client;
mod closure;
pub mod dir_layout;
pub mod error;
mod json;
pub mod manifest;
pub mod nginx;
pub mod oci_archive;
pub mod platform;
pub mod pull;
pub mod push;
mod redact;
pub mod reference;
mod referrers;
pub mod registry;
pub mod source;
pub mod store;
mod tree;

pub use client::RegistrySession;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use client::fuzz_credentials;
pub use error::Error;
pub use manifest::{Kind, Platform};
pub use reference::Reference;
pub use source::Source;
pub use store::Store;
