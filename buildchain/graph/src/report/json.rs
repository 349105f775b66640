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
///             "help": null, "retried": [], "started": "2026-11-20T10:00:00.000000Z", "elapsed": 0.8,
///             "reason": ["input file a changed: …"], "key": "<sha256>", "cache": "miss", "attempts": 1, "bytes": 607149000}],
///  "out": "", "err": "",
///  "started": "2026-11-20T10:00:00.000000Z", "elapsed": 1.2,
///  "counts": {"ran": 1, "restored": 0, "upToDate": 12, "ignored": 0, "failed": 0, "notRun": 0},
///  "artifacts": [{"path": "/project/_build/example.iso", "size": 607149000, "sha256": "<hex>",
///                 "next": "sealift archive verify _build/example.iso"}]}
/// ```
///
/// Every task of the run is listed. `result` is `success`, `fail`, `up-to-date` or `ignore`, as in doit; `restored`;
/// `would-run`; or `cancelled` for a task that a signal or an earlier failure stopped, or kept from starting. Times are in
/// RFC 3339 and UTC; `started` and `elapsed` (seconds) are null for a task that did not run. The error of a task that did not
/// run because another failed is the name of that task. `retried` has the errors of the attempts before the last. `cache` is
/// `hit` for a task whose outputs were restored, `miss` for one that ran, and null otherwise.
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
/// the last are complete. Each has the member `time`, in RFC 3339, if there is a clock.
///
/// | event | further members |
/// | --- | --- |
/// | `begun` | `tasks` |
/// | `pruned` | `path` |
/// | `started` | `name`, `publicName`, `title`, `reason` |
/// | `line` | `name`, `publicName`, `stream` (`out`, `err`), `text` |
/// | `retrying` | `name`, `publicName`, `error`, `pause` (seconds) |
/// | `warned` | `text` |
/// | `finished` | those of a task of [`JsonReporter`] |
/// | `summary` | `started`, `elapsed`, `counts`, `artifacts`, as in [`JsonReporter`] |
/// | `ended` | `exit` |
pub struct JsonLinesReporter<W: Write> {
    to: W,
    clock: Option<fn() -> SystemTime>,
    error: Option<io::Error>,
}

impl<W: Write> JsonLinesReporter<W> {
    /// A reporter that writes each line to `to` in one call.
    pub fn new(to: W, clock: Option<fn() -> SystemTime>) -> Self {
        Self { to, clock, error: None }
    }
}

/// An event: the names of its task, and its members.
fn event_json(event: &str, task: Option<&Task>, members: Value) -> Map<String, Value> {
    let mut line = Map::from_iter([("event".to_owned(), json!(event))]);
    if let Some(task) = task {
        line.insert("name".into(), json!(task.name));
        line.insert("publicName".into(), json!(task.public_name()));
    }
    if let Value::Object(members) = members {
        line.extend(members);
    }
    line
}

impl<W: Write> Reporter for JsonLinesReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        let mut line = match event {
            RunEvent::Begun { tasks } => event_json("begun", None, json!({"tasks": tasks})),
            RunEvent::Pruned { path } => event_json("pruned", None, json!({"path": path.to_string_lossy()})),
            RunEvent::Started { task, reasons } => {
                let reason: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                event_json("started", Some(task), json!({"title": task.shown_title(), "reason": reason}))
            }
            RunEvent::Line { task, stream, line } => {
                let stream = match stream {
                    Stream::Out => "out",
                    Stream::Err => "err",
                };
                event_json("line", Some(task), json!({"stream": stream, "text": line}))
            }
            RunEvent::Retrying { task, error, pause } => {
                event_json("retrying", Some(task), json!({"error": error, "pause": pause.as_secs_f64()}))
            }
            RunEvent::Warned { text } => event_json("warned", None, json!({"text": text})),
            RunEvent::Finished { task, report } => {
                event_json("finished", None, task_json(task, report).into())
            }
            RunEvent::Summary { outcome } => event_json("summary", None, summary(outcome).into()),
            RunEvent::Ended { exit } => event_json("ended", None, json!({"exit": exit})),
            RunEvent::Transfer { .. } | RunEvent::Reading { .. } => return,
        };
        if let Some(clock) = self.clock {
            line.insert("time".into(), json!(utc(clock())));
        }
        let line = Value::Object(line);
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
    let counts = json!({
        "ran": outcome.count(TaskVerdict::Succeeded),
        "restored": outcome.count(TaskVerdict::Restored),
        "upToDate": outcome.count(TaskVerdict::UpToDate),
        "ignored": outcome.count(TaskVerdict::Ignored),
        "failed": outcome.failed.len(),
        "notRun": outcome.not_run(),
    });
    Map::from_iter([
        ("started".to_owned(), json!(outcome.started.map(utc))),
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
        ("help", json!(report.help)),
        ("retried", json!(report.retried)),
        ("started", json!(report.started.map(utc))),
        ("elapsed", json!(report.elapsed.map(|elapsed| elapsed.as_secs_f64()))),
        ("reason", json!(report.reasons.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("key", json!(report.key.map(|key| key.hex()))),
        ("cache", cache),
        ("attempts", json!(report.attempts)),
        ("bytes", json!(report.bytes)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// A time in RFC 3339 and UTC: `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
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
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_utc_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
