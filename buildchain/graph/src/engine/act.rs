//! Running a task that is out of date: restoring its outputs, or running its action and recording the result.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Instant;

use content::Digest;

use crate::engine::attempts::attempts;
use crate::engine::outputs;
use crate::engine::project::{self, Occupied};
use crate::engine::restore::{restore, store};
use crate::engine::schedule::Status;
use crate::engine::shared::{Message, SharedRun, ToRecord};
use crate::model::error::{ActionError, FileError, chain};
use crate::model::linked::{LinkedTask, TaskId};
use crate::model::task::Task;
use crate::record::entry::FileEntryKind;
use crate::record::files::NEVER;
use crate::record::journal::{self, JournalEntry};
use crate::record::judge::OutOfDate;
use crate::record::key::{ItemTag, ItemValue, ManifestItem, items};
use crate::record::parts::parts;
use crate::record::survey::{self, FolderListing};
use crate::record::threads::lock;
use crate::report::outcome::{TaskReport, TaskVerdict};

/// Runs a task, and sends the result to the recorder.
pub(crate) fn act(
    shared: &SharedRun<'_>,
    id: TaskId,
    judged: OutOfDate,
    messages: &Sender<Message>,
    record: &Sender<ToRecord>,
) {
    let linked = shared.graph.linked(id);
    let mut report = TaskReport::of(TaskVerdict::Succeeded);
    report.key = Some(judged.key);
    report.started = shared.options.clock.map(|clock| clock());
    report.reasons.clone_from(&judged.reasons);
    let start = Instant::now();
    let mut found = Vec::new();
    let aside = match outputs::set_aside(shared.graph, id) {
        Ok(aside) => aside,
        Err(error) => {
            report.break_by(&error, shared.options.help);
            end(shared, id, report, Vec::new(), None, (messages, record));
            return;
        }
    };
    if let Some(frames) = restore(shared, linked, &judged, &mut report) {
        warn_of(aside.discard(), &mut report);
        end(shared, id, report, frames, None, (messages, record));
        return;
    }
    let OutOfDate { reasons, mut key, mut manifest, mut listings } = judged;
    let recorded = shared.own.get(&linked.task.name);
    let mut occupied = match project::occupy(shared.graph, id, shared.evidence.files, recorded) {
        Ok(occupied) => occupied,
        Err(error) => {
            warn_of(aside.put_back(), &mut report);
            report.break_by(&error, shared.options.help);
            end(shared, id, report, Vec::new(), None, (messages, record));
            return;
        }
    };
    let _ = messages.send(Message::Started(id, reasons));
    let begun = if linked.task.learns { shared.evidence.files.tick() } else { None };
    let mut own = None;
    let result = attempts(shared, id, &mut report, messages, occupied.as_ref())
        .and_then(|()| own_now(shared, occupied.as_mut(), &mut own, &mut report))
        .and_then(|()| collect(shared, linked, &mut listings, &mut found))
        .and_then(|()| inputs_now(shared, linked, begun, &mut manifest, &mut listings));
    if result.is_ok() && linked.task.learns {
        key = Digest::of(&manifest);
        report.key = Some(key);
    }
    report.elapsed = Some(start.elapsed());
    let mut frames = Vec::new();
    let mut own_aside = None;
    if result.is_ok() {
        warn_of(aside.discard(), &mut report);
        own_aside = occupied.map(Occupied::into_place);
        let recorded: &[u8] = recorded.map(|own| &**own).unwrap_or_default();
        if let Some(files) = own.as_deref().filter(|own| *own != recorded) {
            journal::put(&mut frames, &JournalEntry::Own { name: &linked.task.name, files });
        }
    } else {
        let removed = outputs::remove_outputs(shared.graph, &linked.task).map_err(io::Error::from);
        warn_of(removed.and_then(|()| aside.put_back()), &mut report);
        let undone = occupied.map_or(Ok(()), |occupied| occupied.undo(shared.graph));
        warn_of(undone.map_err(io::Error::other), &mut report);
    }
    match result {
        Ok(InputsNow::Changed) => {
            report.err.push_str("an input changed while the task ran: it will run again next time\n");
            forget(shared, &linked.task, &mut frames);
        }
        Ok(InputsNow::Same) => {
            store(shared, linked, &manifest, &found, &listings, &mut report);
            let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let name = &linked.task.name;
            put_listings(shared, &listings, &mut frames);
            let entry = JournalEntry::Task { name, key, manifest: &manifest, outputs: &found, millis };
            journal::put(&mut frames, &entry);
        }
        Err(error) => {
            match error {
                ActionError::Broken(error) => report.break_by(error.as_ref(), shared.options.help),
                error => {
                    let is_failure = matches!(error, ActionError::Failed(_));
                    report.verdict = if is_failure { TaskVerdict::Failed } else { TaskVerdict::Cancelled };
                    report.error = Some(error.to_string());
                }
            }
            forget(shared, &linked.task, &mut frames);
        }
    }
    end(shared, id, report, frames, own_aside, (messages, record));
}

