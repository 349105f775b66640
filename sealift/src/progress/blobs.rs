//! Progress of pulls or a push: a bar for each blob on a terminal, a line from time to time elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Instant;

use content::Digest;
use images::pull::TransferProgress;
use indicatif::{MultiProgress, ProgressBar};

use super::lines::{ProgressLines, ProgressUnit};
use super::{style, target};
use crate::output;

/// The progress of the blobs of pulls or a push.
pub(crate) struct Blobs {
    bars: MultiProgress,
    verb: &'static str,
    count: Cell<usize>,
    total: ProgressBar,
    /// The bars of the blobs in transit, by key.
    each: RefCell<HashMap<String, ProgressBar>>,
    /// `None` if the bars are drawn.
    lines: Option<ProgressLines>,
}

impl Blobs {
    /// `verb` is `pulling` or `pushing`.
    pub(crate) fn start(verb: &'static str) -> Self {
        let mut blobs = Self::above(MultiProgress::with_draw_target(target()), verb);
        blobs.lines = ProgressLines::start(verb, ProgressUnit::Bytes);
        blobs
    }

    /// As [`Blobs::start`], above the bars `bars`, and without lines.
    pub(super) fn above(bars: MultiProgress, verb: &'static str) -> Self {
        let total = bars.insert(0, ProgressBar::no_length());
        style(&total, "{msg:>12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        total.set_message(verb);
        Self { bars, verb, count: Cell::new(0), total, each: RefCell::default(), lines: None }
    }

    /// Adds blobs to move.
    pub(super) fn add(&self, blobs: usize, bytes: u64) {
        self.count.set(self.count.get() + blobs);
        self.total.set_length(self.total.length().unwrap_or_default() + bytes);
        self.total.set_message(match self.count.get() {
            0 | 1 => self.verb.to_owned(),
            count => format!("{} {count}", self.verb),
        });
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
        if let Some(lines) = &self.lines {
            lines.write(Instant::now(), self.total.position(), self.total.length());
        }
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
