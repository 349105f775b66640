//! Errors of a bring-up.

use std::path::PathBuf;
use std::process::ExitStatus;

use content::IoError;

use super::checks::CheckFinding;
use crate::{archives, client_config, hooks, site_config};

/// A bring-up failed. The steps that were done stay done; the next run continues.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The record of the versions of the node cannot be used.
    #[error(transparent)]
    Record(#[from] crate::change_version::RecordError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// An image tar cannot be read.
    #[error(transparent)]
    Image(#[from] images::Error),
    /// The archive cannot be imported.
    #[error(transparent)]
    Archives(#[from] archives::Error),
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] site_config::Error),
    /// The repositories cannot be configured.
    #[error(transparent)]
    Repositories(#[from] client_config::Error),
    /// A hook failed or cannot be run.
    #[error(transparent)]
    Hook(#[from] hooks::Error),
    /// The archive is on a device, not in a file.
    #[error(
        "{} is mounted from {}, which is not an ISO file of this node",
        content::printable_path(at),
        content::printable(device)
    )]
    NoFile {
        /// The mount point.
        at: PathBuf,
        /// The device.
        device: String,
    },
    /// The archive has no name.
    #[error("{} is not an archive: it contains neither product.txt nor manifest.yaml", content::printable_path(.0))]
    Nameless(PathBuf),
    /// The checks found problems, of which at least one is an error.
    #[error("this node cannot be brought up: {}", first_of(.0))]
    Checks(Vec<CheckFinding>),
    /// The certificate of the server is invalid, and its authority is not here.
    #[error("the certificate in {} is invalid: {problem}", content::printable_path(folder))]
    Certificate {
        /// The folder.
        folder: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A program failed.
    #[error("`{program}` {}: {}", content::exit(*status), content::printable(output))]
    Program {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its output.
        output: String,
    },
}

fn first_of(findings: &[CheckFinding]) -> String {
    let errors: Vec<&CheckFinding> = findings.iter().filter(|one| one.is_error).collect();
    match errors.as_slice() {
        [] => String::new(),
        [one] => one.to_string(),
        [first, ..] => format!("{} errors, the first: {first}", errors.len()),
    }
}
