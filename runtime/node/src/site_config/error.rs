//! Errors of node configurations.

use std::fmt;
use std::path::{Path, PathBuf};

use content::IoError;

use super::kind::ConfigurationKind;

/// A node configuration cannot be read, is invalid, or cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The file is invalid; all problems, in the order of its lines.
    #[error("{}{}", listed(path, problems), also(others))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The kind that was expected.
        kind: ConfigurationKind,
        /// The problems; at least one.
        problems: Vec<ConfigurationProblem>,
        /// The errors of the node's other configuration files that are invalid, too.
        others: Vec<Error>,
    },
    /// The list of archives, or of active versions, cannot be changed line by line.
    #[error(
        "{}:{line}: {key}: cannot change this list; write one entry per line, or all on the line of the key",
        content::printable_path(path)
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The line of the list.
        line: u64,
        /// The key of the list.
        key: &'static str,
    },
}

/// A problem in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationProblem {
    /// The line, counted from 1.
    pub line: u64,
    /// The column, counted from 1.
    pub column: u64,
    /// The key of the problem, or above it, such as `networks.controlPlane`; empty for the whole file.
    pub key: String,
    /// What was expected and what was found.
    pub problem: String,
}

impl fmt::Display for ConfigurationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, problem } = self;
        write!(f, "{line}:{column}: {key}{}{problem}", if key.is_empty() { "" } else { ": " })
    }
}

/// The maximum number of problems that are listed.
const PROBLEMS_SHOWN: usize = 20;

/// A line for each problem, starting with the name of the file.
fn also(others: &[Error]) -> String {
    others.iter().map(|error| format!("\n{error}")).collect()
}

fn listed(path: &Path, problems: &[ConfigurationProblem]) -> String {
    let mut lines: Vec<String> =
        problems.iter().take(PROBLEMS_SHOWN).map(|problem| format!("{}:{problem}", path.display())).collect();
    if problems.len() > PROBLEMS_SHOWN {
        lines.push(format!("and {} more problems", problems.len() - PROBLEMS_SHOWN));
    }
    lines.join("\n")
}
