//! The end of a run for people: what it built, or what failed, and the next command.

use std::path::{Component, Path, PathBuf};

use graph::{Artifact, RunOutcome, TaskVerdict};

use crate::failure::FailureReport;
use crate::output::{self, LINES_MAX};

/// `path` as a user types it in the folder `here`: relative if that is shorter. `here` has no symbolic links, so `..` is its
/// parent.
pub(super) fn as_typed(path: &Path, here: &Path) -> PathBuf {
    let shared = path.components().zip(here.components()).take_while(|(a, b)| a == b).count();
    let up = here.components().skip(shared).map(|_| Component::ParentDir);
    let relative: PathBuf = up.chain(path.components().skip(shared)).collect();
    if relative.as_os_str().len() < path.as_os_str().len() && !relative.as_os_str().is_empty() {
        relative
    } else {
        path.to_path_buf()
    }
}

/// The summary of a run that succeeded: the files that it built or found up to date, what ran, the next command.
pub(crate) fn success(outcome: &RunOutcome, here: &Path) -> String {
    let is_new = outcome.count(TaskVerdict::Succeeded) + outcome.count(TaskVerdict::Restored) > 0;
    let took = format!("in {}", content::duration(outcome.elapsed));
    let counts = counts(outcome).unwrap_or_else(|| "no task run".to_owned());
    let mut lines = Vec::new();
    match outcome.artifacts.as_slice() {
        [artifact] => {
            let state = if is_new { "" } else { " is up to date" };
            let (path, size) = (shown(artifact, here), output::size(artifact.size));
            lines.push(format!("{path}{state}, {size}, {took}"));
            lines.push(format!("SHA-256 {}", artifact.sha256.hex()));
            lines.push(counts);
        }
        artifacts => {
            lines.push(format!("{counts}, {took}"));
            let line = |artifact: &Artifact| {
                let (path, size) = (shown(artifact, here), output::size(artifact.size));
                format!("{path}, {size}, SHA-256 {}", artifact.sha256.hex())
            };
            let files: Vec<String> = artifacts.iter().map(line).collect();
            lines.extend(output::bounded(&files, "files"));
        }
    }
    let next = outcome.artifacts.iter().filter_map(|artifact| artifact.next.as_ref());
    lines.extend(next.map(|next| format!("next: {next}")));
    lines.join("\n")
}

/// The summary of a dry run.
pub(super) fn dry(outcome: &RunOutcome) -> String {
    let (would_run, up_to_date) =
        (outcome.count(TaskVerdict::WouldRun), outcome.count(TaskVerdict::UpToDate));
    format!("{} would run, {up_to_date} up to date", output::count(would_run, "task"))
}

/// The summary of a run that did not succeed: the names of the tasks that failed, whose errors were printed before.
pub(crate) fn failure(outcome: &RunOutcome) -> FailureReport {
    let mut named: Vec<String> =
        outcome.failed.iter().take(LINES_MAX).map(|name| content::printable(name).to_string()).collect();
    if let Some(more) = outcome.failed.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    let failed = match outcome.failed.len() {
        0 => "the run was stopped".to_owned(),
        1 => format!("1 task failed: {}", named.join(", ")),
        count => format!("{count} tasks failed: {}", named.join(", ")),
    };
    let took = content::duration(outcome.elapsed);
    let counts = counts(outcome).map(|counts| format!("\n  {counts}, in {took}"));
    FailureReport {
        error: anyhow::Error::msg(failed + &counts.unwrap_or_default()),
        snippet: None,
        remedy: outcome.cancelled.then(|| "run the command again: what is done stays done".to_owned()),
    }
}

fn shown(artifact: &Artifact, here: &Path) -> String {
    content::printable_path(&as_typed(&artifact.path, here)).to_string()
}

