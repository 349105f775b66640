//! What is recorded of files and of past runs: digests, the inputs of tasks, keys, the journal.

pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod inputs;
pub(crate) mod journal;
pub(crate) mod judge;
pub(crate) mod key;
pub(crate) mod own;
pub(crate) mod parts;
pub(crate) mod state;
pub(crate) mod survey;
pub(crate) mod threads;
pub(crate) mod walk;
