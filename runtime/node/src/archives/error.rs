//! What can go wrong with the archives of a node.

use std::path::PathBuf;

use archive::layout;
use archive::verify::Report;

use crate::site_config;

/// An import or deletion could not be done. What was there before is there still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", content::printable_path(path))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A configuration file cannot be read or changed.
    #[error(transparent)]
    Configuration(#[from] site_config::Error),
    /// A configuration file that was there is not any more.
    #[error("{} is gone", content::printable_path(.0))]
    Gone(PathBuf),
    /// The archive is not what it was when it was made.
    #[error("{} is damaged: {}", content::printable_path(&.0.archive), damage(.0))]
    Damaged(Box<Report>),
    /// The archive was replaced, or somebody wrote to it, between two steps.
    #[error("{} was replaced or changed while it was in use", content::printable_path(.0))]
    Changed(PathBuf),
    /// Nothing is wrong with the archive, but nothing says what it was when it was made either.
    #[error("nothing vouches for {}: it has neither {} nor an implanted MD5", content::printable_path(.0), layout::SUMS)]
    Unvouched(PathBuf),
    /// There is no product information in it.
    #[error("{} is no archive: neither {} nor {} is in it", content::printable_path(.0), layout::PRODUCT, layout::MANIFEST)]
    Nameless(PathBuf),
    /// Another archive of that name and version is there.
    #[error("this node already has {id}: {}", content::printable_path(path))]
    Present {
        /// Name and version.
        id: String,
        /// The archive that is there.
        path: PathBuf,
    },
    /// Another archive's images are asked for under the same name.
    #[error("the images of {id} would be {prefix}/..., as those of {} are", content::printable_path(path))]
    SamePrefix {
        /// Name and version.
        id: String,
        /// What the names of its images begin with.
        prefix: String,
        /// The archive that is there.
        path: PathBuf,
    },
    /// The archive's path would mean something else in a systemd unit.
    #[error(
        "{0:?} cannot stand in a systemd unit: expected UTF-8 without control characters, and no blank or backslash at its end"
    )]
    Unnameable(PathBuf),
    /// A systemd unit is there that no import has written.
    #[error("{} is there and was not written by sealift", content::printable_path(.0))]
    NotOurs(PathBuf),
    /// No archive of the node is meant.
    #[error("this node has no archive `{0}`: expected a name and version, a path, or a mount point")]
    Unknown(String),
    /// No archive of the node is this version of a Solution.
    #[error("this node has no Solution {name} {version}; {}", if there.is_empty() { "it has none of that name".to_owned() } else { format!("of that name it has {}", there.join(", ")) })]
    NoSolution {
        /// The Solution.
        name: String,
        /// The version.
        version: String,
        /// The versions that are there.
        there: Vec<String>,
    },
    /// A Solution is active in this version.
    #[error("{id} is the active version of its Solution")]
    Active {
        /// Name and version.
        id: String,
    },
    /// Something on the machine uses the archive.
    #[error("{id} is in use: {source}")]
    InUse {
        /// Name and version.
        id: String,
        /// What unmounting it gave.
        source: std::io::Error,
    },
    /// It is not mounted.
    #[error(
        "{0} is not mounted: expected the name and version, the path, or the mount point of an archive that is"
    )]
    NotMounted(String),
    /// Something else is mounted there.
    #[error("something else is mounted at {}", content::printable_path(at))]
    Occupied {
        /// The mount point.
        at: PathBuf,
    },
    /// It cannot be mounted here.
    #[error("{id} cannot be mounted here: {problem}")]
    NoWay {
        /// Name and version.
        id: String,
        /// Why.
        problem: String,
    },
    /// Somebody else could hold or replace the lock.
    #[error("cannot use {} for the lock: {problem}", content::printable_path(path))]
    UnsafeLock {
        /// The file or its folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Another import or deletion runs.
    #[error("another import or deletion is running: {} is locked", content::printable_path(.0))]
    Locked(PathBuf),
}

/// The first of what is wrong with an archive, and how much there is. A damaged archive has findings.
fn damage(report: &Report) -> String {
    let first = report.findings.first().map(ToString::to_string).unwrap_or_default();
    match report.findings.len() as u64 + report.omitted {
        0 | 1 => first,
        count => format!("{count} findings, the first: {first}"),
    }
}
