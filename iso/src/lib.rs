//! ISO 9660 images: plan, write, read, check and mount.

mod error;
mod image;
pub mod md5;
mod options;
mod plan;
mod progress;

pub use error::{Error, Result};
pub use image::{Entry, Extent, Image, Kind, ReadAt};
pub use options::{KnownDigest, Options, Owner, Permissions, Sharing, Times};
pub use plan::{Plan, Sums};
pub use progress::Progress;
