//! A server that follows the configuration.

use std::path::Path;
use std::time::Duration;

use super::places::{path_of, still_configured};
use super::{Paths, configured};
use crate::site_config::Kind;
use server::{Handle, file_stamp};

/// Has a server reload whenever a configuration file, or an archive that one lists, has become another; looks every
/// `every`. Never ends: for a task of its own beside [`server::Server::run`].
///
/// What cannot be read is told to the server's log, once, and tried again until it can; what was served before is served
/// still. So it is when a configuration file is gone that was there.
pub async fn follow(paths: Paths, handle: Handle, every: Duration) {
    let mut known = Known::default();
    loop {
        let (paths, server) = (paths.clone(), handle.clone());
        let looked = tokio::task::spawn_blocking(move || look(&paths, &server, known)).await;
        known = looked.unwrap_or_default();
        tokio::time::sleep(every).await;
    }
}

/// What was seen.
#[derive(Default)]
struct Known {
    /// The stamps of all files that count.
    files: Option<Vec<Option<u64>>>,
    /// Which configurations have been there.
    there: Vec<Kind>,
    /// Why the last reload did not come about.
    problem: Option<String>,
}

fn look(paths: &Paths, handle: &Handle, mut known: Known) -> Known {
    let archives = configured(paths);
    let listed = archives.as_deref().unwrap_or_default().iter().map(|path| path.as_path());
    let files: Vec<&Path> = Kind::ALL.map(|kind| path_of(paths, kind)).into_iter().chain(listed).collect();
    let now: Vec<_> = files.into_iter().map(file_stamp).collect();
    let changed = match (&known.files, &archives) {
        _ if known.problem.is_some() => true,
        (Some(files), _) => *files != now,
        // What has changed since the server was set up.
        (None, Ok(archives)) => handle.archives() != *archives,
        (None, Err(_)) => true,
    };
    for kind in Kind::ALL {
        if !known.there.contains(&kind) && file_stamp(path_of(paths, kind)).is_some() {
            known.there.push(kind);
        }
    }
    if changed {
        let read = || still_configured(paths, &known.there).map_err(|error| error.to_string());
        let problem = handle.reload_from(read).err();
        if let Some(problem) = problem.as_ref().filter(|problem| known.problem.as_ref() != Some(problem)) {
            handle.report_not_reloaded(problem);
        }
        known.problem = problem;
    }
    Known { files: Some(now), ..known }
}
