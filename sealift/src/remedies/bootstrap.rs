//! Help for errors about the bring-up of a node.

use node::bootstrap::Error as BootstrapError;
use node::client_config::Error as ClientError;

use super::node::{hooks, hooks_cancelled, record};
use crate::failure::Failure;
use crate::signals::Signals;

/// A bring-up that failed.
pub(crate) fn explained(error: BootstrapError) -> Failure {
    match error {
        BootstrapError::Hook(error) => hooks(error),
        BootstrapError::Record(error) => record(error),
        BootstrapError::Archives(error) => super::archives::explained(error),
        BootstrapError::Repositories(error @ ClientError::NotOurs(_)) => Failure::failed(error)
            .remedy("move the file away, then run the command again: it continues"),
        BootstrapError::NoFile { .. } => Failure::usage_by(error)
            .remedy("copy the disc to this node, such as with `dd if=/dev/sr0 of=/archives/metalk8s.iso`, and mount or name the copy"),
        BootstrapError::Nameless(_) => Failure::usage_by(error),
        BootstrapError::Certificate { .. } => Failure::failed(error).remedy(
            "put a valid server.crt and server.key there, or name the authority: --ca-certificate FILE --ca-key FILE",
        ),
        BootstrapError::Program { ref program, .. } => {
            let help = match program.as_str() {
                "dnf" | "yum" => "enable the repositories of the distribution that have the dependencies, then run the command again",
                "systemctl" => "show why: `journalctl --unit sealift-registry`; then run the command again: it continues",
                _ => "run the command again: it continues",
            };
            Failure::from(error).remedy(help)
        }
        error => error.into(),
    }
}

/// As [`explained`]; the signal if that ended a hook.
pub(crate) fn cancelled(error: BootstrapError, signals: &Signals) -> Failure {
    match error {
        BootstrapError::Hook(error) => hooks_cancelled(error, signals),
        error => explained(error),
    }
}
