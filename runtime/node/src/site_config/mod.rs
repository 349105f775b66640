//! The node configurations: which archives a node has.
//!
//! `BootstrapConfiguration` lists the archives of the platform, `SolutionsConfiguration` those of Solutions,
//! `ArchivesConfiguration` those of a node without MetalK8s. People write these files, so a change keeps their comments,
//! their order and their style of lists: only the lines of the list change, and the result is parsed again before it
//! replaces the file.

mod active;
mod configuration;
mod document;
mod edit;
mod error;
mod kind;
mod networks;

#[cfg(test)]
mod tests;

pub use configuration::NodeConfiguration;
pub use error::{ConfigurationProblem, Error};
pub use kind::ConfigurationKind;
pub use networks::contains as network_contains;
