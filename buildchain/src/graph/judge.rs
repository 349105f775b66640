//! Judging a task: is it up to date, and if not, why not?

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::digest::Digest;
use super::files::Files;
use super::journal::{Record, Slice};
use super::manifest::differences;
use super::model::{Graph, Node};
use super::reason::{Change, Reason};
use super::survey::{self, Listing, SurveyError};

/// What a judgement rests on; the same for all tasks of a run.
pub(super) struct Evidence<'a> {
    pub(super) graph: &'a Graph,
    pub(super) files: &'a Files,
    pub(super) records: &'a HashMap<String, Record>,
    pub(super) listings: &'a HashMap<Digest, Slice>,
    /// When this turns true there is nothing to judge any more.
    pub(super) stop: &'a AtomicBool,
}

/// The judgement on a task.
pub(super) enum Judgement {
    UpToDate { key: Digest },
    MustRun(Dirty),
}

/// A task that must run, with what was seen of it.
pub(super) struct Dirty {
    pub(super) reasons: Vec<Reason>,
    pub(super) key: Digest,
    pub(super) manifest: Vec<u8>,
    pub(super) listings: Vec<Listing>,
}

impl Evidence<'_> {
    /// Judges a task all of whose needs are done.
    pub(super) fn judge(&self, node: &Node, forced: bool) -> Result<Judgement, SurveyError> {
        let mut manifest = Vec::with_capacity(256);
        let mut listings = Vec::new();
        survey::inputs(self.graph, node, self.files, self.stop, &mut listings, &mut manifest)?;
        let key = Digest::of(&manifest);
        let mut reasons = Vec::new();
        if forced {
            reasons.push(Reason::Forced);
        } else if node.task.always {
            reasons.push(Reason::Always);
        }
        match self.records.get(&node.task.name) {
            None => reasons.push(Reason::NeverRan),
            Some(record) => {
                if record.key != key {
                    let changes =
                        differences(&record.manifest, &manifest, &|digest| self.listing(digest, &listings));
                    // Another key of the same items: their order is part of it.
                    if changes.is_empty() {
                        reasons.push(Reason::Order);
                    }
                    reasons.extend(changes.into_iter().map(|change| Reason::Input(self.with_maker(change))));
                }
                let mut outputs = Vec::with_capacity(record.outputs.len());
                let mut made = Vec::new();
                survey::outputs(&self.graph.root, node, self.files, self.stop, &mut made, &mut outputs)?;
                // After a change of the declared outputs there is nothing to compare: that change is a reason
                // already.
                if *outputs != *record.outputs && record.key == key {
                    let changes =
                        differences(&record.outputs, &outputs, &|digest| self.listing(digest, &made));
                    reasons.extend(changes.into_iter().map(Reason::Output));
                }
            }
        }
        Ok(if reasons.is_empty() {
            Judgement::UpToDate { key }
        } else {
            Judgement::MustRun(Dirty { reasons, key, manifest, listings })
        })
    }

    fn with_maker(&self, mut change: Change) -> Change {
        if matches!(change.kind, "file" | "folder" | "glob") {
            let maker = self.graph.maker(Path::new(&change.name));
            change.by = maker.map(|id| self.graph.task(id).name.clone());
        }
        change
    }

    fn listing<'b>(&'b self, digest: Digest, now: &'b [Listing]) -> Option<Cow<'b, [u8]>> {
        now.iter()
            .find(|(listed, _)| *listed == digest)
            .map(|(_, bytes)| Cow::Borrowed(bytes.as_slice()))
            .or_else(|| self.listings.get(&digest).map(|bytes| Cow::Borrowed(&**bytes)))
    }
}
