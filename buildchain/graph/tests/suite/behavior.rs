//! The behavior of a run: limits, retries, stopping, and what it prints.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use graph::{
    ActionError, Artifact, ConsoleOptions, ConsoleReporter, Graph, JsonLinesReporter, JsonReporter, Pool,
    ProjectState, Reporter, Retry, RunEvent, RunOptions, Task, TaskAction, TaskOutput, TaskReport,
    TaskVerdict, Title, Transfer, run,
};

use crate::scratch::Project;

fn act(name: &str, action: TaskAction) -> Task {
    Task { name: name.into(), title: Title::new("ACT", name), action: Some(action), ..Task::default() }
}

/// What the console prints for a run of all tasks.
fn printed(project: &Project, tasks: Vec<Task>, console: ConsoleOptions, options: &RunOptions) -> String {
    let graph = project.graph(tasks).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let mut written = Vec::new();
    let mut reporter = ConsoleReporter::new(&mut written, console);
    run(&graph, &graph.select_all(), options, &mut state, &mut reporter).unwrap();
    drop(reporter);
    String::from_utf8(written).unwrap()
}

#[test]
fn the_console_prints_the_marks_of_doit() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || {
        let mut private = project.join("_a", &["in"], "_build/a");
        private.title = Title::new("JOIN", project.path("_build/a").display().to_string());
        let group = Task { name: "all".into(), after: vec!["_a".into(), "b".into()], ..Task::default() };
        vec![private, project.join("b", &["_build/a"], "_build/b"), group]
    };
    let print = || printed(&project, tasks(), ConsoleOptions::default(), &RunOptions::default());
    assert_eq!(print(), ".  JOIN           _build/a\n.  JOIN           _build/b\n");
    assert_eq!(print(), "-- JOIN           _build/a\n-- JOIN           _build/b\n");
    let graph = project.graph(tasks()).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    graph::ignore(&graph, &graph.select(&["b"]).unwrap(), &mut state).unwrap();
    drop(state);
    assert_eq!(print(), "-- JOIN           _build/a\n!! JOIN           _build/b\n");
}

#[test]
fn a_failure_is_printed_once_under_its_public_name() {
    let project = Project::new();
    let mut no = act(
        "_no:1.25",
        Box::new(|context| {
            context.log("looking");
            context.warn("odd");
            Err(ActionError::failed("digest differs"))
        }),
    );
    no.alias = "images:no:1.25".into();
    no.title = Title::new("ACT", "no");
    let mut after = act("_after", Box::new(|_| Ok(())));
    after.alias = "images:after".into();
    after.after.push("_no:1.25".into());
    let last = Task { name: "images".into(), after: vec!["_after".into()], ..Task::default() };
    let other = act(
        "other",
        Box::new(|context| {
            context.warn("careful");
            Ok(())
        }),
    );
    let options = RunOptions { keep_going: true, ..RunOptions::default() };
    let console = ConsoleOptions { command: Some("cargo xtask".into()), ..ConsoleOptions::default() };
    assert_eq!(
        printed(&project, vec![other, no, after, last], console, &options),
        "\
.  ACT            other
careful
XX ACT            no
error: digest differs
--- stderr
odd
--- stdout
looking
help: run it alone: cargo xtask images:no:1.25
"
    );
}

