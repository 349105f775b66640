//! How a program ended, for people.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// Shows how a program ended, after its name: `` `sh` exited with code 3 ``, `` `sh` was killed by signal 9 ``.
#[must_use]
pub fn exit(status: ExitStatus) -> impl fmt::Display {
    fmt::from_fn(move |f| match (status.code(), status.signal()) {
        (Some(code), _) => write!(f, "exited with code {code}"),
        (None, Some(signal)) => write!(f, "was killed by signal {signal}"),
        // It was stopped, or runs again.
        (None, None) => write!(f, "{status}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_signal_are_shown() {
        for (raw, expected) in [(3 << 8, "exited with code 3"), (9, "was killed by signal 9")] {
            assert_eq!(exit(ExitStatus::from_raw(raw)).to_string(), expected);
        }
    }
}
