//! Locks, and work by several threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also after a panic of another thread: no critical section of this crate leaves incomplete data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fewer items than this are not worth a thread.
const WORTH_THREADS: usize = 1000;

/// Does `work` on each item, with several threads if there are many. The results have the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = if items.len() < WORTH_THREADS { 1 } else { threads };
    content::parallel::map(threads, items, work)
}
