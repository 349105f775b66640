//! Commands without a network: a network namespace of their own, in which nothing is up.

use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

/// The warning where there is no such namespace.
pub(super) const REFUSED: &str =
    "the network is not cut off: this machine has no `unshare` or does not let users create namespaces";

/// How `unshare` of util-linux makes the namespace: as the same user, or as a version before 2.36 can, or with the rights of
/// an administrator alone.
const WAYS: [&[&str]; 3] = [
    &["unshare", "--user", "--map-current-user", "--net", "--"],
    &["unshare", "--user", "--map-root-user", "--net", "--"],
    &["unshare", "--net", "--"],
];

/// What this machine can do, found out when the first task asks.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Namespaces(Arc<OnceLock<Option<&'static [&'static str]>>>);

impl Namespaces {
    /// The words before a command that cut off its network; `None` if this machine refuses.
    pub(super) fn prefix(&self) -> Option<&'static [&'static str]> {
        *self.0.get_or_init(|| WAYS.into_iter().find(|words| works(words)))
    }
}

fn works(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
