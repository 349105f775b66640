//! The reference: a build without digests, journals and threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::edit;
use super::plan::{ADDED, Edit, Plan, SOURCES, learn};
use crate::scratch::Project;

/// Path, content, whether it is executable.
pub(super) type Tree = BTreeMap<String, (String, bool)>;

/// All that a task can depend on, as plain text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    depends: String,
    left: Tree,
}

pub(super) struct Reference {
    pub(super) plans: Vec<Plan>,
    pub(super) disk: Tree,
    pub(super) memory: BTreeMap<usize, Memory>,
    /// The files that each task created in the project, with their contents.
    pub(super) own: BTreeMap<usize, BTreeMap<String, String>>,
    /// The contents of edited files that tasks produced again.
    pub(super) kept: Vec<String>,
}

impl Reference {
    /// Nothing exists.
    pub(super) fn of(plans: Vec<Plan>) -> Self {
        let (disk, memory, own) = Default::default();
        Self { plans, disk, memory, own, kept: Vec::new() }
    }

    /// The sources exist, and no task has run.
    pub(super) fn new(project: &Project, plans: Vec<Plan>) -> Self {
        let mut reference = Self::of(plans);
        for source in 0..SOURCES {
            edit(project, &mut reference, &Edit::Write(source, 1), None);
        }
        reference
    }

    pub(super) fn live(&self) -> Vec<usize> {
        (0..self.plans.len()).filter(|index| !self.plans[*index].gone).collect()
    }

    pub(super) fn is_live(&self, index: usize) -> bool {
        self.plans.get(index).is_some_and(|plan| !plan.gone)
    }

    /// The first output of a task, or the last one.
    pub(super) fn output(&self, index: usize, first: bool) -> String {
        let outputs = self.plans[index].outputs(index);
        if first { outputs.first().unwrap().clone() } else { outputs.last().unwrap().clone() }
    }

    /// The files that a task declares to read, without those of removed tasks.
    pub(super) fn read(&self, index: usize) -> Vec<String> {
        let plan = &self.plans[index];
        let mut paths: Vec<String> = plan.sources.iter().map(|source| format!("src/s{source}")).collect();
        for maker in plan.makers.iter().filter(|maker| self.is_live(**maker)) {
            paths.extend(self.plans[*maker].outputs(*maker));
        }
        if plan.backwards {
            paths.reverse();
        }
        paths
    }

    /// The tasks that a task runs after, since it may learn to read their outputs.
    pub(super) fn after(&self, index: usize) -> Vec<usize> {
        let after = self.plans[index].learns.iter().flatten().copied();
        after.filter(|earlier| self.is_live(*earlier)).collect()
    }

    /// The files that a task may learn to read. Added sources may be missing.
    pub(super) fn candidates(&self, index: usize) -> Vec<String> {
        let sources = (0..SOURCES).map(|source| format!("src/s{source}"));
        let added = (0..ADDED).map(|added| format!("src/new{added}"));
        let outputs = self.after(index).into_iter().flat_map(|earlier| self.plans[earlier].outputs(earlier));
        sources.chain(added).chain(outputs).collect()
    }

    /// All that a task depends on.
    fn depends(&self, index: usize) -> String {
        let plan = &self.plans[index];
        let now = |path: String| (path.clone(), self.disk.get(&path));
        let mut read: Vec<(String, Option<&(String, bool)>)> =
            self.read(index).into_iter().map(now).collect();
        if plan.reads_folder {
            let sources = self.disk.iter().filter(|(path, _)| path.starts_with("src/"));
            read.extend(sources.map(|(path, file)| (path.clone(), Some(file))));
        }
        let learned = plan.list(index).map(|list| {
            let (text, _) = self.disk.get(&list)?;
            let paths: BTreeSet<String> = text.lines().map(str::to_owned).collect();
            Some((paths.into_iter().map(now).collect::<Vec<_>>(), self.candidates(index)))
        });
        format!("{read:?} {learned:?} {} {:?}", plan.value, plan.declared(index))
    }

    /// The files of a task that exist. All files of an output folder belong to its task.
    fn now(&self, index: usize) -> Tree {
        let plan = &self.plans[index];
        let outputs = plan.outputs(index);
        let is_output = |path: &String| {
            outputs.contains(path) || plan.makes_folder && path.starts_with(&folder_of(&outputs))
        };
        let mine = self.disk.iter().filter(|(path, _)| is_output(path));
        mine.map(|(path, file)| (path.clone(), file.clone())).collect()
    }

