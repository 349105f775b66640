//! Faults of doit, a test for each. The comment says what doit does.

use std::fs;
use std::fs::{File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use graph::{
    Cleaned, GraphError, JsonReporter, ListOptions, ProjectState, RunOptions, SelectError, SelectedTasks,
    StateError, Task, TaskAction, TaskInput, TaskOutput, TaskVerdict, clean, dry_run, forget, ignore, list,
    plan_clean, run,
};

use crate::scratch::{Project, Ran};

fn chain(project: &Project) -> Vec<Task> {
    vec![project.join("a", &["in"], "_build/a"), project.join("b", &["_build/a"], "_build/b")]
}

fn group(name: &str, members: &[&str]) -> Task {
    Task {
        name: name.into(),
        after: members.iter().map(|member| (*member).to_owned()).collect(),
        ..Task::default()
    }
}

fn set_modified(project: &Project, path: &str, time: SystemTime) {
    File::options()
        .write(true)
        .open(project.path(path))
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
}

/// doit assumes that files with the same modification time have the same content, whatever their size.
#[test]
fn an_edit_that_keeps_the_time_is_detected() {
    let project = Project::new();
    let time = SystemTime::now() - Duration::from_secs(100);
    for content in ["1", "22", "33"] {
        project.write("in", content);
        set_modified(&project, "in", time);
        project.run(chain(&project), &["b"]);
        assert_eq!(project.read("_build/b"), format!("{content}ab"));
    }
}

/// doit#119: an input that was edited while its task ran is recorded, and the output stays out of date.
#[test]
fn an_input_edited_while_its_task_runs_is_not_recorded() {
    let project = Project::new();
    project.write("in", "1");
    let edits = |edit: bool| {
        let mut task = project.join("a", &["in"], "_build/a");
        let inner = task.action.take().unwrap();
        task.action = Some(Box::new(move |context| {
            inner(context)?;
            if edit {
                fs::write(context.path("in"), "2")?;
            }
            Ok(())
        }));
        vec![task]
    };
    let ran = project.run(edits(true), &["a"]);
    assert!(ran.reports["a"].err.contains("input changed while the task ran"), "{:?}", ran.reports["a"]);
    assert_eq!(project.read("_build/a"), "1a");
    assert_eq!(project.run(edits(false), &["a"]).verdict("a"), TaskVerdict::Succeeded);
    assert_eq!(project.read("_build/a"), "2a");
    assert_eq!(project.run(edits(false), &["a"]).verdict("a"), TaskVerdict::UpToDate);
}

/// Values are not inputs: after a change of `SALT_VERSION`, `bootstrap.sh` keeps the old version.
#[test]
fn a_changed_value_runs_the_task() {
    let project = Project::new();
    project.write("in", "");
    let with = |version: &str| {
        let mut task = project.join("a", &["in"], "_build/a");
        task.inputs.push(TaskInput::value("salt version", version));
        vec![task]
    };
    project.run(with("3002.8"), &["a"]);
    assert_eq!(project.run(with("3002.8"), &["a"]).verdict("a"), TaskVerdict::UpToDate);
    assert_eq!(
        project.run(with("3002.9"), &["a"]).reasons("a"),
        ["input value salt version changed: `3002.8` -> `3002.9`"]
    );
}

/// A target that is declared and not produced is not an error, and the task is never up to date.
#[test]
fn an_output_that_is_not_produced_is_an_error() {
    let project = Project::new();
    let task = Task {
        name: "a".into(),
        outputs: vec![TaskOutput::File("_build/a".into())],
        action: Some(Box::new(|_| Ok(()))),
        ..Task::default()
    };
    let ran = project.run(vec![task], &["a"]);
    assert_eq!((ran.verdict("a"), ran.outcome.exit()), (TaskVerdict::Broken, 2));
    assert_eq!(ran.error("a"), "the task did not produce its output _build/a");
}

/// A directory as a file dependency causes a traceback.
#[test]
fn a_folder_as_a_file_input_is_an_error() {
    let project = Project::new();
    project.write("in/x", "");
    let ran = project.run(vec![project.join("a", &["in"], "_build/a")], &["a"]);
    assert_eq!((ran.verdict("a"), ran.error("a")), (TaskVerdict::Broken, "in is a folder, not a file"));
}

/// `./t` and `t` are two files: neither a duplicate nor a dependency.
#[test]
fn all_spellings_of_a_path_are_the_same_path() {
    let project = Project::new();
    project.write("in", "1");
    let absolute = project.path("_build/./a").display().to_string();
    for spelling in ["./_build//a", "_build/x/../a", absolute.as_str()] {
        let twice = vec![project.join("a", &["in"], "_build/a"), project.join("b", &["in"], spelling)];
        let errors = project.graph(twice).unwrap_err();
        assert!(matches!(errors.as_slice(), [GraphError::Overlap { .. }]), "{spelling}: {errors:?}");
        let chained =
            vec![project.join("b", &[spelling], "_build/b"), project.join("a", &["in"], "_build/a")];
        assert!(project.run(chained, &["b"]).verdict("a").is_success(), "{spelling}");
    }
}

/// A task with an order-only dependency is never up to date.
#[test]
fn an_order_only_dependency_does_not_run_the_task() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || {
        let mut second = project.join("b", &[], "_build/b");
        second.after.push("a".into());
        vec![project.join("a", &["in"], "_build/a"), second]
    };
    project.run(tasks(), &["b"]);
    project.write("in", "2");
    let ran = project.run(tasks(), &["b"]);
    assert_eq!((ran.verdict("a"), ran.verdict("b")), (TaskVerdict::Succeeded, TaskVerdict::UpToDate));
}

