//! What git knows of the project: the date of its last commit and its name.

use std::path::Path;
use std::process::Command;

/// The date of the project's last commit in seconds since 1970, and its name; `None` where git or the repository is not there.
pub(crate) struct Commit {
    pub(crate) date: i64,
    /// `git describe --long` with the whole hash: a shortened one grows with the clone. Changes that are not committed are not
    /// marked: the first edit of any file would change the product information, and everything that hangs on it.
    pub(crate) name: String,
}

pub(crate) fn commit(git: &Path, root: &Path) -> Option<Commit> {
    let ask = |arguments: &[&str]| {
        let output = Command::new(git).arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    Some(Commit {
        date: ask(&["log", "-1", "--format=%ct"])?.parse().ok()?,
        name: ask(&["describe", "--always", "--long", "--tags", "--abbrev=40"])?,
    })
}