    pub(super) fn must_run(&self, index: usize) -> bool {
        let now = Memory { depends: self.depends(index), left: self.now(index) };
        self.memory.get(&index) != Some(&now)
    }

    /// The concatenation of what a task declares to read.
    fn text(&self, index: usize) -> String {
        let mut text: String = self.read(index).iter().map(|path| self.disk[path].0.clone()).collect();
        if self.plans[index].reads_folder {
            text.extend(
                self.disk.iter().filter(|(path, _)| path.starts_with("src/")).map(|(_, file)| file.0.clone()),
            );
        }
        text
    }

    pub(super) fn run(&mut self, index: usize) {
        let (plan, mut text) = (self.plans[index].clone(), self.text(index));
        let list = plan.list(index).map(|list| {
            let read = |path: &str| self.disk.get(path).map(|file| file.0.clone());
            (list, learn(&mut text, &self.candidates(index), read))
        });
        let edited = if plan.in_project { self.take_own(index) } else { Vec::new() };
        self.remove(index);
        let before: BTreeSet<String> = self.disk.keys().cloned().collect();
        for output in plan.outputs(index) {
            self.disk.insert(output, (plan.output_for(&text), false));
        }
        if plan.in_project {
            let made = plan.outputs(index).into_iter().filter(|path| path.starts_with("gen/"));
            let own = made.filter(|path| !before.contains(path));
            self.own.insert(index, own.map(|path| (path, plan.output_for(&text))).collect());
        }
        for (path, content) in edited {
            match self.disk.contains_key(&path) {
                true => self.kept.push(content),
                false => drop(self.disk.insert(path, (content, false))),
            }
        }
        if let Some((list, learned)) = list {
            self.disk.insert(list, (learned.join("\n"), false));
        }
        let memory = Memory { depends: self.depends(index), left: self.now(index) };
        self.memory.insert(index, memory);
    }

    /// Removes the own files of a task in the project. Returns those that the user edited.
    fn take_own(&mut self, index: usize) -> Vec<(String, String)> {
        let mut edited = Vec::new();
        for (path, content) in self.own.remove(&index).unwrap_or_default() {
            match self.disk.remove(&path) {
                Some((now, _)) if now != content => edited.push((path, now)),
                _ => {}
            }
        }
        edited
    }

    /// Removes the own files of a task in the project that the user did not edit.
    fn remove_own(&mut self, index: usize) {
        for (path, content) in self.take_own(index) {
            self.disk.insert(path, (content, false));
        }
    }

    /// Removes the outputs of a task in the build root.
    fn remove(&mut self, index: usize) {
        for path in self.now(index).into_keys().filter(|path| path.starts_with("_build/")) {
            self.disk.remove(&path);
        }
    }

    /// Removes what a task produced in an earlier run and no task produces now.
    fn remove_stale(&mut self, index: usize) {
        let folder = self.plans[index].project_folder(index);
        let is_in_folder = |path: &String| path.starts_with(&folder);
        if !self.is_live(index) || self.own.get(&index).is_some_and(|own| !own.keys().all(is_in_folder)) {
            self.remove_own(index);
        }
        let declared: BTreeSet<String> = self
            .live()
            .into_iter()
            .flat_map(|index| self.now(index).into_keys().chain(self.plans[index].outputs(index)))
            .collect();
        let Some(memory) = self.memory.get(&index) else { return };
        for path in memory.left.keys().filter(|path| path.starts_with("_build/") && !declared.contains(*path))
        {
            self.disk.remove(path);
        }
    }

    /// Removes all stale outputs.
    pub(super) fn prune(&mut self) {
        (0..self.plans.len()).for_each(|index| self.remove_stale(index));
        let plans = &self.plans;
        self.memory.retain(|index, _| !plans[*index].gone);
    }

    /// Removes the outputs of a task.
    pub(super) fn clean(&mut self, index: usize) {
        self.remove_stale(index);
        self.remove_own(index);
        if self.is_live(index) {
            self.remove(index);
        }
        self.memory.remove(&index);
    }
}

fn folder_of(outputs: &[String]) -> String {
    format!("{}/", Path::new(&outputs[0]).parent().unwrap().display())
}