/// Lists what the action created in output folders of the project, and keeps the files that the user edited.
fn own_now(
    shared: &SharedRun<'_>,
    occupied: Option<&mut Occupied>,
    own: &mut Option<Vec<u8>>,
    report: &mut TaskReport,
) -> Result<(), ActionError> {
    let Some(occupied) = occupied else { return Ok(()) };
    for warning in occupied.keep_edited(shared.graph)? {
        report.err.push_str(&format!("{warning}\n"));
    }
    *own = Some(occupied.own_now(shared.graph, shared.evidence.files)?);
    Ok(())
}

/// Warns of old or partial outputs that cannot be removed or moved back. The verdict stays.
fn warn_of(removed: io::Result<()>, report: &mut TaskReport) {
    if let Err(error) = removed {
        report.err.push_str(&format!("cannot clean up after the task: {error}\n"));
    }
}

/// Reports the end of a task, and passes it on to the recorder.
fn end(
    shared: &SharedRun<'_>,
    id: TaskId,
    report: TaskReport,
    frames: Vec<u8>,
    aside: Option<PathBuf>,
    (messages, record): (&Sender<Message>, &Sender<ToRecord>),
) {
    let verdict = report.verdict;
    // Sent by the worker itself, so that its messages on one task come before those on the next.
    let _ = messages.send(Message::Finished(vec![(id, report)]));
    let mut schedule = lock(&shared.schedule);
    schedule.stopping |= shared.ends_run(verdict);
    schedule.set(id, Status::Recording);
    drop(schedule);
    let _ = record.send(ToRecord { id, verdict, frames, aside });
    // A slot of its pool is free.
    shared.wake.notify_all();
}

/// Appends the frames of listings that the state does not have.
pub(crate) fn put_listings<'a>(
    shared: &SharedRun<'_>,
    listings: impl IntoIterator<Item = &'a FolderListing>,
    frames: &mut Vec<u8>,
) {
    for (digest, bytes) in listings {
        if !shared.evidence.listings.contains_key(digest) {
            journal::put(frames, &JournalEntry::Listing { digest: *digest, bytes });
        }
    }
}

/// Appends the frame that removes the record of a task, if it has one.
fn forget(shared: &SharedRun<'_>, task: &Task, frames: &mut Vec<u8>) {
    if shared.evidence.records.contains_key(&task.name) {
        journal::put(frames, &JournalEntry::Forget { name: &task.name });
    }
}

/// Reads the outputs of an action: all that the task declares must exist. This is not stopped with the run, or the work
/// would be lost.
fn collect(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    listings: &mut Vec<FolderListing>,
    outputs: &mut Vec<u8>,
) -> Result<(), ActionError> {
    survey::outputs(&shared.graph.root, linked, shared.evidence.files, &NEVER, listings, outputs)?;
    if let Some(item) = items(outputs).find(|item| item.value == ItemValue::Nothing) {
        let path = content::printable_path(item.path());
        return Err(ActionError::broken(format!("the task did not produce its output {path}")));
    }
    let find =
        |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
    for part in parts(outputs, &find).unwrap_or_default() {
        if part.entry.kind == FileEntryKind::File {
            shared.evidence.files.trust(&part.path, part.entry.digest)?;
        }
    }
    Ok(())
}

