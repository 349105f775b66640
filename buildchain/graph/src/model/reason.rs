//! Why a task must run.

use std::fmt;

use content::printable;

/// Why a task must run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No successful run is recorded.
    NeverRan,
    /// The task is declared never to be up to date.
    Always,
    /// The user asked to run it even if it is up to date.
    Forced,
    /// An input differs from the last successful run.
    Input(InputChange),
    /// Inputs and outputs are the same in another order.
    Order,
    /// An output differs from the last successful run.
    Output(InputChange),
    /// Dry run only: an input will be built again, so its new content is not known yet.
    Rebuilt {
        /// The input.
        path: String,
        /// The task that produces it.
        by: String,
    },
}

/// A difference from the last successful run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputChange {
    /// What differs: `file`, `folder`, `value`.
    pub kind: &'static str,
    /// Its path or name.
    pub name: String,
    /// Its old content or value; `None` if it did not exist.
    pub was: Option<String>,
    /// Its new content or value; `None` if it does not exist any more.
    pub now: Option<String>,
    /// The task that produces it, if one does.
    pub by: Option<String>,
}

/// Always on one line.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRan => f.write_str("no successful run is recorded"),
            Self::Always => f.write_str("it runs every time"),
            Self::Forced => f.write_str("it was forced to run"),
            Self::Order => f.write_str("the order of its inputs or outputs changed"),
            Self::Input(change) => write!(f, "input {change}"),
            Self::Output(change) => write!(f, "output {change}"),
            Self::Rebuilt { path, by } => write!(f, "input {} is rebuilt by {by}", printable(path)),
        }
    }
}

/// Always on one line.
impl fmt::Display for InputChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, was, now, by } = self;
        let name = printable(name);
        match (was.as_deref().map(printable), now.as_deref().map(printable)) {
            (None, Some(now)) => write!(f, "{kind} {name} is new: {now}"),
            (Some(was), None) => write!(f, "{kind} {name} was removed (was {was})"),
            (Some(was), Some(now)) => write!(f, "{kind} {name} changed: {was} -> {now}"),
            (None, None) => write!(f, "{kind} {name} is missing"),
        }?;
        by.as_ref().map_or(Ok(()), |by| write!(f, ", produced by {by}"))
    }
}
