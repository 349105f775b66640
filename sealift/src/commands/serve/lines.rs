//! What the server says, as lines.

use runtime::serve::{Access, Event, Log};

use crate::output;

/// Messages on standard error, requests on standard output.
#[derive(Debug)]
pub(super) struct Lines {
    /// Whether requests are logged.
    pub(super) access: bool,
}

impl Log for Lines {
    fn access(&self, access: &Access<'_>) {
        if !self.access {
            return;
        }
        let line = serde_json::json!({
            "peer": access.peer, "method": access.method, "target": access.target, "status": access.status,
            "bytes": access.bytes, "complete": access.complete, "seconds": access.duration.as_secs_f64(),
            "userAgent": access.user_agent,
        });
        // A log that nobody reads any more must not stop the server.
        let _ = output::print(&format!("{line}\n"));
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Serving { archive, id, repositories } => {
                let id = id.as_deref().unwrap_or("a folder of images");
                let images = if *repositories == 1 { "image" } else { "images" };
                output::note(&format!("serving {} ({id}): {repositories} {images}", archive.display()));
            }
            Event::NotServed { archive, problem } => {
                output::warn(&format!("{}: not served: {problem}", archive.display()))
            }
            Event::Damaged { archive, digest, problem } => {
                output::warn(&format!("{}: damaged: {digest}: {problem}", archive.display()));
            }
            Event::Connection { problem } => output::warn(problem),
            Event::NotReloaded { problem } => super::not_reloaded(problem),
            Event::Draining => output::note("stopping: no new connections, those open come to their end"),
            other => output::note(&format!("{other:?}")),
        }
    }
}
