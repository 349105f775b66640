//! The task graph compared with doit: the same tasks, the same words.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};
use std::thread;
use std::time::Duration;

use graph::{
    ConsoleOptions, ConsoleReporter, Graph, JsonReporter, ProjectState, Reporter, RunOptions, Task,
    TaskInput, TaskOutput, Title, ignore, info, run,
};
use serde_json::Value;
use tests::peer;

use crate::project::Project;

/// `a` reads `in`, `b` reads the output of `a`; `no` fails, and `after` depends on it.
const DODO: &str = "
def title(task): return 'JOIN           ' + task.name
def task_a():
    return {'file_dep': ['in'], 'targets': ['a'], 'actions': ['cat in > a'], 'title': title}
def task_b():
    return {'file_dep': ['a'], 'targets': ['b'], 'actions': ['cat a > b'], 'title': title}
def task_no():
    return {'actions': ['echo looking; echo odd >&2; exit 3'], 'title': title}
def task_after():
    return {'task_dep': ['no'], 'actions': ['true'], 'title': title}
";

fn task(name: &str, inputs: &[&str], outputs: &[&str], command: &str) -> Task {
    let command = command.to_owned();
    Task {
        name: name.into(),
        title: Title::new("JOIN", name),
        inputs: inputs.iter().map(TaskInput::file).collect(),
        outputs: outputs.iter().map(|path| TaskOutput::File(path.into())).collect(),
        action: Some(Box::new(move |context| {
            context.run(Command::new("sh").arg("-c").arg(&command).current_dir(context.path("")))?;
            Ok(())
        })),
        ..Task::default()
    }
}

fn graph(root: &Path) -> Graph {
    let mut after = task("after", &[], &[], "true");
    after.after.push("no".into());
    let tasks = vec![
        task("a", &["in"], &["_build/a"], "cat in > _build/a"),
        task("b", &["_build/a"], &["_build/b"], "cat _build/a > _build/b"),
        task("no", &[], &[], "echo looking; echo odd >&2; exit 3"),
        after,
    ];
    Graph::new(root.into(), "_build".into(), tasks, vec![]).unwrap()
}

fn state(root: &Path) -> ProjectState {
    ProjectState::open(&root.join("_build/.state"), "test").unwrap()
}

/// Runs the tasks `asked`; returns the exit code.
fn ours(root: &Path, asked: &[&str], reporter: &mut dyn Reporter) -> i32 {
    let graph = graph(root);
    let options = RunOptions { keep_going: true, ..RunOptions::default() };
    let outcome = run(&graph, &graph.select(asked).unwrap(), &options, &mut state(root), reporter).unwrap();
    outcome.exit().into()
}

/// Runs doit to its end, successful or not.
fn doit(program: &Path, folder: &Path, arguments: &[&str]) -> Ended {
    Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn marks_reports_and_exit_codes_are_those_of_doit() {
    let Some(program) = peer::find("doit") else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("dodo.py"), DODO).unwrap();
    fs::write(root.join("in"), "1\n").unwrap();
    let both = |asked: &str| {
        let mut printed = Vec::new();
        let mut console = ConsoleReporter::new(&mut printed, ConsoleOptions::default());
        let exit = ours(root, &[asked], &mut console);
        drop(console);
        let theirs = doit(&program, root, &[asked]);
        assert_eq!(String::from_utf8(printed).unwrap(), String::from_utf8(theirs.stdout).unwrap());
        assert_eq!(Some(exit), theirs.status.code());
    };
    both("b");
    both("b");
    fs::write(root.join("in"), "2\n").unwrap();
    both("b");
    let selected = graph(root).select(&["b"]).unwrap();
    ignore(&graph(root), &selected, &mut state(root)).unwrap();
    assert!(doit(&program, root, &["ignore", "b"]).status.success());
    both("b");

    let mut written = Vec::new();
    let exit = ours(root, &["a", "b", "after"], &mut JsonReporter::new(&mut written));
    let theirs = doit(&program, root, &["-c", "-r", "json", "a", "b", "after"]);
    assert_eq!(Some(exit), theirs.status.code());
    let [ours, theirs]: [Value; 2] =
        [&written, &theirs.stdout].map(|json| serde_json::from_slice(json).unwrap());
    // Both run the task that is ready first; the order of two that are ready at once differs.
    let tasks = |report: &Value| -> BTreeMap<String, Value> {
        let tasks = report["tasks"].as_array().unwrap().iter();
        tasks.map(|task| (task["name"].as_str().unwrap().to_owned(), task.clone())).collect()
    };
    assert!(tasks(&ours).keys().eq(["a", "after", "b", "no"]));
    for (ours, theirs) in tasks(&ours).values().zip(tasks(&theirs).values()) {
        for field in ["name", "result", "out", "err"] {
            assert_eq!(ours[field], theirs[field], "{field}");
        }
        for field in theirs.as_object().unwrap().keys() {
            assert!(ours.get(field).is_some(), "{field}");
        }
        assert_eq!(ours["elapsed"].is_null(), theirs["elapsed"].is_null());
        assert_eq!(ours["error"].is_null(), theirs["error"].is_null());
    }
    assert_eq!(ours["err"], theirs["err"]);
}

