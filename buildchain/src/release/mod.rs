//! Releases: whether a tag can be released, and what is new in it.

mod changelog;
mod check;
mod dependencies;
mod notes;
mod promotion;
mod rule;
#[cfg(test)]
mod tests;

pub use self::check::{ReleaseReport, check};
pub use self::notes::{NotesError, notes};
pub use self::promotion::Promotion;
pub use self::rule::{ReleaseCheck, ReleaseProblem, ReleaseRule};
