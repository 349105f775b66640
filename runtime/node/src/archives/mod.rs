//! The archives of the bootstrap node: import, list, delete.
//!
//! An import verifies an archive, makes a mount point and a systemd mount unit for it, mounts it where the machine can,
//! and last adds it to the configuration. That last step is what makes it an archive of this node: servers take what
//! they serve from the configuration. Every step looks first whether it is done already, so an import that was killed
//! is finished by running it again; one that fails undoes what it has done. A deletion goes the other way.

mod delete;
mod describe;
mod error;
mod follow;
mod fstab;
mod held;
mod import;
mod list;
mod lock;
mod machine;
mod mounting;
mod places;
mod plan;
mod solutions;
mod unit;

use std::path::PathBuf;

use serde::Serialize;

pub use delete::delete;
pub use error::Error;
pub use follow::follow;
pub use import::{Import, check_voucher, import};
pub use list::{ImageCount, Listed, get};
pub use machine::{Linux, Machine};
pub use mounting::{Mount, Mounting, Way, mount, unmount};
pub use places::{Paths, configured};
pub use plan::Step;
pub use solutions::{Activation, LATEST, activate};
pub use unit::{content as unit_content, name as unit_name};

/// What an import or deletion has done, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Name and version.
    pub id: String,
    /// The archive.
    pub archive: PathBuf,
    /// The steps, in order. Empty if all was as it should be.
    pub steps: Vec<Step>,
    /// Why it is not mounted, if it is not.
    pub not_mounted: Option<String>,
    /// What somebody should know who expects that nothing else is there.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests;
