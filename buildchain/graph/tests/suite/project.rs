//! Output folders of the project: files of the user are in them beside those that tasks create.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use graph::{
    ActionError, Graph, KeptFile, ProjectState, Retry, RunOptions, Task, TaskInput, TaskOutput, TaskVerdict,
    clean, forget, plan_clean, run,
};

use crate::scratch::{Project, Ran};

/// The variable with the project of the process that is killed.
const FOLDER: &str = "GRAPH_TEST_PROJECT_KILL";

/// Writes `gen/X.out` for each file `src/X`.
fn generate(root: &Path, to: &str) -> Result<(), ActionError> {
    for entry in fs::read_dir(root.join("src"))? {
        let entry = entry?;
        let output = root.join(to).join("out").join(entry.file_name());
        fs::create_dir_all(output.parent().unwrap())?;
        fs::write(output, fs::read(entry.path())?)?;
    }
    Ok(())
}

fn task_to(to: &'static str) -> Task {
    Task {
        name: "gen".into(),
        inputs: vec![TaskInput::folder("src")],
        outputs: vec![TaskOutput::Folder(to.into())],
        action: Some(Box::new(move |context| generate(&context.path(""), to))),
        ..Task::default()
    }
}

fn task() -> Task {
    task_to("gen")
}

/// All files below a folder, with their contents.
fn files(project: &Project, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(project.path(&folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path)
            } else {
                found.push((path.clone(), project.read(&path)))
            }
        }
    }
    found.sort();
    found
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// A project in which the task ran for `src/a`, with a file of the user beside its output.
fn project() -> Project {
    let project = Project::new();
    project.write("src/a", "1");
    project.write("gen/README", "mine");
    assert_eq!(project.run(vec![task()], &["gen"]).verdict("gen"), TaskVerdict::Succeeded);
    assert_eq!(project.run(vec![task()], &["gen"]).verdict("gen"), TaskVerdict::UpToDate);
    project
}

fn rename(project: &Project, from: &str, to: &str) {
    fs::rename(project.path(from), project.path(to)).unwrap();
}

#[test]
fn a_file_of_a_renamed_source_goes_and_files_of_the_user_stay() {
    let project = project();
    project.write("gen/out/note", "mine too");
    rename(&project, "src/a", "src/b");
    project.run(vec![task()], &["gen"]);
    assert_eq!(
        files(&project, "gen"),
        pairs(&[("gen/README", "mine"), ("gen/out/b", "1"), ("gen/out/note", "mine too")])
    );
    assert!(!project.exists("_build/.aside-project") && !project.exists("_build/.kept"));
    assert_eq!(project.run(vec![task()], &["gen"]).verdict("gen"), TaskVerdict::UpToDate);
    // What the task wrote over a file of the user stays the user's.
    project.write("src/note", "3");
    project.run(vec![task()], &["gen"]);
    fs::remove_file(project.path("src/note")).unwrap();
    project.run(vec![task()], &["gen"]);
    assert_eq!(project.read("gen/out/note"), "3");
}

/// The list of own files outlives the record of the task.
#[test]
fn forgotten_tasks_still_own_their_files() {
    let project = project();
    let graph = project.graph(vec![task()]).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    forget(&graph, &graph.select_all(), &mut state).unwrap();
    assert!(!state.is_empty());
    drop(state);
    rename(&project, "src/a", "src/b");
    project.run(vec![task()], &["gen"]);
    assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine"), ("gen/out/b", "1")]));
}

#[test]
fn an_edited_file_is_kept_with_a_warning() {
    let project = project();
    project.write("gen/out/a", "edited");
    let ran = project.run(vec![task()], &["gen"]);
    assert_eq!(
        ran.reports["gen"].err,
        "gen/out/a was edited and the task produced it again: your file is _build/.kept/1/gen/out/a\n"
    );
    assert_eq!(
        (project.read("gen/out/a"), project.read("_build/.kept/1/gen/out/a")),
        ("1".into(), "edited".into())
    );
    project.write("gen/out/a", "edited");
    rename(&project, "src/a", "src/b");
    let ran = project.run(vec![task()], &["gen"]);
    assert_eq!(
        ran.reports["gen"].err,
        "gen/out/a was edited, so it is kept although the task no longer produces it\n"
    );
    let expected = pairs(&[("gen/README", "mine"), ("gen/out/a", "edited"), ("gen/out/b", "1")]);
    assert_eq!(files(&project, "gen"), expected);
    // It is the user's from now on.
    let ran = project.run(vec![task()], &["gen"]);
    assert_eq!((ran.verdict("gen"), files(&project, "gen")), (TaskVerdict::UpToDate, expected));
}

