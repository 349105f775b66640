//! ISO 9660 images: plan, write, read, check and mount.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let (tree, image) = (scratch.path().join("tree"), scratch.path().join("metalk8s.iso"));
//! # std::fs::create_dir_all(tree.join("images"))?;
//! # std::fs::write(tree.join("product.txt"), "NAME=MetalK8s\n")?;
//! let options = iso::IsoOptions {
//!     volume_id: "MetalK8s 2.11.0".to_owned(),
//!     source_date: 1_700_000_000,
//!     ..iso::IsoOptions::default()
//! };
//! let plan = iso::PlannedIso::from_dir(&tree, &options)?;
//! let sums = plan.write_file(&image, &())?;
//! assert_eq!(sums.bytes, plan.bytes());
//!
//! let check = iso::md5::check(&image, &())?;
//! assert_eq!(check, iso::md5::Md5Check::Intact { md5: sums.md5 });
//!
//! let image = iso::IsoImage::open(&image)?;
//! let product = image.find("product.txt")?.ok_or("no product.txt")?;
//! let mut content = [0; 64];
//! let length = image.read_at(&product, 0, &mut content)?;
//! assert_eq!(&content[..length], b"NAME=MetalK8s\n");
//! # Ok(())
//! # }
//! ```
//!
//! An image has two trees of names over the same contents: ISO 9660 (ECMA-119) level 3 with Rock Ridge for POSIX names,
//! permissions and links, and Joliet for readers that know no Rock Ridge. It carries an MD5 of itself
//! ([`md5`]), and with the same options the same tree gives the same bytes on every machine at every time.
//!
//! A [`PlannedIso`] is made first: it places every byte and refuses what an image cannot hold before any content is read.
//! Writing it reads each file once. [`IsoImage`] reads images of any writer, at any position, without trusting them.
//!
//! Nothing here prints, and nothing reads the clock or the environment.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod diff;
mod dump;
mod error;
mod extract;
mod format;
#[cfg(test)]
mod golden;
mod image;
mod joliet;
mod layout;
mod listing;
pub mod md5;
mod mount;
mod names;
mod options;
mod pattern;
mod plan;
mod progress;
mod read_ahead;
mod reflink;
mod rock_ridge;
mod sharing;
mod tree;
mod writer;

pub use diff::{Difference, EntryState, diff};
pub use dump::dump;
pub use error::{Error, Result};
pub use extract::{Extracted, ExtractedModes, Skipped};
pub use image::{
    DISAGREEMENTS_MAX, DescriptorKind, Disagreement, EntryFault, Extent, IsoEntry, IsoEntryKind, IsoImage,
    ReadAt, View, Volume,
};
pub use listing::{PlannedPart, PlannedPartKind};
pub use mount::IsoMount;
pub use options::{IsoOptions, Owner, Permissions, Times};
pub use pattern::{Exclude, IgnoreRules};
pub use plan::PlannedIso;
pub use progress::ByteProgress;
pub use sharing::KnownDigest;
pub use tree::{check_name, check_target};
pub use writer::WrittenIso;
