//! The build side: the task graph, the project model, and the tasks that turn one into the other.
//!
//! ```
//! use std::collections::BTreeMap;
//! use buildchain::project::{Flags, Project, Settings};
//!
//! let root = tempfile::tempdir()?;
//! std::fs::write(
//!     root.path().join("sealift.yaml"),
//!     "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: '1.0'}\nspec: {}\n",
//! )?;
//! let settings = Settings::gather(root.path(), &BTreeMap::new(), &Flags::default())?;
//! let project = Project::load(root.path(), settings)?;
//! assert_eq!(project.values.slug, "example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three rooms: [`graph`] runs tasks and knows no domain; [`project`] reads what the user
//! wrote; [`tasks`] is the only place where both meet the rooms that do the work. [`locking`] asks registries what tags mean, which
//! no task ever does.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod graph;
pub mod locking;
pub mod project;
pub mod tasks;
