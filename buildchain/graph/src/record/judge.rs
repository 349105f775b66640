//! Judging a task: is it up to date, and if not, why not?

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::model::graph::{Graph, Node};
use crate::model::reason::{Change, Reason};
use crate::record::digest::Digest;
use crate::record::files::Files;
use crate::record::journal::{Record, Slice};
use crate::record::manifest::differences;
use crate::record::survey::{self, Listing, SurveyError};

/// What a judgement rests on; the same for all tasks of a run.
pub(crate) struct Evidence<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) files: &'a Files,
    pub(crate) records: &'a HashMap<String, Record>,
    pub(crate) listings: &'a HashMap<Digest, Slice>,
    /// When this turns true there is nothing to judge any more.
    pub(crate) stop: &'a AtomicBool,
}

/// The judgement on a task.
pub(crate) enum Judgement {
    UpToDate { key: Digest },
    MustRun(Dirty),
}

/// A task that must run, with what was seen of it.
pub(crate) struct Dirty {
    pub(crate) reasons: Vec<Reason>,
    pub(crate) key: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) listings: Vec<Listing>,
}

impl Evidence<'_> {
    /// Judges a task all of whose needs are done.
    pub(crate) fn judge(&self, node: &Node, forced: bool) -> Result<Judgement, SurveyError> {
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