#[test]
fn each_end_of_a_task_has_its_mark_and_colors_only_where_they_are_wanted() {
    let task = act("t", Box::new(|_| Ok(())));
    let failed = || TaskReport {
        error: Some("no route\u{1b}[2J".into()),
        help: Some("check the network".into()),
        err: "retrying\n".into(),
        ..TaskReport::of(TaskVerdict::Broken)
    };
    let printed = |color| {
        let options = ConsoleOptions { color, ..ConsoleOptions::default() };
        let mut written = Vec::new();
        let mut reporter = ConsoleReporter::new(&mut written, options);
        let pause = Duration::from_secs(1);
        reporter.event(&RunEvent::Retrying { task: &task, error: "no route", pause });
        reporter.event(&RunEvent::Warned { text: "the cache is full" });
        let pulled = TaskReport {
            bytes: 12_300_000,
            elapsed: Some(Duration::from_millis(4_200)),
            ..TaskReport::of(TaskVerdict::Succeeded)
        };
        for report in [
            pulled,
            TaskReport::of(TaskVerdict::UpToDate),
            TaskReport::of(TaskVerdict::Restored),
            TaskReport::of(TaskVerdict::Ignored),
            failed(),
            TaskReport::of(TaskVerdict::Blocked),
        ] {
            reporter.event(&RunEvent::Finished { task: &task, report: &report });
        }
        reporter.event(&RunEvent::Ended { exit: 2 });
        drop(reporter);
        String::from_utf8(written).unwrap()
    };
    assert_eq!(
        printed(false),
        "\
t failed, retrying in 1s: no route
warning: the cache is full
.  ACT            t (4.2 s, 12.3 MB)
-- ACT            t
<- ACT            t
!! ACT            t
XX ACT            t
error: no route\\u{1b}[2J
--- stderr
retrying
help: check the network
"
    );
    let colored = printed(true);
    assert!(colored.contains("\u{1b}[1m\u{1b}[31merror\u{1b}[0m: no route\\u{1b}[2J\n"), "{colored}");
    let plain = colored
        .split('\u{1b}')
        .map(|part| part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |part| part.1));
    assert_eq!(plain.collect::<String>(), printed(false));
}

/// What a reporter prints for a task that ends like this.
fn line(report: &TaskReport) -> (String, String) {
    let task = act("t", Box::new(|_| Ok(())));
    let mut written = Vec::new();
    let mut reporter = ConsoleReporter::new(&mut written, ConsoleOptions::default());
    reporter.event(&RunEvent::Started { task: &task, reasons: &[] });
    reporter.tick();
    drop(reporter);
    let at_start = String::from_utf8(std::mem::take(&mut written)).unwrap();
    let mut reporter = ConsoleReporter::new(&mut written, ConsoleOptions::default());
    reporter.event(&RunEvent::Finished { task: &task, report });
    drop(reporter);
    (at_start, String::from_utf8(written).unwrap())
}

#[test]
fn a_line_is_printed_at_the_end_of_a_task_with_the_time_of_a_long_one() {
    for (millis, printed) in [
        (999, ".  ACT            t\n"),
        (1_000, ".  ACT            t (1.0 s)\n"),
        (59_940, ".  ACT            t (59.9 s)\n"),
        (250_000, ".  ACT            t (4 min 10 s)\n"),
    ] {
        let elapsed = Some(Duration::from_millis(millis));
        let report = TaskReport { elapsed, ..TaskReport::of(TaskVerdict::Succeeded) };
        assert_eq!(line(&report), (String::new(), printed.to_owned()));
    }
    assert_eq!(line(&TaskReport::of(TaskVerdict::Cancelled)).1, "");
}

#[test]
fn the_transfers_of_an_action_are_reported_while_it_runs() {
    struct Heard(Vec<String>);
    impl Reporter for Heard {
        fn event(&mut self, event: &RunEvent<'_>) {
            match event {
                RunEvent::Transfer { task, step } => self.0.push(format!("{}: {step:?}", task.name)),
                RunEvent::Finished { task, .. } => self.0.push(format!("{}: finished", task.name)),
                _ => {}
            }
        }
    }
    let project = Project::new();
    let steps = [
        Transfer::Planned { verb: "pulling", parts: 1, bytes: 2 },
        Transfer::Advance { part: "p".into(), bytes: 2 },
        Transfer::End { part: "p".into() },
    ];
    let said = steps.clone();
    let task = act(
        "a",
        Box::new(move |context| {
            said.iter().cloned().for_each(|step| context.transfer(step));
            Ok(())
        }),
    );
    let graph = project.graph(vec![task]).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let mut heard = Heard(Vec::new());
    run(&graph, &graph.select_all(), &RunOptions::default(), &mut state, &mut heard).unwrap();
    let mut expected: Vec<String> = steps.iter().map(|step| format!("a: {step:?}")).collect();
    expected.push("a: finished".into());
    assert_eq!(heard.0, expected);
}

