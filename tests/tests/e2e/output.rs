//! What a run prints: in a log, on a terminal, and in its reports.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{peer, sealift};

use crate::project::Project;

const TASKS: &str = r#"apiVersion: sealift.dev/v1alpha1
kind: Platform
metadata: {name: Example, version: 1.2.3}
spec:
  tasks:
    good: {script: "echo made; echo odd >&2; echo 1 > _build/good", outputs: [_build/good]}
    bad: {script: "echo looked; echo no such thing >&2; exit 3", outputs: [_build/bad], after: [good]}
    gone: {run: [no-such-program], outputs: [_build/gone], after: [good]}
    needs: {run: [cp, _build/bad, _build/needs], inputs: [_build/bad], outputs: [_build/needs]}
    more: {run: [cp, _build/needs, _build/more], inputs: [_build/needs], outputs: [_build/more]}
    slow: {script: "touch started; sleep 600", outputs: [_build/slow]}
"#;

fn project() -> Project {
    let project = Project::new();
    project.write("sealift.yaml", TASKS);
    project
}

/// The text with `TIME` instead of each duration.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(", in ") {
        Some((start, time)) if time.ends_with(" s") => format!("{start}, in TIME\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

const BAD: &str = "\
XX RUN            bad
error: `/bin/sh` exited with code 3
--- stderr
no such thing
--- stdout
looked
help: run it alone: sealift run bad
";

const GONE: &str = "\
XX RUN            gone
error: cannot run `no-such-program`: No such file or directory (os error 2)
help: install `no-such-program`, or add its folder to PATH
";

#[test]
fn a_failure_is_in_a_log_once_with_its_remedy_and_the_last_lines_name_it() {
    let project = project();
    let (code, out, err) = project.sealift(&["run", "-n", "1", "more"]);
    assert_eq!((code, out.as_str()), (1, format!(".  RUN            good\nodd\n{BAD}").as_str()), "{err}");
    assert_eq!(without_times(&err), "error: 1 task failed: bad\n  1 task run, 2 tasks not run, in TIME\n");

    let (code, out, err) = project.sealift(&["run", "-n", "1", "-c", "more", "gone"]);
    assert_eq!(code, 2, "{out}{err}");
    let expected = ["-- RUN            good\n", BAD, GONE];
    assert!(expected.iter().all(|text| out.contains(text)), "{out}");
    assert_eq!(out.len(), expected.concat().len(), "{out}");
    let (first, rest) = err.split_once('\n').unwrap();
    assert!(
        ["error: 2 tasks failed: bad, gone", "error: 2 tasks failed: gone, bad"].contains(&first),
        "{err}"
    );
    assert_eq!(without_times(rest), "  1 task up to date, 2 tasks not run, in TIME\n");

    let (code, out, err) = project.sealift(&["run", "-q", "gone"]);
    assert_eq!((code, out.as_str()), (2, GONE), "{err}");
}

#[test]
fn the_summary_of_named_tasks_has_their_files() {
    let project = project();
    let sha256 = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";
    for (state, counts) in [("", "run"), (" is up to date", "up to date")] {
        let (code, _, err) = project.sealift(&["run", "good"]);
        assert_eq!(code, 0, "{err}");
        let expected =
            format!("done: _build/good{state}, 2 B, in TIME\n  SHA-256 {sha256}\n  1 task {counts}\n");
        assert_eq!(without_times(&err), expected);
    }
    let (_, out, _) = project.sealift(&["run", "good", "--reporter", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let path = project.path("_build/good");
    let file = serde_json::json!({"path": path, "size": 2, "sha256": sha256, "next": null});
    assert_eq!(report["artifacts"], serde_json::json!([file]));
}

/// What a command prints on a terminal, which `script` makes.
fn on_a_terminal(project: &Project, variables: &[(&str, &str)], arguments: &str) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} {arguments}", sealift::binary().display()), "/dev/null"]);
    command.current_dir(project.path("")).stdin(Stdio::null());
    command.env("SEALIFT_CACHE", project.path(".cache")).env("SEALIFT_CACHE_SIZE", "0");
    command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CI");
    command.envs(variables.iter().copied());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn a_terminal_has_a_live_line_and_colors_and_a_log_has_neither() {
    if peer::find("script").is_none() {
        return;
    }
    let (red, redrawn) = ("\u{1b}[31m", "\u{1b}[2K");
    for (variables, arguments, colored, live) in [
        (&[][..], "run bad", true, true),
        (&[("NO_COLOR", "1")], "run bad", false, true),
        (&[], "run bad --color never", false, true),
        (&[("TERM", "dumb")], "run bad", false, false),
        (&[], "run bad -q", true, false),
    ] {
        let text = on_a_terminal(&project(), variables, arguments);
        let found = (text.contains(red), text.contains(redrawn));
        assert_eq!(found, (colored, live), "{variables:?} {arguments}: {text:?}");
        assert_eq!(text.matches("--- stderr\r\nno such thing\r\n").count(), 1, "{text:?}");
    }
    for forced in [&[][..], &["--color", "always"]] {
        let (_, out, err) = project().sealift(&[&["run", "bad"], forced].concat());
        for text in [&out, &err] {
            assert_eq!(text.contains(red), !forced.is_empty(), "{text:?}");
            assert!(!text.contains(redrawn) && !text.contains('\r'), "{text:?}");
        }
    }
}

#[test]
fn a_run_that_is_stopped_says_so_and_what_to_do() {
    let project = project();
    let mut command = project.command();
    command.args(["run", "slow"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !project.path("started").exists() {
        assert!(Instant::now() < until, "the task did not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    peer::run(Command::new("kill").args(["-INT", &run.id().to_string()]));
    let (code, out, err) = sealift::told(&run.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (130, ""), "{err}");
    assert_eq!(
        without_times(&err),
        "error: the run was stopped\n  1 task not run, in TIME\nhelp: run the command again: what is done stays done\n"
    );
}

/// The schema is the one by which Jenkins reads reports.
#[test]
fn a_junit_report_follows_its_schema() {
    if peer::find("xmllint").is_none() {
        return;
    }
    let project = project();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/junit-10.xsd");
    let report = project.path("junit.xml");
    for (tasks, cases) in [(&["good"][..], "1"), (&["good", "more", "gone"], "5")] {
        project.sealift(&[&["run", "-c", "--junit", "junit.xml"], tasks].concat());
        peer::run(Command::new("xmllint").args(["--noout", "--schema"]).args([&schema, &report]));
        let ask = |path: &str| {
            let output = peer::run(Command::new("xmllint").args(["--xpath", path]).arg(&report));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(ask("count(//testcase)"), cases);
        let path = project.path("_build/good");
        assert_eq!(ask("string(//property[@name='artifact.0.path']/@value)"), path.to_str().unwrap());
        assert_eq!(ask("string-length(//testsuite/@timestamp)"), "27");
    }
    let text = fs::read_to_string(&report).unwrap();
    assert!(text.contains("<skipped message=\"needs bad\"/>"), "{text}");
    assert!(text.contains("\nhelp: install `no-such-program`, or add its folder to PATH</error>"), "{text}");
}

#[test]
fn the_times_of_reports_are_those_of_rfc_3339() {
    let project = project();
    let is_time = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00:00:00.000000Z"
    };
    let (_, out, _) = project.sealift(&["run", "-c", "good", "needs", "--reporter", "json-lines"]);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| is_time(&line["time"])), "{out}");
    let ended = |name: &str| lines.iter().find(|line| line["event"] == "finished" && line["name"] == name);
    assert!(is_time(&ended("good").unwrap()["started"]), "{out}");
    assert!(ended("needs").unwrap()["started"].is_null(), "{out}");
    let summary = lines.iter().find(|line| line["event"] == "summary").unwrap();
    assert!(is_time(&summary["started"]) && summary["counts"]["notRun"] == 1, "{out}");
}
