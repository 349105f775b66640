//! The same work on each item of a list, by several threads.
//!
//! The threads belong to the call, so the bound is the caller's: as many as there are processors for work that computes,
//! more for work that waits for a network. In a pool for all calls, items that wait for a lock or for each other could take
//! all threads and never end.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

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

/// Calls `work` for every item, on at most `threads` threads, and `take` with each result, on this thread and in the order of
/// the items. No item is begun that is more than `ahead` items after the one that `take` waits for, so no more results than
/// that wait for it: memory does not grow with the list.
///
/// # Errors
///
/// The first error of `take`. After it, no further item is begun.
pub fn try_in_order<T: Sync, R: Send, E>(
    threads: impl Into<usize>,
    ahead: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.into().min(items.len());
    if threads <= 1 {
        return items.iter().try_for_each(|item| take(item, work(item)));
    }
    let window = Window::default();
    let run = || {
        let _end = EndOnPanic(&window);
        while let Some((position, item)) = window.next(items, ahead.max(1)) {
            let result = work(item);
            window.change(|state| {
                state.done.insert(position, result);
            });
        }
    };
    std::thread::scope(|scope| {
        let _end = End(&window);
        for _ in 0..threads {
            scope.spawn(run);
        }
        for item in items {
            // Nothing comes if a thread panicked, which the scope passes on.
            let Some(result) = window.take() else { break };
            take(item, result)?;
        }
        Ok(())
    })
}

/// What [`try_in_order`] and its threads share.
struct Window<R> {
    state: Mutex<WindowState<R>>,
    changed: Condvar,
}

struct WindowState<R> {
    begun: usize,
    taken: usize,
    done: BTreeMap<usize, R>,
    is_over: bool,
}

impl<R> Default for Window<R> {
    fn default() -> Self {
        let state = WindowState { begun: 0, taken: 0, done: BTreeMap::new(), is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<R> Window<R> {
    fn change(&self, change: impl FnOnce(&mut WindowState<R>)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// The next item to begin, once it is within `ahead` of what was taken.
    fn next<'a, T>(&self, items: &'a [T], ahead: usize) -> Option<(usize, &'a T)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |state: &mut WindowState<R>| {
            !state.is_over && state.begun < items.len() && state.begun >= state.taken.saturating_add(ahead)
        };
        let mut state = self.changed.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
        if state.is_over {
            return None;
        }
        let position = state.begun;
        let item = items.get(position)?;
        state.begun += 1;
        Some((position, item))
    }

    /// The next result in order; `None` once it is over.
    fn take(&self) -> Option<R> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing =
            |state: &mut WindowState<R>| !state.is_over && !state.done.contains_key(&state.taken);
        let mut state = self.changed.wait_while(state, is_missing).unwrap_or_else(PoisonError::into_inner);
        let position = state.taken;
        let result = state.done.remove(&position);
        state.taken += 1;
        drop(state);
        self.changed.notify_all();
        result
    }
}

/// Lets no thread wait for what does not come any more.
struct End<'a, R>(&'a Window<R>);

impl<R> Drop for End<'_, R> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_over = true);
    }
}

struct EndOnPanic<'a, R>(&'a Window<R>);

impl<R> Drop for EndOnPanic<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(End(self.0));
        }
    }
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

    #[test]
    fn results_are_taken_in_order_and_few_wait() {
        let items: Vec<usize> = (0..500).collect();
        for threads in [1_usize, 2, 5] {
            let (begun, mut taken) = (AtomicUsize::new(0), Vec::new());
            let done = try_in_order(
                threads,
                7,
                &items,
                |item| (begun.fetch_add(1, Ordering::Relaxed), *item),
                |item, (_, result)| {
                    assert_eq!(*item, result);
                    assert!(begun.load(Ordering::Relaxed) <= taken.len() + 1 + 7, "{}", taken.len());
                    taken.push(result);
                    Ok::<_, ()>(())
                },
            );
            assert_eq!((done, &taken), (Ok(()), &items));
        }
    }

    #[test]
    fn nothing_is_begun_after_the_taker_failed_and_a_panic_is_passed_on() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let failed = try_in_order(
            3_usize,
            4,
            &items,
            |item| {
                begun.fetch_add(1, Ordering::Relaxed);
                *item
            },
            |_, result| if result == 10 { Err(result) } else { Ok(()) },
        );
        assert_eq!(failed, Err(10));
        assert!(begun.into_inner() <= 15);
        let panicked = std::panic::catch_unwind(|| {
            try_in_order(2_usize, 4, &items, |item| assert!(*item < 20), |_, ()| Ok::<_, ()>(()))
        });
        assert!(panicked.is_err());
    }
}