#[test]
fn a_failed_task_leaves_the_folder_as_it_was() {
    let project = project();
    let before = files(&project, "gen");
    rename(&project, "src/a", "src/b");
    let mut failing = task();
    failing.action = Some(Box::new(|context| {
        generate(&context.path(""), "gen")?;
        Err(ActionError::failed("as told"))
    }));
    assert_eq!(project.run(vec![failing], &["gen"]).verdict("gen"), TaskVerdict::Failed);
    assert_eq!(files(&project, "gen"), before);
    assert!(!project.exists("_build/.aside-project"));
}

#[test]
fn each_attempt_finds_only_files_of_the_user() {
    let project = project();
    let attempts = AtomicUsize::new(0);
    let mut retried = task();
    retried.always = true;
    retried.retry = Retry { times: 1, ..Retry::default() };
    retried.action = Some(Box::new(move |context| {
        assert!(!context.path("gen/out").exists() && context.path("gen/README").exists());
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        fs::create_dir(context.path("gen/out"))?;
        fs::write(context.path(format!("gen/out/{attempt}")), "x")?;
        if attempt == 0 { Err(ActionError::broken("once")) } else { Ok(()) }
    }));
    assert_eq!(project.run(vec![retried], &["gen"]).verdict("gen"), TaskVerdict::Succeeded);
    assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine"), ("gen/out/1", "x")]));
}

#[test]
fn own_files_of_removed_tasks_and_other_folders_are_pruned() {
    let other = || Task { name: "other".into(), action: Some(Box::new(|_| Ok(()))), ..Task::default() };
    for (tasks, selected) in [(vec![other()], "other"), (vec![task_to("new")], "gen")] {
        let project = project();
        project.write("src/b", "2");
        project.run(vec![task()], &["gen"]);
        project.write("gen/out/b", "edited");
        let ran = project.run(tasks, &[selected]);
        assert_eq!(ran.pruned, ["gen/out/a"]);
        assert_eq!(ran.warned, ["gen/out/b was edited, so it is kept although no task produces it any more"]);
        assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine"), ("gen/out/b", "edited")]));
        assert_eq!(project.exists("new/out/a"), selected == "gen");
    }
}

#[test]
fn clean_removes_own_files_unless_they_were_edited() {
    let project = project();
    project.write("src/b", "2");
    project.run(vec![task()], &["gen"]);
    project.write("gen/out/b", "edited");
    let graph = project.graph(vec![task()]).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let all = graph.select_all();
    let planned: Vec<String> =
        plan_clean(&graph, &all, &[], &state).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        planned,
        ["gen - removing file 'gen/out/a'", "gen - keeping file 'gen/out/b', which was edited"]
    );
    let mut cleaned = Vec::new();
    clean(&graph, &all, &[], &mut state, &mut |item| cleaned.push(item.to_string())).unwrap();
    assert_eq!(cleaned, planned);
    assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine"), ("gen/out/b", "edited")]));
    assert!(state.is_empty());
    drop(state);
    // A folder that only has own files goes too.
    fs::remove_dir_all(project.path("gen")).unwrap();
    project.run(vec![task()], &["gen"]);
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    clean(&graph, &all, &[], &mut state, &mut |_| {}).unwrap();
    assert!(!project.exists("gen"));
}

/// A folder that the user replaced by a link: the files behind it are not touched.
#[test]
fn nothing_behind_a_link_is_removed() {
    let project = project();
    for (folder, target) in [("gen/out", "elsewhere"), ("gen", "other")] {
        rename(&project, folder, target);
        std::os::unix::fs::symlink(project.path(target), project.path(folder)).unwrap();
        let before = files(&project, target);
        project.run(vec![], &[]);
        let graph = project.graph(vec![task()]).unwrap();
        let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
        clean(&graph, &graph.select_all(), &[], &mut state, &mut |_| {}).unwrap();
        assert_eq!(files(&project, target), before);
    }
}

fn run_at(root: &Path, task: Task) -> Ran {
    let graph = Graph::new(root.into(), "_build".into(), vec![task], vec![]).unwrap();
    let mut state = ProjectState::open(&root.join("_build/.state"), "test").unwrap();
    let mut ran = Ran::default();
    ran.outcome = run(&graph, &graph.select_all(), &RunOptions::default(), &mut state, &mut ran).unwrap();
    ran
}

/// Runs the task in another process, which dies in the action.
fn die_in_action(project: &Project) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "project::what_a_killed_run_moved_aside_is_put_back", "--quiet"])
        .env(FOLDER, project.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert!(project.exists("gen/out/half"));
}