#[test]
fn info_is_laid_out_like_that_of_doit() {
    let Some(program) = peer::find("doit") else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("dodo.py"), DODO).unwrap();
    fs::write(root.join("in"), "1\n").unwrap();
    assert_eq!(ours(root, &["b"], &mut ()), 0);
    assert!(doit(&program, root, &["b"]).status.success());
    fs::remove_file(root.join("_build/b")).unwrap();
    fs::remove_file(root.join("b")).unwrap();
    let theirs = doit(&program, root, &["info", "b"]);
    let graph = graph(root);
    let info =
        info(&graph, graph.find("b").unwrap(), &ProjectState::read(&root.join("_build/.state")).unwrap())
            .unwrap();
    assert_eq!((theirs.status.code(), info.is_up_to_date()), (Some(1), false));
    // Ours also names the task that produces an input, and writes into a folder of its own.
    let text = info.to_string().replace("\ntask_dep   :\n - a\n", "").replace("_build/", "");
    let lines = |text: &str| -> Vec<String> { text.lines().map(|line| line.trim_end().to_owned()).collect() };
    assert_eq!(lines(&text), lines(&String::from_utf8(theirs.stdout).unwrap()));
}

/// Of the command line: options had to stand before the tasks.
#[test]
fn options_may_stand_behind_tasks() {
    let project = Project::new();
    let (code, out, err) = project.sealift(&["run", "salt_tree", "-n", "2", "--reporter", "json"]);
    assert!(code == 0 && out.starts_with('{'), "{code}: {out}{err}");
}

/// `list --status` ended in a traceback where a tool was missing, and loading the tasks started 24 processes.
#[test]
fn looking_at_tasks_needs_no_tools_and_hardly_a_process() {
    let project = Project::new();
    let tools = project.path("tools");
    project.write("tools/git", "#!/bin/sh\necho \"$@\" >> \"${0%/*}/asked\"\nexit 1\n");
    fs::set_permissions(tools.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let asked = || fs::read_to_string(tools.join("asked")).unwrap_or_default().lines().count();
    let mut command = project.command();
    command.args(["list", "--all", "--private", "--status"]).env("PATH", &tools);
    let (code, out, err) = tests::sealift::told(&command.output().unwrap());
    assert!(code == 0 && out.contains("R _iso_build"), "{code}: {out}{err}");
    assert!(asked() <= 2, "{}", asked());
    let mut command = project.command();
    command.args(["list", "--status"]).env("PATH", "/nowhere");
    let (code, out, err) = tests::sealift::told(&command.output().unwrap());
    assert!(code == 0 && out.contains("R iso"), "{code}: {out}{err}");
}

/// In doit, `list` does not report two tasks that produce the same file.
#[test]
fn list_tells_of_what_is_wrong_with_the_graph() {
    let project = Project::new();
    project.write("scripts/top.sls", "another\n");
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &format!("{text}    - {{from: scripts/top.sls, to: salt/top.sls}}\n"));
    for command in [&["list"][..], &["info", "iso"], &["run"]] {
        let (code, out, err) = project.sealift(command);
        let expected = "two sources for `salt/top.sls`";
        assert!(code == 3 && err.contains(expected), "{command:?}: {code}: {out}{err}");
    }
    assert!(!project.path("_build").exists(), "something ran");
}

/// doit writes its report at the end, so a build that is killed has none.
#[test]
fn the_lines_of_a_killed_build_are_whole() {
    let project = Project::new();
    project.build();
    for delay in [0, 10, 20, 30, 40, 60, 80] {
        fs::remove_dir_all(project.path("_build")).unwrap();
        let report = project.path("report");
        let mut command = project.command();
        command.args(["run", "--reporter", "json-lines"]).stdout(fs::File::create(&report).unwrap());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&report).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "after {delay} ms the last line is cut off: {text}");
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert!(event["event"].is_string(), "{line}");
        }
        project.build();
    }
}
