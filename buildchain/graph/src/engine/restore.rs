//! Restoring the outputs of a task from the cache, and storing them there.

use std::io;
use std::time::Instant;

use content::Digest;

use crate::cache::ResultCache;
use crate::engine::act::put_listings;
use crate::engine::outputs;
use crate::engine::shared::SharedRun;
use crate::model::error::chain;
use crate::model::linked::LinkedTask;
use crate::model::paths;
use crate::model::task::{Task, TaskOutput};
use crate::record::files::NEVER;
use crate::record::journal::{self, JournalEntry};
use crate::record::judge::OutOfDate;
use crate::record::key::{ItemTag, ItemValue, ManifestItem, put};
use crate::record::survey::{self, FolderListing};
use crate::report::outcome::{TaskReport, TaskVerdict};

/// The cache, if results of this task may be stored in it.
fn cache_of(shared: &SharedRun<'_>, task: &Task) -> Option<ResultCache> {
    let within = |output: &TaskOutput| paths::is_within(output.path(), &shared.graph.build_root);
    let fit = !task.always && !task.resumes && !task.outputs.is_empty() && task.outputs.iter().all(within);
    let cache = shared.options.cache.as_ref().filter(|_| fit)?;
    Some(if task.cheap { cache.without_remote() } else { cache.clone() })
}

/// Restores the outputs of a task from the cache, if it has them. Returns the frames to record.
pub(crate) fn restore(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    judged: &OutOfDate,
    report: &mut TaskReport,
) -> Option<Vec<u8>> {
    let cache = cache_of(shared, &linked.task).filter(|_| !shared.options.always)?;
    let start = Instant::now();
    let restored = restore_key(shared, linked, &cache, judged.key, report);
    let frames = if let Some((found, listings)) = restored {
        let listings = listings.iter().chain(&judged.listings);
        Some(frames(shared, linked, &judged.manifest, &found, listings))
    } else if linked.task.learns {
        restore_learned(shared, linked, &cache, judged.key, report)
    } else {
        None
    };
    if frames.is_some() {
        report.verdict = TaskVerdict::Restored;
        report.elapsed = Some(start.elapsed());
    }
    frames
}

/// The frames that record a restored result.
fn frames<'a>(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    manifest: &[u8],
    outputs: &[u8],
    listings: impl IntoIterator<Item = &'a FolderListing>,
) -> Vec<u8> {
    let mut frames = Vec::new();
    put_listings(shared, listings, &mut frames);
    let (name, key) = (&linked.task.name, Digest::of(manifest));
    journal::put(&mut frames, &JournalEntry::Task { name, key, manifest, outputs, millis: 0 });
    frames
}

/// Restores the result with this key. Returns the outputs as items, and their listings.
fn restore_key(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    cache: &ResultCache,
    key: Digest,
    report: &mut TaskReport,
) -> Option<(Vec<u8>, Vec<FolderListing>)> {
    let (graph, files) = (shared.graph, shared.evidence.files);
    let restored = outputs::prepare(graph, &linked.task).map_err(io::Error::from).and_then(|()| {
        let cancel = &shared.options.cancel;
        cache.restore(&graph.root, &graph.build_root, key, &linked.task.outputs, files, cancel)
    });
    let (expected, listings) = restored.unwrap_or_else(|error| failed(shared, &error, report))?;
    let mut found = Vec::new();
    let surveyed = survey::outputs(&graph.root, linked, files, &NEVER, &mut Vec::new(), &mut found);
    // Also refuses a result with other outputs than the task declares.
    (surveyed.is_ok() && found == expected).then_some((found, listings))
}

/// Warns that the cache cannot be used, unless the run was stopped.
fn failed<T>(shared: &SharedRun<'_>, error: &io::Error, report: &mut TaskReport) -> Option<T> {
    if !shared.cancelled() {
        report.err.push_str(&format!("cannot restore the outputs from the cache: {}\n", chain(error)));
    }
    None
}

/// Restores the result of a task whose learned inputs are not those of its last run here, or are not known yet: one with inputs
/// that are now as they were then. `tried` is the key of the inputs that are known.
fn restore_learned(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    cache: &ResultCache,
    tried: Digest,
    report: &mut TaskReport,
) -> Option<Vec<u8>> {
    let (graph, files, stop) = (shared.graph, shared.evidence.files, &shared.options.cancel);
    let declared = declared(shared, linked)?;
    let (declared_key, mut seen) = (learned_key(&declared), vec![tried]);
    for is_here in [true, false] {
        let lookup = if is_here { ResultCache::learned_here } else { ResultCache::learned_elsewhere };
        let manifests = match lookup(cache, declared_key) {
            Ok(manifests) => manifests,
            Err(error) => return failed(shared, &error, report),
        };
        for manifest in manifests {
            let key = Digest::of(&manifest);
            let Some(learned) = manifest.strip_prefix(declared.as_slice()).filter(|_| !seen.contains(&key))
            else {
                continue;
            };
            seen.push(key);
            if shared.cancelled() || !survey::may_be_same(files, learned, stop) {
                continue;
            }
            let Some((found, mut listings)) = restore_key(shared, linked, cache, key, report) else {
                continue;
            };
            // Its list is here now: what it names decides.
            let mut now = Vec::with_capacity(manifest.len());
            let surveyed = survey::inputs(graph, linked, files, &NEVER, &mut listings, &mut now);
            if surveyed.is_ok() && now == manifest {
                if !is_here {
                    // Then the next fresh clone on this machine needs no other. If it fails, that one asks again.
                    let _ = cache.without_remote().store_learned(declared_key, &manifest);
                }
                report.key = Some(key);
                return Some(frames(shared, linked, &manifest, &found, &listings));
            }
        }
    }
    None
}

/// The manifest of what a task declares, without what it learns.
fn declared(shared: &SharedRun<'_>, linked: &LinkedTask) -> Option<Vec<u8>> {
    let mut declared = Vec::new();
    survey::declared(shared.graph, linked, shared.evidence.files, &NEVER, &mut Vec::new(), &mut declared)
        .ok()?;
    Some(declared)
}

/// The key of what a task has learned that declares this manifest.
fn learned_key(declared: &[u8]) -> Digest {
    let mut bytes = declared.to_vec();
    let value = ItemValue::Text(b"1");
    put(&mut bytes, &ManifestItem { tag: ItemTag::Value, name: b"manifests of learned inputs", value });
    Digest::of(&bytes)
}

/// Stores the outputs of a task in the cache. A failure is only a warning.
pub(crate) fn store(
    shared: &SharedRun<'_>,
    linked: &LinkedTask,
    manifest: &[u8],
    outputs: &[u8],
    listings: &[FolderListing],
    report: &mut TaskReport,
) {
    let Some(cache) = cache_of(shared, &linked.task) else { return };
    let key = Digest::of(manifest);
    let stored =
        cache.store(&shared.graph.root, key, outputs, listings, shared.evidence.files).and_then(|()| {
            let declared = if linked.task.learns { declared(shared, linked) } else { None };
            match declared.filter(|declared| manifest.starts_with(declared)) {
                Some(declared) => cache.store_learned(learned_key(&declared), manifest),
                None => Ok(()),
            }
        });
    if let Err(error) = stored {
        report.err.push_str(&format!("cannot store the outputs in the cache: {}\n", chain(&error)));
    }
}
