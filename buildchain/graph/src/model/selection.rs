//! From what the user typed to tasks.

use std::collections::BTreeSet;
use std::path::Path;

use globset::GlobBuilder;

use crate::model::graph::{Graph, TaskId};
use crate::model::lookalike;
use crate::model::task::Task;

/// The tasks a user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub(crate) tasks: Vec<TaskId>,
}

impl Selection {
    /// The tasks, in the order they were asked for, each once.
    #[must_use]
    pub fn tasks(&self) -> &[TaskId] {
        &self.tasks
    }
}

/// The user asked for something that is not there: exit code 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// No such task, and no task makes such a file.
    #[error(
        "`{}` is neither a task nor a file that a task makes{}",
        content::printable(asked),
        lookalike::hint(meant)
    )]
    Unknown {
        /// What was typed.
        asked: String,
        /// Tasks of a similar name.
        meant: Vec<String>,
    },
    /// A wildcard that no task matches.
    #[error("no task matches `{}`", content::printable(pattern))]
    NoMatch {
        /// What was typed.
        pattern: String,
    },
    /// A wildcard that is none.
    #[error("`{}` is not a pattern: {}", content::printable(pattern), content::printable(reason))]
    Pattern {
        /// What was typed.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Graph {
    /// The tasks meant by `asked`: names, aliases or the part of one before a `:`, wildcards (`*`, `?`, `[…]`) over
    /// names and aliases, paths of files that tasks make.
    ///
    /// # Errors
    ///
    /// The first that means nothing, with names that look like it.
    pub fn select(&self, asked: &[impl AsRef<str>]) -> Result<Selection, SelectError> {
        let mut seen = BTreeSet::new();
        let mut tasks = Vec::new();
        for asked in asked {
            for id in self.meant_by(asked.as_ref())? {
                if seen.insert(id) {
                    tasks.push(id);
                }
            }
        }
        Ok(Selection { tasks })
    }

    /// All tasks.
    #[must_use]
    pub fn select_all(&self) -> Selection {
        Selection { tasks: self.tasks().map(|(id, _)| id).collect() }
    }

    /// `selection` and all it needs, directly or not, makers before those who need them.
    #[must_use]
    pub fn cone(&self, selection: &Selection) -> Vec<TaskId> {
        let mut seen = vec![false; self.nodes.len()];
        let mut cone = Vec::new();
        let mut way: Vec<(TaskId, usize)> = Vec::new();
        let mut enter =
            |id: TaskId| seen.get_mut(id.index()).is_some_and(|seen| !std::mem::replace(seen, true));
        for &start in &selection.tasks {
            if enter(start) {
                way.push((start, 0));
            }
            while let Some((id, next)) = way.last_mut() {
                match self.needs(*id).get(*next) {
                    Some(&need) => {
                        *next += 1;
                        if enter(need) {
                            way.push((need, 0));
                        }
                    }
                    None => {
                        cone.push(*id);
                        way.pop();
                    }
                }
            }
        }
        cone
    }

    /// `selection` with all that it needs, directly or not.
    #[must_use]
    pub fn with_needs(&self, selection: &Selection) -> Selection {
        Selection { tasks: self.cone(selection) }
    }

    /// `selection` with the members of its groups, and of the groups among them, in place of the groups.
    #[must_use]
    pub fn members(&self, selection: &Selection) -> Selection {
        let mut seen = BTreeSet::new();
        let mut tasks = Vec::new();
        let mut open: Vec<TaskId> = selection.tasks.iter().rev().copied().collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.task(id).is_group() {
                open.extend(self.needs(id).iter().rev());
            } else {
                tasks.push(id);
            }
        }
        Selection { tasks }
    }

    fn meant_by(&self, asked: &str) -> Result<Vec<TaskId>, SelectError> {
        if let Some(id) = self.find(asked) {
            return Ok(vec![id]);
        }
        if asked.contains(['*', '?', '[']) {
            let wrong = |error: globset::Error| SelectError::Pattern {
                pattern: asked.to_owned(),
                reason: error.kind().to_string(),
            };
            let glob = GlobBuilder::new(asked).build().map_err(wrong)?.compile_matcher();
            let mut matched = self.matching(|task| glob.is_match(&task.name));
            if matched.is_empty() {
                matched = self.matching(|task| glob.is_match(&task.alias));
            }
            if matched.is_empty() {
                return Err(SelectError::NoMatch { pattern: asked.to_owned() });
            }
            return Ok(matched);
        }
        let known_as = self.matching(|task| {
            let rest = task.alias.strip_prefix(asked);
            !asked.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        if !known_as.is_empty() {
            return Ok(known_as);
        }
        if let Some(id) = self.maker(Path::new(asked)) {
            return Ok(vec![id]);
        }
        let known: BTreeSet<&str> =
            self.tasks().flat_map(|(_, task)| [task.name.as_str(), task.public_name()]).collect();
        let meant = lookalike::of(asked, known);
        Err(SelectError::Unknown { asked: asked.to_owned(), meant })
    }

    fn matching(&self, matches: impl Fn(&Task) -> bool) -> Vec<TaskId> {
        self.tasks().filter(|(_, task)| matches(task)).map(|(id, _)| id).collect()
    }
}
