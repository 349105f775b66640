//! What the threads of a run share, and the messages between them.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::engine::options::RunOptions;
use crate::engine::schedule::{Schedule, Status};
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::progress::{Stream, Transfer};
use crate::model::reason::Reason;
use crate::record::journal::Slice;
use crate::record::judge::{Evidence, OutOfDate};
use crate::record::threads::lock;
use crate::report::outcome::{TaskReport, TaskVerdict};

/// What all threads of a run share.
pub(crate) struct SharedRun<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) options: &'a RunOptions,
    pub(crate) evidence: Evidence<'a>,
    pub(crate) ignored: &'a BTreeSet<String>,
    /// What each task created in output folders of the project.
    pub(crate) own: &'a HashMap<String, Slice>,
    /// The lock of the state, for the child processes of actions.
    pub(crate) lock: Option<&'a File>,
    pub(crate) schedule: Mutex<Schedule<'a>>,
    /// The judgements on the tasks that are queued.
    pub(crate) queued: Mutex<HashMap<TaskId, OutOfDate>>,
    /// Notified when the schedule has changed, or the run stops.
    pub(crate) wake: Condvar,
}

/// From a worker to the thread that calls the reporter.
pub(crate) enum Message {
    Started(TaskId, Vec<Reason>),
    Line(TaskId, Stream, String),
    Transfer(TaskId, Transfer),
    Retrying(TaskId, String, Duration),
    Finished(Vec<(TaskId, TaskReport)>),
}

/// From a worker to the recorder.
pub(crate) struct ToRecord {
    pub(crate) id: TaskId,
    pub(crate) verdict: TaskVerdict,
    /// The frames to write; empty if there is nothing to record.
    pub(crate) frames: Vec<u8>,
    /// The folder with own files of the project that were moved aside: removed once the frames are on disk.
    pub(crate) aside: Option<PathBuf>,
}

impl SharedRun<'_> {
    pub(crate) fn cancelled(&self) -> bool {
        self.options.cancel.load(Ordering::Relaxed)
    }

    /// Releases the tasks that wait for tasks that have ended.
    pub(crate) fn finish(&self, ended: &[(TaskId, TaskVerdict)], messages: &Sender<Message>) {
        let mut schedule = lock(&self.schedule);
        let mut also_ended = Vec::new();
        for (id, verdict) in ended {
            schedule.stopping |= self.ends_run(*verdict);
            also_ended.extend(schedule.set(*id, Status::Done(*verdict)));
        }
        if !also_ended.is_empty() {
            let _ = messages.send(Message::Finished(also_ended));
        }
        drop(schedule);
        self.wake.notify_all();
    }

    /// Whether no more tasks are started after one that ended like this.
    pub(crate) fn ends_run(&self, verdict: TaskVerdict) -> bool {
        match verdict {
            TaskVerdict::Failed | TaskVerdict::Broken => !self.options.keep_going,
            TaskVerdict::Cancelled => true,
            _ => self.cancelled(),
        }
    }
}