/// Only `*` is a wildcard, and a pattern without a match runs nothing and exits with 0.
#[test]
fn wildcards_match_or_are_an_error() {
    let project = Project::new();
    let graph =
        project.graph(["p:a1", "p:b1", "p:b2", "_q:b1", "lint"].map(|name| group(name, &[])).into()).unwrap();
    let names = |asked: &str| -> Result<Vec<String>, SelectError> {
        let selection = graph.select(&[asked])?;
        Ok(selection.tasks().iter().map(|id| graph.task(*id).name.clone()).collect())
    };
    for (asked, expected) in [
        ("p:?1", vec!["p:a1", "p:b1"]),
        ("p:b*", vec!["p:b1", "p:b2"]),
        ("*:b1", vec!["p:b1", "_q:b1"]),
        ("p:[ab]1", vec!["p:a1", "p:b1"]),
    ] {
        assert_eq!(names(asked).unwrap(), expected, "{asked}");
    }
    for nothing in ["z*", "p:z*"] {
        assert_eq!(names(nothing), Err(SelectError::NoMatch { pattern: nothing.into() }));
    }
    assert!(matches!(names("p:c1"), Err(SelectError::Unknown { .. })));
    assert_eq!(
        names("lnit").unwrap_err().to_string(),
        "`lnit` is neither a task nor a file that a task produces; did you mean `lint`?"
    );
}

/// `list -s` reports a task as up to date although an input will be rebuilt.
#[test]
fn the_status_of_a_task_depends_on_its_dependencies() {
    let project = Project::new();
    project.write("in", "1");
    project.run(chain(&project), &["b"]);
    let status = |project: &Project| -> Vec<Option<char>> {
        let graph = project.graph(chain(project)).unwrap();
        let options = ListOptions { status: true, ..ListOptions::default() };
        let listed =
            list(&graph, None, options, &ProjectState::read(&project.state_path()).unwrap()).unwrap();
        listed.iter().map(|listed| listed.status).collect()
    };
    assert_eq!(status(&project), [Some('U'), Some('U')]);
    project.write("in", "2");
    assert_eq!(status(&project), [Some('R'), Some('R')]);
    let graph = project.graph(chain(&project)).unwrap();
    ignore(
        &graph,
        &graph.select(&["a"]).unwrap(),
        &mut ProjectState::open(&project.state_path(), "test").unwrap(),
    )
    .unwrap();
    assert_eq!(status(&project), [Some('I'), Some('I')]);
}

/// A group is always reported to run.
#[test]
fn the_status_of_a_group_is_that_of_its_members() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || {
        let mut tasks = chain(&project);
        tasks.push(group("z", &["a", "b"]));
        tasks
    };
    project.run(tasks(), &["z"]);
    for (content, expected) in [("1", Some('U')), ("2", Some('R'))] {
        project.write("in", content);
        let options = ListOptions { status: true, ..ListOptions::default() };
        let state = ProjectState::read(&project.state_path()).unwrap();
        let listed = list(&project.graph(tasks()).unwrap(), None, options, &state).unwrap();
        assert_eq!(listed.last().map(|listed| (listed.name.as_str(), listed.status)), Some(("z", expected)));
    }
}

