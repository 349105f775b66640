//! Random graphs, edits, failures and kills, compared with a reference without digests, journals and threads: it keeps
//! contents in memory and runs one task after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use graph::{ActionError, ResultCache, RunOptions, Task, TaskInput, TaskOutput, TaskVerdict};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};

use crate::scratch::{Project, Ran};

/// The variables with the project of the helper process, and with its cache if it has one.
const FOLDER: &str = "GRAPH_TEST_MODEL";
const CACHE: &str = "GRAPH_TEST_MODEL_CACHE";

/// A task of the model. Its index in the list is its name. It reads sources and outputs of tasks before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    /// The sources that it reads.
    sources: BTreeSet<usize>,
    /// The earlier tasks whose outputs it reads, each as a file.
    makers: BTreeSet<usize>,
    /// Whether it also reads the whole source folder.
    reads_folder: bool,
    /// Whether it reads its files from the last to the first: their order is part of the key.
    backwards: bool,
    /// Whether it produces a folder of two files instead of one file.
    makes_folder: bool,
    /// A value that is part of its key and of its output.
    value: u8,
    /// Whether its outputs have another path.
    moved: bool,
    /// Whether its output depends only on the length of its inputs: then many changes do not reach its dependents.
    dull: bool,
    /// Whether it is not part of the graph.
    gone: bool,
}

const SOURCES: usize = 3;

#[derive(Clone, Debug)]
enum Edit {
    Write(usize, u8),
    Touch(usize),
    Chmod(usize, bool),
    AddSource(u8),
    Tamper(usize),
    Delete(usize),
    Value(usize, u8),
    Move(usize),
    Turn(usize),
    Drop(usize),
    Revive(usize),
    /// In the next run, this task fails half way.
    Fail(usize),
    /// In the next run, this task is stopped, as by a signal.
    Cancel(usize),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = |index: usize| {
        (
            prop::collection::btree_set(0..SOURCES, 0..3),
            prop::collection::btree_set(0..index.max(1), 0..3),
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.3),
            any::<bool>(),
        )
            .prop_map(move |(sources, makers, reads_folder, makes_folder, dull)| Plan {
                sources,
                makers: if index == 0 { BTreeSet::new() } else { makers },
                reads_folder,
                backwards: false,
                makes_folder,
                value: 0,
                moved: false,
                dull,
                gone: false,
            })
    };
    (1_usize..7).prop_flat_map(move |count| (0..count).map(plan).collect::<Vec<_>>())
}

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let task = 0_usize..7;
    let edit = prop_oneof![
        4 => (0..SOURCES, any::<u8>()).prop_map(|(source, byte)| Edit::Write(source, byte)),
        1 => (0..SOURCES).prop_map(Edit::Touch),
        1 => (0..SOURCES, any::<bool>()).prop_map(|(source, x)| Edit::Chmod(source, x)),
        1 => any::<u8>().prop_map(Edit::AddSource),
        2 => task.clone().prop_map(Edit::Tamper),
        2 => task.clone().prop_map(Edit::Delete),
        1 => (task.clone(), 0_u8..3).prop_map(|(task, value)| Edit::Value(task, value)),
        1 => task.clone().prop_map(Edit::Move),
        1 => task.clone().prop_map(Edit::Turn),
        1 => task.clone().prop_map(Edit::Drop),
        1 => task.clone().prop_map(Edit::Revive),
        2 => task.clone().prop_map(Edit::Fail),
        1 => task.prop_map(Edit::Cancel),
    ];
    prop::collection::vec(prop::collection::vec(edit, 0..4), 1..7)
}

/// Path, content, whether it is executable.
type Tree = BTreeMap<String, (String, bool)>;

/// All that a task can depend on, as plain text.
#[derive(Clone, Debug, PartialEq)]
struct Memory {
    depends: String,
    left: Tree,
}

struct Reference {
    plans: Vec<Plan>,
    disk: Tree,
    memory: BTreeMap<usize, Memory>,
}

impl Plan {
    fn outputs(&self, index: usize) -> Vec<String> {
        let place = if self.moved { "elsewhere/" } else { "" };
        if self.makes_folder {
            vec![format!("_build/{place}d{index}/x"), format!("_build/{place}d{index}/sub/y")]
        } else {
            vec![format!("_build/{place}f{index}")]
        }
    }

    fn declared(&self, index: usize) -> TaskOutput {
        match self.outputs(index).first() {
            Some(first) if self.makes_folder => {
                TaskOutput::Folder(Path::new(first).parent().unwrap().to_owned())
            }
            first => TaskOutput::File(first.unwrap().into()),
        }
    }

