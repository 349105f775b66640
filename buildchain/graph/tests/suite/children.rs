//! Child processes of actions, and their children: none is left running.

use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use graph::{ProjectState, RunOptions, StateError, Task, TaskVerdict};

use crate::scratch::{Project, Ran};

/// The variable that makes a test the process that is killed; its value is the project.
const FOLDER: &str = "GRAPH_TEST_CHILDREN";

/// How long to wait for a condition: machines may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Seconds that are longer than any test.
const LONG: &str = "1000";

/// Waits until a condition is true.
fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "{what}: not so after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A task that runs a shell script in the folder of the project, with the argument [`LONG`].
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

/// Waits until the process whose ID the task has printed has ended.
fn wait_for_printed(ran: &Ran) {
    wait_for(ran.reports["a"].out.trim());
}

fn wait_for(process: &str) {
    assert!(process.parse::<u32>().is_ok(), "{process:?}");
    // It has ended, but its new parent may not have reaped it.
    let stat = || fs::read_to_string(format!("/proc/{process}/stat"));
    wait_until(process, || stat().map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn a_child_that_takes_too_long_is_stopped_with_its_children() {
    let project = Project::new();
    let mut task = shell("sleep $1 & echo $!; wait");
    task.timeout = Some(Duration::from_secs(1));
    let ran = project.run(vec![task], &["a"]);
    assert_eq!((ran.verdict("a"), ran.error("a")), (TaskVerdict::Broken, "took longer than 1s"));
    wait_for_printed(&ran);
}

#[test]
fn the_output_of_a_child_that_prints_much_is_in_its_log_and_its_last_lines_in_the_report() {
    for (script, verdict) in [("seq 100; exit 3", TaskVerdict::Failed), ("seq 100", TaskVerdict::Succeeded)] {
        let project = Project::new();
        let task = Task {
            name: "a".into(),
            action: Some(Box::new(move |context| {
                let log = context.path("logs/a.log");
                context.run_logged("lister", Command::new("sh").args(["-c", script]), log).map(drop)
            })),
            ..Task::default()
        };
        let ran = project.run(vec![task], &["a"]);
        assert_eq!(ran.verdict("a"), verdict);
        let log = fs::read_to_string(project.path("logs/a.log")).unwrap();
        assert!(log.starts_with("1\n2\n") && log.ends_with("\n100\n"), "{log}");
        let kept = &ran.reports["a"].err;
        if verdict == TaskVerdict::Failed {
            assert!(kept.starts_with("61\n62\n") && kept.ends_with("\n100\n"), "{kept}");
            assert!(ran.error("a").contains("`lister` exited with code 3; its output is in "));
            assert!(ran.error("a").ends_with("logs/a.log"));
        } else {
            assert_eq!(kept, "");
        }
    }
}

#[test]
fn background_processes_of_a_child_end_with_it() {
    for script in ["sleep $1 & echo $!", "sleep $1 >/dev/null 2>&1 & echo $!"] {
        let start = Instant::now();
        let ran = Project::new().run(vec![shell(script)], &["a"]);
        assert_eq!((ran.verdict("a"), ran.error("a")), (TaskVerdict::Succeeded, ""));
        assert!(start.elapsed() < PATIENCE, "{script}: {:?}", start.elapsed());
        wait_for_printed(&ran);
    }
}

#[test]
fn a_program_that_is_asked_for_its_version_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (script, limits, ended) in [
        ("echo 1.2; echo more >&2", (PATIENCE, 1 << 10), Ok("1.2\nmore\n")),
        ("sleep 3000 >/dev/null 2>&1 & echo $! > child; echo 1.2", (PATIENCE, 1 << 10), Ok("1.2\n")),
        ("sleep 3000 & echo $! > child; wait", (Duration::from_secs(1), 1 << 10), Err(ErrorKind::TimedOut)),
        ("sleep 3000 & echo $! > child; yes", (PATIENCE, 1 << 10), Err(ErrorKind::FileTooLarge)),
        ("exec /nowhere", (PATIENCE, 1 << 10), Ok("")),
    ] {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(folder.path());
        let found = graph::probe(&mut command, limits.0, limits.1);
        let text = found.map_err(|error| error.kind()).map(|output| {
            let text =
                if output.status.success() { [output.stdout, output.stderr].concat() } else { Vec::new() };
            String::from_utf8(text).unwrap()
        });
        assert_eq!(text.as_deref().map_err(|kind| *kind), ended, "{script}");
        if let Ok(child) = fs::read_to_string(folder.path().join("child")) {
            wait_for(child.trim());
        }
    }
}

/// Its parent ends on SIGTERM. The grandchild does not, and keeps the pipes open.
#[test]
fn a_grandchild_that_ignores_sigterm_is_killed() {
    let project = Project::new();
    let cancel = Arc::new(AtomicBool::new(false));
    let task = shell("(trap '' TERM; touch deaf; exec sleep $1) & echo $!; wait");
    let options = RunOptions { cancel: Arc::clone(&cancel), ..RunOptions::default() };
    let ran = thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the grandchild is deaf", || project.exists("deaf"));
            cancel.store(true, Ordering::SeqCst);
        });
        project.run_with(vec![task], &["a"], options)
    });
    assert_eq!(ran.verdict("a"), TaskVerdict::Cancelled);
    wait_for_printed(&ran);
}

#[test]
fn child_processes_of_a_killed_run_hold_the_lock_until_they_end() {
    if let Some(root) = std::env::var_os(FOLDER) {
        let script = "touch started; while [ -e wanted ]; do sleep 0.05; done";
        Project::at(root.into()).run(vec![shell(script)], &["a"]);
        return;
    }
    let project = Project::new();
    project.write("wanted", "");
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "children::child_processes_of_a_killed_run_hold_the_lock_until_they_end",
            "--quiet",
        ])
        .env(FOLDER, project.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("its child has started", || project.exists("started"));
    run.kill().unwrap();
    run.wait().unwrap();
    match ProjectState::open(&project.state_path(), "test") {
        Err(StateError::Held { holder, .. }) => {
            assert!(
                holder.starts_with(&format!("child processes of process {} (test) on ", run.id())),
                "{holder}"
            );
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(project.path("wanted")).unwrap();
    ProjectState::open_waiting(&project.state_path(), "test", &AtomicBool::new(false), &mut |_| {}).unwrap();
}

#[test]
fn a_process_that_left_its_group_does_not_hold_the_lock() {
    let project = Project::new();
    let script = "setsid sh -c 'touch away; exec sleep $0' $1 >/dev/null 2>&1 & echo $!
        while ! [ -e away ]; do sleep 0.05; done";
    let ran = project.run(vec![shell(script)], &["a"]);
    assert_eq!(ran.error("a"), "");
    let opened = ProjectState::open(&project.state_path(), "test");
    let ended = Command::new("kill").arg(ran.reports["a"].out.trim()).status().unwrap();
    assert!(ended.success(), "it lived on until now");
    opened.unwrap();
}
