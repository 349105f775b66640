//! Tasks that learn their inputs from what their action has read, as a compiler does.

use std::fs;
use std::path::Path;

use graph::{
    ActionError, ProjectState, ResultCache, RunOptions, Task, TaskContext, TaskInput, TaskOutput,
    TaskVerdict, explain,
};

use crate::scratch::Project;

fn compiled() -> Vec<Task> {
    vec![compiler(|_| Ok(()))]
}

/// `b` reads `a` and the files that the text in `a` names, and lists them. Then it does `last`.
fn compiler(last: impl Fn(&TaskContext<'_>) -> Result<(), ActionError> + Send + Sync + 'static) -> Task {
    let input = |root: &Path, name: &str| match root.join(name).metadata() {
        Ok(found) if found.is_dir() => TaskInput::folder(name),
        Ok(_) => TaskInput::file(name),
        Err(_) => TaskInput::value(format!("file {name}"), "missing"),
    };
    Task {
        name: "b".into(),
        inputs: vec![TaskInput::file("a")],
        discover: Some(Box::new(move |root| match fs::read_to_string(root.join("_build/depfile")) {
            Ok(text) => Ok(text.split_whitespace().map(|name| input(root, name)).collect()),
            Err(_) => Ok(vec![TaskInput::value("depfile", "not known before the first run")]),
        })),
        learns: true,
        outputs: vec![TaskOutput::File("_build/b".into()), TaskOutput::File("_build/depfile".into())],
        action: Some(Box::new(move |context| {
            let mut text = fs::read_to_string(context.path("a"))?;
            let named = text.clone();
            for name in named.split_whitespace() {
                let path = context.path(name);
                let file = if path.is_dir() { path.join("one") } else { path };
                text += &fs::read_to_string(file).unwrap_or_else(|_| "-".into());
            }
            fs::write(context.path("_build/depfile"), named)?;
            fs::write(context.path("_build/b"), text)?;
            last(context)
        })),
        ..Task::default()
    }
}

fn cached(cache: &Path) -> RunOptions {
    RunOptions { cache: Some(ResultCache::new(cache.to_owned(), None)), ..RunOptions::default() }
}

/// The list that the last run wrote can be damaged, or name what another task writes by now. The action writes another one; until
/// then the old one must not end the run.
#[test]
fn a_list_of_learned_inputs_that_is_invalid_now_only_runs_the_task_again() {
    let project = Project::new();
    let cache = tempfile::tempdir().unwrap();
    let later = || Task {
        name: "later".into(),
        inputs: vec![TaskInput::file("_build/b")],
        outputs: vec![TaskOutput::File("_build/later".into())],
        action: Some(Box::new(|context| Ok(fs::write(context.path("_build/later"), "later")?))),
        ..Task::default()
    };
    let run = || {
        let mut tasks = compiled();
        tasks.push(later());
        project.run_with(tasks, &["later"], cached(cache.path()))
    };
    project.write("a", "x");
    project.write("x", "1");
    assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
    for list in ["_build/later", "/dev/null"] {
        project.write("_build/depfile", list);
        let ran = run();
        assert_eq!(ran.verdict("b"), TaskVerdict::Succeeded, "{list}: {:?}", ran.reports["b"]);
        assert!(ran.reasons("b").iter().any(|reason| reason.contains("inputs of the last run")), "{list}");
        assert_eq!(run().verdict("b"), TaskVerdict::UpToDate);
    }
    // Of the list that the action writes now, it is an error.
    project.write("a", "_build/later");
    let ran = run();
    assert_eq!(ran.verdict("b"), TaskVerdict::Broken);
    assert!(ran.reports["b"].error.as_deref().unwrap().contains("which `later` produces"));
    project.write("a", "x");
    assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
}

#[test]
fn inputs_that_an_action_learns_count_from_its_first_run_on() {
    let project = Project::new();
    let cache = tempfile::tempdir().unwrap();
    let run = || project.run_with(compiled(), &["b"], cached(cache.path()));
    project.write("a", "x");
    project.write("x", "1");
    assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
    assert_eq!(run().verdict("b"), TaskVerdict::UpToDate);
    project.write("x", "2");
    let ran = run();
    assert_eq!(ran.verdict("b"), TaskVerdict::Succeeded);
    assert!(ran.reasons("b").iter().any(|reason| reason.contains("input file x")), "{:?}", ran.reasons("b"));
    assert_eq!(project.read("_build/b"), "x2");
    // The list itself changes.
    project.write("y", "3");
    project.write("a", "x y");
    assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
    assert_eq!(project.read("_build/b"), "x y23");
    project.write("y", "4");
    assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
    assert_eq!(project.read("_build/b"), "x y24");
    assert_eq!(run().verdict("b"), TaskVerdict::UpToDate);
    // A result is never restored for other content of a learned input, whether the cache knows the state or not.
    for (y, expected) in [("3", "x y23"), ("5", "x y25"), ("4", "x y24")] {
        project.write("y", y);
        run();
        assert_eq!(project.read("_build/b"), expected);
    }
    fs::remove_dir_all(project.path("_build")).unwrap();
    run();
    assert_eq!(project.read("_build/b"), "x y24");
    project.write("y", "6");
    run();
    assert_eq!(project.read("_build/b"), "x y26");
}

/// What is edited after the action has read it must be read once more, whether the file was known before or not.
#[test]
fn an_edit_of_a_learned_input_while_the_action_runs_is_noticed() {
    type Edit = fn(&Path) -> std::io::Result<()>;
    let edits: [(&str, &str, bool, Edit, &str); 9] = [
        ("first named, edited", "x", false, |root| fs::write(root.join("x"), "2"), "x2"),
        ("known, edited", "x", true, |root| fs::write(root.join("x"), "2"), "x2"),
        ("known, removed", "x", true, |root| fs::remove_file(root.join("x")), "x-"),
        ("missing, created", "y", false, |root| fs::write(root.join("y"), "2"), "y2"),
        ("known as missing, created", "y", true, |root| fs::write(root.join("y"), "2"), "y2"),
        ("first named, replaced", "x", false, |root| fs::rename(root.join("other"), root.join("x")), "xo"),
        ("a folder, edited", "folder", false, |root| fs::write(root.join("folder/one"), "2"), "folder2"),
        ("a known folder, edited", "folder", true, |root| fs::write(root.join("folder/one"), "2"), "folder2"),
        ("nothing", "x", false, |_| Ok(()), ""),
    ];
    for (case, named, is_known, edit, expected) in edits {
        let project = Project::new();
        for (path, text) in [("a", ""), ("x", "1"), ("other", "o"), ("folder/one", "1")] {
            project.write(path, text);
        }
        if is_known {
            project.write("a", named);
            project.run(compiled(), &["b"]);
            fs::remove_file(project.path("_build/b")).unwrap();
        }
        project.write("a", named);
        let edited = vec![compiler(move |context| Ok(edit(&context.path(""))?))];
        let ran = project.run(edited, &["b"]);
        assert_eq!(ran.verdict("b"), TaskVerdict::Succeeded, "{case}");
        let noticed = ran.reports["b"].err.contains("an input changed while the task ran");
        assert_eq!(noticed, !expected.is_empty(), "{case}: {:?}", ran.reports["b"]);
        let next = if noticed { TaskVerdict::Succeeded } else { TaskVerdict::UpToDate };
        assert_eq!(project.run(compiled(), &["b"]).verdict("b"), next, "{case}");
        if noticed {
            assert_eq!(project.read("_build/b"), expected, "{case}");
        }
        assert_eq!(project.run(compiled(), &["b"]).verdict("b"), TaskVerdict::UpToDate, "{case}");
    }
}

/// What a run would do with a learned input counts too: another task builds it again, or no task produces it any more.
#[test]
fn a_plan_knows_what_happens_to_learned_inputs() {
    let project = Project::new();
    project.write("a", "_build/x");
    project.write("in", "1");
    let tasks = |output: &str| {
        let learning = Task { after: vec!["x".into()], ..compiler(|_| Ok(())) };
        vec![project.join("x", &["in"], output), learning]
    };
    let explained = |output: &str| {
        let graph = project.graph(tasks(output)).unwrap();
        let state = ProjectState::read(&project.state_path()).unwrap();
        let explained = explain(&graph, &graph.select(&["b"]).unwrap(), &state).unwrap();
        explained.last().unwrap().reasons.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    project.run(tasks("_build/x"), &["b"]);
    assert_eq!(explained("_build/x"), [""; 0]);
    project.write("in", "2");
    assert_eq!(explained("_build/x"), ["input _build/x is rebuilt by x"]);
    assert_eq!(project.run(tasks("_build/x"), &["b"]).verdict("b"), TaskVerdict::Succeeded);
    assert_eq!(
        explained("_build/moved"),
        ["input file _build/x was removed (was an output that no task produces any more)"]
    );
    assert_eq!(project.run(tasks("_build/moved"), &["b"]).verdict("b"), TaskVerdict::Succeeded);
    assert_eq!(project.read("_build/b"), "_build/x-");
}