#[test]
fn tasks_that_did_not_run_are_counted_and_not_named() {
    let project = Project::new();
    for keep_going in [true, false] {
        let mut tasks = vec![act("no", Box::new(|_| Err(ActionError::failed("no"))))];
        for index in 0..1000 {
            let mut after = act(&format!("t{index:03}"), Box::new(|_| Ok(())));
            after.after.push("no".into());
            tasks.push(after);
        }
        let graph = project.graph(tasks).unwrap();
        let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
        let mut written = Vec::new();
        let mut reporter = ConsoleReporter::new(&mut written, ConsoleOptions::default());
        let options = RunOptions { keep_going, ..RunOptions::default() };
        let outcome = run(&graph, &graph.select_all(), &options, &mut state, &mut reporter).unwrap();
        drop(reporter);
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "XX ACT            no\nerror: no\nhelp: run it alone: sealift run no\n");
        assert_eq!((outcome.failed.as_slice(), outcome.not_run()), (["no".to_owned()].as_slice(), 1000));
    }
}

#[test]
fn a_run_reports_the_output_that_it_built_or_found() {
    let project = Project::new();
    project.write("in", "1");
    for (ran, found) in [(1, 0), (0, 1)] {
        let graph = project
            .graph(vec![project.join("_a", &["in"], "_build/a"), act("z", Box::new(|_| Ok(())))])
            .unwrap();
        let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
        let artifacts = vec![("_build/a".into(), Some("look at _build/a".to_owned()))];
        let options = RunOptions { artifacts, ..RunOptions::default() };
        let mut written = Vec::new();
        let mut reporter = JsonReporter::new(&mut written);
        let asked = graph.select(&["_a"]).unwrap();
        let outcome = run(&graph, &asked, &options, &mut state, &mut reporter).unwrap();
        drop(reporter);
        // `printf 1_a | sha256sum`
        let sha256 = "b8462741ddbd96fff684353ace0d07d47b90b5860a3fbd76366a6728f9ac76b5";
        let path = project.path("_build/a");
        let artifact = Artifact {
            path: path.clone(),
            size: 3,
            sha256: content::Digest::from_hex(sha256).unwrap(),
            next: Some("look at _build/a".into()),
        };
        assert_eq!(outcome.artifacts, [artifact]);
        let report: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(
            report["artifacts"],
            serde_json::json!([{"path": path, "size": 3, "sha256": sha256, "next": "look at _build/a"}])
        );
        assert_eq!(
            report["counts"],
            serde_json::json!({"ran": ran, "restored": 0, "upToDate": found, "ignored": 0, "failed": 0, "notRun": 0})
        );
        assert!(report["elapsed"].is_f64());
        assert_eq!(report["tasks"][0]["publicName"], "_a");

        // Not an output of this run.
        let asked = graph.select(&["z"]).unwrap();
        assert_eq!(run(&graph, &asked, &options, &mut state, &mut ()).unwrap().artifacts, []);
    }
}

#[test]
fn a_task_is_found_by_its_public_name() {
    let project = Project::new();
    let task = |name: &str, alias: &str| {
        let mut task = act(name, Box::new(|_| Ok(())));
        task.alias = alias.into();
        task
    };
    let graph = project
        .graph(vec![
            task("_pull:nginx:1.25", "images:nginx:1.25"),
            task("_save:nginx:1.25", "images:nginx:1.25"),
            task("_pull:nginx:1.26", "images:nginx:1.26"),
            task("_pull:nginx-x:1", "images:nginx-x:1"),
            task("images", ""),
        ])
        .unwrap();
    for (asked, meant) in [
        ("images:nginx:1.25", &["_pull:nginx:1.25", "_save:nginx:1.25"][..]),
        ("images:nginx", &["_pull:nginx:1.25", "_save:nginx:1.25", "_pull:nginx:1.26"]),
        ("images:*x:1", &["_pull:nginx-x:1"]),
        ("images", &["images"]),
        ("_pull:*", &["_pull:nginx:1.25", "_pull:nginx:1.26", "_pull:nginx-x:1"]),
    ] {
        let selection = graph.select(&[asked]).unwrap();
        let found: Vec<&str> = selection.tasks().iter().map(|id| graph.task(*id).name.as_str()).collect();
        assert_eq!(found, meant, "{asked}");
    }
    for asked in ["", ":", "images:", "images:ngin"] {
        assert!(graph.select(&[asked]).is_err(), "{asked:?}");
    }
    let error = graph.select(&["images:ngnix"]).unwrap_err().to_string();
    assert!(error.contains("`images:nginx:1.25` or `images:nginx:1.26`?"), "{error}");
}