/// The inputs of a task after its action, compared with those that it was judged by.
enum InputsNow {
    Same,
    Changed,
}

/// Compares the inputs with those of `manifest`, by which the task was judged. If the task learns its inputs from its action,
/// `manifest` becomes the one with those that it discovers now; those that it did not know must not have changed since the
/// moment `begun`.
///
/// # Errors
///
/// If what the task learned is invalid.
fn inputs_now(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    begun: Option<i64>,
    manifest: &mut Vec<u8>,
    listings: &mut Vec<FolderListing>,
) -> Result<InputsNow, ActionError> {
    let files = shared.evidence.files;
    let mut now = Vec::with_capacity(manifest.len());
    if !linked.task.learns {
        let surveyed = survey::inputs(shared.graph, linked, files, &NEVER, &mut Vec::new(), &mut now);
        let same = surveyed.is_ok() && now == *manifest;
        return Ok(if same { InputsNow::Same } else { InputsNow::Changed });
    }
    let declared = survey::declared(shared.graph, linked, files, &NEVER, &mut Vec::new(), &mut now);
    if declared.is_err() || !manifest.starts_with(&now) {
        return Ok(InputsNow::Changed);
    }
    now.clear();
    survey::inputs(shared.graph, linked, files, &NEVER, listings, &mut now)
        .map_err(|error| ActionError::broken(chain(&error)))?;
    let changed = learned_changed(shared, linked, begun, manifest, &now, listings)?;
    *manifest = now;
    Ok(if changed { InputsNow::Changed } else { InputsNow::Same })
}

/// Whether an input was edited while the action ran that learned of it. `before` and `now` are the manifests.
fn learned_changed(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    begun: Option<i64>,
    before: &[u8],
    now: &[u8],
    listings: &[FolderListing],
) -> Result<bool, FileError> {
    let (graph, files) = (shared.graph, shared.evidence.files);
    let of_files = |item: &ManifestItem<'_>| {
        matches!(item.tag, ItemTag::File | ItemTag::Named | ItemTag::Folder | ItemTag::Glob)
    };
    let mut known: HashMap<(u8, &[u8]), Vec<ItemValue<'_>>> = HashMap::new();
    for item in items(before).filter(of_files) {
        known.entry((item.tag as u8, item.name)).or_default().push(item.value);
    }
    let mut new = Vec::new();
    for item in items(now).filter(of_files) {
        match known.remove(&(item.tag as u8, item.name)) {
            Some(values) if !values.contains(&item.value) => return Ok(true),
            Some(_) => {}
            None => new.push(item),
        }
    }
    // An input that the action no longer names may have been removed before the action could read it.
    let is_gone = |name: &[u8]| graph.root.join(OsStr::from_bytes(name)).symlink_metadata().is_err();
    let file = ItemTag::File as u8;
    if known.keys().any(|(tag, name)| *tag == file && is_gone(name)) {
        return Ok(true);
    }
    let Some(begun) = begun else { return Ok(false) };
    let is_own = |path: &Path| linked.task.outputs.iter().any(|output| path.starts_with(output.path()));
    for item in new {
        let listing = match item.value {
            ItemValue::Listing(digest) => listings.iter().find(|(listed, _)| *listed == digest),
            _ => None,
        };
        let below = listing.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        let inner = items(below).filter(
            |below| matches!(below.value, ItemValue::Entry(entry) if entry.kind == FileEntryKind::File),
        );
        let single = (item.tag == ItemTag::File).then(|| item.path().to_owned());
        for path in single.into_iter().chain(inner.map(|below| item.path().join(below.path()))) {
            if !is_own(&path) && files.changed_since(&path, begun)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
