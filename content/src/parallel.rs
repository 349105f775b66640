//! The same work on each item of a list, by several threads.
//!
//! The threads belong to the call, so the bound is the caller's: as many as there are processors for work that computes,
//! more for work that waits for a network. In a pool for all calls, items that wait for a lock or for each other could take
//! all threads and never end.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of processors that this process may use: the bound for work that computes.
#[must_use]
pub fn processors() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Calls `work` for every item, on at most `threads` threads; 0 means 1. The results have the order of the items.
pub fn map<T: Sync, R: Send>(
    threads: impl Into<usize>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    map_with(threads, items, || (), |(), item| work(item))
}

/// As [`map`], where each thread makes a `state` once and uses it for all of its items: a buffer, for instance.
pub fn map_with<S, T: Sync, R: Send>(
    threads: impl Into<usize>,
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    gather(threads, items, state, work, |_| false)
}

/// As [`map`], for work that may fail. After a failure, no further item is begun.
///
/// # Errors
///
/// The error of the first item that failed, in the order of the items.
pub fn try_map<T: Sync, R: Send, E: Send>(
    threads: impl Into<usize>,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    try_map_with(threads, items, || (), |(), item| work(item))
}

/// As [`try_map`], where each thread makes a `state` once and uses it for all of its items: a buffer, for instance.
///
/// # Errors
///
/// As [`try_map`].
pub fn try_map_with<S, T: Sync, R: Send, E: Send>(
    threads: impl Into<usize>,
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    gather(threads, items, state, work, Result::is_err).into_iter().collect()
}

/// The results in the order of the items, up to the last that was begun. Once `is_last` is true for a result, no further
/// item is begun.
fn gather<S, T: Sync, R: Send>(
    threads: impl Into<usize>,
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
    is_last: impl Fn(&R) -> bool + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let (mut done, mut state) = (Vec::new(), state());
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { return done };
            let result = work(&mut state, item);
            if is_last(&result) {
                // All items before this one were taken, so the other threads can only skip items after it.
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

    #[test]
    fn each_thread_makes_its_state_once() {
        let made = AtomicUsize::new(0);
        let all = Barrier::new(3);
        let items: Vec<usize> = (0..100).collect();
        let state = || {
            made.fetch_add(1, Ordering::Relaxed);
            all.wait();
            0
        };
        let counted = try_map_with(3_usize, &items, state, |count: &mut usize, _| {
            *count += 1;
            Ok::<_, ()>(*count)
        });
        assert_eq!(made.into_inner(), 3);
        let first = counted.unwrap().into_iter().filter(|count| *count == 1).count();
        assert!((1..=3).contains(&first), "{first} threads had an item");
    }
}
