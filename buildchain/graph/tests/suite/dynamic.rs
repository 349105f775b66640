//! Discovered inputs, waiting for edits, waiting for another run.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use graph::{ProjectState, RunOptions, StateError, Task, TaskInput, TaskOutput, TaskVerdict, Watch};

use crate::scratch::Project;

/// `list` is produced from `in`; `all` joins the files that `list` names.
fn tasks(project: &Project) -> Vec<Task> {
    let list = Task {
        name: "list".into(),
        inputs: vec![TaskInput::file("in")],
        outputs: vec![TaskOutput::File("_build/list".into())],
        action: Some(Box::new(|context| {
            fs::copy(context.path("in"), context.path("_build/list"))?;
            Ok(())
        })),
        ..Task::default()
    };
    let all = Task {
        name: "all".into(),
        inputs: vec![TaskInput::file("_build/list")],
        discover: Some(Box::new(|root| {
            let listed = fs::read_to_string(root.join("_build/list"))?;
            Ok(listed.split_whitespace().map(TaskInput::file).collect())
        })),
        outputs: vec![TaskOutput::File("_build/all".into())],
        action: Some(Box::new(|context| {
            let mut text = String::new();
            for path in fs::read_to_string(context.path("_build/list"))?.split_whitespace() {
                text += &fs::read_to_string(context.path(path))?;
            }
            Ok(fs::write(context.path("_build/all"), text)?)
        })),
        ..Task::default()
    };
    vec![all, list, project.join("late", &["in"], "_build/late")]
}

/// doit evaluates such dependencies when it loads the tasks, before the files exist.
#[test]
fn discovered_inputs_count_in_the_same_run() {
    let project = Project::new();
    project.write("x", "X");
    project.write("y", "Y");
    project.write("in", "x");
    project.run(tasks(&project), &["all"]);
    project.write("in", "x y");
    let ran = project.run(tasks(&project), &["all"]);
    assert!(
        ran.reasons("all").iter().any(|reason| reason.starts_with("input file y is new")),
        "{:?}",
        ran.reasons("all")
    );
    assert_eq!(project.read("_build/all"), "XY");
    project.write("y", "Z");
    assert_eq!(project.run(tasks(&project), &["all"]).verdict("list"), TaskVerdict::UpToDate);
    assert_eq!(project.read("_build/all"), "XZ");
    assert_eq!(project.run(tasks(&project), &["all"]).verdict("all"), TaskVerdict::UpToDate);
}

#[test]
fn a_discovered_input_without_a_dependency_on_its_producer_is_an_error() {
    let project = Project::new();
    project.write("in", "_build/late");
    let ran = project.run(tasks(&project), &["all"]);
    assert_eq!(
        ran.error("all"),
        "it discovered _build/late, which `late` produces, without depending on that task"
    );
    project.write("in", "nowhere");
    assert_eq!(project.run(tasks(&project), &["all"]).error("all"), "input nowhere is missing");
}

/// Not even tasks of the same batch.
#[test]
fn no_task_is_checked_after_a_run_was_stopped() {
    let project = Project::new();
    let (cancel, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..20).map(|index| {
        let (cancel, looks) = (Arc::clone(&cancel), Arc::clone(&looks));
        Task {
            name: format!("t{index}"),
            discover: Some(Box::new(move |_| {
                looks.fetch_add(1, Ordering::SeqCst);
                cancel.store(true, Ordering::SeqCst);
                Ok(Vec::new())
            })),
            action: Some(Box::new(|_| Ok(()))),
            ..Task::default()
        }
    });
    let options = RunOptions { cancel: Arc::clone(&cancel), ..RunOptions::default() };
    let ran = project.run_with(tasks.collect(), &["*"], options);
    assert_eq!((looks.load(Ordering::SeqCst), ran.outcome.count(TaskVerdict::Cancelled)), (1, 20));
    assert!(ran.outcome.cancelled && ran.outcome.counts.len() == 1);
    // The report lists all of them.
    assert_eq!(ran.reports.len(), 20);
    assert!(ran.reports.values().all(|report| report.verdict == TaskVerdict::Cancelled));
}

