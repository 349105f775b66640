//! Progress of a pull or push: a bar for each blob on a terminal, a line from time to time elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use content::Digest;
use images::pull::TransferProgress;
use indicatif::{MultiProgress, ProgressBar};

use super::{style, target};
use crate::output;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of the blobs of pulls or a push.
pub(crate) struct Blobs {
    bars: MultiProgress,
    verb: &'static str,
    count: Cell<usize>,
    total: ProgressBar,
    /// The bars of the blobs in transit, by key.
    each: RefCell<HashMap<String, ProgressBar>>,
    /// When the last line was written; `None` on a terminal.
    line: Option<RefCell<Instant>>,
}

impl Blobs {
    /// `verb` is `pulling` or `pushing`.
    pub(crate) fn start(verb: &'static str) -> Self {
        Self::above(MultiProgress::with_draw_target(target()), verb)
    }

    /// As [`Blobs::start`], above the bars `bars`.
    pub(super) fn above(bars: MultiProgress, verb: &'static str) -> Self {
        let total = bars.insert(0, ProgressBar::no_length());
        style(&total, "{msg:>12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        total.set_message(verb);
        let line = (!std::io::stderr().is_terminal()).then(|| RefCell::new(Instant::now()));
        Self { bars, verb, count: Cell::new(0), total, each: RefCell::default(), line }
    }

    /// Adds blobs to move.
    pub(super) fn add(&self, blobs: usize, bytes: u64) {
        self.count.set(self.count.get() + blobs);
        self.total.set_length(self.total.length().unwrap_or_default() + bytes);
        self.total.set_message(format!("{} blobs", self.count.get()));
    }

    /// Starts the bar of the blob `key` of `image`, whose digest starts with `name`.
    pub(super) fn open(&self, key: String, image: &str, name: &str, size: u64, present: u64) {
        self.total.inc(present);
        let bar = self.bars.insert_before(&self.total, ProgressBar::new(size));
        style(&bar, "{msg:>12} {wide_bar} {bytes}/{total_bytes}");
        bar.set_message(format!("{image} {}", name.get(..8).unwrap_or(name)));
        bar.set_position(present);
        self.each.borrow_mut().insert(key, bar);
    }

    /// Moves the bar of the blob `key` by so many bytes, backwards if negative.
    pub(super) fn step(&self, key: &str, bytes: i64) {
        for bar in self.each.borrow().get(key).into_iter().chain([&self.total]) {
            match u64::try_from(bytes) {
                Ok(bytes) => bar.inc(bytes),
                Err(_) => bar.dec(bytes.unsigned_abs()),
            }
        }
        self.write_line();
    }

    /// Ends the bar of the blob `key`.
    pub(super) fn close(&self, key: &str) {
        if let Some(bar) = self.each.borrow_mut().remove(key) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    /// The bytes that were moved, the total, and the number of bars.
    #[cfg(test)]
    pub(super) fn state(&self) -> (u64, u64, usize) {
        (self.total.position(), self.total.length().unwrap_or_default(), self.each.borrow().len())
    }

    fn write_line(&self) {
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
        self.bars.remove(&self.total);
    }
}

impl TransferProgress for Blobs {
    fn planned(&self, blobs: usize, bytes: u64) {
        self.add(blobs, bytes);
    }

    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        let name = blob.hex();
        self.open(name.clone(), image, &name, size, present);
    }

    fn advance(&self, blob: &Digest, bytes: i64) {
        self.step(&blob.hex(), bytes);
    }

    fn end(&self, blob: &Digest) {
        self.close(&blob.hex());
    }

    fn warn(&self, text: &str) {
        self.bars.suspend(|| output::warn(text));
    }

    fn retry(&self, text: &str) {
        self.warn(text);
    }
}
