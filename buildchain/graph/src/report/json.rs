//! Reports for machines: the JSON of doit, and the same as a stream of lines.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::model::progress::Stream;
use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{Artifact, RunOutcome, TaskReport, TaskVerdict};

/// Writes one JSON object when the run is over:
///
/// ```json
/// {"tasks": [{"name": "_iso_build", "publicName": "iso:build", "result": "success", "out": "", "err": "", "error": null,
///             "started": "2026-11-20 10:00:00.000000", "elapsed": 0.8,
///             "reason": ["input file a changed: …"], "key": "<sha256>", "cache": "miss", "attempts": 1}],
///  "out": "", "err": "",
///  "elapsed": 1.2, "counts": {"ran": 1, "restored": 0, "upToDate": 12, "failed": 0},
///  "artifacts": [{"path": "/project/_build/example.iso", "size": 607149000, "sha256": "<hex>",
///                 "next": "sealift archive verify _build/example.iso"}]}
/// ```
///
/// Every task of the run is listed. `result` is `success`, `fail`, `up-to-date` or `ignore`, as in doit; `restored`;
/// `would-run`; or `cancelled` for a task that a signal or an earlier failure stopped, or kept from starting. `started` is
/// UTC; like `elapsed` (seconds), it is null for a task that did not run. The error of a task that did not run because
/// another failed is the name of that task. `cache` is `hit` for a task whose outputs were restored, `miss` for one that ran,
/// and null otherwise.
pub struct JsonReporter<W: Write> {
    to: W,
    tasks: Vec<Value>,
    err: String,
    summary: Map<String, Value>,
    error: Option<io::Error>,
}

impl<W: Write> JsonReporter<W> {
    /// A reporter that writes to `to` when the run is over.
    pub fn new(to: W) -> Self {
        Self { to, tasks: Vec::new(), err: String::new(), summary: Map::new(), error: None }
    }
}

impl<W: Write> Reporter for JsonReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished { task, report } => {
                self.err.push_str(&report.err);
                self.tasks.push(Value::Object(task_json(task, report)));
            }
            RunEvent::Warned { text } => {
                self.err.push_str(text);
                self.err.push('\n');
            }
            RunEvent::Summary { outcome } => self.summary = summary(outcome),
            RunEvent::Ended { .. } => {
                let mut whole = Map::from_iter([
                    ("tasks".to_owned(), std::mem::take(&mut self.tasks).into()),
                    ("out".to_owned(), "".into()),
                    ("err".to_owned(), std::mem::take(&mut self.err).into()),
                ]);
                whole.append(&mut self.summary);
                let whole = Value::Object(whole);
                self.error = write_line(&mut self.to, &whole).err();
            }
            _ => {}
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

/// Writes a line for each event as it happens: a JSON object with the member `event`. If the run is killed, all lines up to
/// the last are complete.
///
/// | event | further members |
/// | --- | --- |
/// | `begun` | `tasks` |
/// | `pruned` | `path` |
/// | `started` | `name`, `title`, `reason` |
/// | `line` | `name`, `stream` (`out`, `err`), `text` |
/// | `retrying` | `name`, `error`, `pause` (seconds) |
/// | `warned` | `text` |
/// | `finished` | those of a task of [`JsonReporter`] |
/// | `summary` | `elapsed`, `counts`, `artifacts`, as in [`JsonReporter`] |
/// | `ended` | `exit` |
pub struct JsonLinesReporter<W: Write> {
    to: W,
    error: Option<io::Error>,
}

impl<W: Write> JsonLinesReporter<W> {
    /// A reporter that writes each line to `to` in one call.
    pub fn new(to: W) -> Self {
        Self { to, error: None }
    }
}

