//! The task graph: tasks, their inputs and their outputs, without any domain.
//!
//! ```
//! use graph::{ConsoleReporter, Graph, ProjectState, RunOptions, Task, TaskInput, TaskOutput, Title, run};
//!
//! let root = tempfile::tempdir()?;
//! std::fs::write(root.path().join("product.in"), "NAME=Example")?;
//! let tasks = || vec![Task {
//!     name: "product".into(),
//!     title: Title::new("RENDER", "_build/product.txt"),
//!     inputs: vec![TaskInput::file("product.in"), TaskInput::value("version", "1.0")],
//!     outputs: vec![TaskOutput::File("_build/product.txt".into())],
//!     action: Some(Box::new(|context| {
//!         let name = std::fs::read_to_string(context.path("product.in"))?;
//!         std::fs::write(context.path("_build/product.txt"), format!("{name}\nVERSION=1.0\n"))?;
//!         Ok(())
//!     })),
//!     ..Task::default()
//! }];
//!
//! for expected in [".  RENDER         _build/product.txt\n", "-- RENDER         _build/product.txt\n"] {
//!     let graph = Graph::new(root.path().into(), "_build".into(), tasks(), vec![]).map_err(|errors| format!("{errors:?}"))?;
//!     let mut printed = Vec::new();
//!     let mut console = ConsoleReporter::new(&mut printed, Default::default());
//!     let mut state = ProjectState::open(&root.path().join("_build/.state"), "test")?;
//!     let outcome = run(&graph, &graph.select(&["product"])?, &RunOptions::default(), &mut state, &mut console)?;
//!     drop(console);
//!     assert_eq!((outcome.exit(), String::from_utf8(printed)?.as_str()), (0, expected));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When a task is up to date
//!
//! All that a task depends on is written into a *manifest*: the digests of files, the listings of folders, values, the paths
//! of outputs. The SHA-256 of the manifest is the *key*. A task is up to date if its last successful run had the same key,
//! and its outputs are unchanged. Nothing else counts: not the times of files, and not the order of edits. So a task whose
//! inputs were built again with the same content does not run, and neither do those that depend on it.
//!
//! Dependencies follow from paths: a task that reads an output of another task, or a folder with one, depends on that task.
//! [`Task::after`] is for order alone.
//!
//! # What a killed run leaves
//!
//! A task is recorded once its result is on disk, in the [`ProjectState`]; only then can tasks start that depend on it. A run that
//! is killed at any moment loses only the tasks that were running. A task that does not succeed is not recorded, and its
//! outputs are removed: those of an earlier run are moved back, unless the task [resumes](Task::resumes) from them.
//!
//! Outside of the build root, only files that a task itself created in one of its output folders are removed, unless the user
//! edited them. The next run or [`clean`] puts back what a killed run moved aside there; what it may have left is moved to a
//! folder in the build root, since it may also be a file of the user.
//!
//! # What the crate does not know
//!
//! Formats, networks, terminals, clocks (except the one it is given), and the domain: those are up to the actions.
//!
//! # Folders
//!
//! Each uses only those above it in this list.
//!
//! | folder | contents |
//! | --- | --- |
//! | `model` | tasks, the graph that their paths make, selection, what an action can ask for, errors |
//! | `record` | digests of files, inputs, keys and their explanation, the journal, the state |
//! | `cache` | outputs of past runs: local, remote, eviction |
//! | `report` | events and verdicts; console, JSON, trace, JUnit |
//! | `engine` | the run: schedule, workers, actions, child processes, stale outputs, watch |
//! | `query` | list, info, explain, dry run, clean, forget, export |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod cache;
mod engine;
mod model;
mod query;
mod record;
mod report;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use cache::fuzz_records;
pub use cache::{Evicted, RECORD_MAX, RemoteCache, RemoteError, ResultCache, Usage};
pub use engine::children::probe;
pub use engine::error::RunError;
pub use engine::options::RunOptions;
pub use engine::run::run;
pub use engine::watch::Watch;
pub use model::context::TaskContext;
pub use model::error::{ActionError, CannotRun, FileError, GraphError, Help, SelectError};
pub use model::graph::Graph;
pub use model::linked::TaskId;
pub use model::links::may_name;
pub use model::progress::{Stream, Transfer};
pub use model::reason::{InputChange, Reason};
pub use model::selection::SelectedTasks;
pub use model::task::{Discover, Pool, Retry, Task, TaskAction, TaskInput, TaskOutput, Title};
pub use query::clean::{CleanError, Cleaned, KeptFile, clean, plan_clean};
pub use query::dry_run::{PlannedTask, dry_run, plan};
pub use query::explain::{ExplainedTask, explain};
pub use query::export::{GraphForm, export};
pub use query::forget::{ResetTask, forget, ignore, reset_dep};
pub use query::info::{TaskInfo, info};
pub use query::list::{ListOptions, ListedTask, list, render_list};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use record::state::fuzz_state;
pub use record::state::{ProjectState, StateError};
pub use report::console::{ConsoleOptions, ConsoleReporter, quoted};
pub use report::events::{Reporter, RunEvent};
pub use report::json::{JsonLinesReporter, JsonReporter};
pub use report::junit::{JunitReporter, JunitResult, JunitSuite};
pub use report::outcome::{Artifact, RunOutcome, TaskReport, TaskVerdict};
pub use report::trace::TraceReporter;