#[test]
fn the_outputs_of_tasks_are_never_mixed() {
    let project = Project::new();
    let talk = |name: &'static str| {
        act(
            name,
            Box::new(move |context| {
                for line in 0..20 {
                    context.log(format!("{name}{line}"));
                    thread::sleep(Duration::from_micros(200));
                }
                Ok(())
            }),
        )
    };
    let console = ConsoleOptions { verbosity: 2, ..ConsoleOptions::default() };
    let options = RunOptions { jobs: 3, ..RunOptions::default() };
    let text = printed(&project, vec![talk("a"), talk("b"), talk("c")], console, &options);
    for name in ["a", "b", "c"] {
        let block: String = (0..20).map(|line| format!("{name}{line}\n")).collect();
        assert!(text.contains(&block), "{text}");
    }
}

#[test]
fn every_line_of_the_stream_is_complete_json_at_any_time() {
    let project = Project::new();
    project.write("in", "1");
    let graph = project.graph(vec![project.join("a", &["in"], "_build/a")]).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let mut written = Vec::new();
    let options = RunOptions { clock: Some(|| std::time::SystemTime::UNIX_EPOCH), ..RunOptions::default() };
    let mut reporter = JsonLinesReporter::new(&mut written, options.clock);
    run(&graph, &graph.select_all(), &options, &mut state, &mut reporter).unwrap();
    drop(reporter);
    let lines: Vec<serde_json::Value> = written
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["begun", "started", "finished", "summary", "ended"]);
    let epoch = "1970-01-01T00:00:00.000000Z";
    assert!(lines.iter().all(|line| line["time"] == epoch), "{lines:?}");
    assert_eq!(lines[3]["started"], epoch);
    let end = &lines[2];
    assert_eq!((&end["result"], &end["cache"]), (&"success".into(), &"miss".into()));
    assert_eq!(end["started"], epoch);
    assert_eq!(end["reason"][0], "no successful run is recorded");
    assert_eq!(end["key"].as_str().unwrap().len(), 64);
}

#[test]
fn no_more_tasks_run_at_once_than_jobs_and_pools_allow() {
    let project = Project::new();
    for (jobs, slots, bound) in [(4, 4, 4), (4, 1, 1), (2, 4, 2), (1, 4, 1)] {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let together = Arc::new(Barrier::new(bound));
        let tasks = (0..12).map(|index| {
            let (now, most, together) = (now.clone(), most.clone(), together.clone());
            let mut task = act(
                &format!("t{index}"),
                Box::new(move |_| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // All that may run at once do, or none of them continues.
                    together.wait();
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                }),
            );
            task.pool = Some("network".into());
            task.always = true;
            task
        });
        let pools = vec![Pool { name: "network".into(), slots }];
        let graph = Graph::new(project.root().into(), "_build".into(), tasks.collect(), pools).unwrap();
        let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
        let options = RunOptions { jobs, ..RunOptions::default() };
        run(&graph, &graph.select_all(), &options, &mut state, &mut ()).unwrap();
        assert_eq!(most.load(Ordering::SeqCst), bound, "{jobs} jobs, {slots} slots");
    }
}

