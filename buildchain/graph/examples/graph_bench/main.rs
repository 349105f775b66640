//! Measures the task graph on synthetic work.
//!
//! `graph_bench compare FOLDER` does the same work with doit, ninja and the graph, and compares the medians with budgets.
//!
//! `graph_bench SHAPE FOLDER COUNT [JOBS]` runs one graph once and prints the time of its parts. The shape is
//!
//! - `copy`: COUNT tasks, each copying a file with `cp`
//! - `chain`: COUNT tasks, each reading the output of the one before
//! - `one`: one task that reads COUNT files
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::print_stderr, reason = "a program")]

mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use graph::{Graph, ProjectState, RunOptions, Task, TaskInput, TaskOutput, run};

fn copy(name: String, from: String, to: String) -> Task {
    let (source, target) = (from.clone(), to.clone());
    Task {
        name,
        inputs: vec![TaskInput::file(from)],
        outputs: vec![TaskOutput::File(to.into())],
        action: Some(Box::new(move |context| {
            context.run(Command::new("cp").arg(context.path(&source)).arg(context.path(&target)))?;
            Ok(())
        })),
        ..Task::default()
    }
}

fn tasks(shape: &str, count: usize) -> Option<Vec<Task>> {
    match shape {
        "copy" => Some(
            (0..count).map(|i| copy(format!("t{i}"), format!("in/{i}"), format!("_build/out/{i}"))).collect(),
        ),
        "chain" => Some(
            (0..count)
                .map(|i| {
                    let from = if i == 0 { "in/0".to_owned() } else { format!("_build/out/{}", i - 1) };
                    copy(format!("t{i}"), from, format!("_build/out/{i}"))
                })
                .collect(),
        ),
        "one" => {
            let action: graph::TaskAction =
                Box::new(|context| Ok(fs::write(context.path("_build/out"), "done")?));
            Some(vec![Task {
                name: "one".into(),
                inputs: (0..count).map(|i| TaskInput::file(format!("in/{i}"))).collect(),
                outputs: vec![TaskOutput::File("_build/out".into())],
                action: Some(action),
                ..Task::default()
            }])
        }
        _ => None,
    }
}

fn measure(
    shape: &str,
    root: &Path,
    count: usize,
    jobs: usize,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let tasks = tasks(shape, count).ok_or("no such shape")?;
    let graph = Graph::new(root.to_owned(), "_build".into(), tasks, vec![])
        .map_err(|errors| format!("{errors:?}"))?;
    let linked = start.elapsed();
    let mut state = ProjectState::open(&root.join("_build/.state"), "test")?;
    let opened = start.elapsed();
    let options = RunOptions { jobs, ..RunOptions::default() };
    let outcome = run(&graph, &graph.select_all(), &options, &mut state, &mut ())?;
    let ran = start.elapsed();
    say(&format!(
        "linked {linked:?}, opened {:?}, ran {:?}, all {ran:?}: {:?}",
        opened - linked,
        ran - opened,
        outcome.counts
    ));
    Ok(ExitCode::from(outcome.exit()))
}

#[expect(clippy::print_stdout, reason = "a program")]
fn say(line: &str) {
    println!("{line}");
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [word, root] if word == "compare" => peers::compare(Path::new(root)).map(|()| ExitCode::SUCCESS),
        [shape, root, count, jobs @ ..] => {
            let jobs = jobs.first().and_then(|jobs| jobs.parse().ok()).unwrap_or(2);
            let count = count.parse().unwrap_or(1000);
            measure(shape, &PathBuf::from(root), count, jobs)
        }
        _ => Err("usage: graph_bench compare FOLDER | graph_bench copy|chain|one FOLDER COUNT [JOBS]".into()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(3)
    })
}
