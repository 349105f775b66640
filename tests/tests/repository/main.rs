//! What holds for the whole repository: its dependencies and its documents.
#![allow(clippy::disallowed_methods, reason = "tests read files of the repository")]
#![cfg(test)]

mod dependencies;
mod documents;
