//! Lines about progress, where progress is not redrawn.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::is_drawn;
use crate::output::{self, count, size};

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(10);

/// What an operation counts.
#[derive(Clone, Copy)]
pub(super) enum ProgressUnit {
    Bytes,
    /// Things with this name.
    Items(&'static str),
}

impl ProgressUnit {
    fn shown(self, number: u64) -> String {
        match self {
            Self::Bytes => size(number).to_string(),
            Self::Items(noun) => count(number, noun),
        }
    }
}

/// The lines of one operation: `writing: 1.2 GB of 5.4 GB`, every ten seconds.
pub(super) struct ProgressLines {
    verb: Cow<'static, str>,
    unit: ProgressUnit,
    last: Mutex<Instant>,
}

impl ProgressLines {
    /// Begins now; `None` if progress is redrawn.
    pub(super) fn start(verb: impl Into<Cow<'static, str>>, unit: ProgressUnit) -> Option<Self> {
        (!is_drawn()).then(|| Self::at(verb.into(), unit, Instant::now()))
    }

    fn at(verb: Cow<'static, str>, unit: ProgressUnit, now: Instant) -> Self {
        Self { verb, unit, last: Mutex::new(now) }
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
        let all = all.filter(|all| *all > 0).map(|all| format!(" of {}", self.unit.shown(all)));
        Some(format!("{}: {}{}", self.verb, self.unit.shown(done), all.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds() {
        let start = Instant::now();
        let lines = ProgressLines::at("writing".into(), ProgressUnit::Bytes, start);
        let written: Vec<_> = (0..25)
            .filter_map(|second| {
                lines.take(start + Duration::from_secs(second), second * 1_000_000, Some(30_000_000))
            })
            .collect();
        assert_eq!(written, ["writing: 10.0 MB of 30.0 MB", "writing: 20.0 MB of 30.0 MB"]);
        assert_eq!(lines.take(start + EVERY * 9, 5, None).as_deref(), Some("writing: 5 B"));
        let lines = ProgressLines::at("checking".into(), ProgressUnit::Items("package"), start);
        assert_eq!(lines.take(start + EVERY, 12, None).as_deref(), Some("checking: 12 packages"));
    }
}
