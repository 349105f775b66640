//! What the tasks of a transfer report, on its way to the thread that started it.

use std::collections::HashSet;
use std::time::Duration;

use content::Digest;
use reqwest::Url;
use tokio::sync::mpsc;

use super::fault::Hosts;
use super::{RegistryFault, TransferProgress, shown};

/// What tasks report to the caller's thread.
#[derive(Debug)]
pub(crate) enum TransferEvent {
    Planned {
        bytes: u64,
    },
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
    /// With a key, it counts once for all that have the same.
    Retry {
        text: String,
        key: Option<String>,
    },
    Warn {
        text: String,
    },
}

impl TransferEvent {
    /// A request to `url` that failed and is made again after `wait`, at most `left` times.
    pub(crate) fn retry(url: &Url, fault: &RegistryFault, wait: Duration, left: u32) -> Self {
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
    events: mpsc::UnboundedReceiver<TransferEvent>,
    /// The keys and texts that were passed on, and count once.
    passed_on: HashSet<String>,
}

impl Inbox {
    /// An inbox, and what fills it.
    pub(crate) fn new() -> (Events, Self) {
        let (sender, events) = mpsc::unbounded_channel();
        (sender, Self { events, passed_on: HashSet::new() })
    }

    /// The next event, once there is one.
    pub(super) async fn next(&mut self) -> Option<TransferEvent> {
        self.events.recv().await
    }

    /// Passes on the events that have arrived.
    pub(super) fn empty(&mut self, progress: &dyn TransferProgress) {
        while let Ok(event) = self.events.try_recv() {
            self.pass_on(progress, event);
        }
    }

    /// Notifies `progress` of an event, unless it is one that counts once.
    pub(super) fn pass_on(&mut self, progress: &dyn TransferProgress, event: TransferEvent) {
        match event {
            TransferEvent::Planned { bytes } => progress.planned(1, bytes),
            TransferEvent::Begin { blob, image, size, present } => {
                progress.begin(&blob, &image, size, present)
            }
            TransferEvent::Advance { blob, bytes } => progress.advance(&blob, bytes),
            TransferEvent::End { blob } => progress.end(&blob),
            TransferEvent::Retry { text, key } => {
                if key.is_none_or(|key| self.passed_on.insert(key)) {
                    progress.retry(&text);
                }
            }
            TransferEvent::Warn { text } => {
                if self.passed_on.insert(text.clone()) {
                    progress.warn(&text);
                }
            }
        }
    }
}

pub(crate) type Events = mpsc::UnboundedSender<TransferEvent>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_host_is_told_once_and_in_plain_words() {
        #[derive(Default)]
        struct Told(std::cell::RefCell<Vec<String>>);
        impl TransferProgress for Told {
            fn retry(&self, text: &str) {
                self.0.borrow_mut().push(text.to_owned());
            }
        }
        let url = |blob: u8| format!("http://r.example:5000/v2/a/blobs/{blob}?secret=1").parse().unwrap();
        let busy = || RegistryFault::Status { status: 503, message: String::new(), retry_after: None };
        let refused = || RegistryFault::Unreachable("refused".into());
        let tokens = || RegistryFault::TokenServer { url: "https://t/".into(), fault: Box::new(refused()) };
        let (told, (_, mut inbox)) = (Told::default(), Inbox::new());
        for blob in 0..3 {
            for (fault, wait, left) in [
                (refused(), 400, 4),
                (refused(), 800, 3),
                (tokens(), 400, 1),
                (busy(), 0, 4),
                (busy(), 12_345, 3),
                (RegistryFault::Broken("reset".into()), 480, 4),
            ] {
                inbox.pass_on(
                    &told,
                    TransferEvent::retry(&url(blob), &fault, Duration::from_millis(wait), left),
                );
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
                "r.example:5000: the registry returned 503; retrying now",
                "r.example:5000: the registry returned 503; retrying in 12 s",
                &broken(0),
                &broken(1),
                &broken(2),
            ]
        );
    }
}
