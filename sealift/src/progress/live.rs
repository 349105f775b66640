//! The live line of a run, and what stands for it where nothing is redrawn.

use std::io::{self, Write};
use std::time::Instant;

use graph::{Reporter, RunEvent, Transfer};
use indicatif::{MultiProgress, ProgressBar};

use super::blobs::Blobs;
use super::running::RunningTasks;
use super::{is_drawn, style, target};
use crate::output;

/// The live line of a run: how many tasks are done, what runs and for how long; above it the bytes that move.
pub(crate) struct Live {
    bars: MultiProgress,
    line: ProgressBar,
}

impl Live {
    pub(crate) fn start() -> Self {
        let bars = MultiProgress::with_draw_target(target());
        let line = bars.add(ProgressBar::no_length());
        style(&line, "{spinner} [{pos}/{len}] {wide_msg}");
        Self { bars, line }
    }

    /// Standard output, written to above the live line.
    pub(crate) fn writer(&self) -> Above {
        Above(self.bars.clone())
    }

    /// `inner`, with the live line below what it prints; where nothing is redrawn, with notes on what takes long.
    pub(crate) fn reporter<R: Reporter>(&self, inner: R) -> LiveReporter<'_, R> {
        LiveReporter {
            inner,
            bars: self.bars.clone(),
            bar: self.line.clone(),
            running: RunningTasks::default(),
            blobs: None,
            is_drawn: is_drawn(),
            clock: Instant::now,
            note: &output::note,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

/// Standard output above the live line.
pub(crate) struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// A reporter with a live line.
pub(crate) struct LiveReporter<'a, R> {
    inner: R,
    bars: MultiProgress,
    bar: ProgressBar,
    running: RunningTasks,
    /// The bytes that tasks move, while at least one does.
    blobs: Option<Blobs>,
    is_drawn: bool,
    clock: fn() -> Instant,
    note: &'a dyn Fn(&str),
}

impl<R> LiveReporter<'_, R> {
    /// Draws the bytes that a task moves.
    fn transfer(&mut self, task: &str, step: &Transfer) {
        if matches!(step, Transfer::Planned { parts: 0, .. }) {
            return;
        }
        let verb = if let Transfer::Planned { verb, .. } = step { verb } else { "moving" };
        let blobs = self.blobs.get_or_insert_with(|| Blobs::above(self.bars.clone(), verb));
        // Two tasks may fetch one blob at the same time.
        let key = |part: &str| format!("{task} {part}");
        match step {
            Transfer::Planned { parts, bytes, .. } => blobs.add(*parts, *bytes),
            Transfer::Begin { part, label, size, present } => {
                blobs.open(key(part), label, part, *size, *present);
            }
            Transfer::Advance { part, bytes } => blobs.step(&key(part), *bytes),
            Transfer::End { part } => blobs.close(&key(part)),
        }
    }
}

