//! `sealift watch`.

use std::time::Duration;

use graph::Watch;

use super::run::{RunArguments, once};
use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::session::{Session, chosen};
use crate::signals::Signals;

/// How often files are checked for changes.
const WATCH_INTERVAL: Duration = Duration::from_millis(300);

pub(crate) fn run(run: &RunArguments) -> CommandResult {
    if run.release {
        return Err(Failure::usage("`watch` does not support --release"));
    }
    if run.flags.dry_run {
        return Err(Failure::usage("`watch` does not support --dry-run"));
    }
    let signals = Signals::catch()?;
    let open = || -> Result<_, Failure> {
        let session = Session::open(&run.flags.selector)?;
        session.print_warnings();
        let selection = chosen(&session, &run.tasks)?;
        Ok((session, selection))
    };
    let (mut session, mut selection) = open()?;
    let mut sound = true;
    loop {
        let deciding = || session.project.deciding();
        let own = run.flags.written(&session);
        let watch = Watch::begin(&session.graph, &selection, &deciding, &own)?;
        if sound && let Err(failure) = once(&run.flags, &session, &selection, &signals) {
            output::failure(&failure);
        }
        if let Some(signal) = signals.number() {
            return Err(Failure::Signal(signal));
        }
        output::note("watching for changes; stop with Ctrl-C");
        let changed = watch.wait(WATCH_INTERVAL, &signals.caught)?;
        if let Some(signal) = signals.number() {
            return Err(Failure::Signal(signal));
        }
        for path in changed {
            output::note(&format!("{} changed", content::printable_path(&path)));
        }
        // A project with a mistake will be edited again.
        match open() {
            Ok(opened) => {
                (session, selection) = opened;
                sound = true;
            }
            Err(failure) => {
                output::failure(&failure);
                sound = false;
            }
        }
    }
}