#[test]
fn an_edit_ends_the_wait_but_a_build_does_not() {
    let project = Project::new();
    project.write("in", "1");
    project.write("src/a", "1");
    let mut task = project.join("t", &["in"], "_build/t");
    task.inputs.push(TaskInput::folder("src"));
    let graph = project.graph(vec![task]).unwrap();
    let selection = graph.select_all();
    let others = || vec![project.path("not-yet")];
    let wait = |edit: &(dyn Fn() + Sync)| -> Vec<PathBuf> {
        let watch = Watch::begin(&graph, &selection, &others, &[]).unwrap();
        thread::scope(|scope| {
            scope.spawn(edit);
            watch.wait(Duration::from_millis(10), &AtomicBool::new(false)).unwrap()
        })
    };
    let build_and_edit = || {
        project.write("_build/t", "made");
        project.write("in", "1, edited");
    };
    assert_eq!(wait(&build_and_edit), [PathBuf::from("in")]);
    assert_eq!(wait(&|| project.write("in", "22")), [PathBuf::from("in")]);
    assert_eq!(wait(&|| project.write("src/b", "new")), [PathBuf::from("src/b")]);
    assert_eq!(wait(&|| fs::remove_file(project.path("src/b")).unwrap()), [PathBuf::from("src/b")]);
    assert_eq!(wait(&|| project.write("not-yet", "now")), [PathBuf::from("not-yet")]);
}

/// A run that writes a folder, a report or a cache into a watched folder would run again and again.
#[test]
fn files_that_a_run_writes_do_not_end_the_wait() {
    let project = Project::new();
    project.write("in", "1");
    project.write("_build/tree/there", "");
    let task = |name: &str, input: TaskInput| Task {
        name: name.into(),
        inputs: vec![input],
        outputs: vec![TaskOutput::File(format!("_build/{name}").into())],
        action: Some(Box::new(|_| Ok(()))),
        ..Task::default()
    };
    let tasks = vec![
        project.join("t", &["in"], "_build/tree/new/t"),
        task("sums", TaskInput::folder("_build/tree")),
        task("globbed", TaskInput::glob("_build/tree", "**")),
        task("all", TaskInput::glob(".", "**/*.md")),
        project.join("generated", &["in"], "src/generated"),
    ];
    let graph = project.graph(tasks).unwrap();
    let selection = graph.select_all();
    fs::create_dir(project.path("src")).unwrap();
    let (others, own) = (|| vec![project.path("")], [project.path("trace.json"), project.path(".cache")]);
    let watch = Watch::begin(&graph, &selection, &others, &own).unwrap();
    for written in
        ["_build/tree/new/t", "_build/tree/there", "_build/.sealift/state", "_build/sums", "src/generated"]
    {
        project.write(written, "made");
    }
    for written in ["trace.json", ".cache/outputs/blob"] {
        project.write(written, "made");
    }
    project.write("src/a", "edited");
    let changed = watch.wait(Duration::from_millis(10), &AtomicBool::new(false)).unwrap();
    assert_eq!(changed, [PathBuf::from("src/a")]);
}

#[test]
fn a_second_run_can_wait_for_the_first() {
    let project = Project::new();
    let path = project.state_path();
    let first = ProjectState::open(&path, "test").unwrap();
    let cancel = Arc::new(AtomicBool::new(true));
    assert!(matches!(
        ProjectState::open_waiting(&path, "test", &cancel, &mut |_| {}),
        Err(StateError::Held { .. })
    ));
    cancel.store(false, Ordering::SeqCst);
    thread::scope(|scope| {
        let (tell, hears) = mpsc::channel();
        let waiting = scope.spawn(|| {
            let tell = tell;
            ProjectState::open_waiting(&path, "test", &cancel, &mut |holder| {
                tell.send(holder.to_owned()).unwrap()
            })
        });
        let mut told: Vec<String> = hears.recv().into_iter().collect();
        drop(first);
        waiting.join().unwrap().unwrap();
        told.extend(hears);
        assert!(matches!(told.as_slice(), [holder] if holder.starts_with("process ")), "{told:?}");
    });
}
