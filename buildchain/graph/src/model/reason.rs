//! Why a task has to run.

use std::fmt;

use content::printable;

/// Why a task has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No successful run of it is recorded.
    NeverRan,
    /// It is declared never to be up to date.
    Always,
    /// The user asked to run it no matter what.
    Forced,
    /// An input is not what it was at the last successful run.
    Input(Change),
    /// What it reads and makes is what it was, in another order.
    Order,
    /// An output is not what the last successful run left.
    Output(Change),
    /// Dry run only: an input will be made anew, so nobody can tell yet.
    Remade {
        /// The input.
        path: String,
        /// The task that makes it.
        by: String,
    },
}

/// One thing that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What sort of thing: `file`, `folder`, `value`.
    pub kind: &'static str,
    /// Its path or name.
    pub name: String,
    /// What it was; `None` if it was not there.
    pub was: Option<String>,
    /// What it is now; `None` if it is gone.
    pub now: Option<String>,
    /// The task that makes it; `None` if it is no path or nobody makes it.
    pub by: Option<String>,
}

/// On one line, whatever names are in it.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRan => f.write_str("no successful run of it is recorded"),
            Self::Always => f.write_str("it runs each time it is asked for"),
            Self::Forced => f.write_str("it was asked to run no matter what"),
            Self::Order => f.write_str("the order of its inputs or outputs changed"),
            Self::Input(change) => write!(f, "input {change}"),
            Self::Output(change) => write!(f, "output {change}"),
            Self::Remade { path, by } => write!(f, "input {} is rebuilt by {by}", printable(path)),
        }
    }
}

/// On one line, whatever names are in it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, was, now, by } = self;
        let name = printable(name);
        match (was.as_deref().map(printable), now.as_deref().map(printable)) {
            (None, Some(now)) => write!(f, "{kind} {name} is new: {now}"),
            (Some(was), None) => write!(f, "{kind} {name} is gone: was {was}"),
            (Some(was), Some(now)) => write!(f, "{kind} {name} changed: {was} -> {now}"),
            (None, None) => write!(f, "{kind} {name} is missing"),
        }?;
        by.as_ref().map_or(Ok(()), |by| write!(f, ", made by {by}"))
    }
}
