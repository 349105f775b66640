//! The same work on many items, some of them at a time, and the first failure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Inbox, RegistryFault, TransferProgress};

/// How often to check whether to stop.
const PULSE: Duration = Duration::from_millis(100);

/// What became of an item.
pub(crate) enum Worked<I, T> {
    /// The work is done, with this result.
    Done(T),
    /// The item must wait: it goes to the end of the queue.
    Later(I),
}

/// Works on all items, `at_once` of them at a time and in their order, and returns the results in the same order. Passes on
/// to `progress` what the tasks report; the first failure cancels the rest. `broken` makes the error of a task that did not
/// end.
///
/// The tasks take the items from one queue. A task for each item would be simpler, but ten thousand images would need too
/// much memory.
pub(crate) async fn work_on<I, T, E, C, F>(
    items: Vec<I>,
    at_once: usize,
    context: &Arc<C>,
    work: impl Fn(Arc<C>, I) -> F + Copy + Send + 'static,
    (progress, inbox): (&dyn TransferProgress, &mut Inbox),
    broken: impl Fn(RegistryFault) -> E,
) -> Result<Vec<T>, E>
where
    I: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    C: Send + Sync + 'static,
    F: Future<Output = Result<Worked<I, T>, E>> + Send + 'static,
{
    let workers = at_once.min(items.len());
    let queue: Arc<Mutex<VecDeque<(usize, I)>>> =
        Arc::new(Mutex::new(items.into_iter().enumerate().collect()));
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let (queue, context) = (Arc::clone(&queue), Arc::clone(context));
        tasks.spawn(async move {
            let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
            let next = || queue().pop_front();
            let mut results = Vec::new();
            while let Some((position, item)) = next() {
                match work(Arc::clone(&context), item).await? {
                    Worked::Done(result) => results.push((position, result)),
                    Worked::Later(item) => queue().push_back((position, item)),
                }
            }
            Ok(results)
        });
    }
    let mut results: Vec<_> = drain(tasks, progress, inbox, broken).await?.into_iter().flatten().collect();
    results.sort_by_key(|(position, _)| *position);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Waits for all tasks and passes on what they report; the first failure cancels the rest. `broken` makes the error of a
/// task that did not end.
pub(crate) async fn drain<T: 'static, E: 'static>(
    mut tasks: JoinSet<Result<T, E>>,
    progress: &dyn TransferProgress,
    inbox: &mut Inbox,
    broken: impl Fn(RegistryFault) -> E,
) -> Result<Vec<T>, E> {
    let mut done = Vec::new();
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        tokio::select! {
            // The pulse first, so that a flood of reports hides nothing; then reports, so that a blob's end is reported before
            // the pull's.
            biased;
            _ = pulse.tick() => if progress.is_cancelled() {
                return Err(broken(RegistryFault::Cancelled));
            },
            Some(event) = inbox.next() => inbox.pass_on(progress, event),
            next = tasks.join_next() => match next {
                Some(Ok(result)) => done.push(result?),
                Some(Err(error)) => return Err(broken(RegistryFault::Broken(error.to_string()))),
                None => {
                    inbox.empty(progress);
                    return Ok(done);
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    fn run<T: Send + 'static, F: Future<Output = Result<Worked<usize, T>, String>> + Send + 'static>(
        items: usize,
        running: &Arc<AtomicUsize>,
        work: impl Fn(Arc<AtomicUsize>, usize) -> F + Copy + Send + 'static,
    ) -> Result<Vec<T>, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let (_events, mut inbox) = Inbox::new();
        let items = (0..items).collect();
        runtime.block_on(work_on(items, 3, running, work, (&(), &mut inbox), |fault| fault.to_string()))
    }

    #[test]
    fn so_many_items_are_worked_on_at_a_time_and_the_results_keep_their_order() {
        // The work on three items ends together, so it must have started together.
        static TOGETHER: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(3));
        let running = Arc::new(AtomicUsize::new(0));
        let results = run(21, &running, |running, item| async move {
            let beside = running.fetch_add(1, Ordering::SeqCst);
            TOGETHER.wait().await;
            running.fetch_sub(1, Ordering::SeqCst);
            TOGETHER.wait().await;
            Ok(Worked::Done((item, beside)))
        })
        .unwrap();
        assert!(results.iter().map(|(item, _)| *item).eq(0..21), "{results:?}");
        assert_eq!(results.iter().map(|(_, beside)| *beside).max(), Some(2), "{results:?}");
    }

    #[test]
    fn an_item_that_must_wait_is_tried_after_the_others() {
        let tries = Arc::new(AtomicUsize::new(0));
        let results = run(4, &tries, |tries, item| async move {
            let number = tries.fetch_add(1, Ordering::SeqCst);
            Ok(if number == 0 { Worked::Later(item) } else { Worked::Done(item) })
        });
        assert_eq!(results.unwrap(), [0, 1, 2, 3]);
        assert_eq!(tries.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn the_first_failure_ends_the_work() {
        let begun = Arc::new(AtomicUsize::new(0));
        let result: Result<Vec<()>, _> = run(1000, &begun, |begun, item| async move {
            begun.fetch_add(1, Ordering::SeqCst);
            if item == 2 { Err("item 2".to_owned()) } else { Ok(std::future::pending().await) }
        });
        assert_eq!(result.unwrap_err(), "item 2");
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
