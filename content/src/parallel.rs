//! The same work on each item of a list, by several threads.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many threads as the machine has processors for us: the bound for work that computes. Work that waits for a network
/// has a bound of its own.
#[must_use]
pub fn processors() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Does `work` on every item, on at most `threads` threads, 0 taken as 1. The results are in the order of the items.
pub fn map<T: Sync, R: Send>(
    threads: impl Into<usize>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    gather(threads, items, work, |_| false)
}

/// As [`map`], for work that may fail: once an item has failed none of those that follow it is begun.
///
/// # Errors
///
/// The error of the first item that fails, in their order, whichever thread was faster.
pub fn try_map<T: Sync, R: Send, E: Send>(
    threads: impl Into<usize>,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    gather(threads, items, work, Result::is_err).into_iter().collect()
}

/// The results in the order of the items, up to the last that was begun; `is_last` of a result ends the work.
fn gather<T: Sync, R: Send>(
    threads: impl Into<usize>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    is_last: impl Fn(&R) -> bool + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { return done };
            let result = work(item);
            if is_last(&result) {
                // All items before this one are taken: what the others still find comes after it.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((position, result));
        }
    };
    let mut done: Vec<(usize, R)> = match threads.into().min(items.len()) {
        0 | 1 => take(),
        threads => std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        }),
    };
    done.sort_unstable_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_order_and_the_first_failure_counts() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [1, 2, 7].map(|threads| NonZero::new(threads).unwrap()) {
            // No thread does it alone: each has one of the first items and one of the next.
            let all = Barrier::new(threads.get());
            let doubled = map(threads, &items, |item| {
                if *item < 2 * threads.get() {
                    all.wait();
                }
                item * 2
            });
            assert!(doubled.iter().enumerate().all(|(item, doubled)| *doubled == item * 2));
            assert_eq!(doubled.len(), items.len());
            let failed = try_map(threads, &items, |item| match item {
                300..=302 => Err(*item),
                _ => Ok(*item),
            });
            assert_eq!(failed, Err(300));
            assert_eq!(try_map::<_, _, ()>(threads, &items, |item| Ok(*item)), Ok(items.clone()));
            assert!(map(threads, &[] as &[u8], |_| ()).is_empty());
        }
    }

    #[test]
    fn nothing_is_begun_after_a_failure_and_no_thread_without_an_item() {
        let begun = AtomicUsize::new(0);
        let failed: Result<Vec<()>, ()> = try_map(NonZero::<usize>::MIN, &[0; 10], |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(())
        });
        assert_eq!((failed, begun.into_inner()), (Err(()), 1));
        let here = std::thread::current().id();
        let one = map(NonZero::new(8).unwrap(), &[()], |()| std::thread::current().id());
        assert_eq!(one, [here]);
    }
}
