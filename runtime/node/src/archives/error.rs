//! Errors about the archives of a node.

use std::path::PathBuf;

use archive::attestation::AttestationError;
use archive::check::Finding;
use archive::requires::Unmet;
use archive::verify::VerifyReport;
use archive::{ArchiveId, layout};
use content::IoError;

use super::mount_mode::CannotMount;
use crate::site_config;

/// An import, deletion or mount failed; it has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A configuration file cannot be read or changed.
    #[error(transparent)]
    Configuration(#[from] site_config::Error),
    /// The policy of the node cannot be used.
    #[error(transparent)]
    Policy(#[from] trust::PolicyError),
    /// The archive is not the signed one, or is too old for the policy.
    #[error("the policy of this node refuses the archive: {0}")]
    Signature(#[from] AttestationError),
    /// The policy requires a signature, and the archive was to be accepted without a verification.
    #[error(
        "{} must be signed, as {} says, and cannot be accepted unverified",
        content::printable_path(archive),
        content::printable_path(policy)
    )]
    MustBeSigned {
        /// The archive.
        archive: PathBuf,
        /// The policy.
        policy: PathBuf,
    },
    /// A configuration file that existed is missing.
    #[error("{} is missing; it existed before", content::printable_path(.0))]
    Gone(PathBuf),
    /// The archive is damaged.
    #[error("{} is damaged: {}", content::printable_path(&.0.archive), damage(.0))]
    Damaged(Box<VerifyReport>),
    /// The archive was replaced or changed between two steps.
    #[error("{} was replaced or changed while it was in use", content::printable_path(.0))]
    Changed(PathBuf),
    /// The archive has no findings, but neither checksums nor an implanted MD5.
    #[error("{} is unverifiable: it has neither {} nor an implanted MD5", content::printable_path(.0), layout::SUMS)]
    Unverifiable(PathBuf),
    /// The check of a Solution found errors.
    #[error("{} cannot be imported: {}", content::printable_path(archive), errors(findings))]
    Unfit {
        /// The archive.
        archive: PathBuf,
        /// The findings that are errors and that nobody allowed; at least one.
        findings: Vec<Finding>,
    },
    /// The archive has no product information.
    #[error("{} is not an archive: it contains neither {} nor {}", content::printable_path(.0), layout::PRODUCT, layout::MANIFEST)]
    Nameless(PathBuf),
    /// The archive is not a Solution, and only Solutions are accepted.
    #[error("{} is not a Solution", content::printable_path(.0))]
    NoSolutionArchive(PathBuf),
    /// The node has another archive with this ID.
    #[error("this node already has {id}: {}", content::printable_path(path))]
    Present {
        /// The archive ID.
        id: ArchiveId,
        /// The other archive.
        path: PathBuf,
    },
    /// The images of another archive have the same prefix.
    #[error(
        "{id} would use the image prefix {prefix}/, which {} already uses",
        content::printable_path(path)
    )]
    SamePrefix {
        /// The archive ID.
        id: ArchiveId,
        /// The first part of the names of its images.
        prefix: String,
        /// The other archive.
        path: PathBuf,
    },
    /// The archive's path cannot be written in a systemd unit.
    #[error(
        "{0:?} cannot be written in a systemd unit: expected UTF-8 without control characters, and no space or backslash at its end"
    )]
    Unnameable(PathBuf),
    /// There is a systemd unit that no import has written.
    #[error("{} exists and was not written by sealift", content::printable_path(.0))]
    NotOurs(PathBuf),
    /// The node has no such archive.
    #[error("this node has no archive `{0}`: expected a NAME-VERSION, a path, or a mount point")]
    Unknown(String),
    /// The node has no archive of this version of a Solution.
    #[error("Solution {name} {version} is not imported; available versions: {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    NoSolution {
        /// The Solution.
        name: String,
        /// The version.
        version: String,
        /// The imported versions.
        available: Vec<String>,
    },
    /// The node has no version of a Solution.
    #[error("no version of the Solution {} is imported", content::printable(.0))]
    NotImported(String),
    /// The archive of this version of a Solution is in the `ArchivesConfiguration`, which MetalK8s does not read.
    #[error(
        "Solution {name} {version} is imported, but MetalK8s does not read {}, which lists it",
        content::printable_path(file)
    )]
    NotForMetalk8s {
        /// The Solution.
        name: String,
        /// The version.
        version: String,
        /// The `ArchivesConfiguration`.
        file: PathBuf,
    },
    /// The node does not have the archives that the archive requires.
    #[error("{id} requires archives that this node does not have: {}", joined(unmet, "; "))]
    Requires {
        /// The archive ID.
        id: ArchiveId,
        /// The requirements; at least one.
        unmet: Vec<Unmet>,
    },
    /// Other archives of the node require the archive.
    #[error("{id} is required by {}", joined(by, ", "))]
    Required {
        /// The archive ID.
        id: ArchiveId,
        /// The other archives; at least one.
        by: Vec<ArchiveId>,
    },
    /// This version of a Solution is active.
    #[error("{id} is the active version of its Solution")]
    Active {
        /// The archive ID.
        id: ArchiveId,
    },
    /// A process uses the archive.
    #[error("{id} is in use: {source}")]
    InUse {
        /// The archive ID.
        id: String,
        /// The error of unmounting it.
        source: std::io::Error,
    },
    /// The archive is not mounted.
    #[error("{0} is not mounted; give the NAME-VERSION, path or mount point of a mounted archive")]
    NotMounted(String),
    /// Something else is mounted there.
    #[error("something else is mounted at {}", content::printable_path(at))]
    Occupied {
        /// The mount point.
        at: PathBuf,
    },
    /// The archive cannot be mounted on this machine.
    #[error("{id} cannot be mounted here: {problem}")]
    CannotMount {
        /// The archive ID.
        id: ArchiveId,
        /// Why not.
        problem: CannotMount,
    },
    /// Another user could hold or replace the lock.
    #[error("cannot use {} for the lock: {problem}", content::printable_path(path))]
    UnsafeLock {
        /// The file or its folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Another import or deletion runs.
    #[error("another command is changing this node: {} is locked", content::printable_path(.0))]
    Locked(PathBuf),
}

fn joined<T: ToString>(items: &[T], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// The first finding of a check, and the number of findings.
fn errors(findings: &[Finding]) -> String {
    let first = findings.first().map(ToString::to_string).unwrap_or_default();
    match findings.len() {
        0 | 1 => first,
        count => format!("{count} errors, the first: {first}"),
    }
}

/// The first finding of an archive, and the number of findings. A damaged archive has at least one.
fn damage(report: &VerifyReport) -> String {
    let first = report.findings.first().map(ToString::to_string).unwrap_or_default();
    match report.findings.len() as u64 + report.omitted {
        0 | 1 => first,
        count => format!("{count} findings, the first: {first}"),
    }
}
