//! Output for other programs: pictures, traces, JUnit.

use std::path::Path;
use std::time::{Duration, SystemTime};

use graph::{
    ActionError, Artifact, ConsoleOptions, ConsoleReporter, GraphForm, JsonLinesReporter, JsonReporter,
    JunitReporter, ListOptions, ProjectState, Reason, Reporter, RunEvent, RunOptions, RunOutcome, Task,
    TaskInput, TaskReport, TaskVerdict, Title, TraceReporter, explain, export, info, list, plan_clean,
    quoted, render_list, run,
};

use crate::scratch::Project;

fn graph_of(project: &Project) -> graph::Graph {
    project.write("in", "1");
    let mut second = project.join("b:<2>", &["_build/a"], "_build/b");
    second.title = Title::new("JOIN", "\"b\"");
    let group = Task { name: "all".into(), after: vec!["b:<2>".into()], ..Task::default() };
    let mut first = project.join("_a", &["in"], "_build/a");
    first.alias = "files:a".into();
    project.graph(vec![group, first, second]).unwrap()
}

#[test]
fn the_graph_is_drawn_with_dependencies_before_dependents() {
    let project = Project::new();
    let graph = graph_of(&project);
    let drawn = |form| export(&graph, &graph.select(&["all"]).unwrap(), form);
    assert_eq!(
        drawn(GraphForm::Dot),
        "digraph tasks {\n  rankdir=LR;\n  node [shape=box];\n  \"_a\";\n  \"b:<2>\";\n  \"all\" [shape=ellipse];\n  \
         \"_a\" -> \"b:<2>\";\n  \"b:<2>\" -> \"all\";\n}\n"
    );
    assert_eq!(
        drawn(GraphForm::Mermaid),
        "flowchart LR\n  t1[\"_a\"]\n  t2[\"b:<2>\"]\n  t0([\"all\"])\n  t1 --> t2\n  t2 --> t0\n"
    );
    let json: serde_json::Value = serde_json::from_str(&drawn(GraphForm::Json)).unwrap();
    assert_eq!(json["tasks"][1]["needs"], serde_json::json!(["_a"]));
    assert_eq!(json["tasks"][1]["inputs"], serde_json::json!([{"file": "_build/a"}]));
    assert_eq!(json["tasks"][1]["title"], "JOIN           \"b\"");
    let svg = drawn(GraphForm::Svg);
    assert_eq!((svg.matches("<rect").count(), svg.matches("<path").count()), (3, 2));
    assert!(svg.contains(">b:&lt;2&gt;</text>"), "{svg}");
}

/// Reports three tasks with fixed times: the second overlaps the first, the third follows it.
fn report_three(graph: &graph::Graph, reporter: &mut dyn Reporter) {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let report = |verdict, from: u64, millis: u64| TaskReport {
        started: Some(start + Duration::from_millis(from)),
        elapsed: Some(Duration::from_millis(millis)),
        reasons: vec![Reason::NeverRan],
        ..TaskReport::of(verdict)
    };
    let task = |name: &str| graph.task(graph.find(name).unwrap());
    let mut failed = report(TaskVerdict::Failed, 5, 20);
    failed.error = Some(ActionError::failed("1 < 2").to_string());
    failed.err = "bell \u{7}\n".into();
    reporter.event(&RunEvent::Started { task: task("_a"), reasons: &[] });
    reporter.event(&RunEvent::Started { task: task("b:<2>"), reasons: &[] });
    reporter.event(&RunEvent::Finished { task: task("_a"), report: &report(TaskVerdict::Succeeded, 0, 10) });
    reporter.event(&RunEvent::Finished { task: task("b:<2>"), report: &failed });
    reporter.event(&RunEvent::Finished { task: task("all"), report: &TaskReport::of(TaskVerdict::Blocked) });
    let artifact = Artifact {
        path: "/p/_build/a.iso".into(),
        size: 5,
        sha256: content::Digest::of(b"a.iso"),
        next: Some("look".into()),
    };
    let outcome = RunOutcome { started: Some(start), artifacts: vec![artifact], ..RunOutcome::default() };
    reporter.event(&RunEvent::Summary { outcome: &outcome });
    reporter.event(&RunEvent::Ended { exit: 1 });
}

