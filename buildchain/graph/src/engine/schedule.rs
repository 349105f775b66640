//! Which task is where in the run: one table, changed by one function.
//!
//! ```text
//! Unwanted                                   not part of this run
//! Between ─────────────────────────► Done    nor is this, but what it needs is, and what needs it
//! Waiting ─► Ready ─► Checking ─► Queued ─► Running ─► Recording ─► Done(verdict)
//!    │                   └──────────────── up to date ──────────────►│
//!    └── a group, or a need that did not succeed ───────────────────►│
//! ```
//!
//! *Ready* says that all needs are done; whether the task has to run is found out while it is *Checking*.
//! *Queued* tasks wait for a slot of their pool. *Recording* lasts until the record is on disk: only then may
//! dependents look.

use std::collections::VecDeque;

use crate::model::graph::{Graph, TaskId};
use crate::model::task::Task;
use crate::report::events::{TaskReport, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unwanted,
    Between,
    Waiting,
    Ready,
    Checking,
    Queued,
    Running,
    Recording,
    Done(Verdict),
}

/// Something for a worker to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Check(Vec<TaskId>),
    Run(TaskId),
}

pub(crate) struct Schedule<'a> {
    graph: &'a Graph,
    status: Vec<Status>,
    /// How many needs of a task are not done.
    missing: Vec<u32>,
    ready: VecDeque<TaskId>,
    /// One queue per pool, and one, the last, for tasks without a pool.
    queues: Vec<Queue>,
    /// Tasks of the run that are not done.
    open: usize,
    workers: usize,
    /// Nothing new is to be started.
    pub(crate) stopping: bool,
}

struct Queue {
    tasks: VecDeque<TaskId>,
    /// All slots there are.
    all: usize,
    /// Those that nobody holds.
    free: usize,
}

impl Queue {
    fn slots_for(&self, task: &Task) -> usize {
        task.weight.clamp(1, self.all)
    }

    /// The task whose turn it is, if there is room for it: a heavy one is not overtaken for ever by light ones.
    fn next(&mut self, graph: &Graph) -> Option<TaskId> {
        let first = self.tasks.front()?;
        let fits = self.slots_for(graph.task(*first)) <= self.free;
        if fits { self.tasks.pop_front() } else { None }
    }
}

/// So many tasks at most are checked in one go: enough to make taking a lock cheap, few enough to keep all
/// workers busy.
const BATCH: usize = 256;

impl<'a> Schedule<'a> {
    /// The schedule of the tasks of `wanted`, which are part of `cone`, that is all that they need, makers first.
    /// What of it is not wanted counts as done once what it needs is done.
    pub(crate) fn new(graph: &'a Graph, wanted: &[TaskId], cone: &[TaskId], workers: usize) -> Self {
        let slots = graph.pools.iter().map(|pool| pool.slots.max(1)).chain([usize::MAX]);
        let mut schedule = Self {
            graph,
            status: vec![Status::Unwanted; graph.nodes.len()],
            missing: vec![0; graph.nodes.len()],
            ready: VecDeque::new(),
            queues: slots.map(|all| Queue { tasks: VecDeque::new(), all, free: all }).collect(),
            open: wanted.len(),
            workers: workers.max(1),
            stopping: false,
        };
        for &id in wanted {
            schedule.put(id, Status::Waiting);
        }
        for &id in cone {
            let missing = graph.needs(id).iter().filter(|need| schedule.waits(**need)).count();
            if missing > 0 && schedule.status(id) == Status::Unwanted {
                schedule.put(id, Status::Between);
            }
            if let Some(place) = schedule.missing.get_mut(id.index()) {
                *place = u32::try_from(missing).unwrap_or(u32::MAX);
            }
        }
        schedule
    }

    /// Sets the tasks going that wait for nothing. Returns those that are thereby done, as [`Schedule::set`]
    /// does.
    pub(crate) fn start(&mut self, wanted: &[TaskId]) -> Vec<(TaskId, TaskReport)> {
        let mut done = Vec::new();
        for &id in wanted {
            if self.status(id) == Status::Waiting && self.missing_of(id) == 0 {
                self.release(id, &mut done);
            }
        }
        done
    }

    pub(crate) fn status(&self, id: TaskId) -> Status {
        self.status.get(id.index()).copied().unwrap_or(Status::Unwanted)
    }

    /// The task waits for others.
    fn waits(&self, id: TaskId) -> bool {
        matches!(self.status(id), Status::Waiting | Status::Between)
    }

    /// All tasks of the run are done.
    pub(crate) fn is_over(&self) -> bool {
        self.open == 0
    }

    /// How many tasks of the run are not done.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// A task of the run is done, and well.
    pub(crate) fn succeeded(&self, id: TaskId) -> bool {
        matches!(self.status(id), Status::Done(verdict) if verdict.is_success())
    }

