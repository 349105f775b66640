//! The recorder of a run: the thread that writes results to the journal.

use std::sync::mpsc::{Receiver, Sender};

use crate::engine::project::discard;
use crate::engine::shared::{Message, SharedRun, ToRecord};
use crate::record::journal;
use crate::record::state::{Journal, StateError};
use crate::record::threads::lock;

/// What the recorder has written.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) error: Option<StateError>,
}

/// Writes all results that wait at once, and only then releases the tasks that wait for them.
pub(crate) fn record(
    shared: &SharedRun<'_>,
    results: &Receiver<ToRecord>,
    mut journal: Option<&mut Journal>,
    messages: &Sender<Message>,
) -> Recorded {
    let mut recorded = Recorded::default();
    while let Ok(first) = results.recv() {
        let batch: Vec<ToRecord> = std::iter::once(first).chain(results.try_iter()).collect();
        let mut frames = Vec::new();
        journal::put_digests(&mut frames, &shared.evidence.files.take_unsaved());
        for result in &batch {
            frames.extend(&result.frames);
        }
        let written = match &mut journal {
            Some(journal) if !frames.is_empty() => journal.append(&frames),
            _ => Ok(()),
        };
        let ended: Vec<_> = batch.iter().map(|result| (result.id, result.verdict)).collect();
        if written.is_ok() {
            // What cannot be removed is removed by the next run.
            batch.iter().filter_map(|result| result.aside.as_deref()).for_each(|aside| drop(discard(aside)));
            recorded.frames.extend(batch.into_iter().map(|result| result.frames));
        }
        if let Err(error) = written {
            lock(&shared.schedule).stopping = true;
            recorded.error.get_or_insert(error);
        }
        shared.finish(&ended, messages);
    }
    recorded
}
