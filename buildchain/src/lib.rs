//! The build side: the project model, and the tasks that a project becomes.
//!
//! ```
//! use std::collections::BTreeMap;
//! use buildchain::project::{Project, Settings, SettingsFlags};
//!
//! let root = tempfile::tempdir()?;
//! std::fs::write(
//!     root.path().join("sealift.yaml"),
//!     "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: '1.0'}\nspec: {}\n",
//! )?;
//! let settings = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default())?;
//! let project = Project::load(root.path(), settings)?;
//! assert_eq!(project.values.slug, "example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`project`] reads what the user wrote. [`tasks`] turns it into tasks of the crate [`graph`], and is the only place that calls
//! the crates that do the work. [`locking`] asks registries what tags mean, which no task ever does. [`release`] checks tags of git.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod locking;
pub mod project;
pub mod release;
pub mod tasks;

#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_lists(text: &str) {
    project::fuzz_lists(text);
}

#[cfg(fuzzing)]
#[doc(hidden)]
pub use project::template::fuzz_at as fuzz_template;
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_depfile(text: &str) {
    tasks::fuzz_depfile(text);
}
