//! What an action reports while it runs.

/// One of the two output streams of a task: standard output is what the action logs, standard error what it warns of.
pub use content::Stream;

/// A step of an action that moves data in several parts, such as the blobs of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// The parts are known.
    Planned {
        /// What the action does with them, for people: `pulling`.
        verb: &'static str,
        /// The number of parts.
        parts: usize,
        /// The sum of their sizes, in bytes.
        bytes: u64,
    },
    /// A part begins.
    Begin {
        /// The name of the part, unique in the action.
        part: String,
        /// The name of the whole, for people.
        label: String,
        /// The size of the part, in bytes.
        size: u64,
        /// How many of these bytes exist already.
        present: u64,
    },
    /// A part grew, or shrank because it starts again.
    Advance {
        /// The name of the part.
        part: String,
        /// By how many bytes.
        bytes: i64,
    },
    /// A part is complete.
    End {
        /// The name of the part.
        part: String,
    },
}