    /// The output for what it reads.
    fn output_for(&self, read: &str) -> String {
        let content = if self.dull { read.len().to_string() } else { read.to_owned() };
        // Shortened, or contents would double with each task.
        let sum = content.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        format!("{sum} {}", self.value)
    }
}

impl Reference {
    /// The sources exist, and no task has run.
    fn new(project: &Project, plans: Vec<Plan>) -> Self {
        let mut reference = Self { plans, disk: Tree::new(), memory: BTreeMap::new() };
        for source in 0..SOURCES {
            edit(project, &mut reference, &Edit::Write(source, 1));
        }
        reference
    }

    fn live(&self) -> Vec<usize> {
        (0..self.plans.len()).filter(|index| !self.plans[*index].gone).collect()
    }

    /// The files that a task reads, without those of removed tasks.
    fn read(&self, index: usize) -> Vec<String> {
        let plan = &self.plans[index];
        let mut paths: Vec<String> = plan.sources.iter().map(|source| format!("src/s{source}")).collect();
        for maker in plan.makers.iter().filter(|maker| !self.plans[**maker].gone) {
            paths.extend(self.plans[*maker].outputs(*maker));
        }
        if plan.backwards {
            paths.reverse();
        }
        paths
    }

    /// All that a task depends on.
    fn depends(&self, index: usize) -> String {
        let plan = &self.plans[index];
        let mut read: Vec<(String, Option<&(String, bool)>)> =
            self.read(index).into_iter().map(|path| (path.clone(), self.disk.get(&path))).collect();
        if plan.reads_folder {
            let sources = self.disk.iter().filter(|(path, _)| path.starts_with("src/"));
            read.extend(sources.map(|(path, file)| (path.clone(), Some(file))));
        }
        format!("{read:?} {} {:?}", plan.value, plan.declared(index))
    }

    fn now(&self, index: usize) -> Tree {
        let outputs = self.plans[index].outputs(index);
        // All files of an output folder belong to its task.
        self.disk
            .iter()
            .filter(|(path, _)| {
                outputs.contains(path)
                    || self.plans[index].makes_folder && path.starts_with(&folder_of(&outputs))
            })
            .map(|(path, file)| (path.clone(), file.clone()))
            .collect()
    }

    fn must_run(&self, index: usize) -> bool {
        let now = Memory { depends: self.depends(index), left: self.now(index) };
        self.memory.get(&index) != Some(&now)
    }

    /// The concatenation of what a task reads.
    fn text(&self, index: usize) -> String {
        let mut text: String = self.read(index).iter().map(|path| self.disk[path].0.clone()).collect();
        if self.plans[index].reads_folder {
            text.extend(
                self.disk.iter().filter(|(path, _)| path.starts_with("src/")).map(|(_, file)| file.0.clone()),
            );
        }
        text
    }

    fn run(&mut self, index: usize) {
        let made = self.plans[index].output_for(&self.text(index));
        self.remove(index);
        for output in self.plans[index].outputs(index) {
            self.disk.insert(output, (made.clone(), false));
        }
        let memory = Memory { depends: self.depends(index), left: self.now(index) };
        self.memory.insert(index, memory);
    }

    fn remove(&mut self, index: usize) {
        for path in self.now(index).into_keys() {
            self.disk.remove(&path);
        }
    }

    /// Removes stale outputs.
    fn prune(&mut self) {
        let plans = self.plans.clone();
        let declared: BTreeSet<String> = self
            .live()
            .into_iter()
            .flat_map(|index| self.now(index).into_keys().chain(plans[index].outputs(index)))
            .collect();
        for memory in self.memory.values() {
            for path in memory.left.keys().filter(|path| !declared.contains(*path)) {
                self.disk.remove(path);
            }
        }
        self.memory.retain(|index, _| !plans[*index].gone);
    }
}

fn folder_of(outputs: &[String]) -> String {
    format!("{}/", Path::new(&outputs[0]).parent().unwrap().display())
}

