//! Locks, and work by several threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks also what a panicking thread left: every critical section here leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fewer items than this are not worth a thread.
const WORTH_THREADS: usize = 1000;

/// `work` on each item, by several threads if there are many. Results in the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = if items.len() < WORTH_THREADS { 1 } else { threads };
    content::parallel::map(threads, items, work)
}
