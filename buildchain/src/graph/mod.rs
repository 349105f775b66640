//! The task graph: knows no domain, only tasks, their inputs and their outputs.
//!
//! ```
//! use buildchain::graph::{ConsoleReporter, Graph, Input, Output, RunOptions, State, Task, Title, run};
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

mod act;
mod cache;
mod check;
mod children;
mod clean;
mod console;
mod context;
mod digest;
mod export;
mod files;
mod journal;
mod json;
mod judge;
mod list;
mod lookalike;
mod manifest;
mod model;
mod parts;
mod paths;
mod plan;
mod reach;
mod reason;
mod report;
mod run;
mod schedule;
mod select;
mod state;
mod survey;
mod sweep;
mod task;
mod trace;
mod tree;
mod watch;
mod work;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use cache::RECORD_MAX;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use cache::fuzz_records;
pub use cache::{Cache, CacheError, Remote, RemoteError, Swept, Usage};
pub use check::{GraphError, may_name};
pub use clean::{CleanError, Cleaned, Reset, clean, forget, ignore, plan_clean, reset_dep};
pub use console::{ConsoleOptions, ConsoleReporter, duration, quoted};
pub use context::Context;
pub use digest::{Digest, ParseDigestError};
pub use export::{Form, export};
pub use files::LookError;
pub use json::{JsonLinesReporter, JsonReporter};
pub use list::{Explained, Info, ListOptions, Listed, explain, info, list, render_list};
pub use model::{Graph, TaskId};
pub use plan::{Planned, dry_run, plan};
pub use reason::{Change, Reason};
pub use report::{Event, Reporter, Stream, TaskReport, Transfer, Verdict};
pub use run::{Artefact, Outcome, RunError, RunOptions, run};
pub use select::{SelectError, Selection};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use state::fuzz_state;
pub use state::{State, StateError};
pub use sweep::SweepError;
pub use task::{Action, ActionError, Discover, Input, Output, Pool, Retry, Task, Title};
pub use trace::{JunitReporter, TraceReporter};
pub use watch::Watch;

/// Locks also what a panicking thread left: every critical section here leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fewer items than this are not worth a thread.
const WORTH_THREADS: usize = 1000;

/// `work` on each item, by several threads if there are many. Results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = if items.len() < WORTH_THREADS { 1 } else { threads };
    content::parallel::map(threads, items, work)
}
