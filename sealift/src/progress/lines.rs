//! Lines about bytes, where progress is not redrawn.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::is_drawn;
use crate::output::{self, size};

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(10);

/// The lines of one operation: `writing: 1.2 GB of 5.4 GB`, every ten seconds.
pub(super) struct ByteLines {
    verb: Cow<'static, str>,
    last: Mutex<Instant>,
}

impl ByteLines {
    /// Begins now; `None` if progress is redrawn.
    pub(super) fn start(verb: impl Into<Cow<'static, str>>) -> Option<Self> {
        (!is_drawn()).then(|| Self::at(verb.into(), Instant::now()))
    }

    fn at(verb: Cow<'static, str>, now: Instant) -> Self {
        Self { verb, last: Mutex::new(now) }
    }

    /// Writes a line if one is due.
    pub(super) fn write(&self, now: Instant, done: u64, all: Option<u64>) {
        if let Some(line) = self.take(now, done, all) {
            output::note(&line);
        }
    }

    fn take(&self, now: Instant, done: u64, all: Option<u64>) -> Option<String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*last) < EVERY {
            return None;
        }
        *last = now;
        let all = all.filter(|all| *all > 0).map(|all| format!(" of {}", size(all))).unwrap_or_default();
        Some(format!("{}: {}{all}", self.verb, size(done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds() {
        let start = Instant::now();
        let lines = ByteLines::at("writing".into(), start);
        let written: Vec<_> = (0..25)
            .filter_map(|second| {
                lines.take(start + Duration::from_secs(second), second * 1_000_000, Some(30_000_000))
            })
            .collect();
        assert_eq!(written, ["writing: 10.0 MB of 30.0 MB", "writing: 20.0 MB of 30.0 MB"]);
        assert_eq!(lines.take(start + EVERY * 9, 5, None).as_deref(), Some("writing: 5 B"));
    }
}
