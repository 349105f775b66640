//! The task graph: knows no domain, only tasks, their inputs and their outputs.
mod check;
mod children;
mod console;
mod context;
mod digest;
mod files;
mod journal;
mod json;
mod judge;
mod lookalike;
mod manifest;
mod model;
mod paths;
mod reason;
mod report;
mod run;
mod schedule;
mod select;
mod state;
mod survey;
mod sweep;
mod task;
mod tree;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use check::GraphError;
pub use console::{ConsoleOptions, ConsoleReporter};
pub use context::Context;
pub use digest::{Digest, ParseDigestError};
pub use files::LookError;
pub use json::{JsonLinesReporter, JsonReporter};
pub use model::{Graph, TaskId};
pub use reason::{Change, Reason};
pub use report::{Event, Reporter, Stream, TaskReport, Verdict};
pub use run::{Outcome, RunError, RunOptions, run};
pub use select::{SelectError, Selection};
pub use state::{State, StateError};
pub use task::{Action, ActionError, Input, Output, Pool, Retry, Task, Title};

/// Locks also what a panicking thread left: every critical section here leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
