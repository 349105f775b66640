//! Random graphs, edits, failures and kills, compared with a reference without digests, journals and threads: it keeps
//! contents in memory and runs one task after the other.

mod caches;
mod plan;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use graph::{
    ActionError, Discover, Graph, ProjectState, RunOptions, SelectedTasks, Task, TaskInput, TaskVerdict,
    clean, forget, plan,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::caches::{CacheKind, Caches};
use self::plan::{Edit, edits, learn, plans};
use self::reference::{Reference, Tree};
use crate::scratch::{Project, Ran};

/// The variables with the project of the helper process, and with its caches.
const FOLDER: &str = "GRAPH_TEST_MODEL";
const CACHE: &str = "GRAPH_TEST_MODEL_CACHE";

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
            let (candidates, list) = (reference.candidates(index), plan.list(index));
            if list.is_some() {
                inputs.push(TaskInput::value("candidates", candidates.join(" ")));
            }
            if plan.reads_folder {
                inputs.push(TaskInput::folder("src"));
            }
            let fails = matches!(trouble, Some(Edit::Fail(task)) if *task == index);
            let cancels =
                matches!(trouble, Some(Edit::Cancel(task)) if *task == index).then(|| cancel.clone());
            Task {
                name: format!("t{index}"),
                inputs,
                discover: list.clone().map(discover),
                learns: list.is_some(),
                after: reference.after(index).iter().map(|earlier| format!("t{earlier}")).collect(),
                outputs: plan.declared(index),
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
                    let read = |path: &str| fs::read_to_string(context.path(path)).ok();
                    let learned = list.as_ref().map(|_| learn(&mut text, &candidates, read).join("\n"));
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
                        let is_list = Some(output) == list.as_ref();
                        fs::write(path, learned.as_ref().filter(|_| is_list).unwrap_or(&made))?;
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

/// The inputs that the list at `list` names.
fn discover(list: String) -> Discover {
    Box::new(move |root| {
        let Ok(text) = fs::read_to_string(root.join(&list)) else {
            return Ok(vec![TaskInput::value("list", "not known before the first run")]);
        };
        let paths: BTreeSet<&str> = text.lines().collect();
        let input = |path: &str| match root.join(path).exists() {
            true => TaskInput::file(path),
            false => TaskInput::value(format!("file {path}"), "missing"),
        };
        Ok(paths.into_iter().map(input).collect())
    })
}

fn on_disk(project: &Project) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec!["src".to_owned(), "gen".to_owned(), "_build".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(project.path(&folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata().unwrap();
            if path == "_build/.kept" {
                continue;
            }
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

/// The contents of the files that were moved out of the way.
fn kept(project: &Project) -> Vec<String> {
    let mut contents = Vec::new();
    let mut folders = vec![project.path("_build/.kept")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { contents.push(fs::read_to_string(path).unwrap()) }
        }
    }
    contents.sort();
    contents
}

/// Makes an edit in the project and in the reference. Edits of missing tasks do nothing.
fn edit(project: &Project, reference: &mut Reference, edit: &Edit, caches: Option<&Caches>) {
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
        Edit::RemoveSource(name) => {
            let path = format!("src/new{name}");
            if reference.disk.remove(&path).is_some() {
                fs::remove_file(project.path(&path)).unwrap();
            }
        }
        Edit::Tamper(task, first) if task < count => {
            let path = reference.output(task, first);
            if let Some(file) = reference.disk.get_mut(&path) {
                // Outputs that were restored share their content with the cache, and so with each other.
                if caches.is_some_and(|caches| caches.kind != CacheKind::Nothing) {
                    fs::remove_file(project.path(&path)).unwrap();
                }
                project.write(&path, "tampered");
                file.0 = "tampered".into();
            }
        }
        Edit::Delete(task, first) if task < count => {
            let path = reference.output(task, first);
            if reference.disk.remove(&path).is_some() {
                fs::remove_file(project.path(&path)).unwrap();
            }
        }
        Edit::UserWrite(task, name, text) if task < count && reference.plans[task].in_project => {
            let path = reference.plans[task].user_file(task, name);
            let text = format!("user {text}");
            project.write(&path, &text);
            reference.disk.insert(path, (text, false));
        }
        Edit::UserRemove(task, name) if task < count => {
            let path = reference.plans[task].user_file(task, name);
            if reference.disk.remove(&path).is_some() {
                fs::remove_file(project.path(&path)).unwrap();
            }
        }
        Edit::Value(task, value) if task < count => reference.plans[task].value = value,
        Edit::Move(task) if task < count => reference.plans[task].moved ^= true,
        Edit::Turn(task) if task < count => reference.plans[task].backwards ^= true,
        Edit::Drop(task) if task < count => reference.plans[task].gone = true,
        Edit::Revive(task) if task < count => reference.plans[task].gone = false,
        Edit::Clean(task) if reference.is_live(task) => {
            change(project, reference, &format!("t{task}"), |graph, selected, state| {
                clean(graph, selected, &[], state, &mut |_| {}).unwrap();
            });
            reference.clean(task);
        }
        Edit::CleanAll => {
            change(project, reference, "all", |graph, selected, state| {
                clean(graph, selected, &[], state, &mut |_| {}).unwrap();
            });
            (0..count).for_each(|task| reference.clean(task));
        }
        Edit::Forget(task) if reference.is_live(task) => {
            change(project, reference, &format!("t{task}"), |graph, selected, state| {
                forget(graph, selected, state).unwrap();
            });
            reference.memory.remove(&task);
        }
        Edit::EmptyCache => caches.into_iter().for_each(Caches::empty),
        _ => {}
    }
}

/// Changes what the project knows of the selected task.
fn change(
    project: &Project,
    reference: &Reference,
    name: &str,
    change: impl Fn(&Graph, &SelectedTasks, &mut ProjectState),
) {
    let graph = project.graph(tasks(reference, None, &Arc::default())).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    change(&graph, &graph.select(&[name]).unwrap(), &mut state);
}

/// The tasks of which the plan of a run says that they are up to date.
fn planned_up_to_date(project: &Project, reference: &Reference) -> BTreeSet<String> {
    let graph = project.graph(tasks(reference, None, &Arc::default())).unwrap();
    let state = ProjectState::read(&project.state_path()).unwrap();
    let planned = plan(&graph, &graph.select(&["all"]).unwrap(), &RunOptions::default(), &state).unwrap();
    let same = planned.iter().filter(|planned| planned.verdict == TaskVerdict::UpToDate);
    same.map(|planned| graph.task(planned.task).name.clone()).collect()
}

fn run(project: &Project, reference: &Reference, trouble: Option<&Edit>, caches: &Caches) -> Ran {
    let cancel = Arc::new(AtomicBool::new(false));
    let options = RunOptions {
        jobs: 2,
        keep_going: true,
        cancel: cancel.clone(),
        cache: caches.open(),
        ..RunOptions::default()
    };
    project.run_with(tasks(reference, trouble, &cancel), &["all"], options)
}

/// Runs once, and compares the result with the reference.
fn step(project: &Project, reference: &mut Reference, trouble: Option<&Edit>, caches: &Caches) {
    let planned = planned_up_to_date(project, reference);
    reference.prune();
    let ran = run(project, reference, trouble, caches);
    for index in reference.live() {
        let name = format!("t{index}");
        let found = ran.reports.get(&name);
        let is_unchanged = found.is_none_or(|report| {
            matches!(report.verdict, TaskVerdict::UpToDate | TaskVerdict::Blocked | TaskVerdict::Cancelled)
        });
        assert!(is_unchanged || !planned.contains(&name), "{name} was planned to be up to date: {found:?}");
        match found.map(|report| report.verdict) {
            // Stopped before it started.
            None => assert!(ran.outcome.cancelled, "{name} was not looked at"),
            Some(TaskVerdict::UpToDate) => assert!(!reference.must_run(index), "{name} had to run"),
            Some(verdict @ (TaskVerdict::Succeeded | TaskVerdict::Restored)) => {
                assert!(caches.kind != CacheKind::Nothing || verdict == TaskVerdict::Succeeded);
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

/// No file of the user is lost: one that was edited and produced again is kept elsewhere.
fn assert_kept(project: &Project, reference: &Reference) {
    let found = kept(project);
    for content in &reference.kept {
        assert!(found.contains(content), "{content:?} is lost; kept: {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_does_what_the_reference_does(plans in plans(), edits in edits(), kind in caches::kinds()) {
        let project = Project::new();
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(kind, folder.path());
        let mut reference = Reference::new(&project, plans);
        step(&project, &mut reference, None, &caches);
        for some in edits {
            let trouble = some.iter().find(|edit| matches!(edit, Edit::Fail(_) | Edit::Cancel(_)));
            some.iter().for_each(|one| edit(&project, &mut reference, one, Some(&caches)));
            if trouble.is_some() {
                step(&project, &mut reference, trouble, &caches);
            }
            step(&project, &mut reference, None, &caches);
            // Then everything is up to date.
            assert!(reference.live().into_iter().all(|index| !reference.must_run(index)));
            reference.kept.sort();
            assert_eq!(kept(&project), reference.kept);
        }
    }
}

/// The process that is killed: runs the plans of the project at `root` once.
fn run_plans(root: PathBuf) {
    let project = Project::at(root);
    let plans = serde_json::from_str(&project.read("plans")).unwrap();
    let reference = Reference::of(plans);
    let caches: Caches = serde_json::from_str(&std::env::var(CACHE).unwrap()).unwrap();
    run(&project, &reference, None, &caches);
}

/// Runs in another process, and kills it after `moment` microseconds. Whether it was running then.
fn run_and_kill(project: &Project, reference: &Reference, caches: &Caches, moment: u64) -> bool {
    project.write("plans", &serde_json::to_string(&reference.plans).unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "model::a_run_that_is_killed_repeatedly_ends_like_the_reference", "--quiet"])
        .env(FOLDER, project.root())
        .env(CACHE, serde_json::to_string(caches).unwrap());
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
    let cases = (plans(), edits(), prop::collection::vec(500_u64..25_000, 1..4), caches::kinds());
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&cases, |(plans, edits, moments, kind)| {
        let project = Project::new();
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches::new(kind, folder.path());
        let mut reference = Reference::new(&project, plans);
        for some in std::iter::once(Vec::new()).chain(edits) {
            some.iter().for_each(|one| edit(&project, &mut reference, one, Some(&caches)));
            for moment in &moments {
                killed.fetch_add(
                    run_and_kill(&project, &reference, &caches, *moment).into(),
                    Ordering::Relaxed,
                );
            }
            let ran = run(&project, &reference, None, &caches);
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
            assert_kept(&project, &reference);
            step(&project, &mut reference, None, &caches);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(killed.into_inner() > 0, "no run was killed at work");
}
