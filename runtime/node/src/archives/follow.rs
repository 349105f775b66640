//! Reloading a server whenever the node configuration changes.

use std::path::Path;
use std::time::Duration;

use super::lists::{configured, path_of, still_configured};
use super::node_layout::NodeLayout;
use super::signed;
use crate::site_config::ConfigurationKind;
use server::{ServerHandle, file_stamp};

/// Reloads a server whenever a configuration file, or an archive that one lists, changes; looks for changes every `every`.
/// Never returns: for a task of its own beside [`server::Server::run`].
///
/// A configuration or policy that cannot be read, or that existed and is missing, is reported to the server's log once and read again
/// until that works; the previous archives are still served.
pub async fn follow(paths: NodeLayout, handle: ServerHandle, every: Duration) {
    let mut seen = Seen::default();
    loop {
        let (paths, server) = (paths.clone(), handle.clone());
        let looked = tokio::task::spawn_blocking(move || look(&paths, &server, seen)).await;
        seen = looked.unwrap_or_default();
        tokio::time::sleep(every).await;
    }
}

/// The state at the last look.
#[derive(Default)]
struct Seen {
    /// The stamps of the configuration files and archives.
    files: Option<Vec<Option<u64>>>,
    /// The configurations that existed.
    existed: Vec<ConfigurationKind>,
    /// Whether the policy existed.
    trust_existed: bool,
    /// Why the last reload failed.
    problem: Option<String>,
}

fn look(paths: &NodeLayout, handle: &ServerHandle, mut seen: Seen) -> Seen {
    let archives = configured(paths);
    let listed = archives.as_deref().unwrap_or_default().iter().map(|path| path.as_path());
    let signed = signed::watched(paths, archives.as_deref().unwrap_or_default());
    let files: Vec<&Path> = ConfigurationKind::ALL
        .map(|kind| path_of(paths, kind))
        .into_iter()
        .chain(listed)
        .chain(signed.iter().map(|path| path.as_path()))
        .collect();
    let now: Vec<_> = files.into_iter().map(file_stamp).collect();
    let changed = match (&seen.files, &archives) {
        _ if seen.problem.is_some() => true,
        (Some(files), _) => *files != now,
        // The first look: whether anything changed since the server opened its archives.
        (None, Ok(archives)) => signed::accepted(paths, archives.clone(), false)
            .map_or(true, |served| handle.archives() != served.archives),
        (None, Err(_)) => true,
    };
    for kind in ConfigurationKind::ALL {
        if !seen.existed.contains(&kind) && file_stamp(path_of(paths, kind)).is_some() {
            seen.existed.push(kind);
        }
    }
    seen.trust_existed |= file_stamp(&paths.trust).is_some();
    if changed {
        let read = || {
            let listed = still_configured(paths, &seen.existed).map_err(|error| error.to_string())?;
            let served =
                signed::accepted(paths, listed, seen.trust_existed).map_err(|error| error.to_string())?;
            for (archive, problem) in &served.refused {
                handle.report_not_served(archive, &problem.to_string());
            }
            Ok(served.archives)
        };
        let problem = handle.reload_from(read).err();
        if let Some(problem) = problem.as_ref().filter(|problem| seen.problem.as_ref() != Some(problem)) {
            handle.report_not_reloaded(problem);
        }
        seen.problem = problem;
    }
    Seen { files: Some(now), ..seen }
}
