//! The messages of the server, as lines.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use server::{AccessRecord, ServerEvent, ServerLog};

use crate::output;

/// How many lines wait to be written: a few seconds of requests, and a few megabytes.
const QUEUE: usize = 16_384;
/// How long a server waits at its end for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Messages go to standard error, requests to standard output, both through a queue and a thread of its own: a pipe that
/// nobody reads blocks that thread and no request. Lines that find the queue full are dropped and counted.
#[derive(Debug)]
pub(super) struct AccessLines {
    /// Whether requests are logged.
    access: bool,
    queue: SyncSender<Line>,
    dropped: AtomicU64,
}

/// A line, and where it goes.
#[derive(Debug)]
enum Line {
    Request(String),
    Note(String),
    Warning(String),
    /// Not a line: the sender waits until all lines before it are written.
    Written(SyncSender<()>),
}

/// Waits for the last lines of a [`AccessLines`].
#[derive(Debug)]
pub(super) struct LastLines(SyncSender<Line>);

impl AccessLines {
    /// Starts the thread that writes.
    pub(super) fn start(access: bool) -> io::Result<(Self, LastLines)> {
        Self::start_with(access, QUEUE, write)
    }

    fn start_with(
        access: bool,
        queue: usize,
        mut write: impl FnMut(&Line) + Send + 'static,
    ) -> io::Result<(Self, LastLines)> {
        let (queue, lines) = sync_channel::<Line>(queue);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || lines.iter().for_each(|line| write(&line)))?;
        let last = LastLines(queue.clone());
        Ok((Self { access, queue, dropped: AtomicU64::new(0) }, last))
    }

    fn put(&self, line: Line) {
        if self.queue.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LastLines {
    /// Waits until all lines are written, unless nobody reads them.
    pub(super) fn wait(self) {
        let (done, written) = sync_channel(1);
        // Nobody reads a full queue.
        if self.0.try_send(Line::Written(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

/// A log that cannot be written must not stop the server.
fn write(line: &Line) {
    match line {
        Line::Request(line) => drop(writeln!(io::stdout(), "{line}")),
        Line::Note(text) => output::note(text),
        Line::Warning(text) => output::warn(text),
        Line::Written(waiting) => {
            let _ = waiting.try_send(());
        }
    }
}

impl ServerLog for AccessLines {
    fn access(&self, access: &AccessRecord<'_>) {
        if !self.access {
            return;
        }
        let line = serde_json::json!({
            "peer": access.peer, "method": access.method, "target": access.target, "status": access.status,
            "bytes": access.bytes, "complete": access.complete, "seconds": access.duration.as_secs_f64(),
            "userAgent": access.user_agent,
        });
        self.put(Line::Request(line.to_string()));
    }

    fn event(&self, event: &ServerEvent) {
        self.put(match event {
            ServerEvent::Serving { archive, id, repositories } => {
                let id = id.as_ref().map_or("a folder of images", archive::ArchiveId::as_str);
                let images = if *repositories == 1 { "image" } else { "images" };
                Line::Note(format!(
                    "serving {} ({id}): {repositories} {images}",
                    content::printable_path(archive)
                ))
            }
            ServerEvent::NotServed { archive, problem } => {
                Line::Warning(format!("not served: {}", output::about(archive, problem)))
            }
            ServerEvent::Damaged { archive, item, problem } => {
                Line::Warning(format!("{}: damaged: {item}: {problem}", content::printable_path(archive)))
            }
            ServerEvent::Connection { problem } => Line::Warning(problem.clone()),
            ServerEvent::NotReloaded { problem } => Line::Warning(super::not_reloaded(problem)),
            ServerEvent::Draining => {
                Line::Note("stopping: accepting no new connections, finishing open requests".into())
            }
            other => Line::Note(format!("{other:?}")),
        });
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_nobody_reads_drops_lines_without_blocking() {
        let (unblock, blocked) = sync_channel::<()>(0);
        let (lines, last) = AccessLines::start_with(true, 2, move |_| {
            let _ = blocked.recv();
        })
        .unwrap();
        for _ in 0..100 {
            lines.event(&ServerEvent::Draining);
        }
        // Two wait and one is being written.
        assert!((97..=98).contains(&lines.dropped()), "{}", lines.dropped());
        last.wait();
        drop(unblock);
    }
}
