//! Progress: bars on a terminal, a line from time to time elsewhere.

pub(crate) mod blobs;

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use graph::{Reporter, RunEvent, Transfer};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::blobs::Blobs;
use crate::output;

/// A bar of bytes on standard error, drawn only if that is a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn bytes(verb: &'static str, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), target());
        style(&bar, "{msg:>12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        bar.set_message(verb);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

/// Where progress is drawn: standard error if that is a terminal, and nowhere with `--quiet`.
fn target() -> ProgressDrawTarget {
    if output::is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl iso::ByteProgress for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

/// The live line of a run: how many tasks are done, what runs and for how long; above it the blobs in transit.
pub(crate) struct Live {
    bars: MultiProgress,
    line: ProgressBar,
}

impl Live {
    pub(crate) fn start() -> Self {
        let bars = MultiProgress::with_draw_target(target());
        let line = bars.add(ProgressBar::no_length());
        style(&line, "{spinner} [{pos}/{len}] {wide_msg}");
        Self { bars, line }
    }

    /// Standard output, written to above the live line.
    pub(crate) fn writer(&self) -> Above {
        Above(self.bars.clone())
    }

    /// `inner`, with the live line below what it prints.
    pub(crate) fn reporter<R: Reporter>(&self, inner: R) -> WatchedReader<R> {
        WatchedReader {
            inner,
            bars: self.bars.clone(),
            bar: self.line.clone(),
            running: Vec::new(),
            blobs: None,
            lines: !io::stderr().is_terminal(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

pub(crate) fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Standard output above the live line.
pub(crate) struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// A reporter with a live line below; where there is no terminal, a line for each task that takes long.
pub(crate) struct WatchedReader<R> {
    inner: R,
    bars: MultiProgress,
    bar: ProgressBar,
    running: Vec<Running>,
    /// The blobs that tasks fetch, while at least one does.
    blobs: Option<Blobs>,
    /// Whether standard error is not a terminal.
    lines: bool,
}

struct Running {
    name: String,
    title: String,
    since: Instant,
    last_line: String,
    /// Whether it fetches blobs.
    fetches: bool,
    /// Whether its long duration was reported.
    reported: bool,
}

/// The duration after which a task gets a line where there is no terminal.
const LONG: Duration = Duration::from_secs(10);

impl<R> WatchedReader<R> {
    fn transfer(&mut self, task: &str, step: &Transfer) {
        let Some(running) = self.running.iter_mut().find(|running| running.name == task) else { return };
        if let Transfer::Planned { parts, .. } = step {
            if *parts == 0 {
                return;
            }
            running.fetches = true;
        }
        let blobs = self.blobs.get_or_insert_with(|| Blobs::above(self.bars.clone(), "pulling"));
        // Two tasks may fetch one blob at the same time.
        let key = |part: &str| format!("{task} {part}");
        match step {
            Transfer::Planned { parts, bytes } => blobs.add(*parts, *bytes),
            Transfer::Begin { part, label, size, present } => {
                blobs.open(key(part), label, part, *size, *present);
            }
            Transfer::Advance { part, bytes } => blobs.step(&key(part), *bytes),
            Transfer::End { part } => blobs.close(&key(part)),
        }
    }

    /// The titles of the tasks that have become long since the last call.
    fn take_long(&mut self, now: Instant) -> Vec<String> {
        let long = self
            .running
            .iter_mut()
            .filter(|task| !task.reported && now.saturating_duration_since(task.since) >= LONG);
        long.map(|task| {
            task.reported = true;
            one_line(&task.title)
        })
        .collect()
    }

    fn draw(&self) {
        let message = self.running.first().map_or_else(String::new, |task| {
            let more = match self.running.len() {
                1 => String::new(),
                count => format!(" (+{})", count - 1),
            };
            let elapsed = HumanDuration(task.since.elapsed());
            let last_line =
                if task.last_line.is_empty() { String::new() } else { format!(": {}", task.last_line) };
            // The most important part first: a narrow terminal cuts off the end.
            format!("{elapsed:#}{more} {}{last_line}", one_line(&task.title))
        });
        self.bar.set_message(message);
    }
}

impl<R: Reporter> Reporter for WatchedReader<R> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Begun { tasks } => self.bar.set_length(*tasks as u64),
            RunEvent::Started { task, .. } => self.running.push(Running {
                name: task.name.clone(),
                title: if task.title.is_empty() { task.name.clone() } else { task.title.to_string() },
                since: Instant::now(),
                last_line: String::new(),
                fetches: false,
                reported: false,
            }),
            RunEvent::Transfer { task, step } => self.transfer(&task.name, step),
            RunEvent::Line { task, line: text, .. } => {
                if let Some(running) = self.running.iter_mut().find(|running| running.name == task.name) {
                    (*text).clone_into(&mut running.last_line);
                }
            }
            RunEvent::Finished { task, .. } => {
                self.running.retain(|running| running.name != task.name);
                if !self.running.iter().any(|running| running.fetches) {
                    self.blobs = None;
                }
                if !task.is_group() {
                    self.bar.inc(1);
                }
            }
            _ => {}
        }
        self.inner.event(event);
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.inner.take_error()
    }

    fn tick(&mut self) {
        self.inner.tick();
        if self.lines {
            for title in self.take_long(Instant::now()) {
                output::note(&format!("still running: {title}"));
            }
        }
        self.draw();
        self.bar.tick();
    }
}

/// The two columns of a title as words.
fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use graph::{Task, TaskReport, TaskVerdict, Title};

    use super::*;

    fn task(name: &str) -> Task {
        Task {
            name: name.into(),
            title: Title::new("PULL IMG", name),
            action: Some(Box::new(|_| Ok(()))),
            ..Task::default()
        }
    }

    #[test]
    fn a_run_shows_the_blobs_of_all_its_pulls_until_the_last_has_ended() {
        let live = Live::start();
        let mut watched = live.reporter(());
        let (a, b) = (task("a"), task("b"));
        for task in [&a, &b] {
            watched.event(&RunEvent::Started { task, reasons: &[] });
        }
        let mut step = |task, step| watched.event(&RunEvent::Transfer { task, step: &step });
        step(&a, Transfer::Planned { parts: 0, bytes: 0 });
        step(&b, Transfer::Planned { parts: 2, bytes: 300 });
        step(&a, Transfer::Planned { parts: 1, bytes: 100 });
        let begin =
            || Transfer::Begin { part: "0123456789".into(), label: "x".into(), size: 100, present: 40 };
        step(&a, begin());
        step(&b, begin());
        step(&a, Transfer::Advance { part: "0123456789".into(), bytes: 50 });
        step(&b, Transfer::Advance { part: "0123456789".into(), bytes: -40 });
        step(&b, Transfer::End { part: "0123456789".into() });
        assert_eq!(watched.blobs.as_ref().map(Blobs::state), Some((90, 400, 1)));
        let report = TaskReport::of(TaskVerdict::Succeeded);
        watched.event(&RunEvent::Finished { task: &b, report: &report });
        assert!(watched.blobs.is_some());
        watched.event(&RunEvent::Finished { task: &a, report: &report });
        assert!(watched.blobs.is_none());
    }

    #[test]
    fn a_task_that_takes_long_is_named_once() {
        let live = Live::start();
        let mut watched = live.reporter(());
        watched.event(&RunEvent::Started { task: &task("nginx:1.25"), reasons: &[] });
        let now = Instant::now();
        assert_eq!(watched.take_long(now), [""; 0]);
        assert_eq!(watched.take_long(now + LONG), ["PULL IMG nginx:1.25"]);
        assert_eq!(watched.take_long(now + LONG * 2), [""; 0]);
    }
}
