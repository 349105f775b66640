//! How bytes reach the disk and come back.
//!
//! Paths, files and names that somebody else chose can hang a program, lead it out of a folder, or write to its
//! terminal. Each of these dangers has one safe function here; the unsafe forms are denied by lint in the crates
//! that meet such input.
//!
//! | task | function |
//! | --- | --- |
//! | read a file whose path or content is not ours | [`open`], [`open_read`], [`open_text`] |
//! | create files below a folder, from names that are not ours | [`Root`] |
//! | put a file in place whole or not at all | [`AtomicFile`] |
//! | write where the user said (a file, a link, a pipe, a device) | [`OutputFile`], [`write_output`] |
//! | open a lock or a journal, or create it | [`open_or_create`] |
//! | create a folder that the user named | [`create_folder`], [`check_folder`] |
//! | copy a file, and name the right one when it fails | [`copy`](copy()), [`copy_hashed`] |
//! | find out whether a file is still the one that was read | [`FileStamp`] |
//! | name content, and compute its name | [`Digest`], [`Hasher`], [`Hashed`], [`hash_reader`], [`hash_file`] |
//! | show a name or text that is not ours | [`printable`], [`printable_lines`], [`printable_json`] |
//! | run a program, and leave nothing of it behind | [`supervised`], [`supervised_with_input`], [`filter`](filter()), [`probe`] |
//! | show a size, a duration or how a program ended to people | [`size`], [`duration`], [`exit`] |
//!
//! What all crates use beside these: [`parallel`], the same work on each item of a list, and [`nearest`](nearest()), the name
//! that was probably meant.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read and write folders of their own"))]

mod amount;
mod atomic;
mod child;
mod copy;
mod digest;
mod error;
mod exit;
mod filter;
mod folder;
mod hash;
mod nearest;
mod open;
mod output;
pub mod parallel;
mod printable;
mod root;
mod stamp;

pub use amount::{duration, size};
pub use atomic::{AtomicFile, Durability};
pub use child::{Stream, Supervision, probe, supervised, supervised_with_input};
pub use copy::{copy, copy_hashed};
pub use digest::{Digest, ParseDigestError};
pub use error::IoError;
pub use exit::exit;
pub use filter::{FilterFault, filter};
pub use folder::{check_folder, create_folder, open_folder, remove, sync_folder};
pub use hash::{Hashed, Hasher, hash_file, hash_reader, hash_reader_with};
pub use nearest::nearest;
pub use open::{
    LinkPolicy, open, open_device, open_or_create, open_read, open_text, open_to_write, read_bounded,
};
pub use output::{OutputFile, is_standard_output, write_output};
pub use printable::{
    Printable, is_unsafe, printable, printable_json, printable_lines, printable_path, printable_start,
};
pub use root::{FileKind, FileMetadata, Root};
pub use stamp::FileStamp;
