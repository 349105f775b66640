//! Transfers side by side, and who is told about them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Fault;
use crate::Digest;

/// Told how a pull or a push goes. Called from the thread that started it.
pub trait Progress {
    /// All is planned: so many blobs and bytes are to be moved.
    fn planned(&self, blobs: usize, bytes: u64) {
        let _ = (blobs, bytes);
    }

    /// A blob of `size` bytes begins; `present` of them are there from an earlier attempt.
    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        let _ = (blob, image, size, present);
    }

    /// More bytes of a blob have moved; negative where some were thrown away.
    fn advance(&self, blob: &Digest, bytes: i64) {
        let _ = (blob, bytes);
    }

    /// A blob is where it should be.
    fn end(&self, blob: &Digest) {
        let _ = blob;
    }

    /// A request failed and is made again after `wait`.
    fn retry(&self, url: &str, fault: &str, wait: Duration) {
        let _ = (url, fault, wait);
    }

    /// Something is not as it should be, and the transfer goes on without it.
    fn warn(&self, text: &str) {
        let _ = text;
    }

    /// Whether to stop; asked several times a second. What has come until then stays, and the next call carries on from there.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// What tasks report to the caller's thread.
#[derive(Debug)]
pub(crate) enum Event {
    Begin { blob: Digest, image: String, size: u64, present: u64 },
    Advance { blob: Digest, bytes: i64 },
    End { blob: Digest },
    Retry { url: String, fault: String, wait: Duration },
    Warn { text: String },
}

pub(crate) type Events = mpsc::UnboundedSender<Event>;

/// How often it is asked whether to stop.
const PULSE: Duration = Duration::from_millis(100);

/// Waits for all tasks, passing on what they report; the first failure breaks off the rest.
/// `broken` makes the error of a task that did not come to its end.
pub(crate) async fn drain<T: 'static, E: 'static>(
    mut tasks: JoinSet<Result<T, E>>,
    progress: &dyn Progress,
    inbox: &mut mpsc::UnboundedReceiver<Event>,
    broken: impl Fn(Fault) -> E,
) -> Result<Vec<T>, E> {
    let mut done = Vec::new();
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        tokio::select! {
            // The pulse first, so that a flood of reports hides nothing; then reports, so that a blob's end is told before
            // the pull's.
            biased;
            _ = pulse.tick() => if progress.is_cancelled() {
                return Err(broken(Fault::Cancelled));
            },
            Some(event) = inbox.recv() => tell(progress, event),
            next = tasks.join_next() => match next {
                Some(Ok(result)) => done.push(result?),
                Some(Err(error)) => return Err(broken(Fault::Broken(error.to_string()))),
                None => {
                    while let Ok(event) = inbox.try_recv() {
                        tell(progress, event);
                    }
                    return Ok(done);
                }
            },
        }
    }
}

fn tell(progress: &dyn Progress, event: Event) {
    match event {
        Event::Begin { blob, image, size, present } => progress.begin(&blob, &image, size, present),
        Event::Advance { blob, bytes } => progress.advance(&blob, bytes),
        Event::End { blob } => progress.end(&blob),
        Event::Retry { url, fault, wait } => progress.retry(&url, &fault, wait),
        Event::Warn { text } => progress.warn(&text),
    }
}

/// The threads of one pull or push.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::Configuration(format!("cannot start the network threads: {error}")))
}
