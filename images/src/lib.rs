//! Container images: references, pull, content store, static registry layout.
pub mod build;
pub mod check;
pub mod digest;
pub mod dir_layout;
pub mod error;
pub mod manifest;
pub mod nginx;
pub mod pull;
pub mod reference;
pub mod registry;
pub mod store;
mod tree;

pub use digest::Digest;
pub use error::Error;
pub use manifest::{Kind, Platform};
pub use reference::Reference;
pub use store::Store;