/// A pool of 10: tasks of weight 4 run two at a time, one of 9 alone, one of 50 when all others are done.
#[test]
fn heavy_tasks_take_more_of_their_pool() {
    let project = Project::new();
    let (now, most, alone) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let weights = [4, 4, 50, 4, 9, 4, 0, 1, 4];
    let tasks = weights.iter().enumerate().map(|(index, &weight)| {
        let (now, most, alone) = (now.clone(), most.clone(), alone.clone());
        let mut task = act(
            &format!("t{index}"),
            Box::new(move |_| {
                let takes = weight.clamp(1, 10);
                let taken = now.fetch_add(takes, Ordering::SeqCst) + takes;
                most.fetch_max(taken, Ordering::SeqCst);
                if weight == 50 {
                    alone.fetch_add(taken, Ordering::SeqCst);
                }
                thread::sleep(Duration::from_millis(5));
                now.fetch_sub(takes, Ordering::SeqCst);
                Ok(())
            }),
        );
        (task.pool, task.weight) = (Some("memory".into()), weight);
        task
    });
    let pools = vec![Pool { name: "memory".into(), slots: 10 }];
    let graph = Graph::new(project.root().into(), "_build".into(), tasks.collect(), pools).unwrap();
    let mut state = ProjectState::open(&project.state_path(), "test").unwrap();
    let options = RunOptions { jobs: 6, ..RunOptions::default() };
    let outcome = run(&graph, &graph.select_all(), &options, &mut state, &mut ()).unwrap();
    assert_eq!((outcome.exit(), outcome.count(TaskVerdict::Succeeded)), (0, weights.len()));
    assert!(most.load(Ordering::SeqCst) <= 10, "{most:?}");
    assert_eq!(alone.load(Ordering::SeqCst), 10);
}

#[test]
fn a_broken_action_is_retried_and_a_failed_one_is_not() {
    let project = Project::new();
    for (broken, times, verdict, attempts) in [
        (true, 3, TaskVerdict::Succeeded, 3),
        (true, 1, TaskVerdict::Broken, 2),
        (false, 3, TaskVerdict::Failed, 1),
    ] {
        let tries = Arc::new(AtomicUsize::new(0));
        let mut task = act(
            "a",
            Box::new({
                let tries = tries.clone();
                move |_| match tries.fetch_add(1, Ordering::SeqCst) {
                    2.. => Ok(()),
                    _ if broken => Err(ActionError::broken("connection reset")),
                    _ => Err(ActionError::failed("404")),
                }
            }),
        );
        task.always = true;
        task.retry = Retry { times, pause: Duration::from_millis(1), failed: false };
        let ran = project.run(vec![task], &["a"]);
        assert_eq!((ran.verdict("a"), ran.reports["a"].attempts), (verdict, attempts));
        if verdict == TaskVerdict::Succeeded {
            assert!(
                ran.reports["a"].retried.first().is_some_and(|error| error == "connection reset"),
                "{:?}",
                ran.reports["a"].err
            );
        }
    }
}

#[test]
fn a_stopped_run_keeps_finished_tasks_and_no_partial_output() {
    let project = Project::new();
    project.write("in", "1");
    let cancel = Arc::new(AtomicBool::new(false));
    let mut stopped = project.join("b", &["_build/a"], "_build/b");
    let stop = cancel.clone();
    stopped.action = Some(Box::new(move |context| {
        fs::write(context.path("_build/b"), "half")?;
        stop.store(true, Ordering::SeqCst);
        context.run(Command::new("sleep").arg("3000")).map(drop)
    }));
    let tasks =
        vec![project.join("a", &["in"], "_build/a"), stopped, project.join("c", &["_build/b"], "_build/c")];
    let start = Instant::now();
    let ran = project.run_with(tasks, &["c"], RunOptions { cancel, ..RunOptions::default() });
    assert!(start.elapsed() < Duration::from_secs(300), "{:?}", start.elapsed());
    assert!(ran.outcome.cancelled);
    assert_eq!((ran.verdict("a"), ran.verdict("b")), (TaskVerdict::Succeeded, TaskVerdict::Cancelled));
    assert_eq!(ran.outcome.count(TaskVerdict::Cancelled), 2);
    assert!(!project.exists("_build/b"));
    let tasks = vec![project.join("a", &["in"], "_build/a"), project.join("b", &["_build/a"], "_build/b")];
    assert_eq!(project.run(tasks, &["b"]).verdict("a"), TaskVerdict::UpToDate);
}

