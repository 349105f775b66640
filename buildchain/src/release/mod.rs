//! Releases: whether a tag can be released, and what is new in it.

mod changelog;
mod check;
mod dependencies;
mod notes;
#[cfg(test)]
mod tests;

pub use self::check::{ReleaseCheck, ReleaseReport, ReleaseRule, check};
pub use self::notes::{NotesError, notes};
