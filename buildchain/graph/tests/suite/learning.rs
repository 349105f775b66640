//! Tasks that learn their inputs from what their action has read, as a compiler does.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use graph::{
    ActionError, ProjectState, ResultCache, RunOptions, Task, TaskContext, TaskInput, TaskOutput,
    TaskVerdict, explain,
};

use crate::cache::InMemory;
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

/// The list that the last run wrote can be damaged, or name what another task writes by now. The action writes another one, or the
/// cache has it; until then the old one must not end the run.
#[test]
fn a_list_of_learned_inputs_that_is_invalid_now_only_runs_the_task_again() {
    for (has_cache, again) in [(false, TaskVerdict::Succeeded), (true, TaskVerdict::Restored)] {
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
            let options = if has_cache { cached(cache.path()) } else { RunOptions::default() };
            project.run_with(tasks, &["later"], options)
        };
        project.write("a", "x");
        project.write("x", "1");
        assert_eq!(run().verdict("b"), TaskVerdict::Succeeded);
        for list in ["_build/later", "/dev/null"] {
            // It shares its content with the cache.
            fs::remove_file(project.path("_build/depfile")).unwrap();
            project.write("_build/depfile", list);
            let ran = run();
            assert_eq!(ran.verdict("b"), again, "{list}: {:?}", ran.reports["b"]);
            assert!(
                ran.reasons("b").iter().any(|reason| reason.contains("inputs of the last run")),
                "{list}"
            );
            assert_eq!(run().verdict("b"), TaskVerdict::UpToDate);
            assert_eq!(project.read("_build/b"), "x1");
        }
        // Of the list that the action writes now, it is an error.
        project.write("a", "_build/later");
        let ran = run();
        assert_eq!(ran.verdict("b"), TaskVerdict::Broken);
        assert!(ran.reports["b"].error.as_deref().unwrap().contains("which `later` produces"));
        project.write("a", "x");
        assert_eq!(run().verdict("b"), again);
    }
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

/// A fresh clone has no list of learned inputs. The cache has the manifests of earlier results, and restores the one whose inputs
/// are as they were.
#[test]
fn a_fresh_clone_restores_what_learned_its_inputs() {
    let cache = tempfile::tempdir().unwrap();
    // What is in the project, what it gives, and whether a result for it exists.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, TaskVerdict);
    let cases: [Case<'_>; 9] = [
        (&[("a", "x"), ("x", "1")], "x1", TaskVerdict::Succeeded),
        (&[("a", "x"), ("x", "1")], "x1", TaskVerdict::Restored),
        (&[("a", "x"), ("x", "2")], "x2", TaskVerdict::Succeeded),
        (&[("a", "x"), ("x", "1"), ("unrelated", "")], "x1", TaskVerdict::Restored),
        (&[("a", "x"), ("x", "2")], "x2", TaskVerdict::Restored),
        // Files that were missing, and folders, are compared once the list is restored.
        (&[("a", "x")], "x-", TaskVerdict::Succeeded),
        (&[("a", "x")], "x-", TaskVerdict::Restored),
        (&[("a", "x"), ("x/one", "3")], "x3", TaskVerdict::Succeeded),
        (&[("a", "x"), ("x", "5")], "x5", TaskVerdict::Succeeded),
    ];
    for (index, (files, expected, verdict)) in cases.into_iter().enumerate() {
        let project = Project::new();
        files.iter().for_each(|(path, text)| project.write(path, text));
        let run = || project.run_with(compiled(), &["b"], cached(cache.path()));
        assert_eq!(run().verdict("b"), verdict, "case {index}");
        assert_eq!(project.read("_build/b"), expected, "case {index}");
        assert_eq!(run().verdict("b"), TaskVerdict::UpToDate, "case {index}");
        // What was restored knows its learned inputs.
        if files.len() > 1 {
            project.write(files[1].0, &format!("edited {index}"));
            assert_eq!(run().verdict("b"), TaskVerdict::Succeeded, "case {index}");
        }
    }
}

#[test]
fn a_machine_restores_what_learned_its_inputs_on_another() {
    let remote = Arc::new(InMemory::default());
    let machine = |cache: &Path, writes: bool, x: &str| {
        let project = Project::new();
        project.write("a", "x");
        project.write("x", x);
        let cache = ResultCache::new(cache.to_owned(), None).with_remote(remote.clone(), writes);
        let options = RunOptions { cache: Some(cache), ..RunOptions::default() };
        let ran = project.run_with(compiled(), &["b"], options);
        assert_eq!(project.read("_build/b"), format!("x{x}"));
        ran.verdict("b")
    };
    let caches: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    // Two machines write, and neither removes what the other has learned.
    assert_eq!(machine(caches[0].path(), true, "1"), TaskVerdict::Succeeded);
    assert_eq!(machine(caches[1].path(), true, "2"), TaskVerdict::Succeeded);
    for x in ["1", "2"] {
        assert_eq!(machine(caches[2].path(), false, x), TaskVerdict::Restored);
    }
    assert_eq!(machine(caches[2].path(), false, "3"), TaskVerdict::Succeeded);
    // What was restored is here now: only the key without learned inputs is looked up.
    let calls = remote.calls.load(Ordering::SeqCst);
    assert_eq!(machine(caches[2].path(), false, "1"), TaskVerdict::Restored);
    assert_eq!(remote.calls.load(Ordering::SeqCst), calls + 1);
}
