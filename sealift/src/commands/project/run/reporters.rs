//! The reporters of a run.

use std::io;

use graph::Reporter;

/// A reporter that is notified of failures and warnings only.
pub(super) struct Quiet<R>(pub(super) R);

impl<R: Reporter> Reporter for Quiet<R> {
    fn event(&mut self, event: &graph::RunEvent<'_>) {
        let shown = match event {
            graph::RunEvent::Finished { report, .. } => report.verdict.is_failure(),
            graph::RunEvent::Warned { .. }
            | graph::RunEvent::Retrying { .. }
            | graph::RunEvent::Ended { .. } => true,
            _ => false,
        };
        if shown {
            self.0.event(event);
        }
    }

    fn tick(&mut self) {
        self.0.tick();
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.0.take_error()
    }
}

/// Several reporters of one run.
pub(super) struct All<'a>(pub(super) Vec<Box<dyn Reporter + 'a>>);

impl Reporter for All<'_> {
    fn event(&mut self, event: &graph::RunEvent<'_>) {
        for reporter in &mut self.0 {
            reporter.event(event);
        }
    }

    fn tick(&mut self) {
        for reporter in &mut self.0 {
            reporter.tick();
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.0.iter_mut().find_map(|reporter| reporter.take_error())
    }
}