#[test]
fn what_a_killed_run_moved_aside_is_put_back() {
    if let Some(root) = std::env::var_os(FOLDER) {
        let mut dying = task();
        dying.action = Some(Box::new(|context| {
            generate(&context.path(""), "gen")?;
            fs::write(context.path("gen/out/half"), "half")?;
            std::process::abort()
        }));
        run_at(Path::new(&root), dying);
        return;
    }
    for ends_by_clean in [false, true] {
        let project = project();
        let before = files(&project, "gen");
        project.write("src/b", "2");
        project.write("src/a", "3");
        die_in_action(&project);
        assert_eq!(project.read("gen/out/a"), "3");
        // A file of the user, before the next run.
        project.write("gen/mine", "precious");
        if ends_by_clean {
            let graph = project.graph(vec![task()]).unwrap();
            let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
            let mut moved = Vec::new();
            clean(&graph, &graph.select_all(), &[], &mut state, &mut |cleaned| {
                if let Some(KeptFile::Moved(to)) = &cleaned.kept {
                    moved.push((cleaned.path.display().to_string(), to.display().to_string()));
                }
            })
            .unwrap();
            let to = "_build/.kept/1";
            let all = ["gen/mine", "gen/out/a", "gen/out/b", "gen/out/half"];
            assert_eq!(moved, pairs(&all.map(|path| (path, to))));
            assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine")]));
        } else {
            // As before the killed run, the task is up to date.
            fs::remove_file(project.path("src/b")).unwrap();
            project.write("src/a", "1");
            let ran = project.run(vec![task()], &["gen"]);
            assert_eq!(ran.verdict("gen"), TaskVerdict::UpToDate);
            assert_eq!(
                ran.warned,
                ["a run was killed in gen: what it may have left in the project is now in _build/.kept/1: \
                  gen/mine, gen/out/a, gen/out/b, gen/out/half"]
            );
            assert_eq!(files(&project, "gen"), before);
        }
        assert_eq!(project.read("_build/.kept/1/gen/mine"), "precious");
        assert!(!project.exists("_build/.aside-project"));
    }
}

/// A task that is recorded keeps what it created, although it was killed before it removed what it had moved aside.
#[test]
fn what_a_recorded_task_moved_aside_is_not_put_back() {
    let project = project();
    project.write("src/b", "2");
    die_in_action(&project);
    let state = fs::read(project.state_path()).unwrap();
    for folder in ["gen/out", "_build/.aside-project"] {
        rename(&project, folder, "saved");
        match folder {
            "gen/out" => fs::remove_dir_all(project.path("saved")).unwrap(),
            _ => {
                fs::remove_file(project.path("src/a")).unwrap();
                project.run(vec![task()], &["gen"]);
                rename(&project, "saved", folder);
            }
        }
    }
    assert_ne!(fs::read(project.state_path()).unwrap(), state);
    let ran = project.run(vec![task()], &["gen"]);
    assert_eq!((ran.verdict("gen"), ran.warned), (TaskVerdict::UpToDate, Vec::new()));
    assert_eq!(files(&project, "gen"), pairs(&[("gen/README", "mine"), ("gen/out/b", "2")]));
    assert!(!project.exists("_build/.aside-project"));
}

/// The slow task of the process that is killed at random moments: each file is first half written, and one is temporary.
fn slow() -> Task {
    let mut slow = task();
    slow.action = Some(Box::new(|context| {
        fs::create_dir_all(context.path("gen/out"))?;
        fs::write(context.path("gen/temporary"), "half")?;
        for entry in fs::read_dir(context.path("src"))? {
            let entry = entry?;
            let output = context.path(format!("gen/out/{}", entry.file_name().to_string_lossy()));
            fs::write(&output, "half")?;
            thread::sleep(Duration::from_micros(300));
            fs::write(&output, fs::read(entry.path())?)?;
        }
        Ok(fs::remove_file(context.path("gen/temporary"))?)
    }));
    slow
}

/// Sources come and go between the kills. In the end the folder has the files of the user and those of the last sources.
#[test]
fn a_folder_is_that_of_a_clean_clone_after_any_number_of_kills() {
    if let Some(root) = std::env::var_os(FOLDER) {
        run_at(Path::new(&root), slow());
        return;
    }
    let project = Project::new();
    let mut expected = Vec::new();
    let mut killed = 0;
    for round in 0..120_u64 {
        let _ = fs::remove_dir_all(project.path("src"));
        for source in 0..6 {
            project.write(&format!("src/{}", (round * 7 + source * 3) % 23), &format!("{source}"));
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "project::a_folder_is_that_of_a_clean_clone_after_any_number_of_kills",
                "--quiet",
            ])
            .env(FOLDER, project.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(500 + (round * 7919) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += usize::from(project.exists("gen/temporary"));
        if round % 4 == 3 {
            let ran = run_at(project.root(), slow());
            assert_eq!(ran.outcome.exit(), 0);
            let sources = files(&project, "src").into_iter();
            let made = sources.map(|(path, text)| (path.replace("src/", "gen/out/"), text));
            let mut all: Vec<_> = made.chain(expected.iter().cloned()).collect();
            all.sort();
            assert_eq!(files(&project, "gen"), all, "round {round}");
            expected.push((format!("gen/out/user{round}"), round.to_string()));
            project.write(&format!("gen/out/user{round}"), &round.to_string());
        }
    }
    assert!(killed > 0, "no run was killed at work");
}
