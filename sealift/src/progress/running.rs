//! The tasks that run, in words. Knows no terminal and no clock.

use std::time::{Duration, Instant};

use content::{duration, size};
use graph::{RunEvent, Transfer};

/// The tasks that run now, and what the run reads.
#[derive(Default)]
pub(super) struct RunningTasks {
    tasks: Vec<Running>,
    reading: Option<Reading>,
}

struct Running {
    name: String,
    title: String,
    since: Instant,
    last_line: String,
    /// Bytes that it has moved, and will move in all.
    moved: i64,
    planned: u64,
    notes: Notes,
}

/// Files that are read to learn what has changed.
struct Reading {
    since: Instant,
    last: Instant,
    /// What was read before.
    from: u64,
    bytes: u64,
    notes: Notes,
}

/// When the next line is due about something that takes long.
#[derive(Default)]
struct Notes {
    written: u32,
}

impl Notes {
    /// Whether a line is due about something that has taken `elapsed`: after ten seconds, then every minute.
    fn take(&mut self, elapsed: Duration) -> bool {
        let due = elapsed >= if self.written == 0 { FIRST } else { EVERY * self.written };
        self.written += u32::from(due);
        due
    }
}

const FIRST: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(60);

/// A pause in reading after which it is over.
const READING_ENDS: Duration = Duration::from_secs(1);

/// Reading is shown once it has taken so long.
const READING_SHOWN: Duration = Duration::from_millis(500);

impl RunningTasks {
    /// Follows an event that happens `now`.
    pub(super) fn event(&mut self, event: &RunEvent<'_>, now: Instant) {
        match event {
            RunEvent::Started { task, .. } => self.tasks.push(Running {
                name: task.name.clone(),
                title: one_line(&if task.title.is_empty() {
                    task.name.clone()
                } else {
                    task.title.to_string()
                }),
                since: now,
                last_line: String::new(),
                moved: 0,
                planned: 0,
                notes: Notes::default(),
            }),
            RunEvent::Line { task, line, .. } => {
                if let Some(running) = self.find(&task.name) {
                    (*line).clone_into(&mut running.last_line);
                }
            }
            RunEvent::Transfer { task, step } => {
                if let Some(running) = self.find(&task.name) {
                    running.transfer(step);
                }
            }
            RunEvent::Finished { task, .. } => self.tasks.retain(|running| running.name != task.name),
            RunEvent::Reading { bytes } => {
                let last = self
                    .reading
                    .take()
                    .filter(|reading| now.saturating_duration_since(reading.last) < READING_ENDS);
                self.reading = Some(match last {
                    Some(reading) => Reading { last: now, bytes: *bytes, ..reading },
                    None => Reading {
                        since: now,
                        last: now,
                        from: *bytes,
                        bytes: *bytes,
                        notes: Notes::default(),
                    },
                });
            }
            _ => {}
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Running> {
        self.tasks.iter_mut().find(|running| running.name == name)
    }

    /// Whether a task moves bytes.
    pub(super) fn moves(&self) -> bool {
        self.tasks.iter().any(|running| running.planned > 0)
    }

    /// What runs, on one line. The most important part comes first: a narrow terminal cuts off the end.
    pub(super) fn line(&self, now: Instant) -> String {
        let Some(first) = self.tasks.first() else {
            let reading = self.reading.as_ref().filter(|reading| {
                now.saturating_duration_since(reading.last) < READING_ENDS
                    && reading.last.saturating_duration_since(reading.since) >= READING_SHOWN
            });
            return reading
                .map(|reading| format!("reading files: {}", size(reading.done())))
                .unwrap_or_default();
        };
        let more = match self.tasks.len() {
            1 => String::new(),
            count => format!(" (+{})", count - 1),
        };
        let detail = match (first.bytes(), first.last_line.as_str()) {
            (Some(bytes), _) => format!(": {bytes}"),
            (None, "") => String::new(),
            (None, line) => format!(": {line}"),
        };
        format!("{}{more} {}{detail}", duration(now.saturating_duration_since(first.since)), first.title)
    }

    /// The lines that are due about what takes long.
    pub(super) fn take_notes(&mut self, now: Instant) -> Vec<String> {
        let mut notes = Vec::new();
        for task in &mut self.tasks {
            let elapsed = now.saturating_duration_since(task.since);
            if task.notes.take(elapsed) {
                let bytes = task.bytes().map(|bytes| format!(", {bytes}")).unwrap_or_default();
                notes.push(format!("still running: {} ({}{bytes})", task.title, duration(elapsed)));
            }
        }
        if let Some(reading) = self.reading.as_mut().filter(|_| self.tasks.is_empty()) {
            let elapsed = reading.last.saturating_duration_since(reading.since);
            if reading.notes.take(elapsed) {
                notes.push(format!("still reading files: {} ({})", size(reading.done()), duration(elapsed)));
            }
        }
        notes
    }
}

impl Reading {
    fn done(&self) -> u64 {
        self.bytes.saturating_sub(self.from)
    }
}

impl Running {
    fn transfer(&mut self, step: &Transfer) {
        match step {
            Transfer::Planned { bytes, .. } => self.planned += bytes,
            Transfer::Begin { present, .. } => self.moved += i64::try_from(*present).unwrap_or(i64::MAX),
            Transfer::Advance { bytes, .. } => self.moved += bytes,
            Transfer::End { .. } => {}
        }
    }

    /// `12.3 MB of 45.0 MB`, if it moves bytes.
    fn bytes(&self) -> Option<String> {
        let moved = u64::try_from(self.moved).unwrap_or(0);
        (self.planned > 0).then(|| format!("{} of {}", size(moved), size(self.planned)))
    }
}

/// The two columns of a title as words.
fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}
