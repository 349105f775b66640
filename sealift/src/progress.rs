//! Progress on a terminal; elsewhere silence, where the lines of the report itself are progress enough.

pub(crate) mod blobs;

use std::io::{self, Write};
use std::time::Duration;

use buildchain::graph::{Event, Reporter};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

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
    if crate::output::is_quiet() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(10)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl iso::Progress for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

/// The live line of a run: how many tasks are done, what runs now and for how long.
pub(crate) struct Live(ProgressBar);

impl Live {
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, target());
        style(&bar, "{spinner} [{pos}/{len}] {wide_msg}");
        Self(bar)
    }

    /// Standard output, written to above the live line.
    pub(crate) fn writer(&self) -> Above {
        Above(self.0.clone())
    }

    /// `inner`, with the live line below what it prints.
    pub(crate) fn reporter<R: Reporter>(&self, inner: R) -> Watched<R> {
        Watched { inner, bar: self.0.clone(), running: Vec::new() }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

pub(crate) fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Standard output above the live line.
pub(crate) struct Above(ProgressBar);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// A reporter with a live line below.
pub(crate) struct Watched<R> {
    inner: R,
    bar: ProgressBar,
    running: Vec<Running>,
}

struct Running {
    name: String,
    title: String,
    since: std::time::Instant,
    says: String,
}

impl<R> Watched<R> {
    fn draw(&self) {
        let message = self.running.first().map_or_else(String::new, |task| {
            let more = match self.running.len() {
                1 => String::new(),
                count => format!(" (+{})", count - 1),
            };
            let elapsed = HumanDuration(task.since.elapsed());
            let says = if task.says.is_empty() { String::new() } else { format!(": {}", task.says) };
            // What matters first: a narrow terminal cuts off the end.
            let title = task.title.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{elapsed:#}{more} {title}{says}")
        });
        self.bar.set_message(message);
    }
}

impl<R: Reporter> Reporter for Watched<R> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Begun { tasks } => self.bar.set_length(*tasks as u64),
            Event::Started { task, .. } => self.running.push(Running {
                name: task.name.clone(),
                title: if task.title.is_empty() { task.name.clone() } else { task.title.to_string() },
                since: std::time::Instant::now(),
                says: String::new(),
            }),
            Event::Line { task, line: text, .. } | Event::Progress { task, text } => {
                if let Some(running) = self.running.iter_mut().find(|running| running.name == task.name) {
                    (*text).clone_into(&mut running.says);
                }
            }
            Event::Finished { task, .. } => {
                self.running.retain(|running| running.name != task.name);
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
        self.draw();
        self.bar.tick();
    }
}
