//! The task graph beside doit: the same tasks, the same words.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};

use buildchain::graph::{
    ConsoleOptions, ConsoleReporter, Graph, Input, JsonReporter, Output, Reporter, RunOptions, State, Task,
    Title, ignore, info, run,
};
use serde_json::Value;
use tests::peer;

/// `b` joins what `a` makes of `in`; `no` says no, and `after` needs it.
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
        inputs: inputs.iter().map(Input::file).collect(),
        outputs: outputs.iter().map(|path| Output::File(path.into())).collect(),
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

fn state(root: &Path) -> State {
    State::open(&root.join("_build/.state")).unwrap()
}

/// Runs what `asked` names; the exit code.
fn ours(root: &Path, asked: &[&str], reporter: &mut dyn Reporter) -> i32 {
    let graph = graph(root);
    let options = RunOptions { keep_going: true, ..RunOptions::default() };
    let outcome = run(&graph, &graph.select(asked).unwrap(), &options, &mut state(root), reporter).unwrap();
    outcome.exit().into()
}

/// Runs doit to its end, whatever that is.
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
    // Who is ready first comes first, in both; that two are ready at once is settled differently.
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
        info(&graph, graph.find("b").unwrap(), &State::read(&root.join("_build/.state")).unwrap()).unwrap();
    assert_eq!((theirs.status.code(), info.is_up_to_date()), (Some(1), false));
    // Ours also names the tasks an input comes from, and makes its files in a folder of their own.
    let text = info.to_string().replace("\ntask_dep   :\n - a\n", "").replace("_build/", "");
    let lines = |text: &str| -> Vec<String> { text.lines().map(|line| line.trim_end().to_owned()).collect() };
    assert_eq!(lines(&text), lines(&String::from_utf8(theirs.stdout).unwrap()));
}
