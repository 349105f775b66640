//! A kill before a write, for tests: a panic that no code catches or cleans up after.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// How many writes are left before the kill; `None` without one.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What the kill panics with.
struct Killed;

/// A write that may be killed.
pub(crate) fn point() {
    LEFT.with(|left| match left.get() {
        Some(0) => std::panic::resume_unwind(Box::new(Killed)),
        Some(more) => left.set(Some(more - 1)),
        None => {}
    });
}

/// Runs `act`, and kills it before write number `number`; `None` if it was killed.
pub(crate) fn killed_at<T>(number: usize, act: impl FnOnce() -> T) -> Option<T> {
    LEFT.with(|left| left.set(Some(number)));
    let outcome = catch_unwind(AssertUnwindSafe(act));
    LEFT.with(|left| left.set(None));
    match outcome {
        Ok(done) => Some(done),
        Err(killed) if killed.is::<Killed>() => None,
        Err(other) => std::panic::resume_unwind(other),
    }
}
