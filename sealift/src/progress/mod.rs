//! Progress on standard error: redrawn on a terminal, a line from time to time elsewhere.

pub(crate) mod blobs;
mod lines;
pub(crate) mod live;
mod running;
pub(crate) mod step_log;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::lines::{ProgressLines, ProgressUnit};
use crate::output;

/// A bar on standard error; lines if that is not a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    lines: Option<ProgressLines>,
}

impl Bar {
    pub(crate) fn bytes(verb: &'static str, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), target());
        style(&bar, "{msg:>12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        bar.set_message(verb);
        if is_drawn() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, lines: ProgressLines::start(verb, ProgressUnit::Bytes) }
    }

    /// A count of things, such as `package`, whose number is not known before. [`advance`](iso::ByteProgress::advance) counts them.
    pub(crate) fn items(verb: &'static str, noun: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target());
        style(&bar, &format!("{{msg:>12}} {{spinner}} {{pos}} {noun}s"));
        bar.set_message(verb);
        if is_drawn() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, lines: ProgressLines::start(verb, ProgressUnit::Items(noun)) }
    }
}

/// Bars of operations that run at the same time, one below the other.
pub(crate) struct Bars(MultiProgress);

impl Bars {
    pub(crate) fn new() -> Self {
        Self(MultiProgress::with_draw_target(target()))
    }

    /// A bar of bytes, below those that exist.
    pub(crate) fn bytes(&self, label: String, total: u64) -> Bar {
        let bar = self.0.add(ProgressBar::new(total));
        style(&bar, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        bar.set_message(label.clone());
        Bar { bar, lines: ProgressLines::start(label, ProgressUnit::Bytes) }
    }

    /// Writes to standard error while no bar is drawn.
    pub(crate) fn above(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }
}

/// Whether progress is redrawn: standard error is a terminal that can move its cursor.
fn is_drawn() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Where progress is drawn: nowhere without a terminal, and nowhere with `--quiet`.
fn target() -> ProgressDrawTarget {
    if output::is_quiet() || !is_drawn() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(10)
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl iso::ByteProgress for Bar {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if let Some(lines) = &self.lines {
            lines.write(Instant::now(), self.bar.position(), self.bar.length());
        }
    }
}
