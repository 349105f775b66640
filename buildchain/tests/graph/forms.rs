//! Forms for other programs: pictures, traces, JUnit.

use std::time::{Duration, SystemTime};

use buildchain::graph::{
    ActionError, Event, Form, JunitReporter, Reason, Reporter, Task, TaskReport, Title, TraceReporter,
    Verdict, export,
};

use crate::scratch::Project;

fn graph_of(project: &Project) -> buildchain::graph::Graph {
    project.write("in", "1");
    let mut second = project.join("b:<2>", &["_build/a"], "_build/b");
    second.title = Title::new("JOIN", "\"b\"");
    let group = Task { name: "all".into(), after: vec!["b:<2>".into()], ..Task::default() };
    project.graph(vec![group, project.join("_a", &["in"], "_build/a"), second]).unwrap()
}

#[test]
fn the_graph_is_drawn_with_makers_before_those_who_need_them() {
    let project = Project::new();
    let graph = graph_of(&project);
    let drawn = |form| export(&graph, &graph.select(&["all"]).unwrap(), form);
    assert_eq!(
        drawn(Form::Dot),
        "digraph tasks {\n  rankdir=LR;\n  node [shape=box];\n  \"_a\";\n  \"b:<2>\";\n  \"all\" [shape=ellipse];\n  \
         \"_a\" -> \"b:<2>\";\n  \"b:<2>\" -> \"all\";\n}\n"
    );
    assert_eq!(
        drawn(Form::Mermaid),
        "flowchart LR\n  t1[\"_a\"]\n  t2[\"b:<2>\"]\n  t0([\"all\"])\n  t1 --> t2\n  t2 --> t0\n"
    );
    let json: serde_json::Value = serde_json::from_str(&drawn(Form::Json)).unwrap();
    assert_eq!(json["tasks"][1]["needs"], serde_json::json!(["_a"]));
    assert_eq!(json["tasks"][1]["inputs"], serde_json::json!([{"file": "_build/a"}]));
    assert_eq!(json["tasks"][1]["title"], "JOIN           \"b\"");
    let svg = drawn(Form::Svg);
    assert_eq!((svg.matches("<rect").count(), svg.matches("<path").count()), (3, 2));
    assert!(svg.contains(">b:&lt;2&gt;</text>"), "{svg}");
}

/// Three tasks at a time that nobody's clock can disturb: the second overlaps the first, the third follows
/// it.
fn told(graph: &buildchain::graph::Graph, reporter: &mut dyn Reporter) {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let report = |verdict, from: u64, millis: u64| TaskReport {
        started: Some(start + Duration::from_millis(from)),
        elapsed: Some(Duration::from_millis(millis)),
        reasons: vec![Reason::NeverRan],
        ..TaskReport::of(verdict)
    };
    let task = |name: &str| graph.task(graph.find(name).unwrap());
    let mut failed = report(Verdict::Failed, 5, 20);
    failed.error = Some(ActionError::failed("1 < 2").to_string());
    failed.err = "bell \u{7}\n".into();
    reporter.event(&Event::Started { task: task("_a"), reasons: &[] });
    reporter.event(&Event::Started { task: task("b:<2>"), reasons: &[] });
    reporter.event(&Event::Finished { task: task("_a"), report: &report(Verdict::Succeeded, 0, 10) });
    reporter.event(&Event::Finished { task: task("b:<2>"), report: &failed });
    reporter.event(&Event::Finished { task: task("all"), report: &TaskReport::of(Verdict::Blocked) });
    reporter.event(&Event::Ended { exit: 1 });
}

#[test]
fn a_trace_has_a_row_per_worker() {
    let project = Project::new();
    let mut written = Vec::new();
    told(&graph_of(&project), &mut TraceReporter::new(&mut written));
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
fn a_junit_file_has_a_case_per_task() {
    let project = Project::new();
    let mut written = Vec::new();
    told(&graph_of(&project), &mut JunitReporter::new(&mut written, "sealift"));
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"sealift\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"0.030\">\n  \
         <testcase classname=\"sealift\" name=\"_a\" time=\"0.010\"></testcase>\n  \
         <testcase classname=\"sealift\" name=\"b:&lt;2&gt;\" time=\"0.020\"><failure message=\"1 &lt; 2\"/>\
         <system-err>bell \u{fffd}\n</system-err></testcase>\n</testsuite>\n</testsuites>\n"
    );
}