/// A cycle is found only when the run reaches it, after other tasks; `list` does not report it.
#[test]
fn a_cycle_is_reported_with_its_path_before_any_task_runs() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = vec![
        project.join("first", &["in"], "_build/first"),
        project.join("a", &["_build/c"], "_build/a"),
        project.join("b", &["_build/a"], "_build/b"),
        project.join("c", &["_build/b"], "_build/c"),
    ];
    let errors = project.graph(tasks).unwrap_err();
    assert_eq!(errors[0].to_string(), "tasks depend on each other: a -> c -> b -> a");
    let own = project.graph(vec![project.join("a", &["_build/a"], "_build/a")]).unwrap_err();
    assert_eq!(own[0].to_string(), "tasks depend on each other: a -> a");
}

/// Mistakes are reported one by one, and some never: an output below the folder of another, two tasks with one name, an
/// input that no task produces.
#[test]
fn all_mistakes_are_reported_at_once() {
    let project = Project::new();
    let folder = Task {
        name: "folder".into(),
        outputs: vec![TaskOutput::Folder("_build/d".into())],
        action: Some(Box::new(|_| Ok(()))),
        ..Task::default()
    };
    let mut pooled = project.join("pooled", &["gone"], "_build/d/x");
    pooled.pool = Some("network".into());
    pooled.after.push("floder".into());
    let outside = Task {
        name: "outside".into(),
        outputs: vec![TaskOutput::Folder("/src".into())],
        action: Some(Box::new(|_| Ok(()))),
        ..Task::default()
    };
    let errors = project.graph(vec![folder, pooled, outside, group("folder", &[])]).unwrap_err();
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "two tasks are named `folder`",
            "task `outside` cannot produce /src: output folders must be below the project or the build root",
            "`folder` produces _build/d and `pooled` produces _build/d/x: a path may have one producer only",
            "task `pooled` depends on the task `floder`, which does not exist; did you mean `folder`?",
            "task `pooled` runs in the pool `network`, which does not exist",
            "task `pooled` needs gone, which does not exist and which no task produces",
        ]
    );
}