#[test]
fn a_trace_has_a_row_for_each_worker() {
    let project = Project::new();
    let mut written = Vec::new();
    report_three(&graph_of(&project), &mut TraceReporter::new(&mut written));
    let trace: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let bars: Vec<_> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| (&bar["name"], &bar["tid"], &bar["ts"], &bar["dur"]))
        .collect();
    assert_eq!(
        bars,
        [
            (&"_a".into(), &1.into(), &1_000_000_000_u64.into(), &10_000.into()),
            (&"b:<2>".into(), &2.into(), &1_000_005_000_u64.into(), &20_000.into()),
        ]
    );
}

#[test]
fn a_junit_file_has_a_case_for_each_task_and_the_files_as_properties() {
    let project = Project::new();
    let mut written = Vec::new();
    report_three(&graph_of(&project), &mut JunitReporter::new(&mut written, "sealift"));
    assert_eq!(
        String::from_utf8(written).unwrap(),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
             <testsuite name=\"sealift\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"0.030\" \
             timestamp=\"1970-01-01T00:16:40.000000Z\">\n  <properties>\n    \
             <property name=\"artifact.0.path\" value=\"/p/_build/a.iso\"/>\n    \
             <property name=\"artifact.0.size\" value=\"5\"/>\n    \
             <property name=\"artifact.0.sha256\" value=\"{}\"/>\n  </properties>\n  \
             <testcase classname=\"sealift\" name=\"files:a\" time=\"0.010\"></testcase>\n  \
             <testcase classname=\"sealift\" name=\"b:&lt;2&gt;\" time=\"0.020\">\
             <failure type=\"failed\" message=\"1 &lt; 2\">1 &lt; 2</failure>\
             <system-err>bell \u{fffd}\n</system-err></testcase>\n</testsuite>\n</testsuites>\n",
            content::Digest::of(b"a.iso").hex()
        )
    );
}

#[test]
fn a_junit_file_has_public_names_and_no_name_twice() {
    let task = |name: &str| Task {
        name: name.into(),
        alias: "images:nginx:1.27".into(),
        action: Some(Box::new(|_| Ok(()))),
        ..Task::default()
    };
    let mut written = Vec::new();
    let mut junit = JunitReporter::new(&mut written, "s");
    let broken = TaskReport {
        error: Some("no route".into()),
        help: Some("check the network".into()),
        ..TaskReport::of(TaskVerdict::Broken)
    };
    junit.event(&RunEvent::Finished { task: &task("_image_pull:nginx:1.27"), report: &broken });
    let blocked =
        TaskReport { error: Some("_image_pull:nginx:1.27".into()), ..TaskReport::of(TaskVerdict::Blocked) };
    junit.event(&RunEvent::Finished { task: &task("_image_save:nginx:1.27"), report: &blocked });
    junit.event(&RunEvent::Ended { exit: 2 });
    drop(junit);
    let cases: Vec<String> =
        String::from_utf8(written).unwrap().split_inclusive("</testcase>").map(str::to_owned).collect();
    assert!(
        cases[0].contains(
            "name=\"images:nginx:1.27\" time=\"0.000\"><error type=\"error\" message=\"no route\">no route\nhelp: check the network</error>"
        ),
        "{cases:?}"
    );
    assert!(
        cases[1].contains(
            "name=\"images:nginx:1.27 (_image_save:nginx:1.27)\" time=\"0.000\"><skipped message=\"needs images:nginx:1.27\"/>"
        ),
        "{cases:?}"
    );
}

/// Unescaped, this name would write lines of its own and control the terminal.
const EVIL: &str = "a\nXX FORGED\u{1b}[2J\r\u{9b}2J\u{202e}\u{2066}\u{7f}";

