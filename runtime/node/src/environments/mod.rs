//! Environments: namespaces of a cluster in which Solutions are deployed.
//!
//! [`objects`] makes the objects that the documents describe; `kubectl` applies them on the server, with the field manager
//! `sealift`. Nothing is recorded on the node: each command reads the state of the cluster, and each of its steps can be
//! repeated. So a command that was killed anywhere is finished by running it again.

mod change;
mod crds;
mod error;
mod kubectl;
mod list;
mod names;
mod object_name;
pub mod objects;
mod solution;

pub use change::{Change, Environments, Options, created, deployed};
pub use crds::deploy as deploy_crds;
pub use error::Error;
pub use kubectl::Kubectl;
pub use list::{Environment, list};
pub use names::{DnsLabel, EnvironmentName, NameError};
pub use object_name::ObjectName;
pub use objects::Place;
pub use solution::{ImportedSolution, imported, operator_config, parse_objects, version};
