//! Children of actions, and their children: none is left behind.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use graph::{RunOptions, State, StateError, Task, Verdict};

use crate::scratch::{Project, Ran};

/// Where the helper process finds its project.
const FOLDER: &str = "GRAPH_TEST_CHILDREN";

/// How long a condition is waited for on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Longer than any test may take.
const LONG: &str = "1000";

/// Waits until something is so.
fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not so after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A task that runs a shell script in the folder of the project; the script is given [`LONG`] as its argument.
fn shell(script: &'static str) -> Task {
    Task {
        name: "a".into(),
        action: Some(Box::new(move |context| {
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh", LONG]).current_dir(context.path(""));
            context.run(&mut command).map(drop)
        })),
        ..Task::default()
    }
}

/// The process whose number the task has printed has ended.
fn await_end_of_printed(ran: &Ran) {
    let process = ran.reports["a"].out.trim();
    assert!(process.parse::<u32>().is_ok(), "{process:?}");
    // Ended, and perhaps not waited for by whoever inherited it.
    let stat = || fs::read_to_string(format!("/proc/{process}/stat"));
    await_that(process, || stat().map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn a_child_that_takes_too_long_is_ended_with_its_children() {
    let project = Project::new();
    let mut task = shell("sleep $1 & echo $!; wait");
    task.timeout = Some(Duration::from_secs(1));
    let ran = project.run(vec![task], &["a"]);
    assert_eq!((ran.verdict("a"), ran.error("a")), (Verdict::Broken, "took longer than 1s"));
    await_end_of_printed(&ran);
}

#[test]
fn what_a_child_leaves_in_the_background_ends_with_it() {
    for script in ["sleep $1 & echo $!", "sleep $1 >/dev/null 2>&1 & echo $!"] {
        let start = Instant::now();
        let ran = Project::new().run(vec![shell(script)], &["a"]);
        assert_eq!((ran.verdict("a"), ran.error("a")), (Verdict::Succeeded, ""));
        assert!(start.elapsed() < PATIENCE, "{script}: {:?}", start.elapsed());
        await_end_of_printed(&ran);
    }
}

/// Its parent ends when it is told to, and it does not; nor does it let go of their pipes.
#[test]
fn a_grandchild_deaf_to_sigterm_is_killed() {
    let project = Project::new();
    let cancel = Arc::new(AtomicBool::new(false));
    let task = shell("(trap '' TERM; touch deaf; exec sleep $1) & echo $!; wait");
    let options = RunOptions { cancel: Arc::clone(&cancel), ..RunOptions::default() };
    let ran = thread::scope(|scope| {
        scope.spawn(|| {
            await_that("the grandchild is deaf", || project.exists("deaf"));
            cancel.store(true, Ordering::SeqCst);
        });
        project.run_with(vec![task], &["a"], options)
    });
    assert_eq!(ran.verdict("a"), Verdict::Cancelled);
    await_end_of_printed(&ran);
}

/// Not a test of its own: the process that is killed.
#[test]
fn helper() {
    if let Some(root) = std::env::var_os(FOLDER) {
        let script = "touch started; while [ -e wanted ]; do sleep 0.05; done";
        Project::at(root.into()).run(vec![shell(script)], &["a"]);
    }
}

#[test]
fn what_a_killed_run_leaves_keeps_others_out_until_it_ends() {
    let project = Project::new();
    project.write("wanted", "");
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "children::helper", "--quiet"])
        .env(FOLDER, project.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    await_that("its child has started", || project.exists("started"));
    run.kill().unwrap();
    run.wait().unwrap();
    match State::open(&project.state_path(), "test") {
        Err(StateError::Held { holder, .. }) => {
            assert!(
                holder.starts_with(&format!("child processes of process {} (test) on ", run.id())),
                "{holder}"
            );
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(project.path("wanted")).unwrap();
    State::open_waiting(&project.state_path(), "test", &AtomicBool::new(false), &mut |_| {}).unwrap();
}

#[test]
fn what_has_left_its_group_keeps_nobody_out_of_the_state() {
    let project = Project::new();
    let script = "setsid sh -c 'touch away; exec sleep $0' $1 >/dev/null 2>&1 & echo $!
        while ! [ -e away ]; do sleep 0.05; done";
    let ran = project.run(vec![shell(script)], &["a"]);
    assert_eq!(ran.error("a"), "");
    let opened = State::open(&project.state_path(), "test");
    let ended = Command::new("kill").arg(ran.reports["a"].out.trim()).status().unwrap();
    assert!(ended.success(), "it lived on until now");
    opened.unwrap();
}
