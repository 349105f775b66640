//! The tasks of the model, and the edits between its runs.

use std::collections::BTreeSet;
use std::path::Path;

use graph::TaskOutput;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// A task of the model. Its index in the list is its name. It reads sources and outputs of tasks before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The sources that it reads.
    pub(super) sources: BTreeSet<usize>,
    /// The earlier tasks whose outputs it reads, each as a file.
    pub(super) makers: BTreeSet<usize>,
    /// Whether it also reads the whole source folder.
    pub(super) reads_folder: bool,
    /// Whether it reads its files from the last to the first: their order is part of the key.
    pub(super) backwards: bool,
    /// Whether it produces a folder of two files instead of one file.
    pub(super) makes_folder: bool,
    /// Whether that folder is in the project, where files of the user are too. Then the value is part of the name of a file.
    pub(super) in_project: bool,
    /// A value that is part of its key and of its output.
    pub(super) value: u8,
    /// Whether its outputs have another path.
    pub(super) moved: bool,
    /// Whether its output depends only on the length of its inputs: then many changes do not reach its dependents.
    pub(super) dull: bool,
    /// Whether it is not part of the graph.
    pub(super) gone: bool,
    /// The earlier tasks that it may read once it runs, if it is a task that learns its inputs: what it has read so far decides
    /// which of their outputs and of the sources it reads next. It lists them in an output.
    pub(super) learns: Option<BTreeSet<usize>>,
}

pub(super) const SOURCES: usize = 3;
/// The most sources that are added.
pub(super) const ADDED: u8 = 4;
/// How many files a task reads that learns its inputs, beside those that it declares.
const LEARNED: usize = 2;

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Write(usize, u8),
    Touch(usize),
    Chmod(usize, bool),
    AddSource(u8),
    RemoveSource(u8),
    /// Changes the first or the last output.
    Tamper(usize, bool),
    Delete(usize, bool),
    Value(usize, u8),
    Move(usize),
    Turn(usize),
    Drop(usize),
    Revive(usize),
    Clean(usize),
    CleanAll,
    Forget(usize),
    /// Writes a file of the user into the project folder of a task, perhaps over an output.
    UserWrite(usize, u8, u32),
    UserRemove(usize, u8),
    /// Empties the cache of this machine; a remote cache keeps its results.
    EmptyCache,
    /// In the next run, this task fails half way.
    Fail(usize),
    /// In the next run, this task is stopped, as by a signal.
    Cancel(usize),
}

pub(super) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = |index: usize| {
        let earlier = || {
            prop::collection::btree_set(0..index.max(1), 0..3)
                .prop_map(move |tasks| if index == 0 { BTreeSet::new() } else { tasks })
        };
        (
            prop::collection::btree_set(0..SOURCES, 0..3),
            earlier(),
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.4),
            any::<bool>(),
            any::<bool>(),
            prop::option::weighted(0.4, earlier()),
        )
            .prop_map(
                move |(sources, makers, reads_folder, makes_folder, in_project, dull, learns)| Plan {
                    sources,
                    makers,
                    reads_folder,
                    backwards: false,
                    makes_folder,
                    in_project: makes_folder && in_project,
                    value: 0,
                    moved: false,
                    dull,
                    gone: false,
                    learns,
                },
            )
    };
    (1_usize..7).prop_flat_map(move |count| (0..count).map(plan).collect::<Vec<_>>())
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let task = || 0_usize..7;
    let edit = prop_oneof![
        // Few contents, so that results of earlier runs are restored.
        5 => (0..SOURCES, 0_u8..3).prop_map(|(source, byte)| Edit::Write(source, byte)),
        1 => (0..SOURCES).prop_map(Edit::Touch),
        1 => (0..SOURCES, any::<bool>()).prop_map(|(source, x)| Edit::Chmod(source, x)),
        1 => (0..ADDED).prop_map(Edit::AddSource),
        1 => (0..ADDED).prop_map(Edit::RemoveSource),
        2 => (task(), any::<bool>()).prop_map(|(task, first)| Edit::Tamper(task, first)),
        2 => (task(), any::<bool>()).prop_map(|(task, first)| Edit::Delete(task, first)),
        1 => (task(), 0_u8..3).prop_map(|(task, value)| Edit::Value(task, value)),
        1 => task().prop_map(Edit::Move),
        1 => task().prop_map(Edit::Turn),
        1 => task().prop_map(Edit::Drop),
        1 => task().prop_map(Edit::Revive),
        1 => task().prop_map(Edit::Clean),
        1 => Just(Edit::CleanAll),
        1 => task().prop_map(Edit::Forget),
        3 => (task(), 0_u8..4, any::<u32>()).prop_map(|(task, name, text)| Edit::UserWrite(task, name, text)),
        1 => (task(), 0_u8..4).prop_map(|(task, name)| Edit::UserRemove(task, name)),
        1 => Just(Edit::EmptyCache),
        2 => task().prop_map(Edit::Fail),
        1 => task().prop_map(Edit::Cancel),
    ];
    prop::collection::vec(prop::collection::vec(edit, 0..4), 1..7)
}

