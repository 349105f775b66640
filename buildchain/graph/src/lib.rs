//! The task graph: knows no domain, only tasks, their inputs and their outputs.
//!
//! ```
//! use graph::{ConsoleReporter, Graph, Input, Output, RunOptions, State, Task, Title, run};
//!
//! let root = tempfile::tempdir()?;
//! std::fs::write(root.path().join("product.in"), "NAME=Example")?;
//! let tasks = || vec![Task {
//!     name: "product".into(),
//!     title: Title::new("RENDER", "_build/product.txt"),
//!     inputs: vec![Input::file("product.in"), Input::value("version", "1.0")],
//!     outputs: vec![Output::File("_build/product.txt".into())],
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
//!     let mut state = State::open(&root.path().join("_build/.state"), "test")?;
//!     let outcome = run(&graph, &graph.select(&["product"])?, &RunOptions::default(), &mut state, &mut console)?;
//!     drop(console);
//!     assert_eq!((outcome.exit(), String::from_utf8(printed)?.as_str()), (0, expected));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a task is judged
//!
//! All that a task depends on is written into a *manifest*: the digests of files, the listings of folders,
//! values, the paths it makes. The SHA-256 of the manifest is its *key*. A task is up to date if its last
//! successful run had the same key and all it left is still there, unchanged. Nothing else counts: not the
//! time of a file, not the order of edits. So a task whose inputs were made anew with the same content does
//! not run, and the wave stops there.
//!
//! An edge is a path: who reads what another makes, or reads the folder it is in, comes after it.
//! [`Task::after`] is for order alone.
//!
//! # What survives what
//!
//! A task is remembered when its record is on disk, in the [`State`]; only then may tasks start that need it.
//! Killed at any moment, a run loses at most the tasks that ran. Of a task that does not succeed nothing is
//! remembered, and nothing that it made is left: what an earlier run of it left stands there again, unless it
//! [continues](Task::resumes) that. Nothing is built on it in the same run. Nothing outside of the build root is ever removed.
//!
//! # What it does not know
//!
//! No formats, no network, no terminal, no clock but the one it is given, and no domain: what an action does
//! is its own affair.
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
pub use cache::{Cache, CacheError, RECORD_MAX, Remote, RemoteError, Swept, Usage};
pub use engine::context::Context;
pub use engine::run::{Artefact, Outcome, RunError, RunOptions, run};
pub use engine::sweep::SweepError;
pub use engine::watch::Watch;
pub use model::graph::{Graph, TaskId};
pub use model::links::{GraphError, may_name};
pub use model::reason::{Change, Reason};
pub use model::selection::{SelectError, Selection};
pub use model::task::{Action, ActionError, Discover, Input, Output, Pool, Retry, Task, Title};
pub use query::clean::{CleanError, Cleaned, Reset, clean, forget, ignore, plan_clean, reset_dep};
pub use query::dry_run::{Planned, dry_run, plan};
pub use query::export::{Form, export};
pub use query::list::{Explained, Info, ListOptions, Listed, explain, info, list, render_list};
pub use record::digest::{Digest, ParseDigestError};
pub use record::files::LookError;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use record::state::fuzz_state;
pub use record::state::{State, StateError};
pub use report::console::{ConsoleOptions, ConsoleReporter, duration, quoted};
pub use report::events::{Event, Reporter, Stream, TaskReport, Transfer, Verdict};
pub use report::json::{JsonLinesReporter, JsonReporter};
pub use report::trace::{JunitReporter, TraceReporter};