    /// A task of the run is not done.
    pub(crate) fn is_left(&self, id: TaskId) -> bool {
        !matches!(self.status(id), Status::Done(_))
    }

    /// Moves a task to another status. Returns the groups and blocked tasks that are thereby done, in order.
    pub(crate) fn set(&mut self, id: TaskId, to: Status) -> Vec<(TaskId, TaskReport)> {
        let mut done = Vec::new();
        self.advance(id, to, &mut done);
        done
    }

    fn advance(&mut self, id: TaskId, to: Status, done: &mut Vec<(TaskId, TaskReport)>) {
        let mut moves = vec![(id, to)];
        while let Some((id, to)) = moves.pop() {
            let from = self.status(id);
            self.put(id, to);
            let node = self.graph.node(id);
            let pool = node.pool.unwrap_or(self.graph.pools.len());
            if from == Status::Running
                && let Some(queue) = self.queues.get_mut(pool)
            {
                queue.free += queue.slots_for(&node.task);
            }
            match to {
                Status::Ready => self.ready.push_back(id),
                Status::Queued => {
                    if let Some(queue) = self.queues.get_mut(pool) {
                        queue.tasks.push_back(id);
                    }
                }
                Status::Running => {
                    if let Some(queue) = self.queues.get_mut(pool) {
                        queue.free = queue.free.saturating_sub(queue.slots_for(&node.task));
                    }
                }
                Status::Done(verdict) => {
                    self.open -= usize::from(from != Status::Between);
                    if self.stopping && !verdict.is_success() {
                        // The run ends here: what needs this task is left, not blocked.
                        continue;
                    }
                    for &next in &node.feeds {
                        if !self.waits(next) {
                            continue;
                        }
                        let Some(missing) = self.missing.get_mut(next.index()) else { continue };
                        *missing = missing.saturating_sub(1);
                        if *missing == 0 {
                            let (to, report) = self.outlook(next);
                            if let Some(report) = report {
                                done.push((next, report));
                            }
                            moves.push((next, to));
                        }
                    }
                }
                Status::Unwanted
                | Status::Between
                | Status::Waiting
                | Status::Checking
                | Status::Recording => {}
            }
        }
    }

    fn release(&mut self, id: TaskId, done: &mut Vec<(TaskId, TaskReport)>) {
        let (to, report) = self.outlook(id);
        if let Some(report) = report {
            done.push((id, report));
        }
        self.advance(id, to, done);
    }

    /// Where a task goes once all its needs are done, and its report if that is the end of it.
    fn outlook(&self, id: TaskId) -> (Status, Option<TaskReport>) {
        let node = self.graph.node(id);
        let verdict_of = |need: &TaskId| match self.status(*need) {
            Status::Done(verdict) => verdict,
            // Not part of this run: taken as it is.
            _ => Verdict::UpToDate,
        };
        let blocker = node.needs.iter().find(|need| {
            let verdict = verdict_of(need);
            !verdict.is_success() && verdict != Verdict::Ignored
        });
        let is_between = self.status(id) == Status::Between;
        let verdict = if let Some(blocker) = blocker {
            let mut report = TaskReport::of(Verdict::Blocked);
            report.error = Some(self.graph.task(*blocker).name.clone());
            return (Status::Done(Verdict::Blocked), (!is_between).then_some(report));
        } else if node.needs.iter().any(|need| verdict_of(need) == Verdict::Ignored) {
            Verdict::Ignored
        } else if is_between {
            Verdict::UpToDate
        } else if !node.task.is_group() {
            return (Status::Ready, None);
        } else if node.needs.iter().all(|need| verdict_of(need) == Verdict::UpToDate) {
            Verdict::UpToDate
        } else {
            Verdict::Succeeded
        };
        (Status::Done(verdict), (!is_between).then(|| TaskReport::of(verdict)))
    }

    /// The next thing to do, if there is any. Running comes before checking: a machine that works is better
    /// than one that knows more.
    pub(crate) fn take(&mut self) -> Option<Job> {
        if self.stopping {
            return None;
        }
        let graph = self.graph;
        let queued = self.queues.iter_mut().find_map(|queue| queue.next(graph));
        if let Some(id) = queued {
            self.set(id, Status::Running);
            return Some(Job::Run(id));
        }
        let batch = self.ready.len().div_ceil(self.workers * 2).min(BATCH);
        let batch: Vec<TaskId> = self.ready.drain(..batch).collect();
        for &id in &batch {
            self.set(id, Status::Checking);
        }
        (!batch.is_empty()).then_some(Job::Check(batch))
    }

    fn put(&mut self, id: TaskId, to: Status) {
        if let Some(place) = self.status.get_mut(id.index()) {
            *place = to;
        }
    }

    fn missing_of(&self, id: TaskId) -> u32 {
        self.missing.get(id.index()).copied().unwrap_or(0)
    }
}
