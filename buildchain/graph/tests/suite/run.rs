//! Which tasks run, and which files they leave.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use graph::{ActionError, Task, TaskInput, TaskOutput, TaskVerdict};

use crate::scratch::Project;

fn two(project: &Project) -> Vec<Task> {
    vec![project.join("a", &["in"], "_build/a"), project.join("b", &["_build/a"], "_build/b")]
}

#[test]
fn a_second_run_runs_nothing() {
    let project = Project::new();
    project.write("in", "1 ");
    assert_eq!(project.run(two(&project), &["b"]).outcome.exit(), 0);
    assert_eq!(project.take_ran(), ["a", "b"]);
    assert_eq!(project.read("_build/b"), "1 ab");
    let again = project.run(two(&project), &["b"]);
    assert_eq!(again.verdict("b"), TaskVerdict::UpToDate);
    assert!(project.take_ran().is_empty());
}

#[test]
fn a_touched_input_runs_nothing() {
    let project = Project::new();
    project.write("in", "1 ");
    project.run(two(&project), &["b"]);
    project.take_ran();
    project.write("in", "1 ");
    project.run(two(&project), &["b"]);
    assert!(project.take_ran().is_empty());
}

/// The order is part of the key: the output may depend on it.
#[test]
fn inputs_in_another_order_run_the_task() {
    let project = Project::new();
    project.write("x", "x ");
    project.write("y", "y ");
    let task = |inputs: &[&str]| vec![project.join("a", inputs, "_build/a")];
    project.run(task(&["x", "y"]), &["a"]);
    let turned = project.run(task(&["y", "x"]), &["a"]);
    assert_eq!(turned.reasons("a"), ["the order of its inputs or outputs changed"]);
    assert_eq!(project.read("_build/a"), "y x a");
    assert_eq!(project.run(task(&["y", "x"]), &["a"]).verdict("a"), TaskVerdict::UpToDate);
    fs::remove_file(project.path("_build/a")).unwrap();
    project.run(task(&["x", "y"]), &["a"]);
    assert_eq!(project.read("_build/a"), "x y a");
}

#[test]
fn dependents_of_equal_outputs_do_not_run() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || {
        let mut first = project.join("a", &["in"], "_build/a");
        first.action = Some(Box::new(|context| {
            let length = fs::read_to_string(context.path("in"))?.len();
            fs::write(context.path("_build/a"), length.to_string())?;
            Ok(())
        }));
        vec![first, project.join("b", &["_build/a"], "_build/b")]
    };
    project.run(tasks(), &["b"]);
    project.take_ran();
    project.write("in", "2");
    let second = project.run(tasks(), &["b"]);
    assert_eq!((second.verdict("a"), second.verdict("b")), (TaskVerdict::Succeeded, TaskVerdict::UpToDate));
}

#[test]
fn a_changed_or_missing_output_is_built_again() {
    let project = Project::new();
    project.write("in", "1 ");
    project.run(two(&project), &["b"]);
    project.take_ran();
    project.write("_build/a", "tampered");
    let ran = project.run(two(&project), &["b"]);
    assert_eq!(project.take_ran(), ["a"]);
    assert!(
        ran.reasons("a")[0].starts_with("output file _build/a changed: sha256:"),
        "{:?}",
        ran.reasons("a")
    );
    fs::remove_file(project.path("_build/a")).unwrap();
    let ran = project.run(two(&project), &["b"]);
    assert_eq!(project.take_ran(), ["a"]);
    assert!(
        ran.reasons("a")[0].starts_with("output file _build/a was removed (was sha256:"),
        "{:?}",
        ran.reasons("a")
    );
}

#[test]
fn stale_outputs_are_removed() {
    let project = Project::new();
    project.write("in", "1 ");
    project.run(vec![project.join("old", &["in"], "_build/root/images/v1/x")], &["old"]);
    project.write("_build/root/by-hand", "kept");
    let ran = project.run(vec![project.join("new", &["in"], "_build/root/images/v2/x")], &["new"]);
    assert_eq!(ran.pruned, ["_build/root/images/v1/x"]);
    assert!(!project.exists("_build/root/images/v1"));
    assert!(project.exists("_build/root/images/v2/x") && project.exists("_build/root/by-hand"));
}

/// A link in the place of a folder does not lead to outputs.
#[test]
fn nothing_is_removed_through_a_link() {
    let (project, home) = (Project::new(), tempfile::tempdir().unwrap());
    fs::write(home.path().join("x"), "mine").unwrap();
    project.write("in", "1");
    project.run(vec![project.join("a", &["in"], "_build/old/x")], &["a"]);
    fs::remove_dir_all(project.path("_build/old")).unwrap();
    symlink(home.path(), project.path("_build/old")).unwrap();
    let ran = project.run(vec![project.join("a", &["in"], "_build/new")], &["a"]);
    assert_eq!((ran.outcome.exit(), ran.pruned.len()), (0, 0));
    assert_eq!(fs::read_to_string(home.path().join("x")).unwrap(), "mine");
}

/// Only root could remove their content.
#[test]
fn read_only_folders_of_a_task_do_not_prevent_its_next_run() {
    let project = Project::new();
    let tasks = || {
        vec![Task {
            name: "a".into(),
            inputs: vec![TaskInput::file("in")],
            outputs: vec![TaskOutput::Folder("_build/tree".into())],
            action: Some(Box::new(|context| {
                let folder = context.path("_build/tree/closed");
                fs::create_dir(&folder)?;
                fs::write(folder.join("x"), fs::read(context.path("in"))?)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o555))?;
                Ok(())
            })),
            ..Task::default()
        }]
    };
    for text in ["1", "2"] {
        project.write("in", text);
        assert_eq!(project.run(tasks(), &["a"]).verdict("a"), TaskVerdict::Succeeded);
        assert_eq!(project.read("_build/tree/closed/x"), text);
    }
    let ran = project.run(vec![project.join("b", &["in"], "_build/b")], &["b"]);
    assert_eq!(ran.outcome.exit(), 0);
}

