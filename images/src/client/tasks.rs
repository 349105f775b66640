//! Tasks side by side, and their first failure.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Inbox, RegistryFault, TransferProgress};

/// How often to check whether to stop.
const PULSE: Duration = Duration::from_millis(100);

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
