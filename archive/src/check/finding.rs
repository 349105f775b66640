//! What checks find.

use std::collections::BTreeMap;
use std::fmt;

use content::printable;

use super::table::{CheckName, Severity};

/// The most findings of one check that are kept: a forged archive has as many as its maker likes.
const OF_CHECK_MAX: usize = 1000;
/// The most characters of a problem.
const PROBLEM_MAX: usize = 600;

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// The check.
    pub name: CheckName,
    /// What is wrong there.
    pub problem: String,
}

/// A place in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file or folder, relative to the root of the archive; empty for the archive as a whole.
    pub path: String,
    /// The line, from 1, if it is known.
    pub line: Option<u64>,
}

impl Place {
    /// A file or folder.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), line: None }
    }

    /// A line of a file. 0 stands for an unknown line.
    pub fn line(path: impl Into<String>, line: u64) -> Self {
        Self { path: path.into(), line: Some(line).filter(|line| *line > 0) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), self.line) {
            ("", _) => f.write_str("the archive"),
            (path, None) => write!(f, "{}", printable(path)),
            (path, Some(line)) => write!(f, "{}:{line}", printable(path)),
        }
    }
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(name: CheckName, place: Place, problem: &str) -> Self {
        let problem = match problem.char_indices().nth(PROBLEM_MAX) {
            Some((end, _)) => format!("{}…", problem.get(..end).unwrap_or_default()),
            None => problem.to_owned(),
        };
        Self { place, name, problem }
    }

    /// The name of its check in reports and on the command line.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.name.check().code
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.name.check().severity
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.name.check().remedy
    }
}

/// `operator/deploy/role.yaml:12: error: … [role-kind]`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} [{}]", self.place, self.severity(), printable(&self.problem), self.code())
    }
}

/// Findings as they come, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<CheckName, usize>,
    omitted: u64,
}

impl Findings {
    pub(super) fn add(&mut self, name: CheckName, place: Place, problem: impl AsRef<str>) {
        self.push(Finding::new(name, place, problem.as_ref()));
    }

    pub(super) fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.name).or_default();
        if *count < OF_CHECK_MAX {
            *count += 1;
            self.kept.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn has(&self, name: CheckName) -> bool {
        self.counts.contains_key(&name)
    }

    /// The findings, the most severe first, each once, and how many more there are.
    pub(super) fn finish(self) -> (Vec<Finding>, u64) {
        let mut findings = self.kept;
        findings.sort();
        findings.dedup();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
        (findings, self.omitted)
    }
}
