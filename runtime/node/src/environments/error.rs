//! Errors about environments.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use archive::solution::operator_config::OperatorConfigError;

use super::names::NameError;
use super::object_name::ObjectName;
use crate::archives;

/// An environment could not be read or changed. Running the command again carries on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that Kubernetes does not accept.
    #[error("{what} {source}")]
    Name {
        /// What has the name.
        what: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// `kubectl` cannot be started.
    #[error("cannot run `{}`: {source}", program.to_string_lossy())]
    NoKubectl {
        /// The program.
        program: OsString,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The API server cannot be reached.
    #[error("kubectl cannot reach the cluster: {}", content::printable(said))]
    Unreachable {
        /// The output of `kubectl`.
        said: String,
    },
    /// Somebody else manages fields of an object.
    #[error("other programs manage some of these objects: {}", content::printable_lines(said))]
    Conflict {
        /// The output of `kubectl`, which names the fields and the managers.
        said: String,
    },
    /// `kubectl` failed.
    #[error("`{command}` {}: {}", content::exit(*status), content::printable_lines(said))]
    Kubectl {
        /// Its command line, without options.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its output.
        said: String,
    },
    /// `kubectl` printed something unexpected.
    #[error("cannot read the output of `{command}`: {problem}")]
    Answer {
        /// Its command line, without options.
        command: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The archives of the node cannot be read.
    #[error(transparent)]
    Node(#[from] archives::Error),
    /// The content of an archive cannot be read.
    #[error("{}: {source}", content::printable_path(archive))]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        source: archive::Error,
    },
    /// An archive has objects that cannot be deployed.
    #[error("{}: {file}: {problem}", content::printable_path(archive))]
    Content {
        /// The archive.
        archive: PathBuf,
        /// The file in it.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The operator would refuse its configuration.
    #[error(transparent)]
    OperatorConfig(#[from] OperatorConfigError),
    /// No namespace has the environment.
    #[error("the environment {0} does not exist")]
    NoEnvironment(String),
    /// There is a namespace that belongs to no environment.
    #[error("the namespace {namespace} exists and belongs to no environment")]
    NotOurs {
        /// The namespace.
        namespace: String,
        /// The environment.
        environment: String,
    },
    /// The namespace belongs to another environment.
    #[error("the namespace {namespace} belongs to the environment {owner}, not to {environment}")]
    OtherEnvironment {
        /// The namespace.
        namespace: String,
        /// Its environment.
        owner: String,
        /// The environment that was given.
        environment: String,
    },
    /// The namespace does not exist.
    #[error("the environment {environment} has no namespace {namespace}{}", if others.is_empty() { String::new() } else { format!("; it has {}", others.join(", ")) })]
    NoNamespace {
        /// The environment.
        environment: String,
        /// The namespace.
        namespace: String,
        /// The namespaces of the environment.
        others: Vec<String>,
    },
    /// The namespace is being deleted.
    #[error("the namespace {0} is being deleted")]
    Terminating(String),
    /// The environment has Solutions.
    #[error("the environment {environment} is in use: it has {}", solutions.join(", "))]
    InUse {
        /// The environment.
        environment: String,
        /// Its Solutions with their versions.
        solutions: Vec<String>,
    },
    /// The environment does not have the Solution.
    #[error("the namespace {namespace} of the environment {environment} has no Solution {solution}")]
    NotAdded {
        /// The environment.
        environment: String,
        /// The namespace.
        namespace: String,
        /// The Solution.
        solution: String,
    },
    /// The version stored objects in a form that the older version does not know.
    #[error(
        "{solution} {version} does not know objects that the cluster stores: {}",
        unknown.join(", ")
    )]
    OlderDefinitions {
        /// The Solution.
        solution: String,
        /// The version.
        version: String,
        /// The definitions with the versions that are stored.
        unknown: Vec<String>,
    },
    /// An object of the archive would replace one that another program created.
    #[error("{object} exists and belongs to {owner}")]
    Taken {
        /// The object.
        object: ObjectName,
        /// Whose it is.
        owner: String,
    },
}