/// The real tasks of the model. `trouble` makes one of them fail, or stops the run in it.
fn tasks(reference: &Reference, trouble: Option<&Edit>, cancel: &Arc<AtomicBool>) -> Vec<Task> {
    let mut tasks: Vec<Task> = reference
        .live()
        .into_iter()
        .map(|index| {
            let plan = reference.plans[index].clone();
            let (read, outputs) = (reference.read(index), plan.outputs(index));
            let mut inputs: Vec<TaskInput> = read.iter().map(TaskInput::file).collect();
            inputs.push(TaskInput::value("value", plan.value.to_string()));
            if plan.reads_folder {
                inputs.push(TaskInput::folder("src"));
            }
            let fails = matches!(trouble, Some(Edit::Fail(task)) if *task == index);
            let cancels =
                matches!(trouble, Some(Edit::Cancel(task)) if *task == index).then(|| cancel.clone());
            Task {
                name: format!("t{index}"),
                inputs,
                outputs: vec![plan.declared(index)],
                action: Some(Box::new(move |context| {
                    let mut text = String::new();
                    for path in &read {
                        text += &fs::read_to_string(context.path(path))?;
                    }
                    if plan.reads_folder {
                        let mut paths: Vec<_> = fs::read_dir(context.path("src"))?
                            .map(|entry| entry.map(|entry| entry.path()))
                            .collect::<Result<_, _>>()?;
                        paths.sort();
                        for path in paths {
                            text += &fs::read_to_string(path)?;
                        }
                    }
                    let made = plan.output_for(&text);
                    for output in &outputs {
                        let path = context.path(output);
                        fs::create_dir_all(path.parent().unwrap())?;
                        fs::write(&path, "half")?;
                        // Long enough to be killed meanwhile.
                        thread::sleep(Duration::from_micros(200));
                        if fails {
                            return Err(ActionError::broken("as told"));
                        }
                        if let Some(cancel) = &cancels {
                            cancel.store(true, Ordering::Relaxed);
                            return Err(ActionError::Cancelled);
                        }
                        fs::write(path, &made)?;
                    }
                    Ok(())
                })),
                ..Task::default()
            }
        })
        .collect();
    tasks.push(Task {
        name: "all".into(),
        after: tasks.iter().map(|task| task.name.clone()).collect(),
        ..Task::default()
    });
    // The order of the list does not matter.
    tasks.reverse();
    tasks
}

fn on_disk(project: &Project) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec!["src".to_owned(), "_build".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(project.path(&folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if !path.starts_with("_build/.state") {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                tree.insert(path.clone(), (project.read(&path), executable));
            }
        }
    }
    tree
}

/// Makes an edit in the project and in the reference. Edits of missing tasks do nothing.
fn edit(project: &Project, reference: &mut Reference, edit: &Edit) {
    let count = reference.plans.len();
    match *edit {
        Edit::Write(source, byte) => {
            let path = format!("src/s{source}");
            project.write(&path, &byte.to_string());
            let executable = reference.disk.get(&path).is_some_and(|file| file.1);
            reference.disk.insert(path, (byte.to_string(), executable));
        }
        Edit::Touch(source) => {
            let path = format!("src/s{source}");
            project.write(&path, &project.read(&path));
        }
        Edit::Chmod(source, executable) => {
            let path = format!("src/s{source}");
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(project.path(&path), fs::Permissions::from_mode(mode)).unwrap();
            reference.disk.get_mut(&path).unwrap().1 = executable;
        }
        Edit::AddSource(name) => {
            let path = format!("src/new{name}");
            project.write(&path, "new");
            reference.disk.insert(path, ("new".into(), false));
        }
        Edit::Tamper(task) if task < count => {
            let path = reference.plans[task].outputs(task).pop().unwrap();
            if let Some(file) = reference.disk.get_mut(&path) {
                project.write(&path, "tampered");
                file.0 = "tampered".into();
            }
        }
        Edit::Delete(task) if task < count => {
            let path = reference.plans[task].outputs(task).pop().unwrap();
            if reference.disk.remove(&path).is_some() {
                fs::remove_file(project.path(&path)).unwrap();
            }
        }
        Edit::Value(task, value) if task < count => reference.plans[task].value = value,
        Edit::Move(task) if task < count => reference.plans[task].moved ^= true,
        Edit::Turn(task) if task < count => reference.plans[task].backwards ^= true,
        Edit::Drop(task) if task < count => reference.plans[task].gone = true,
        Edit::Revive(task) if task < count => reference.plans[task].gone = false,
        _ => {}
    }
}

fn run(project: &Project, reference: &Reference, trouble: Option<&Edit>, cache: Option<&ResultCache>) -> Ran {
    let cancel = Arc::new(AtomicBool::new(false));
    let options = RunOptions {
        jobs: 2,
        keep_going: true,
        cancel: cancel.clone(),
        cache: cache.cloned(),
        ..RunOptions::default()
    };
    project.run_with(tasks(reference, trouble, &cancel), &["all"], options)
}

