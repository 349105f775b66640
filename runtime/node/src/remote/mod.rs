//! Other nodes, reached by a remote shell: comparing their archives with those of this node, and copying archives to them.
//!
//! The remote shell runs `sealift` on the other node: `archive get` lists the archives there, `archive receive` is the
//! receiving end of a [copy](crate::copy).

mod compare;
mod copies;
mod error;
mod name;
mod shell;

pub use compare::{Comparison, HeldArchive, compare};
pub use copies::{Copies, CopyPlan, CopySelection, Copyable, select};
pub use error::Error;
pub use name::{HERE, InvalidNodeName, NodeName};
pub use shell::{RemoteArchive, RemoteShell};
