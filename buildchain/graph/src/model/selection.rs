//! The tasks that the user's words select.

use std::collections::BTreeSet;
use std::path::Path;

use globset::GlobBuilder;

use crate::model::error::SelectError;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::lookalike;
use crate::model::task::Task;

/// The tasks that the user selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectedTasks {
    pub(crate) tasks: Vec<TaskId>,
}

impl SelectedTasks {
    /// The tasks, in the order of the words, each once.
    #[must_use]
    pub fn tasks(&self) -> &[TaskId] {
        &self.tasks
    }
}

impl Graph {
    /// The tasks that `asked` selects: names, aliases or the part of one before a `:`, wildcards (`*`, `?`, `[…]`) over
    /// names and aliases, paths of outputs.
    ///
    /// # Errors
    ///
    /// The first word that selects nothing, with similar names.
    pub fn select(&self, asked: &[impl AsRef<str>]) -> Result<SelectedTasks, SelectError> {
        let mut seen = BTreeSet::new();
        let mut tasks = Vec::new();
        for asked in asked {
            for id in self.selected_by(asked.as_ref())? {
                if seen.insert(id) {
                    tasks.push(id);
                }
            }
        }
        Ok(SelectedTasks { tasks })
    }

    /// All tasks.
    #[must_use]
    pub fn select_all(&self) -> SelectedTasks {
        SelectedTasks { tasks: self.tasks().map(|(id, _)| id).collect() }
    }

    /// `selection` with all dependencies, direct or not, each before the tasks that need it.
    #[must_use]
    pub fn cone(&self, selection: &SelectedTasks) -> Vec<TaskId> {
        let mut seen = vec![false; self.tasks.len()];
        let mut cone = Vec::new();
        let mut path: Vec<(TaskId, usize)> = Vec::new();
        let mut enter =
            |id: TaskId| seen.get_mut(id.index()).is_some_and(|seen| !std::mem::replace(seen, true));
        for &start in &selection.tasks {
            if enter(start) {
                path.push((start, 0));
            }
            while let Some((id, next)) = path.last_mut() {
                match self.needs(*id).get(*next) {
                    Some(&need) => {
                        *next += 1;
                        if enter(need) {
                            path.push((need, 0));
                        }
                    }
                    None => {
                        cone.push(*id);
                        path.pop();
                    }
                }
            }
        }
        cone
    }

    /// `selection` with all dependencies, direct or not.
    #[must_use]
    pub fn with_needs(&self, selection: &SelectedTasks) -> SelectedTasks {
        SelectedTasks { tasks: self.cone(selection) }
    }

    /// `selection` with each group replaced by its members, also in groups of groups.
    #[must_use]
    pub fn members(&self, selection: &SelectedTasks) -> SelectedTasks {
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
        SelectedTasks { tasks }
    }

    fn selected_by(&self, asked: &str) -> Result<Vec<TaskId>, SelectError> {
        if let Some(id) = self.find(asked) {
            return Ok(vec![id]);
        }
        if asked.contains(['*', '?', '[']) {
            let invalid = |error: globset::Error| SelectError::Pattern {
                pattern: asked.to_owned(),
                reason: error.kind().to_string(),
            };
            let glob = GlobBuilder::new(asked).build().map_err(invalid)?.compile_matcher();
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
        if let Some(id) = self.producer(Path::new(asked)) {
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