impl<W: Write> Reporter for JsonLinesReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        let line = match event {
            RunEvent::Begun { tasks } => json!({"event": "begun", "tasks": tasks}),
            RunEvent::Pruned { path } => json!({"event": "pruned", "path": path.to_string_lossy()}),
            RunEvent::Started { task, reasons } => json!({
                "event": "started",
                "name": task.name,
                "title": task.shown_title(),
                "reason": reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
            RunEvent::Line { task, stream, line } => json!({
                "event": "line",
                "name": task.name,
                "stream": match stream { Stream::Out => "out", Stream::Err => "err" },
                "text": line,
            }),
            RunEvent::Retrying { task, error, pause } => {
                json!({"event": "retrying", "name": task.name, "error": error, "pause": pause.as_secs_f64()})
            }
            RunEvent::Warned { text } => json!({"event": "warned", "text": text}),
            RunEvent::Finished { task, report } => {
                let mut line = Map::from_iter([("event".to_owned(), json!("finished"))]);
                line.extend(task_json(task, report));
                Value::Object(line)
            }
            RunEvent::Summary { outcome } => {
                let mut line = Map::from_iter([("event".to_owned(), json!("summary"))]);
                line.extend(summary(outcome));
                Value::Object(line)
            }
            RunEvent::Ended { exit } => json!({"event": "ended", "exit": exit}),
            RunEvent::Transfer { .. } => return,
        };
        if self.error.is_none() {
            self.error = write_line(&mut self.to, &line).err();
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

fn write_line(to: &mut impl Write, value: &Value) -> io::Result<()> {
    let line = content::printable_json(&serde_json::to_string(value)?);
    to.write_all(format!("{line}\n").as_bytes())?;
    to.flush()
}

/// The members of a summary.
fn summary(outcome: &RunOutcome) -> Map<String, Value> {
    let artifacts: Vec<Value> = outcome
        .artifacts
        .iter()
        .map(|Artifact { path, size, sha256, next }| {
            json!({"path": path.to_string_lossy(), "size": size, "sha256": sha256.hex(), "next": next})
        })
        .collect();
    let failed = [TaskVerdict::Failed, TaskVerdict::Broken]
        .map(|verdict| outcome.count(verdict))
        .iter()
        .sum::<usize>();
    let counts = json!({
        "ran": outcome.count(TaskVerdict::Succeeded),
        "restored": outcome.count(TaskVerdict::Restored),
        "upToDate": outcome.count(TaskVerdict::UpToDate),
        "failed": failed,
    });
    Map::from_iter([
        ("elapsed".to_owned(), json!(outcome.elapsed.as_secs_f64())),
        ("counts".to_owned(), counts),
        ("artifacts".to_owned(), artifacts.into()),
    ])
}

fn task_json(task: &Task, report: &TaskReport) -> Map<String, Value> {
    let cache = match report.verdict {
        TaskVerdict::Restored => json!("hit"),
        TaskVerdict::Succeeded | TaskVerdict::Failed | TaskVerdict::Broken if report.attempts > 0 => {
            json!("miss")
        }
        _ => Value::Null,
    };
    [
        ("name", json!(task.name)),
        ("publicName", json!(task.public_name())),
        ("result", json!(report.verdict.word())),
        ("out", json!(report.out)),
        ("err", json!(report.err)),
        ("error", json!(report.error)),
        ("started", json!(report.started.map(utc))),
        ("elapsed", json!(report.elapsed.map(|elapsed| elapsed.as_secs_f64()))),
        ("reason", json!(report.reasons.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("key", json!(report.key.map(|key| key.hex()))),
        ("cache", cache),
        ("attempts", json!(report.attempts)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
pub(crate) fn utc(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years are counted from March, so that the leap day is the last day of a year. 400 years have 146,097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}.{:06}", since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_utc_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00.000000"),
            (951_782_399, "2000-02-28 23:59:59.000000"),
            (951_782_400, "2000-02-29 00:00:00.000000"),
            (951_868_800, "2000-03-01 00:00:00.000000"),
            (1_735_689_599, "2024-12-31 23:59:59.000000"),
            (4_107_542_400, "2100-03-01 00:00:00.000000"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