impl<R: Reporter> Reporter for LiveReporter<'_, R> {
    fn event(&mut self, event: &RunEvent<'_>) {
        self.running.event(event, (self.clock)());
        match event {
            RunEvent::Begun { tasks } => self.bar.set_length(*tasks as u64),
            RunEvent::Transfer { task, step } if self.is_drawn => self.transfer(&task.name, step),
            RunEvent::Finished { task, .. } => {
                if !self.running.moves() {
                    self.blobs = None;
                }
                if !task.is_group() {
                    self.bar.inc(1);
                }
            }
            _ => {}
        }
        self.inner.event(event);
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.inner.take_error()
    }

    fn tick(&mut self) {
        self.inner.tick();
        let now = (self.clock)();
        if self.is_drawn {
            self.bar.set_message(self.running.line(now));
            self.bar.tick();
        } else {
            self.running.take_notes(now).iter().for_each(|note| (self.note)(note));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::OnceLock;
    use std::time::Duration;

    use graph::{
        Artifact, ConsoleOptions, ConsoleReporter, RunOutcome, Stream, Task, TaskReport, TaskVerdict, Title,
    };

    use super::*;
    use crate::commands::project::run::summary;
    use crate::output::failure_text;

    fn task(title: (&str, &str)) -> Task {
        Task {
            name: title.1.into(),
            title: Title::new(title.0, title.1),
            action: Some(Box::new(|_| Ok(()))),
            ..Task::default()
        }
    }

    thread_local! {
        /// The time of the fake clock.
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn clock() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now) + NOW.get()
    }

    fn wait(seconds: u64) {
        NOW.set(NOW.get() + Duration::from_secs(seconds));
    }

    /// What is printed, line by line.
    #[derive(Clone, Default)]
    struct Printed(Rc<RefCell<Vec<u8>>>);

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn live<R>(inner: R, note: &dyn Fn(&str), is_drawn: bool) -> LiveReporter<'_, R> {
        NOW.set(Duration::ZERO);
        LiveReporter {
            inner,
            bars: MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden()),
            bar: ProgressBar::hidden(),
            running: RunningTasks::default(),
            blobs: None,
            is_drawn,
            clock,
            note,
        }
    }

    /// A run with a pull, a task that fails and a third that depends on it.
    fn events(reporter: &mut dyn Reporter, mut each: impl FnMut(&mut dyn Reporter)) {
        let (pull, fail) = (task(("PULL IMG", "nginx:1.27")), task(("RUN", "codegen")));
        let mut emit = |event: &RunEvent<'_>, seconds| {
            reporter.event(event);
            wait(seconds);
            reporter.tick();
            each(reporter);
        };
        emit(&RunEvent::Begun { tasks: 3 }, 0);
        emit(&RunEvent::Reading { bytes: 0 }, 0);
        emit(&RunEvent::Started { task: &pull, reasons: &[] }, 0);
        let step = Transfer::Planned { verb: "pulling", parts: 1, bytes: 45_000_000 };
        emit(&RunEvent::Transfer { task: &pull, step: &step }, 9);
        let step = Transfer::Advance { part: "p".into(), bytes: 12_300_000 };
        emit(&RunEvent::Transfer { task: &pull, step: &step }, 1);
        emit(&RunEvent::Started { task: &fail, reasons: &[] }, 1);
        emit(&RunEvent::Line { task: &fail, stream: Stream::Err, line: "no such file" }, 50);
        let mut report = TaskReport {
            elapsed: Some(Duration::from_secs(51)),
            error: Some("`sh` exited with code 1".into()),
            err: "no such file\n".into(),
            ..TaskReport::of(TaskVerdict::Failed)
        };
        emit(&RunEvent::Finished { task: &fail, report: &report }, 1);
        report = TaskReport {
            elapsed: Some(Duration::from_secs(62)),
            bytes: 45_000_000,
            ..TaskReport::of(TaskVerdict::Succeeded)
        };
        emit(&RunEvent::Finished { task: &pull, report: &report }, 0);
        let blocked = TaskReport { error: Some("codegen".into()), ..TaskReport::of(TaskVerdict::Blocked) };
        emit(&RunEvent::Finished { task: &task(("RUN", "after")), report: &blocked }, 0);
        emit(&RunEvent::Ended { exit: 1 }, 0);
    }

    fn outcome(counts: &[(TaskVerdict, usize)]) -> RunOutcome {
        RunOutcome { counts: counts.iter().copied().collect(), elapsed: NOW.get(), ..RunOutcome::default() }
    }

    /// All lines of a run, without a terminal.
    #[test]
    fn the_lines_of_a_run_in_a_log() {
        let printed = Printed::default();
        let note = |text: &str| {
            let _ = writeln!(printed.clone(), "note: {text}");
        };
        let mut reporter =
            live(ConsoleReporter::new(printed.clone(), ConsoleOptions::default()), &note, false);
        events(&mut reporter, |_| {});
        let mut failed =
            outcome(&[(TaskVerdict::Failed, 1), (TaskVerdict::Succeeded, 1), (TaskVerdict::Blocked, 1)]);
        failed.failed.push("codegen".into());
        let text = failure_text(&summary::failure(&failed));
        let _ = printed.clone().write_all(anstream::adapter::strip_str(&text).to_string().as_bytes());
        insta::assert_snapshot!(String::from_utf8(printed.0.take()).unwrap(), @r"
        note: still running: PULL IMG nginx:1.27 (10.0 s, 12.3 MB of 45.0 MB)
        note: still running: PULL IMG nginx:1.27 (1 min 1 s, 12.3 MB of 45.0 MB)
        note: still running: RUN codegen (51.0 s)
        XX RUN            codegen (51.0 s)
        error: `sh` exited with code 1
        --- stderr
        no such file
        help: run it alone: sealift run codegen
        .  PULL IMG       nginx:1.27 (1 min 2 s, 45.0 MB)
        error: 1 task failed: codegen
          1 task run, 1 task not run, in 1 min 2 s
        ");
    }

    /// What the live line shows after each event, and the summary.
    #[test]
    fn the_live_line_of_a_run() {
        let mut reporter = live((), &|_| panic!("no notes beside a live line"), true);
        let shown = RefCell::new(String::new());
        let bar = reporter.bar.clone();
        events(&mut reporter, |_| {
            let line = format!("[{}/{}] {}", bar.position(), bar.length().unwrap_or_default(), bar.message());
            shown.borrow_mut().push_str(&format!("{}\n", line.trim_end()));
        });
        insta::assert_snapshot!(shown.take(), @r"
        [0/3]
        [0/3]
        [0/3] 0.0 s PULL IMG nginx:1.27
        [0/3] 9.0 s PULL IMG nginx:1.27: 0 B of 45.0 MB
        [0/3] 10.0 s PULL IMG nginx:1.27: 12.3 MB of 45.0 MB
        [0/3] 11.0 s (+1) PULL IMG nginx:1.27: 12.3 MB of 45.0 MB
        [0/3] 1 min 1 s (+1) PULL IMG nginx:1.27: 12.3 MB of 45.0 MB
        [1/3] 1 min 2 s PULL IMG nginx:1.27: 12.3 MB of 45.0 MB
        [2/3]
        [3/3]
        [3/3]
        ");
    }

    #[test]
    fn a_run_that_only_reads_says_so() {
        let notes = RefCell::new(Vec::new());
        let note = |text: &str| notes.borrow_mut().push(text.to_owned());
        let mut reporter = live((), &note, false);
        for second in 0..=70 {
            reporter.event(&RunEvent::Reading { bytes: 5_000 + second * 100_000_000 });
            reporter.tick();
            NOW.set(NOW.get() + Duration::from_millis(990));
        }
        assert_eq!(
            notes.take(),
            ["still reading files: 1.1 GB (10.8 s)", "still reading files: 6.1 GB (1 min 0 s)"]
        );
        assert_eq!(reporter.running.line(clock()), "reading files: 7.0 GB");
        wait(1);
        assert_eq!(reporter.running.line(clock()), "");
    }

    #[test]
    fn a_run_shows_the_blobs_of_all_its_pulls_until_the_last_has_ended() {
        let mut live = live((), &|_| {}, true);
        let (a, b) = (task(("PULL IMG", "a")), task(("PULL IMG", "b")));
        for task in [&a, &b] {
            live.event(&RunEvent::Started { task, reasons: &[] });
        }
        let mut step = |task, step| live.event(&RunEvent::Transfer { task, step: &step });
        let planned = |parts, bytes| Transfer::Planned { verb: "pulling", parts, bytes };
        step(&a, planned(0, 0));
        step(&b, planned(2, 300));
        step(&a, planned(1, 100));
        let begin =
            || Transfer::Begin { part: "0123456789".into(), label: "x".into(), size: 100, present: 40 };
        step(&a, begin());
        step(&b, begin());
        step(&a, Transfer::Advance { part: "0123456789".into(), bytes: 50 });
        step(&b, Transfer::Advance { part: "0123456789".into(), bytes: -40 });
        step(&b, Transfer::End { part: "0123456789".into() });
        assert_eq!(live.blobs.as_ref().map(Blobs::state), Some((90, 400, 1)));
        let report = TaskReport::of(TaskVerdict::Succeeded);
        live.event(&RunEvent::Finished { task: &b, report: &report });
        assert!(live.blobs.is_some());
        live.event(&RunEvent::Finished { task: &a, report: &report });
        assert!(live.blobs.is_none());
    }

    /// The end of a run that succeeded, as it is printed.
    #[test]
    fn the_summary_of_a_run() {
        let artifact = Artifact {
            path: "/p/_build/a.iso".into(),
            size: 607_149_000,
            sha256: content::Digest::of(b"a"),
            next: Some("sealift archive verify _build/a.iso".into()),
        };
        NOW.set(Duration::from_secs(72));
        let built = RunOutcome { artifacts: vec![artifact], ..outcome(&[(TaskVerdict::Succeeded, 14)]) };
        insta::assert_snapshot!(summary::success(&built, Path::new("/p")), @r"
        _build/a.iso, 607.1 MB, in 1 min 12 s
        SHA-256 ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
        14 tasks run
        next: sealift archive verify _build/a.iso
        ");
    }
}