#[test]
fn no_name_and_no_text_can_forge_a_line_of_a_report() {
    let project = Project::new();
    let root = project.root().to_owned();
    let tasks = || {
        let mut task = project.join("t", &[&format!("in/{EVIL}")], &format!("_build/{EVIL}"));
        task.doc = format!("Make {EVIL}.");
        task.title = Title::new(EVIL, EVIL);
        task.inputs.push(TaskInput::value(EVIL, EVIL));
        let (make, warns) = (task.action.take().unwrap(), EVIL);
        task.action = Some(Box::new(move |context| {
            context.warn(warns);
            context.log(warns);
            make(context)
        }));
        let mut failing = project.join("f", &[], "_build/f");
        failing.title = Title::new("FAIL", EVIL);
        failing.action = Some(Box::new(|_| Err(ActionError::failed("no"))));
        vec![task, failing]
    };
    project.write(&format!("in/{EVIL}"), "");
    let mut reports: Vec<String> = Vec::new();
    for round in 0..3 {
        let graph = project.graph(tasks()).unwrap();
        let selection = graph.select_all();
        let state_path = project.state_path();
        for form in [GraphForm::Dot, GraphForm::Mermaid, GraphForm::Svg, GraphForm::Json] {
            reports.push(export(&graph, &selection, form));
        }
        let [mut console, mut json, mut lines, mut junit, mut trace] = <[Vec<u8>; 5]>::default();
        {
            let options = ConsoleOptions { verbosity: 2, reasons: true, ..ConsoleOptions::default() };
            let mut reporters: [Box<dyn Reporter>; 5] = [
                Box::new(ConsoleReporter::new(&mut console, options)),
                Box::new(JsonReporter::new(&mut json)),
                Box::new(JsonLinesReporter::new(&mut lines, None)),
                Box::new(JunitReporter::new(&mut junit, EVIL)),
                Box::new(TraceReporter::new(&mut trace)),
            ];
            let mut all =
                |event: &RunEvent<'_>| reporters.iter_mut().for_each(|reporter| reporter.event(event));
            let pruned = Path::new(EVIL);
            all(&RunEvent::Pruned { path: pruned });
            all(&RunEvent::Warned { text: EVIL });
            let options = RunOptions { keep_going: true, always: round == 1, ..RunOptions::default() };
            let mut state = ProjectState::open(&state_path, "test").unwrap();
            let explained = explain(&graph, &selection, &state).unwrap();
            reports.extend(explained.iter().map(ToString::to_string));
            for (id, _) in graph.tasks() {
                reports.push(info(&graph, id, &state).unwrap().to_string());
            }
            let listed =
                list(&graph, None, ListOptions { deps: true, ..Default::default() }, &state).unwrap();
            reports.push(render_list(&listed));
            run(&graph, &selection, &options, &mut state, &mut Each(all)).unwrap();
            for removed in plan_clean(&graph, &selection, &[root.join(EVIL)], &state).unwrap() {
                reports.push(removed.to_string());
            }
        }
        for report in [console, json, lines, junit, trace] {
            reports.push(String::from_utf8(report).unwrap());
        }
        // The changed value is named too.
        project.write(&format!("in/{EVIL}"), "edited");
    }
    let missing = vec![project.join("t", &[&format!("missing{EVIL}")], &format!("_build/{EVIL}"))];
    reports.extend(project.graph(missing).unwrap_err().iter().map(ToString::to_string));
    let similar = vec![
        project.join("t", &[], &format!("_build/{EVIL}")),
        project.join("u", &[&format!("_build/{EVIL}x")], "_build/u"),
    ];
    reports.extend(project.graph(similar).unwrap_err().iter().map(ToString::to_string));
    let named =
        vec![Task { name: EVIL.into(), ..Task::default() }, Task { name: EVIL.into(), ..Task::default() }];
    reports.extend(project.graph(named).unwrap_err().iter().map(ToString::to_string));
    reports.push(project.graph(tasks()).unwrap().select(&[EVIL]).unwrap_err().to_string());
    reports.push(quoted(EVIL).into_owned());
    assert!(reports.iter().filter(|report| report.contains("FORGED")).count() > 20, "{reports:?}");
    for report in reports {
        let acts = |c: char| c != '\n' && content::is_unsafe(c);
        assert!(!report.contains(acts), "{report:?}");
        assert!(!report.lines().any(|line| line.starts_with("XX FORGED")), "{report}");
    }
}

/// A reporter that is a function.
struct Each<F>(F);

impl<F: FnMut(&RunEvent<'_>)> Reporter for Each<F> {
    fn event(&mut self, event: &RunEvent<'_>) {
        (self.0)(event);
    }
}
