//! Progress of a pull or push: a bar for each blob on a terminal, a line now and then elsewhere.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use images::Digest;
use images::pull::Progress;
use indicatif::{MultiProgress, ProgressBar};

use super::{style, target};
use crate::output;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How far the blobs of a pull or push are.
pub(crate) struct Blobs {
    bars: MultiProgress,
    verb: &'static str,
    total: ProgressBar,
    each: RefCell<HashMap<Digest, ProgressBar>>,
    /// When the last line was written; `None` on a terminal.
    line: Option<RefCell<Instant>>,
}

impl Blobs {
    /// `verb` is `pulling` or `pushing`.
    pub(crate) fn start(verb: &'static str) -> Self {
        let bars = MultiProgress::with_draw_target(target());
        let total = bars.add(ProgressBar::no_length());
        style(&total, "{msg:>12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        total.set_message(verb);
        let line = (!std::io::stderr().is_terminal()).then(|| RefCell::new(Instant::now()));
        Self { bars, verb, total, each: RefCell::default(), line }
    }

    fn say(&self) {
        let Some(last) = &self.line else { return };
        if last.borrow().elapsed() >= LINE_EVERY {
            last.replace(Instant::now());
            let (done, all) = (self.total.position(), self.total.length().unwrap_or_default());
            output::note(&format!("{}: {} of {}", self.verb, output::size(done), output::size(all)));
        }
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        for bar in self.each.borrow().values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

impl Progress for Blobs {
    fn planned(&self, blobs: usize, bytes: u64) {
        self.total.set_length(bytes);
        self.total.set_message(format!("{blobs} blobs"));
    }

    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        self.total.inc(present);
        let bar = self.bars.insert_before(&self.total, ProgressBar::new(size));
        style(&bar, "{msg:>12} {wide_bar} {bytes}/{total_bytes}");
        bar.set_message(format!("{image} {}", blob.hex().get(..8).unwrap_or_default()));
        bar.set_position(present);
        self.each.borrow_mut().insert(*blob, bar);
    }

    fn advance(&self, blob: &Digest, bytes: i64) {
        for bar in self.each.borrow().get(blob).into_iter().chain([&self.total]) {
            match u64::try_from(bytes) {
                Ok(bytes) => bar.inc(bytes),
                Err(_) => bar.dec(bytes.unsigned_abs()),
            }
        }
        self.say();
    }

    fn end(&self, blob: &Digest) {
        if let Some(bar) = self.each.borrow_mut().remove(blob) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn warn(&self, text: &str) {
        self.bars.suspend(|| output::warn(text));
    }

    fn retry(&self, url: &str, fault: &str, wait: Duration) {
        self.bars.suspend(|| {
            output::warn(&format!("{url}: {fault}; again in {:.1} s", wait.as_secs_f64()));
        });
    }
}
