//! Children of actions, and their children: none is left behind.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use buildchain::graph::{RunOptions, Task, Verdict};

use crate::scratch::{Project, Ran};

/// How long a condition is waited for on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

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