/// Runs once, and compares the result with the reference.
fn step(project: &Project, reference: &mut Reference, trouble: Option<&Edit>, cache: Option<&ResultCache>) {
    reference.prune();
    let ran = run(project, reference, trouble, cache);
    for index in reference.live() {
        let name = format!("t{index}");
        match ran.reports.get(&name).map(|report| report.verdict) {
            // Stopped before it started.
            None => assert!(ran.outcome.cancelled, "{name} was not looked at"),
            Some(TaskVerdict::UpToDate) => assert!(!reference.must_run(index), "{name} had to run"),
            Some(verdict @ (TaskVerdict::Succeeded | TaskVerdict::Restored)) => {
                assert!(cache.is_some() || verdict == TaskVerdict::Succeeded);
                assert!(reference.must_run(index), "{name} need not have run: {:?}", ran.reasons(&name));
                reference.run(index);
            }
            // Reported as cancelled although it never started.
            Some(TaskVerdict::Cancelled) if ran.reports[&name].attempts == 0 => {
                assert!(ran.outcome.cancelled)
            }
            Some(TaskVerdict::Broken | TaskVerdict::Cancelled) => {
                assert!(trouble.is_some() && reference.must_run(index), "{name}: {}", ran.error(&name));
                // The old output is restored.
                reference.memory.remove(&index);
            }
            Some(TaskVerdict::Blocked) => assert!(trouble.is_some()),
            Some(verdict) => panic!("{name}: {verdict:?}"),
        }
    }
    assert_eq!(on_disk(project), reference.disk);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_does_what_the_reference_does(plans in plans(), edits in edits(), cached: bool) {
        let project = Project::new();
        let folder = tempfile::tempdir().unwrap();
        let cache = cached.then(|| cache_in(folder.path()));
        let mut reference = Reference::new(&project, plans);
        step(&project, &mut reference, None, cache.as_ref());
        for some in edits {
            let trouble = some.iter().find(|edit| matches!(edit, Edit::Fail(_) | Edit::Cancel(_)));
            some.iter().for_each(|one| edit(&project, &mut reference, one));
            if trouble.is_some() {
                step(&project, &mut reference, trouble, cache.as_ref());
            }
            step(&project, &mut reference, None, cache.as_ref());
            // Then everything is up to date.
            assert!(reference.live().into_iter().all(|index| !reference.must_run(index)));
        }
    }
}

fn cache_in(folder: &Path) -> ResultCache {
    ResultCache::new(folder.to_owned(), Some(60))
}

/// The process that is killed: runs the plans of the project at `root` once.
fn run_plans(root: PathBuf) {
    let project = Project::at(root);
    let plans = serde_json::from_str(&project.read("plans")).unwrap();
    let reference = Reference { plans, disk: Tree::new(), memory: BTreeMap::new() };
    let cache = std::env::var_os(CACHE).map(|folder| cache_in(Path::new(&folder)));
    run(&project, &reference, None, cache.as_ref());
}

/// Runs in another process, and kills it after `moment` microseconds. Whether it was running then.
fn run_and_kill(project: &Project, reference: &Reference, cache: Option<&Path>, moment: u64) -> bool {
    project.write("plans", &serde_json::to_string(&reference.plans).unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "model::a_run_that_is_killed_repeatedly_ends_like_the_reference", "--quiet"])
        .env(FOLDER, project.root());
    if let Some(folder) = cache {
        command.env(CACHE, folder);
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_micros(moment));
    child.kill().unwrap();
    let ended = child.wait().unwrap().success();
    // A run that has started has written its name into the lock file.
    let lock = fs::read_to_string(project.path("_build/.state.lock")).unwrap_or_default();
    !ended && lock.starts_with(&format!("process {} ", child.id()))
}

/// After any number of kills, the next complete run has the result of the reference, and runs no task that the reference
/// would not have run.
#[test]
fn a_run_that_is_killed_repeatedly_ends_like_the_reference() {
    if let Some(root) = std::env::var_os(FOLDER) {
        return run_plans(root.into());
    }
    let killed = AtomicUsize::new(0);
    let cases = (plans(), edits(), prop::collection::vec(500_u64..25_000, 1..4), any::<bool>());
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&cases, |(plans, edits, moments, cached)| {
        let project = Project::new();
        let folder = tempfile::tempdir().unwrap();
        let folder = cached.then(|| folder.path());
        let cache = folder.map(cache_in);
        let mut reference = Reference::new(&project, plans);
        for some in std::iter::once(Vec::new()).chain(edits) {
            some.iter().for_each(|one| edit(&project, &mut reference, one));
            for moment in &moments {
                killed
                    .fetch_add(run_and_kill(&project, &reference, folder, *moment).into(), Ordering::Relaxed);
            }
            let ran = run(&project, &reference, None, cache.as_ref());
            reference.prune();
            for index in reference.live() {
                let name = format!("t{index}");
                if reference.must_run(index) {
                    reference.run(index);
                } else {
                    assert_eq!(ran.verdict(&name), TaskVerdict::UpToDate, "{name}: {:?}", ran.reasons(&name));
                }
            }
            assert_eq!(on_disk(&project), reference.disk);
            step(&project, &mut reference, None, cache.as_ref());
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(killed.into_inner() > 0, "no run was killed at work");
}
