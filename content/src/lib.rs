//! How bytes reach the disk and come back.
//!
//! Paths, files and names that somebody else chose can hang a program, lead it out of a folder, or write to its
//! terminal. Each of these dangers has one safe function here; the unsafe forms are denied by lint in the crates
//! that meet such input.
//!
//! | task | function |
//! | --- | --- |
//! | read a file whose path or content is not ours | [`open`], [`open_read`] |
//! | create files below a folder, from names that are not ours | [`Root`] |
//! | put a file in place whole or not at all | [`AtomicFile`] |
//! | copy a file, and name the right one when it fails | [`copy`](copy()) |
//! | show a name or text that is not ours | [`printable`] |

mod atomic;
mod copy;
mod error;
mod open;
mod printable;
mod root;

pub use atomic::{AtomicFile, Durability};
pub use copy::copy;
pub use error::IoError;
pub use open::{Links, open, open_device, open_read, read_bounded};
pub use printable::{Printable, printable, printable_path};
pub use root::{Kind, Metadata, Root};