/// Two runs at the same time run every task twice and leave a damaged database.
#[test]
fn a_second_run_reports_the_holder_of_the_lock_and_can_still_list() {
    let project = Project::new();
    project.write("in", "1");
    project.run(chain(&project), &["b"]);
    let held = ProjectState::open(&project.state_path(), "test").unwrap();
    match ProjectState::open(&project.state_path(), "test") {
        Err(StateError::Held { holder, .. }) => {
            assert!(holder.starts_with(&format!("process {} (test) on ", std::process::id())), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!ProjectState::read(&project.state_path()).unwrap().is_empty());
    drop(held);
    ProjectState::open(&project.state_path(), "test").unwrap();
}

/// A truncated database causes a traceback in every command.
#[test]
fn a_damaged_state_loses_only_the_damaged_part() {
    let project = Project::new();
    project.write("in", "1");
    project.run(chain(&project), &["b"]);
    project.take_ran();
    let whole = fs::read(project.state_path()).unwrap();
    for cut in (0..whole.len()).step_by(37) {
        fs::write(project.state_path(), &whole[..cut]).unwrap();
        let ran = project.run(chain(&project), &["b"]);
        assert_eq!(ran.outcome.exit(), 0, "cut at {cut}");
        assert_eq!(project.read("_build/b"), "1ab");
        assert_eq!(project.run(chain(&project), &["b"]).verdict("b"), TaskVerdict::UpToDate);
    }
    fs::write(project.state_path(), "another program's file").unwrap();
    assert_eq!(project.run(chain(&project), &["b"]).outcome.exit(), 0);
}

/// With several workers, the output of a failed task is lost.
#[test]
fn the_output_of_a_failed_task_is_in_the_report() {
    let project = Project::new();
    let talk = |name: &str| Task {
        name: name.into(),
        action: Some(Box::new(|context| {
            context
                .run(std::process::Command::new("sh").args(["-c", "echo said; echo warned >&2; exit 3"]))?;
            Ok(())
        })),
        ..Task::default()
    };
    let graph = project.graph(vec![talk("a"), talk("b"), talk("c")]).unwrap();
    let options = RunOptions { jobs: 3, keep_going: true, ..RunOptions::default() };
    let mut written = Vec::new();
    let mut json = JsonReporter::new(&mut written);
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let outcome = run(&graph, &graph.select_all(), &options, &mut state, &mut json).unwrap();
    assert_eq!(outcome.exit(), 1);
    drop(json);
    let report: serde_json::Value = serde_json::from_slice(&written).unwrap();
    for task in report["tasks"].as_array().unwrap() {
        assert_eq!(
            (&task["result"], &task["out"], &task["err"]),
            (&"fail".into(), &"said\n".into(), &"warned\n".into())
        );
        assert_eq!(task["error"], "`sh` exited with code 3");
    }
    assert_eq!(report["tasks"].as_array().unwrap().len(), 3);
}

/// The dry run of `clean` is wrong about folders.
#[test]
fn clean_removes_what_its_dry_run_lists() {
    let project = Project::new();
    project.write("in", "1");
    let folder = || Task {
        name: "folder".into(),
        outputs: vec![TaskOutput::Folder("_build/d/tree".into())],
        action: Some(Box::new(|context| Ok(fs::write(context.path("_build/d/tree/x"), "x")?))),
        ..Task::default()
    };
    let tasks = || vec![project.join("a", &["in"], "_build/d/a"), folder(), group("all", &["a", "folder"])];
    project.run(tasks(), &["all"]);
    let graph = project.graph(tasks()).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let some = graph.select(&["folder"]).unwrap();
    let text = |selection: &SelectedTasks, state: &ProjectState| -> Vec<String> {
        plan_clean(&graph, selection, &[], state).unwrap().iter().map(ToString::to_string).collect()
    };
    // `_build/d` still has the output of `a`.
    assert_eq!(text(&some, &state), ["folder - removing dir '_build/d/tree'"]);
    let all = graph.select(&["all"]).unwrap();
    let said = text(&all, &state);
    assert_eq!(
        said,
        [
            "folder - removing dir '_build/d/tree'",
            "a - removing file '_build/d/a'",
            "removing dir '_build/d'"
        ]
    );
    let mut did = Vec::new();
    clean(&graph, &all, &[], &mut state, &mut |cleaned| did.push(cleaned.to_string())).unwrap();
    assert_eq!(did, said);
    assert!(!project.exists("_build/d"));
    assert!(plan_clean(&graph, &all, &[], &state).unwrap().is_empty());
    state.erase().unwrap();
    assert!(!project.exists("_build"));
}

/// Outputs of tasks that were renamed are never removed.
#[test]
fn clean_removes_outputs_of_earlier_names() {
    let project = Project::new();
    project.write("in", "1");
    let folder = |name: &str, output: &str| {
        let (path, output) = (format!("{output}/sub/x"), TaskOutput::Folder(output.into()));
        let action: TaskAction = Box::new(move |context| {
            fs::create_dir(context.path(&path).parent().unwrap())?;
            Ok(fs::write(context.path(&path), "x")?)
        });
        Task { name: name.into(), outputs: vec![output], action: Some(action), ..Task::default() }
    };
    let old = vec![
        project.join("iso", &["in"], "_build/old.iso"),
        project.join("gone", &["in"], "_build/more/gone"),
        folder("folder", "_build/old.d"),
        folder("folder:gone", "_build/gone.d"),
    ];
    project.run(old, &["*"]);
    project.write("_build/mine", "kept");
    let new = || vec![project.join("iso", &["in"], "_build/new.iso"), folder("folder", "_build/new.d")];
    let graph = project.graph(new()).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let clean = |tasks: &[&str], state: &mut ProjectState| -> Vec<String> {
        let mut did = Vec::new();
        let selection = graph.select(tasks).unwrap();
        let said = plan_clean(&graph, &selection, &[], state).unwrap();
        clean(&graph, &selection, &[], state, &mut |cleaned| did.push(cleaned.clone())).unwrap();
        assert_eq!(did, said);
        did.iter().map(ToString::to_string).collect()
    };
    assert_eq!(clean(&["iso"], &mut state), ["iso - removing file '_build/old.iso'"]);
    let did = clean(&["*"], &mut state);
    assert!(did.iter().any(|line| line == "gone - removing file '_build/more/gone'"), "{did:?}");
    for path in ["old.iso", "more", "old.d", "gone.d"] {
        assert!(!project.exists(&format!("_build/{path}")), "{path}: {did:?}");
    }
    assert!(state.is_empty() && project.read("_build/mine") == "kept");
}

/// A failed `clean` reports success.
#[test]
fn a_clean_that_cannot_remove_something_fails() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || vec![project.join("a", &["in"], "_build/d/a")];
    project.run(tasks(), &["a"]);
    let graph = project.graph(tasks()).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let mut write_between = |cleaned: &Cleaned| {
        if cleaned.is_folder {
            project.write("_build/d/mine", "1");
        }
    };
    let selection = graph.select(&["a"]).unwrap();
    let error = clean(&graph, &selection, &[], &mut state, &mut write_between).unwrap_err();
    assert!(error.to_string().starts_with("cannot remove _build/d: "), "{error}");
    assert!(project.exists("_build/d/mine") && !project.exists("_build/d/a"));
}

/// `forget` on a group forgets the group and none of its members.
#[test]
fn forgetting_a_group_forgets_its_members() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || {
        let mut tasks = chain(&project);
        tasks.extend([group("inner", &["a"]), group("default", &["inner", "b"])]);
        tasks
    };
    project.run(tasks(), &["default"]);
    let graph = project.graph(tasks()).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let selection = graph.select(&["default"]).unwrap();
    assert_eq!(forget(&graph, &selection, &mut state).unwrap(), ["a", "b"]);
    drop(state);
    assert_eq!(project.run(tasks(), &["default"]).outcome.count(TaskVerdict::Succeeded), 2);
}

