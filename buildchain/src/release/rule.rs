//! What the tag of a release has to fulfill, and what helps where it does not.

/// What a tag that is released has to fulfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseRule {
    /// Its name is that of a release or a candidate, and the repository has it.
    Name,
    /// It has a message, an author and a date.
    Annotated,
    /// It is the commit that is checked out.
    Commit,
    /// Candidates are counted from 0. No other tag has the same version, and of a candidate, the release does not exist yet.
    Order,
    /// No tracked file differs from the commit.
    Clean,
    /// The project has its version.
    Version,
    /// Files that `spec.release` names have its version.
    Files,
    /// The changelog has its version.
    Changelog,
    /// The lock file has everything.
    Lock,
    /// Nothing that the project builds from is in development.
    Dependencies,
}

impl ReleaseRule {
    /// All rules, in the order in which they are checked.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Annotated,
        Self::Commit,
        Self::Order,
        Self::Clean,
        Self::Version,
        Self::Files,
        Self::Changelog,
        Self::Lock,
        Self::Dependencies,
    ];

    /// The word that reports have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Annotated => "annotated",
            Self::Commit => "commit",
            Self::Order => "order",
            Self::Clean => "clean",
            Self::Version => "version",
            Self::Files => "files",
            Self::Changelog => "changelog",
            Self::Lock => "lock",
            Self::Dependencies => "dependencies",
        }
    }
}

/// How a tag breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseProblem {
    /// What is wrong, as a sentence.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

impl ReleaseProblem {
    pub(super) fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: remedy.into() }
    }
}

/// A rule, and how the tag breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseCheck {
    /// The rule.
    pub rule: ReleaseRule,
    /// What is wrong; `None` if the rule is fulfilled.
    pub problem: Option<ReleaseProblem>,
}
