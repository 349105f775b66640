//! A server that follows the configuration.

use std::path::Path;
use std::time::Duration;

use super::{Paths, configured};
use crate::serve::{Handle, file_stamp};

/// Has a server reload whenever a configuration file, or an archive that one lists, has become another; looks every
/// `every`. Never ends: for a task of its own beside [`crate::serve::Server::run`].
///
/// What cannot be read is told to the server's log, once, and what was served before is served still.
pub async fn follow(paths: Paths, handle: Handle, every: Duration) {
    let mut known = None;
    loop {
        let (paths, server) = (paths.clone(), handle.clone());
        let looked = tokio::task::spawn_blocking(move || look(&paths, &server, known)).await;
        known = looked.ok().flatten();
        tokio::time::sleep(every).await;
    }
}

/// The stamps of all files that count.
type Known = Vec<Option<u64>>;

fn look(paths: &Paths, handle: &Handle, known: Option<Known>) -> Option<Known> {
    let archives = configured(paths);
    let listed = archives.as_deref().unwrap_or_default().iter().map(|path| path.as_path());
    let files: Vec<&Path> = [paths.bootstrap.as_path(), &paths.solutions].into_iter().chain(listed).collect();
    let now: Known = files.into_iter().map(file_stamp).collect();
    let changed = match (known, &archives) {
        (Some(known), _) => known != now,
        // What has changed since the server was set up.
        (None, Ok(archives)) => handle.archives() != *archives,
        (None, Err(_)) => true,
    };
    if changed {
        let read = || configured(paths).map_err(|error| error.to_string());
        if let Err(problem) = handle.reload_from(read) {
            handle.tell_not_reloaded(&problem);
        }
    }
    Some(now)
}