impl Plan {
    /// The files that it produces. The last one of a task that learns its inputs is their list.
    pub(super) fn outputs(&self, index: usize) -> Vec<String> {
        let place = if self.moved { "elsewhere/" } else { "" };
        let mut outputs = if self.in_project {
            let (folder, value) = (self.project_folder(index), self.value);
            vec![format!("{folder}x{value}"), format!("{folder}sub{value}/y")]
        } else if self.makes_folder {
            vec![format!("_build/{place}d{index}/x"), format!("_build/{place}d{index}/sub/y")]
        } else {
            vec![format!("_build/{place}f{index}")]
        };
        outputs.extend(self.list(index));
        outputs
    }

    /// Its folder in the project.
    pub(super) fn project_folder(&self, index: usize) -> String {
        let place = if self.moved { "elsewhere/" } else { "" };
        format!("gen/{place}d{index}/")
    }

    /// A file in that folder that a user writes: an output or another file.
    pub(super) fn user_file(&self, index: usize, name: u8) -> String {
        format!("{}x{name}", self.project_folder(index))
    }

    /// The list of the inputs that it learns.
    pub(super) fn list(&self, index: usize) -> Option<String> {
        let place = if self.moved { "elsewhere/" } else { "" };
        self.learns.as_ref().map(|_| format!("_build/{place}l{index}"))
    }

    pub(super) fn declared(&self, index: usize) -> Vec<TaskOutput> {
        let outputs = self.outputs(index);
        let first = match outputs.first() {
            Some(first) if self.makes_folder => {
                TaskOutput::Folder(Path::new(first).parent().unwrap().to_owned())
            }
            first => TaskOutput::File(first.unwrap().into()),
        };
        std::iter::once(first).chain(self.list(index).map(|list| TaskOutput::File(list.into()))).collect()
    }

    /// The output for what it reads.
    pub(super) fn output_for(&self, read: &str) -> String {
        let content = if self.dull { read.len().to_string() } else { read.to_owned() };
        // Shortened, or contents would double with each task.
        format!("{} {}", sum(&content), self.value)
    }
}

/// What a task learns: reads `LEARNED` of the candidates, each chosen by the text so far, and appends them to `text`. Returns
/// their paths.
pub(super) fn learn(
    text: &mut String,
    candidates: &[String],
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut learned = Vec::new();
    for round in 0..LEARNED {
        let next = sum(&format!("{round}{text}")) as usize % candidates.len();
        text.push_str(&read(&candidates[next]).unwrap_or_else(|| "missing".into()));
        learned.push(candidates[next].clone());
    }
    learned
}

fn sum(text: &str) -> u32 {
    text.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}
