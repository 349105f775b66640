//! The same work on many things at a time.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

/// As many threads as the machine has processors for us.
pub(crate) fn processors() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Does `work` on every item, on `threads` threads. The results are in the order of the items; of several failures it is
/// the first item's that is given back, whichever thread was faster.
pub(crate) fn map<T: Sync, R: Send>(
    threads: NonZero<usize>,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { return done };
            let result = work(item);
            if result.is_err() {
                // All items before this one are taken: what the others still find comes after it.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((position, result));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(take)).collect();
        let mut results = Vec::with_capacity(items.len());
        for worker in workers {
            match worker.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Barrier;

    use super::*;
    use crate::Error;

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
                Ok(item * 2)
            });
            let doubled = doubled.unwrap();
            assert!(doubled.iter().enumerate().all(|(item, doubled)| *doubled == item * 2));
            assert_eq!(doubled.len(), items.len());
            let error = map(threads, &items, |item| match item {
                300..=302 => Err(Error::TooLarge { path: Path::new("x").to_owned(), limit: *item as u64 }),
                _ => Ok(()),
            });
            assert!(matches!(error, Err(Error::TooLarge { limit: 300, .. })), "{error:?}");
            assert!(map(threads, &[] as &[u8], |_| Ok(())).unwrap().is_empty());
        }
    }
}
