//! The archives of the bootstrap node: import, list, delete, mount.
//!
//! An import verifies an archive, creates a mount point and a systemd mount unit for it, mounts it where the machine can,
//! and last adds it to the node configuration. Only that last step makes it an archive of this node: servers read the
//! configuration to know what to serve. Each step is planned only if it is not done yet, so running a killed import again
//! finishes it; an import that fails undoes its steps. A deletion does the reverse.

mod apply;
mod check;
mod delete;
mod describe;
mod error;
mod find;
mod follow;
mod fstab;
mod images;
mod import;
mod linux_machine;
mod list;
mod listed_solutions;
mod lists;
mod lock;
mod machine;
mod mount_choice;
mod mount_mode;
mod mount_unit;
mod node_change;
mod node_layout;
mod only;
mod open_archive;
mod plan;
mod requires;
mod signed;
mod solutions;
mod temporary_mount;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use apply::revert;
pub use check::check;
pub use delete::{DeleteOptions, delete};
pub(crate) use describe::described;
pub use error::Error;
pub use follow::follow;
pub use images::{ArchivedImage, OriginalName, images};
pub use import::{ImportOptions, import, import_verified};
pub use linux_machine::{LinuxMachine, MountedFile};
pub use list::{ImageCount, ListedArchive, ListedArchiveKind, get};
pub use listed_solutions::{ListedSolution, SolutionHealth, solutions};
pub use lists::{configured, configured_solutions};
pub(crate) use lock::exclusive;
pub use machine::Machine;
pub use mount_choice::MountChoice;
pub use mount_mode::{CannotMount, MountMode};
pub use mount_unit::{content as unit_content, name as unit_name};
pub use node_change::{NodeChange, NodeStep};
pub use node_layout::NodeLayout;
pub use only::Only;
pub use signed::{Served, check_bundle, check_policy, served};
pub use solutions::{Activation, ActivationOptions, LATEST, activate};
pub use temporary_mount::{MountOptions, mount, unmount};
pub use verify::{VerifiedArchive, check_verifiable, verify_archive};
