//! OS packages: RPM building and repository metadata.

mod build;
mod check;
mod definition;
mod dependency;
mod error;
mod publish;
pub mod repository;

pub use build::{BuiltPackage, build};
pub use definition::{Change, Definition, Directory, File, FileKind, Mode, Scriptlets, Symlink};
pub use dependency::{Comparison, Dependency};
pub use error::{Error, Result};