#[test]
fn a_panic_is_an_error_of_its_task() {
    let project = Project::new();
    let ran = project.run(vec![act("a", Box::new(|_| panic!("index {} of 3", 7)))], &["a"]);
    assert_eq!(
        (ran.verdict("a"), ran.error("a")),
        (TaskVerdict::Broken, "the action panicked: index 7 of 3")
    );
}

#[test]
fn folders_are_emptied_unless_the_task_resumes() {
    let project = Project::new();
    for (resumes, kept) in [(false, "new"), (true, "new old")] {
        let task = |value: &'static str| {
            let mut task =
                act("a", Box::new(move |context| Ok(fs::write(context.path("_build/d").join(value), "")?)));
            task.outputs.push(TaskOutput::Folder("_build/d".into()));
            task.always = true;
            task.resumes = resumes;
            task
        };
        project.run(vec![task("old")], &["a"]);
        project.run(vec![task("new")], &["a"]);
        let mut names: Vec<_> = fs::read_dir(project.path("_build/d"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.join(" "), kept);
    }
}

#[test]
fn single_and_always_change_what_runs() {
    let project = Project::new();
    project.write("in", "1");
    let tasks = || vec![project.join("a", &["in"], "_build/a"), project.join("b", &["_build/a"], "_build/b")];
    project.run(tasks(), &["b"]);
    project.take_ran();
    project.write("in", "2");
    project.run_with(tasks(), &["b"], RunOptions { single: true, ..RunOptions::default() });
    assert!(project.take_ran().is_empty());
    let ran = project.run_with(tasks(), &["b"], RunOptions { always: true, ..RunOptions::default() });
    assert_eq!(project.take_ran(), ["a", "b"]);
    assert_eq!(ran.reasons("b")[0], "it was forced to run");
}

/// Its old output is restored, but it is not the one that was requested.
#[test]
fn a_single_run_blocks_dependents_of_a_failed_task() {
    let project = Project::new();
    project.write("in", "1");
    project.write("other", "1");
    let tasks = |sound: bool| {
        let mut first = project.join("a", &["in"], "_build/a");
        if !sound {
            first.action = Some(Box::new(|_| Err(ActionError::failed("untidy"))));
        }
        let next = project.join("b", &["_build/a", "other"], "_build/b");
        vec![first, next, project.join("c", &["_build/b", "other"], "_build/c")]
    };
    project.run(tasks(true), &["c"]);
    project.write("in", "2");
    project.write("other", "2");
    let single = || RunOptions { single: true, keep_going: true, jobs: 2, ..RunOptions::default() };
    for (asked, blocker) in [(["a", "b"], "a"), (["c", "a"], "b")] {
        let ran = project.run_with(tasks(false), &asked, single());
        let last = asked.into_iter().max().unwrap();
        assert_eq!((ran.verdict("a"), ran.verdict(last)), (TaskVerdict::Failed, TaskVerdict::Blocked));
        assert_eq!(ran.error(last), blocker);
        assert_eq!(ran.reports.len(), 2);
    }
    assert_eq!((project.read("_build/a").as_str(), project.read("_build/b").as_str()), ("1a", "1a1b"));
    // A dependency that succeeds also runs first, whatever is between them.
    let ran = project.run_with(tasks(true), &["c", "a"], single());
    assert_eq!((ran.started, ran.outcome.exit()), (vec!["a".to_owned(), "c".to_owned()], 0));
    assert_eq!(project.read("_build/c"), "1a1b2c");
}

#[test]
fn a_failed_task_is_not_up_to_date_after_an_earlier_success() {
    let project = Project::new();
    let lint = |clean: bool| {
        act("lint", Box::new(move |_| if clean { Ok(()) } else { Err(ActionError::failed("untidy")) }))
    };
    project.run(vec![lint(true)], &["lint"]);
    let forced = RunOptions { always: true, ..RunOptions::default() };
    assert_eq!(project.run_with(vec![lint(false)], &["lint"], forced).verdict("lint"), TaskVerdict::Failed);
    assert_eq!(project.run(vec![lint(true)], &["lint"]).verdict("lint"), TaskVerdict::Succeeded);
}