#[test]
fn a_broken_task_leaves_nothing_and_blocks_its_dependents() {
    let project = Project::new();
    project.write("in", "1 ");
    let broken = || {
        let mut task = project.join("a", &["in"], "_build/a");
        task.action = Some(Box::new(|context| {
            fs::write(context.path("_build/a"), "half")?;
            Err(ActionError::failed("no"))
        }));
        task
    };
    let tasks =
        vec![broken(), project.join("b", &["_build/a"], "_build/b"), project.join("c", &["in"], "_build/c")];
    let options = graph::RunOptions { keep_going: true, ..Default::default() };
    let ran = project.run_with(tasks, &["b", "c"], options);
    assert_eq!(ran.outcome.exit(), 1);
    assert_eq!((ran.verdict("a"), ran.verdict("b")), (TaskVerdict::Failed, TaskVerdict::Blocked));
    assert_eq!((ran.error("a"), ran.error("b")), ("no", "a"));
    assert_eq!(project.take_ran(), ["c"]);
    assert!(!project.exists("_build/a"));
}

#[test]
fn a_folder_is_listed_after_its_producers_ran() {
    let project = Project::new();
    project.write("in", "1 ");
    let tasks = || {
        let list = Task {
            name: "list".into(),
            inputs: vec![TaskInput::folder("_build/root")],
            outputs: vec![TaskOutput::File("_build/list".into())],
            action: Some(Box::new(|context| {
                let mut names: Vec<_> = fs::read_dir(context.path("_build/root"))?
                    .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                    .collect::<Result<_, _>>()?;
                names.sort();
                fs::write(context.path("_build/list"), names.join(" "))?;
                Ok(())
            })),
            ..Task::default()
        };
        vec![list, project.join("a", &["in"], "_build/root/a"), project.join("b", &["in"], "_build/root/b")]
    };
    assert_eq!(project.run(tasks(), &["list"]).outcome.exit(), 0);
    assert_eq!(project.read("_build/list"), "a b");
    assert_eq!(project.run(tasks(), &["list"]).verdict("list"), TaskVerdict::UpToDate);
    project.write("in", "2 ");
    let ran = project.run(tasks(), &["list"]);
    assert_eq!(ran.reasons("list").len(), 2, "{:?}", ran.reasons("list"));
}

/// An action reads the targets of links.
#[test]
fn an_edit_of_the_target_of_a_matching_link_is_detected() {
    let project = Project::new();
    project.write("common/a", "1");
    project.write("src/b", "b");
    for (target, link) in
        [("../common/a", "a"), ("../common", "folder"), ("nowhere", "lost"), ("self", "self")]
    {
        symlink(target, project.path("src").join(link)).unwrap();
    }
    let task = || {
        let mut task = project.join("t", &["src/a"], "_build/t");
        task.inputs = vec![TaskInput::glob("src", "*")];
        vec![task]
    };
    project.run(task(), &["t"]);
    assert_eq!(project.run(task(), &["t"]).verdict("t"), TaskVerdict::UpToDate);
    project.write("common/a", "2");
    let edited = project.run(task(), &["t"]);
    assert!(edited.reasons("t")[0].starts_with("input file src/a changed"), "{:?}", edited.reasons("t"));
    assert_eq!(project.read("_build/t"), "2t");
    fs::remove_file(project.path("src/lost")).unwrap();
    let gone = project.run(task(), &["t"]);
    assert!(gone.reasons("t")[0].starts_with("input file src/lost was removed"), "{:?}", gone.reasons("t"));
}

#[test]
fn the_old_output_of_a_broken_task_is_restored() {
    let project = Project::new();
    project.write("in", "1 ");
    let tasks = |breaks: bool| {
        let mut file = project.join("a", &["in"], "_build/a");
        let mut folder = Task {
            name: "d".into(),
            inputs: vec![TaskInput::file("in")],
            outputs: vec![TaskOutput::Folder("_build/d".into())],
            action: Some(Box::new(|context| Ok(fs::write(context.path("_build/d/x"), "whole")?))),
            ..Task::default()
        };
        if breaks {
            for (task, path) in [(&mut file, "_build/a"), (&mut folder, "_build/d/y")] {
                task.action = Some(Box::new(move |context| {
                    fs::write(context.path(path), "half")?;
                    Err(ActionError::broken("no space left"))
                }));
            }
        }
        vec![file, folder]
    };
    project.run(tasks(false), &["a", "d"]);
    project.write("in", "2 ");
    let options = graph::RunOptions { keep_going: true, ..Default::default() };
    let ran = project.run_with(tasks(true), &["a", "d"], options);
    assert_eq!((ran.outcome.exit(), ran.outcome.count(TaskVerdict::Broken)), (2, 2));
    assert_eq!((project.read("_build/a"), project.read("_build/d/x")), ("1 a".into(), "whole".into()));
    assert!(!project.exists("_build/d/y") && !project.exists("_build/.aside"));
    let ran = project.run(tasks(false), &["a", "d"]);
    assert_eq!(ran.outcome.count(TaskVerdict::Succeeded), 2);
    assert_eq!(project.read("_build/a"), "2 a");
}
