//! kill -9 at random moments: finished tasks stay finished, and the result is always the same.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use graph::{Graph, ProjectState, RunOptions, Task, TaskInput, TaskOutput, TaskVerdict, run};

use crate::scratch::{Project, Ran};

/// The variable that makes the test the process that is killed; its value is the project.
const FOLDER: &str = "GRAPH_TEST_KILL";

/// How often the build is killed.
const KILLS: usize = 200;

const TASKS: usize = 40;

/// Forty tasks, each of which reads two others and writes slowly and in place: the worst case of an action.
fn tasks() -> Vec<Task> {
    (0..TASKS)
        .map(|index| {
            let reads: Vec<String> = match index {
                0..2 => vec![format!("src/{index}")],
                _ => vec![format!("_build/{}", index - 1), format!("_build/{}", index / 2)],
            };
            let inputs = reads.iter().map(TaskInput::file).collect();
            Task {
                name: format!("t{index}"),
                inputs,
                outputs: vec![TaskOutput::File(format!("_build/{index}").into())],
                action: Some(Box::new(move |context| {
                    let text: String = reads
                        .iter()
                        .map(|path| fs::read_to_string(context.path(path)))
                        .collect::<Result<_, _>>()?;
                    let output = context.path(format!("_build/{index}"));
                    fs::write(&output, "half")?;
                    thread::sleep(Duration::from_micros(300));
                    let sum = text.bytes().fold(index, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
                    fs::write(&output, sum.to_string())?;
                    Ok(())
                })),
                ..Task::default()
            }
        })
        .collect()
}

fn build(root: &Path) -> Ran {
    let graph = Graph::new(root.into(), "_build".into(), tasks(), vec![]).unwrap();
    let mut state = ProjectState::open(&root.join("_build/.state"), "test").unwrap();
    let mut ran = Ran::default();
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    ran.outcome = run(&graph, &graph.select_all(), &options, &mut state, &mut ran).unwrap();
    assert_eq!(ran.outcome.exit(), 0);
    ran
}

fn results(project: &Project) -> Vec<String> {
    (0..TASKS).map(|index| project.read(&format!("_build/{index}"))).collect()
}

#[test]
fn a_build_that_is_killed_repeatedly_ends_like_one_that_is_not() {
    if let Some(root) = std::env::var_os(FOLDER) {
        build(Path::new(&root));
        return;
    }
    let (whole, killed) = (Project::new(), Project::new());
    for project in [&whole, &killed] {
        project.write("src/0", "a");
        project.write("src/1", "b");
    }
    build(whole.root());
    let (mut ended, mut done) = (0, 0);
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::a_build_that_is_killed_repeatedly_ends_like_one_that_is_not", "--quiet"])
            .env(FOLDER, killed.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Spread over the time that the process needs, with the writing of the state.
        thread::sleep(Duration::from_micros(500 + (round as u64 * 7919) % 25_000));
        child.kill().unwrap();
        ended += usize::from(child.wait().unwrap().success());
        let state = ProjectState::read(&killed.state_path()).unwrap();
        let remembered = graph::list(
            &Graph::new(killed.root().into(), "_build".into(), tasks(), vec![]).unwrap(),
            None,
            graph::ListOptions { status: true, ..Default::default() },
            &state,
        );
        let up_to_date = remembered.unwrap().iter().filter(|listed| listed.status == Some('U')).count();
        assert!(up_to_date >= done, "{done} tasks were done and now {up_to_date}");
        done = up_to_date;
        if done == TASKS {
            killed.write("src/0", &round.to_string());
            whole.write("src/0", &round.to_string());
            build(whole.root());
            done = 0;
        }
    }
    assert!(ended < KILLS, "no run was killed");
    build(killed.root());
    assert_eq!(results(&killed), results(&whole));
    assert_eq!(build(killed.root()).outcome.count(TaskVerdict::UpToDate), TASKS);
}
