//! Judging a task: whether it is up to date, and why not.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use content::Digest;

use crate::model::graph::Graph;
use crate::model::linked::LinkedTask;
use crate::model::reason::{InputChange, Reason};
use crate::record::files::KnownFiles;
use crate::record::journal::{Slice, TaskRecord};
use crate::record::key::{ItemTag, ItemValue, ManifestItem, differences, put};
use crate::record::survey::{self, FolderListing, SurveyError};

/// The basis of all judgements of a run.
pub(crate) struct Evidence<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) files: &'a KnownFiles,
    pub(crate) records: &'a HashMap<String, TaskRecord>,
    pub(crate) listings: &'a HashMap<Digest, Slice>,
    /// Stops the judging once it is true.
    pub(crate) stop: &'a AtomicBool,
}

/// The judgement on a task.
pub(crate) enum Judgement {
    UpToDate { key: Digest },
    OutOfDate(OutOfDate),
}

/// Why a task must run, and the inputs that it was judged by.
pub(crate) struct OutOfDate {
    pub(crate) reasons: Vec<Reason>,
    pub(crate) key: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) listings: Vec<FolderListing>,
}

impl Evidence<'_> {
    /// Judges a task whose dependencies are all done.
    pub(crate) fn judge(&self, linked: &LinkedTask, forced: bool) -> Result<Judgement, SurveyError> {
        let mut manifest = Vec::with_capacity(256);
        let mut listings = Vec::new();
        let surveyed =
            survey::inputs(self.graph, linked, self.files, self.stop, &mut listings, &mut manifest);
        if let Err(error) = surveyed {
            if !linked.task.learns {
                return Err(error);
            }
            // What the action wrote last time is invalid now. It writes it again, and then an error counts.
            (manifest, listings) = (Vec::new(), Vec::new());
            survey::declared(self.graph, linked, self.files, self.stop, &mut listings, &mut manifest)?;
            let message = error.to_string();
            let value = ItemValue::Text(message.as_bytes());
            put(&mut manifest, &ManifestItem { tag: ItemTag::Value, name: b"inputs of the last run", value });
        }
        let key = Digest::of(&manifest);
        let mut reasons = Vec::new();
        if forced {
            reasons.push(Reason::Forced);
        } else if linked.task.always {
            reasons.push(Reason::Always);
        }
        match self.records.get(&linked.task.name) {
            None => reasons.push(Reason::NeverRan),
            Some(record) => {
                if record.key != key {
                    let changes =
                        differences(&record.manifest, &manifest, &|digest| self.listing(digest, &listings));
                    // The same items have another key: their order differs.
                    if changes.is_empty() {
                        reasons.push(Reason::Order);
                    }
                    reasons
                        .extend(changes.into_iter().map(|change| Reason::Input(self.with_producer(change))));
                }
                let mut outputs = Vec::with_capacity(record.outputs.len());
                let mut listed = Vec::new();
                survey::outputs(&self.graph.root, linked, self.files, self.stop, &mut listed, &mut outputs)?;
                // If the key differs, the declared outputs may differ too, and that is a reason already.
                if *outputs != *record.outputs && record.key == key {
                    let changes =
                        differences(&record.outputs, &outputs, &|digest| self.listing(digest, &listed));
                    reasons.extend(changes.into_iter().map(Reason::Output));
                }
            }
        }
        Ok(if reasons.is_empty() {
            Judgement::UpToDate { key }
        } else {
            Judgement::OutOfDate(OutOfDate { reasons, key, manifest, listings })
        })
    }

    fn with_producer(&self, mut change: InputChange) -> InputChange {
        if matches!(change.kind, "file" | "folder" | "glob") {
            let producer = self.graph.producer(Path::new(&change.name));
            change.by = producer.map(|id| self.graph.task(id).name.clone());
        }
        change
    }

    fn listing<'b>(&'b self, digest: Digest, now: &'b [FolderListing]) -> Option<Cow<'b, [u8]>> {
        now.iter()
            .find(|(listed, _)| *listed == digest)
            .map(|(_, bytes)| Cow::Borrowed(bytes.as_slice()))
            .or_else(|| self.listings.get(&digest).map(|bytes| Cow::Borrowed(&**bytes)))
    }
}
