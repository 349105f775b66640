//! The status of every task in a run: one table, changed by one function.
//!
//! ```text
//! Unselected                                 not part of this run
//! Between ─────────────────────────► Done    not part of it either, but between two tasks that are
//! Waiting ─► Ready ─► Checking ─► Queued ─► Running ─► Recording ─► Done(verdict)
//!    │                   └──────────────── up to date ──────────────►│
//!    └── a group, or a dependency did not succeed ──────────────────►│
//! ```
//!
//! A *Ready* task has no unfinished dependency. *Checking* finds out whether it is up to date. *Queued* tasks wait for a slot
//! of their pool. *Recording* lasts until the record is on disk: only then are dependents released.

use std::collections::VecDeque;

use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::task::Task;
use crate::report::outcome::{TaskReport, TaskVerdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unselected,
    Between,
    Waiting,
    Ready,
    Checking,
    Queued,
    Running,
    Recording,
    Done(TaskVerdict),
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
    /// For each task, how many of its dependencies are not done.
    unfinished: Vec<u32>,
    ready: VecDeque<TaskId>,
    /// One queue for each pool, and the last one for tasks without a pool.
    queues: Vec<Queue>,
    /// Tasks of the run that are not done.
    open: usize,
    workers: usize,
    /// No more tasks are to be started.
    pub(crate) stopping: bool,
}

struct Queue {
    tasks: VecDeque<TaskId>,
    /// The number of slots.
    all: usize,
    /// The number of free slots.
    free: usize,
}

impl Queue {
    fn slots_for(&self, task: &Task) -> usize {
        task.weight.clamp(1, self.all)
    }

    /// Takes the first task if enough slots are free. Light tasks do not overtake a heavy one, or it might never run.
    fn next(&mut self, graph: &Graph) -> Option<TaskId> {
        let first = self.tasks.front()?;
        let fits = self.slots_for(graph.task(*first)) <= self.free;
        if fits { self.tasks.pop_front() } else { None }
    }
}

/// The most tasks that a worker checks at a time: enough to make taking a lock cheap, few enough to keep all workers busy.
const BATCH: usize = 256;

impl<'a> Schedule<'a> {
    /// The schedule of the tasks of `selected`, a part of `cone`, which also has all dependencies, in order. Unselected tasks
    /// count as done once their dependencies are.
    pub(crate) fn new(graph: &'a Graph, selected: &[TaskId], cone: &[TaskId], workers: usize) -> Self {
        let slots = graph.pools.iter().map(|pool| pool.slots.max(1)).chain([usize::MAX]);
        let mut schedule = Self {
            graph,
            status: vec![Status::Unselected; graph.tasks.len()],
            unfinished: vec![0; graph.tasks.len()],
            ready: VecDeque::new(),
            queues: slots.map(|all| Queue { tasks: VecDeque::new(), all, free: all }).collect(),
            open: selected.len(),
            workers: workers.max(1),
            stopping: false,
        };
        for &id in selected {
            schedule.put(id, Status::Waiting);
        }
        for &id in cone {
            let unfinished = graph.needs(id).iter().filter(|need| schedule.waits(**need)).count();
            if unfinished > 0 && schedule.status(id) == Status::Unselected {
                schedule.put(id, Status::Between);
            }
            if let Some(count) = schedule.unfinished.get_mut(id.index()) {
                *count = u32::try_from(unfinished).unwrap_or(u32::MAX);
            }
        }
        schedule
    }

    /// Releases the tasks without unfinished dependencies. Returns those that are done at once, as [`Schedule::set`] does.
    pub(crate) fn start(&mut self, selected: &[TaskId]) -> Vec<(TaskId, TaskReport)> {
        let mut done = Vec::new();
        for &id in selected {
            if self.status(id) == Status::Waiting && self.unfinished_of(id) == 0 {
                self.release(id, &mut done);
            }
        }
        done
    }

    pub(crate) fn status(&self, id: TaskId) -> Status {
        self.status.get(id.index()).copied().unwrap_or(Status::Unselected)
    }

    /// Whether the task waits for others.
    fn waits(&self, id: TaskId) -> bool {
        matches!(self.status(id), Status::Waiting | Status::Between)
    }

    /// Whether all tasks of the run are done.
    pub(crate) fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Whether a task of the run succeeded.
    pub(crate) fn succeeded(&self, id: TaskId) -> bool {
        matches!(self.status(id), Status::Done(verdict) if verdict.is_success())
    }

    /// Whether a task of the run is not done.
    pub(crate) fn is_left(&self, id: TaskId) -> bool {
        !matches!(self.status(id), Status::Done(_))
    }

    /// Moves a task to another status. Returns the groups and blocked tasks that are done because of it, in order.
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
            let linked = self.graph.linked(id);
            let pool = linked.pool.unwrap_or(self.graph.pools.len());
            if from == Status::Running
                && let Some(queue) = self.queues.get_mut(pool)
            {
                queue.free += queue.slots_for(&linked.task);
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
                        queue.free = queue.free.saturating_sub(queue.slots_for(&linked.task));
                    }
                }
                Status::Done(verdict) => {
                    self.open -= usize::from(from != Status::Between);
                    if self.stopping && !verdict.is_success() {
                        // The run ends here: dependents are not reached, rather than blocked.
                        continue;
                    }
                    for &next in &linked.dependents {
                        if !self.waits(next) {
                            continue;
                        }
                        let Some(unfinished) = self.unfinished.get_mut(next.index()) else { continue };
                        *unfinished = unfinished.saturating_sub(1);
                        if *unfinished == 0 {
                            let (to, report) = self.outlook(next);
                            if let Some(report) = report {
                                done.push((next, report));
                            }
                            moves.push((next, to));
                        }
                    }
                }
                Status::Unselected
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

    /// The next status of a task whose dependencies are all done, and its report if it is done then.
    fn outlook(&self, id: TaskId) -> (Status, Option<TaskReport>) {
        let linked = self.graph.linked(id);
        let verdict_of = |need: &TaskId| match self.status(*need) {
            Status::Done(verdict) => verdict,
            // Not part of this run: assumed to be up to date.
            _ => TaskVerdict::UpToDate,
        };
        let blocker = linked.needs.iter().find(|need| {
            let verdict = verdict_of(need);
            !verdict.is_success() && verdict != TaskVerdict::Ignored
        });
        let is_between = self.status(id) == Status::Between;
        let verdict = if let Some(blocker) = blocker {
            let mut report = TaskReport::of(TaskVerdict::Blocked);
            report.error = Some(self.graph.task(*blocker).name.clone());
            return (Status::Done(TaskVerdict::Blocked), (!is_between).then_some(report));
        } else if linked.needs.iter().any(|need| verdict_of(need) == TaskVerdict::Ignored) {
            TaskVerdict::Ignored
        } else if is_between {
            TaskVerdict::UpToDate
        } else if !linked.task.is_group() {
            return (Status::Ready, None);
        } else if linked.needs.iter().all(|need| verdict_of(need) == TaskVerdict::UpToDate) {
            TaskVerdict::UpToDate
        } else {
            TaskVerdict::Succeeded
        };
        (Status::Done(verdict), (!is_between).then(|| TaskReport::of(verdict)))
    }

    /// The next job, if there is one. Running tasks comes before checking more of them, to keep the machine busy.
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
        if let Some(status) = self.status.get_mut(id.index()) {
            *status = to;
        }
    }

    fn unfinished_of(&self, id: TaskId) -> u32 {
        self.unfinished.get(id.index()).copied().unwrap_or(0)
    }
}