/// A run has no dry run.
#[test]
fn a_dry_run_reports_tasks_and_reasons_and_changes_nothing() {
    let project = Project::new();
    project.write("in", "1");
    project.run(chain(&project), &["b"]);
    project.write("in", "2");
    let before = fs::metadata(project.state_path()).unwrap();
    let graph = project.graph(chain(&project)).unwrap();
    let mut ran = Ran::default();
    let selection = graph.select(&["b"]).unwrap();
    let state = ProjectState::read(&project.state_path()).unwrap();
    let outcome = dry_run(&graph, &selection, &RunOptions::default(), &state, &mut ran).unwrap();
    assert_eq!((outcome.exit(), outcome.count(TaskVerdict::WouldRun)), (0, 2));
    assert!(
        ran.reasons("a")[0].starts_with("input file in changed: sha256:6b86b273ff34"),
        "{:?}",
        ran.reasons("a")
    );
    assert_eq!(ran.reasons("b"), ["input _build/a is rebuilt by a"]);
    assert_eq!(project.read("_build/b"), "1ab");
    let after = fs::metadata(project.state_path()).unwrap();
    assert_eq!((before.mtime_nsec(), before.len()), (after.mtime_nsec(), after.len()));
}

/// The database only grows.
#[test]
fn the_state_does_not_grow_without_limit() {
    let project = Project::new();
    let names: Vec<String> = (0..4000).map(|index| format!("in/{index}")).collect();
    names.iter().for_each(|name| project.write(name, ""));
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let tasks = |value: u32| {
        let mut task = project.join("a", &refs, "_build/a");
        task.inputs.push(TaskInput::value("round", value.to_string()));
        vec![task, group("other", &[])]
    };
    let mut sizes = Vec::new();
    for round in 0..12 {
        assert_eq!(project.run(tasks(round), &["a"]).verdict("a"), TaskVerdict::Succeeded);
        sizes.push(fs::metadata(project.state_path()).unwrap().len());
        assert_eq!(project.run(tasks(round), &["a"]).verdict("a"), TaskVerdict::UpToDate);
    }
    assert!(sizes.iter().all(|size| *size < 2 * sizes[0] + (1 << 20)), "{sizes:?}");
    assert!(sizes.windows(2).any(|pair| pair[1] < pair[0]), "{sizes:?}");
}
