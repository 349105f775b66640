//! Running the action of a task: what goes before, its attempts, and what is made of its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::engine::context::{Context, Said};
use crate::engine::schedule::Status;
use crate::engine::sweep;
use crate::engine::work::{Shared, ToRecord, Told};
use crate::model::graph::{Node, TaskId};
use crate::model::paths;
use crate::model::task::{ActionError, Output, Task, chain};
use crate::record::digest::Digest;
use crate::record::files::{Kind, NEVER};
use crate::record::journal::{self, Entry};
use crate::record::judge::Dirty;
use crate::record::manifest::{Value, items};
use crate::record::parts::parts;
use crate::record::survey::{self, Listing};
use crate::record::threads::lock;
use crate::report::events::{TaskReport, Verdict};

impl Shared<'_> {
    /// Runs the action of a task, with all its attempts.
    pub(crate) fn act(&self, id: TaskId, found: Dirty, tell: &Sender<Told>, record: &Sender<ToRecord>) {
        let node = self.graph.node(id);
        let mut report = TaskReport::of(Verdict::Succeeded);
        report.key = Some(found.key);
        report.started = self.options.clock.map(|clock| clock());
        report.reasons.clone_from(&found.reasons);
        let start = Instant::now();
        let mut outputs = Vec::new();
        let aside = match sweep::set_aside(self.graph, id) {
            Ok(aside) => aside,
            Err(error) => {
                report.verdict = Verdict::Broken;
                report.error = Some(ActionError::from(error).to_string());
                self.end(id, report, Vec::new(), tell, record);
                return;
            }
        };
        if let Some(frames) = self.restore(node, &found, &mut report) {
            self.clear(aside.discard(), &mut report);
            self.end(id, report, frames, tell, record);
            return;
        }
        let Dirty { reasons, key, manifest, mut listings } = found;
        let _ = tell.send(Told::Started(id, reasons));
        let result = self
            .attempts(id, &mut report, tell)
            .and_then(|()| self.collect(node, &mut listings, &mut outputs));
        report.elapsed = Some(start.elapsed());
        let mut frames = Vec::new();
        if result.is_ok() {
            self.clear(aside.discard(), &mut report);
        } else {
            let removed = sweep::remove_outputs(self.graph, &node.task).map_err(std::io::Error::other);
            self.clear(removed.and_then(|()| aside.put_back()), &mut report);
        }
        match result {
            Ok(()) if self.inputs_changed(node, &manifest) => {
                report.err.push_str("an input changed while the task ran: it will run again next time\n");
                self.forget(&node.task, &mut frames);
            }
            Ok(()) => {
                self.cache(node, key, &outputs, &listings, &mut report);
                let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.remember(node, key, &manifest, &outputs, &listings, millis, &mut frames);
            }
            Err(error) => {
                report.verdict = match &error {
                    ActionError::Failed(_) => Verdict::Failed,
                    ActionError::Broken(_) => Verdict::Broken,
                    ActionError::Cancelled => Verdict::Cancelled,
                };
                report.error = Some(error.to_string());
                self.forget(&node.task, &mut frames);
            }
        }
        self.end(id, report, frames, tell, record);
    }

    /// Says what could not be cleared away; the end of the task is what it is.
    fn clear(&self, cleared: std::io::Result<()>, report: &mut TaskReport) {
        if let Err(error) = cleared {
            report.err.push_str(&format!("what was left cannot be cleared away: {error}\n"));
        }
    }

    /// Tells the end of a task, and hands it to the thread that records.
    fn end(
        &self,
        id: TaskId,
        report: TaskReport,
        frames: Vec<u8>,
        tell: &Sender<Told>,
        record: &Sender<ToRecord>,
    ) {
        let verdict = report.verdict;
        // Told from here, so that what a worker tells of one task is never after what it tells of the next.
        let _ = tell.send(Told::Finished(vec![(id, report)]));
        let mut schedule = lock(&self.schedule);
        schedule.stopping |= self.ends_run(verdict);
        schedule.set(id, Status::Recording);
        drop(schedule);
        let _ = record.send(ToRecord { id, verdict, frames });
        // A slot of its pool is free.
        self.wake.notify_all();
    }

    /// The cache, if the results of this task may be in it.
    fn cache_of(&self, task: &Task) -> Option<Cache> {
        let within = |output: &Output| paths::is_within(output.path(), &self.graph.build_root);
        let fit =
            !task.always && !task.resumes && !task.outputs.is_empty() && task.outputs.iter().all(within);
        let cache = self.options.cache.as_ref().filter(|_| fit)?;
        Some(if task.cheap { cache.without_remote() } else { cache.clone() })
    }

    /// Puts back what the task made under this key before, if the cache has it. The frames to remember it by.
    fn restore(&self, node: &Node, found: &Dirty, report: &mut TaskReport) -> Option<Vec<u8>> {
        let cache = self.cache_of(&node.task).filter(|_| !self.options.always)?;
        let start = Instant::now();
        let restored = sweep::prepare(self.graph, &node.task).map_err(std::io::Error::other).and_then(|()| {
            cache.restore(
                &self.graph.root,
                &self.graph.build_root,
                found.key,
                &node.task.outputs,
                self.evidence.files,
                &self.options.cancel,
            )
        });
        let (expected, listings) = match restored {
            Ok(restored) => restored?,
            Err(_) if self.cancelled() => return None,
            Err(error) => {
                report.err.push_str(&format!("its results cannot come from the cache: {}\n", chain(&error)));
                return None;
            }
        };
        let mut outputs = Vec::new();
        let looked = survey::outputs(
            &self.graph.root,
            node,
            self.evidence.files,
            &NEVER,
            &mut Vec::new(),
            &mut outputs,
        );
        // Also rules out a result that was made for other outputs than the task declares.
        if looked.is_err() || outputs != expected {
            return None;
        }
        let mut frames = Vec::new();
        let all: Vec<Listing> = listings.into_iter().chain(found.listings.iter().cloned()).collect();
        self.remember(node, found.key, &found.manifest, &outputs, &all, 0, &mut frames);
        report.verdict = Verdict::Restored;
        report.elapsed = Some(start.elapsed());
        Some(frames)
    }

    /// Keeps what a task made. That it cannot be kept is said and no failure.
    fn cache(&self, node: &Node, key: Digest, outputs: &[u8], listings: &[Listing], report: &mut TaskReport) {
        let Some(cache) = self.cache_of(&node.task) else { return };
        if let Err(error) = cache.store(&self.graph.root, key, outputs, listings, self.evidence.files) {
            report.err.push_str(&format!("its results cannot be cached: {}\n", chain(&error)));
        }
    }

    /// The frames to remember a successful task by.
    #[expect(clippy::too_many_arguments, reason = "all that a record is made of")]
    fn remember(
        &self,
        node: &Node,
        key: Digest,
        manifest: &[u8],
        outputs: &[u8],
        listings: &[Listing],
        millis: u64,
        frames: &mut Vec<u8>,
    ) {
        for (digest, bytes) in listings {
            if !self.evidence.listings.contains_key(digest) {
                journal::put(frames, &Entry::Listing { digest: *digest, bytes });
            }
        }
        journal::put(frames, &Entry::Task { name: &node.task.name, key, manifest, outputs, millis });
    }

    fn forget(&self, task: &Task, frames: &mut Vec<u8>) {
        if self.evidence.records.contains_key(&task.name) {
            journal::put(frames, &Entry::Forget { name: &task.name });
        }
    }

    fn attempts(&self, id: TaskId, report: &mut TaskReport, tell: &Sender<Told>) -> Result<(), ActionError> {
        let task = self.graph.task(id);
        let mut pause = task.retry.pause;
        loop {
            report.attempts += 1;
            let result = sweep::prepare(self.graph, task).map_err(ActionError::from);
            let result = result.and_then(|()| self.attempt(id, report, tell));
            match result {
                Err(ActionError::Broken(error))
                    if report.attempts <= task.retry.times && !self.cancelled() =>
                {
                    let error = ActionError::Broken(error).to_string();
                    report.err.push_str(&format!("attempt {}: {error}\n", report.attempts));
                    let _ = tell.send(Told::Retrying(id, error, pause));
                    self.rest(pause);
                    pause = pause.saturating_mul(2);
                }
                result => return result,
            }
        }
    }

    /// Sleeps, but not after the run was told to stop.
    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.cancelled() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn attempt(&self, id: TaskId, report: &mut TaskReport, tell: &Sender<Told>) -> Result<(), ActionError> {
        let task = self.graph.task(id);
        let Some(action) = &task.action else { return Ok(()) };
        if self.cancelled() {
            return Err(ActionError::Cancelled);
        }
        let deadline = task.timeout.map(|timeout| Instant::now() + timeout);
        let tell = Mutex::new(tell.clone());
        let said = |said: Said<'_>| {
            let told = match said {
                Said::Line(stream, line) => Told::Line(id, stream, line.to_owned()),
                Said::Progress(text) => Told::Progress(id, text.to_owned()),
                Said::Transfer(step) => Told::Transfer(id, step),
            };
            let _ = lock(&tell).send(told);
        };
        let context = Context::new(
            &self.graph.root,
            task,
            self.evidence.files,
            self.lock,
            &self.options.cancel,
            deadline,
            &said,
        );
        let result = catch_unwind(AssertUnwindSafe(|| action(&context))).unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(ActionError::broken(format!("the action panicked: {message}")))
        });
        let timed_out = context.timed_out();
        let log = context.into_log();
        report.out.push_str(&log.out);
        report.err.push_str(&log.err);
        match (result, task.timeout) {
            (Err(ActionError::Cancelled), Some(timeout)) if timed_out && !self.cancelled() => {
                Err(ActionError::broken(format!("took longer than {timeout:?}")))
            }
            (result, _) => result,
        }
    }

    /// Looks at what the action left: all it declares must be there. A run that is to stop waits for this: the
    /// work is done, and would be lost.
    fn collect(
        &self,
        node: &Node,
        listings: &mut Vec<Listing>,
        outputs: &mut Vec<u8>,
    ) -> Result<(), ActionError> {
        survey::outputs(&self.graph.root, node, self.evidence.files, &NEVER, listings, outputs)?;
        if let Some(item) = items(outputs).find(|item| item.value == Value::Nothing) {
            let path = content::printable_path(item.path());
            return Err(ActionError::broken(format!("the task did not make its output {path}")));
        }
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        for part in parts(outputs, &find).unwrap_or_default() {
            if part.seen.kind == Kind::File {
                self.evidence.files.vouch(&part.path, part.seen.digest)?;
            }
        }
        Ok(())
    }

    /// The inputs are not those any more that the task was judged by.
    fn inputs_changed(&self, node: &Node, manifest: &[u8]) -> bool {
        let mut now = Vec::with_capacity(manifest.len());
        let looked = survey::inputs(self.graph, node, self.evidence.files, &NEVER, &mut Vec::new(), &mut now);
        looked.is_err() || now != manifest
    }
}
