//! Transfers side by side, and who is told about them.

use std::collections::HashSet;
use std::time::Duration;

use content::Digest;
use reqwest::Url;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fault::Hosts;
use super::{Fault, shown};

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

    /// A request failed and is made again: which, why and when, as a sentence. What is wrong with a host is told once, and not
    /// for each request to it.
    fn retry(&self, text: &str) {
        let _ = text;
    }

    /// Something is not as it should be, and the transfer continues without it. Each text is told once.
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
    Begin {
        blob: Digest,
        image: String,
        size: u64,
        present: u64,
    },
    Advance {
        blob: Digest,
        bytes: i64,
    },
    End {
        blob: Digest,
    },
    /// With a key, it is told once for all that have the same.
    Retry {
        text: String,
        key: Option<String>,
    },
    Warn {
        text: String,
    },
}

impl Event {
    /// A request to `url` that failed and is made again after `wait`, at most `left` times.
    pub(crate) fn retry(url: &Url, fault: &Fault, wait: Duration, left: u32) -> Self {
        let host = super::endpoint::authority(url);
        match fault.of_host() {
            Some(Hosts::Unreachable) => {
                let times = match left {
                    1 => "once".to_owned(),
                    2 => "twice".to_owned(),
                    left => format!("{left} times"),
                };
                let text = format!("{host}: {fault}; retrying {times}");
                Self::Retry { key: Some(format!("{host}: {fault}")), text }
            }
            // Another attempt is another warning: it waits longer.
            Some(Hosts::Busy) => {
                let text = format!("{host}: {fault}; retrying {}", after(wait));
                Self::Retry { key: Some(format!("{host}: {fault} {left}")), text }
            }
            None => {
                Self::Retry { text: format!("{}: {fault}; retrying {}", shown(url), after(wait)), key: None }
            }
        }
    }
}

fn after(wait: Duration) -> String {
    match wait.as_secs_f64() {
        soon if soon < 0.05 => "now".into(),
        seconds if seconds < 9.95 => format!("in {seconds:.1} s"),
        seconds => format!("in {seconds:.0} s"),
    }
}

/// What tasks report, on its way to the caller.
pub(crate) struct Inbox {
    events: mpsc::UnboundedReceiver<Event>,
    /// What need not be told again.
    told: HashSet<String>,
}

impl Inbox {
    /// An inbox, and what fills it.
    pub(crate) fn new() -> (Events, Self) {
        let (sender, events) = mpsc::unbounded_channel();
        (sender, Self { events, told: HashSet::new() })
    }

    fn tell(&mut self, progress: &dyn Progress, event: Event) {
        match event {
            Event::Begin { blob, image, size, present } => progress.begin(&blob, &image, size, present),
            Event::Advance { blob, bytes } => progress.advance(&blob, bytes),
            Event::End { blob } => progress.end(&blob),
            Event::Retry { text, key } => {
                if key.is_none_or(|key| self.told.insert(key)) {
                    progress.retry(&text);
                }
            }
            Event::Warn { text } => {
                if self.told.insert(text.clone()) {
                    progress.warn(&text);
                }
            }
        }
    }
}

pub(crate) type Events = mpsc::UnboundedSender<Event>;

/// How often it is asked whether to stop.
const PULSE: Duration = Duration::from_millis(100);

/// Waits for all tasks, passing on what they report; the first failure breaks off the rest.
/// `broken` makes the error of a task that did not come to its end.
pub(crate) async fn drain<T: 'static, E: 'static>(
    mut tasks: JoinSet<Result<T, E>>,
    progress: &dyn Progress,
    inbox: &mut Inbox,
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
            Some(event) = inbox.events.recv() => inbox.tell(progress, event),
            next = tasks.join_next() => match next {
                Some(Ok(result)) => done.push(result?),
                Some(Err(error)) => return Err(broken(Fault::Broken(error.to_string()))),
                None => {
                    while let Ok(event) = inbox.events.try_recv() {
                        inbox.tell(progress, event);
                    }
                    return Ok(done);
                }
            },
        }
    }
}

/// The threads of one pull or push.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::Configuration(format!("cannot start the network threads: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_host_is_told_once_and_in_plain_words() {
        #[derive(Default)]
        struct Told(std::cell::RefCell<Vec<String>>);
        impl Progress for Told {
            fn retry(&self, text: &str) {
                self.0.borrow_mut().push(text.to_owned());
            }
        }
        let url = |blob: u8| format!("http://r.example:5000/v2/a/blobs/{blob}?secret=1").parse().unwrap();
        let busy = || Fault::Status { status: 503, message: String::new(), retry_after: None };
        let refused = || Fault::Unreachable("refused".into());
        let tokens = || Fault::TokenServer { url: "https://t/".into(), fault: Box::new(refused()) };
        let (told, (_, mut inbox)) = (Told::default(), Inbox::new());
        for blob in 0..3 {
            for (fault, wait, left) in [
                (refused(), 400, 4),
                (refused(), 800, 3),
                (tokens(), 400, 1),
                (busy(), 0, 4),
                (busy(), 12_345, 3),
                (Fault::Broken("reset".into()), 480, 4),
            ] {
                inbox.tell(&told, Event::retry(&url(blob), &fault, Duration::from_millis(wait), left));
            }
        }
        let broken = |blob| {
            format!("http://r.example:5000/v2/a/blobs/{blob}: the connection broke: reset; retrying in 0.5 s")
        };
        assert_eq!(
            *told.0.borrow(),
            [
                "r.example:5000: cannot connect: refused; retrying 4 times",
                "r.example:5000: token server https://t/: cannot connect: refused; retrying once",
                "r.example:5000: the registry answered 503; retrying now",
                "r.example:5000: the registry answered 503; retrying in 12 s",
                &broken(0),
                &broken(1),
                &broken(2),
            ]
        );
    }
}
