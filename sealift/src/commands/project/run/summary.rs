//! The summary of a run for people: the file that it produced, and the next command.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use graph::{Artifact, TaskVerdict};

use crate::output;

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

/// The summary of a run that produced `artifact`; one line if it was up to date.
pub(super) fn text(outcome: &graph::RunOutcome, artifact: &Artifact, here: &Path) -> String {
    let path = as_typed(&artifact.path, here);
    let path = content::printable_path(&path).to_string();
    let (ran, restored) = (outcome.count(TaskVerdict::Succeeded), outcome.count(TaskVerdict::Restored));
    if ran + restored == 0 {
        return format!("{path} is up to date");
    }
    let mut text =
        format!("{path}, {}, in {}", output::size(artifact.size), graph::duration(outcome.elapsed));
    let _ = write!(text, "\nSHA-256 {}", artifact.sha256.hex());
    let count = |count: usize, what: &str| {
        (count > 0).then(|| format!("{count} {} {what}", if count == 1 { "task" } else { "tasks" }))
    };
    let counts = [
        count(ran, "run"),
        count(restored, "restored from the cache"),
        count(outcome.count(TaskVerdict::UpToDate), "up to date"),
        count(outcome.count(TaskVerdict::Ignored), "ignored"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let _ = write!(text, "\n{}\nnext: {}", counts.join(", "), artifact.next);
    text
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

    #[test]
    fn a_summary_counts_what_there_was_and_ends_with_the_next_step() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let artifact = Artifact {
            path: "/p/_build/a.iso".into(),
            size: 607_149_000,
            sha256: content::Digest::from_hex(digest).unwrap(),
            next: "sealift archive verify _build/a.iso".into(),
        };
        let mut outcome = graph::RunOutcome { elapsed: Duration::from_millis(72_340), ..Default::default() };
        outcome.counts.insert(TaskVerdict::UpToDate, 5);
        assert_eq!(text(&outcome, &artifact, Path::new("/p")), "_build/a.iso is up to date");
        outcome.counts.extend([(TaskVerdict::Succeeded, 1), (TaskVerdict::Restored, 2)]);
        assert_eq!(
            text(&outcome, &artifact, Path::new("/p")),
            format!(
                "_build/a.iso, 607.1 MB, in 1 min 12 s\nSHA-256 {digest}\n1 task run, 2 tasks restored from the cache, \
                 5 tasks up to date\nnext: sealift archive verify _build/a.iso"
            )
        );
    }
}