/// How many tasks ended how: `1 task run, 5 tasks up to date`. Those that failed are not counted.
fn counts(outcome: &RunOutcome) -> Option<String> {
    let count =
        |count: usize, what: &str| (count > 0).then(|| format!("{} {what}", output::count(count, "task")));
    let counts = [
        count(outcome.count(TaskVerdict::Succeeded), "run"),
        count(outcome.count(TaskVerdict::Restored), "restored from the cache"),
        count(outcome.count(TaskVerdict::UpToDate), "up to date"),
        count(outcome.count(TaskVerdict::Ignored), "ignored"),
        count(outcome.not_run(), "not run"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_is_relative_where_that_is_shorter() {
        for (path, here, typed) in [
            ("/p/_build/a.iso", "/p", "_build/a.iso"),
            ("/project/_build/a.iso", "/project/salt", "../_build/a.iso"),
            ("/p/_build/a.iso", "/p/salt", "/p/_build/a.iso"),
            ("/p/_build/a.iso", "/p/_build", "a.iso"),
            ("/b/a.iso", "/home/user/project", "/b/a.iso"),
            ("/a.iso", "/", "a.iso"),
        ] {
            assert_eq!(as_typed(Path::new(path), Path::new(here)), Path::new(typed), "{path} in {here}");
        }
    }

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn artifact(name: &str, next: Option<&str>) -> Artifact {
        Artifact {
            path: Path::new("/p/_build").join(name),
            size: 607_149_000,
            sha256: content::Digest::from_hex(DIGEST).unwrap(),
            next: next.map(str::to_owned),
        }
    }

    fn outcome(counts: &[(TaskVerdict, usize)]) -> RunOutcome {
        RunOutcome {
            elapsed: Duration::from_millis(72_340),
            counts: counts.iter().copied().collect(),
            ..RunOutcome::default()
        }
    }

    #[test]
    fn a_summary_names_what_was_built_counts_tasks_and_ends_with_the_next_step() {
        use TaskVerdict::{Restored, Succeeded, UpToDate};
        let here = Path::new("/p");
        let next = Some("sealift archive verify _build/a.iso");
        for (counts, artifacts, expected) in [
            (
                vec![(Succeeded, 1), (Restored, 2), (UpToDate, 5)],
                vec![artifact("a.iso", next)],
                format!(
                    "_build/a.iso, 607.1 MB, in 1 min 12 s\nSHA-256 {DIGEST}\n1 task run, 2 tasks restored from the cache, \
                     5 tasks up to date\nnext: sealift archive verify _build/a.iso"
                ),
            ),
            (
                vec![(UpToDate, 5)],
                vec![artifact("a.iso", next)],
                format!(
                    "_build/a.iso is up to date, 607.1 MB, in 1 min 12 s\nSHA-256 {DIGEST}\n5 tasks up to date\n\
                     next: sealift archive verify _build/a.iso"
                ),
            ),
            (vec![(Succeeded, 2)], vec![], "2 tasks run, in 1 min 12 s".to_owned()),
            (vec![], vec![], "no task run, in 1 min 12 s".to_owned()),
            (
                vec![(Succeeded, 2)],
                vec![artifact("a", None), artifact("b", None)],
                format!(
                    "2 tasks run, in 1 min 12 s\n_build/a, 607.1 MB, SHA-256 {DIGEST}\n_build/b, 607.1 MB, SHA-256 {DIGEST}"
                ),
            ),
        ] {
            let outcome = RunOutcome { artifacts, ..outcome(&counts) };
            assert_eq!(success(&outcome, here), expected);
        }
    }

    #[test]
    fn a_failed_run_names_its_failures_and_counts_the_rest() {
        use TaskVerdict::{Blocked, Broken, Cancelled, Failed, Succeeded};
        let text = |outcome: &RunOutcome| {
            let report = failure(outcome);
            (report.error.to_string(), report.remedy)
        };
        let counts = [(Succeeded, 4), (Failed, 1), (Broken, 1), (Blocked, 6), (Cancelled, 1)];
        let failed = RunOutcome { failed: vec!["a".into(), "b\u{7}".into()], ..outcome(&counts) };
        let expected = "2 tasks failed: a, b\\u{7}\n  4 tasks run, 7 tasks not run, in 1 min 12 s";
        assert_eq!(text(&failed), (expected.to_owned(), None));
        let stopped = RunOutcome { cancelled: true, ..outcome(&[(Cancelled, 1)]) };
        let help = Some("run the command again: what is done stays done".to_owned());
        assert_eq!(text(&stopped), ("the run was stopped\n  1 task not run, in 1 min 12 s".to_owned(), help));
        let many = RunOutcome { failed: vec!["t".to_owned(); 23], ..outcome(&[(Failed, 23)]) };
        assert!(text(&many).0.starts_with(&format!("23 tasks failed: {}3 more", "t, ".repeat(20))));
    }
}
