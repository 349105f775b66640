//! Programs that turn bytes into other bytes, such as those that sign.

use std::cell::{Cell, OnceCell};
use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::{Stream, Supervision, duration, exit, printable, supervised_with_input};

/// Why a program gave nothing that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterFault {
    /// It cannot be started or waited for.
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    /// The caller stopped it.
    #[error("it was stopped")]
    Cancelled,
    /// It was stopped, because it took too long.
    #[error("it took longer than {}", duration(*.0))]
    TimedOut(Duration),
    /// It failed.
    #[error("it {}{}", exit(*.status), if .said.is_empty() { String::new() } else { format!(": {}", printable(.said)) })]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote to standard error.
        said: String,
    },
    /// It wrote more than this many bytes.
    #[error("it wrote more than {0} bytes")]
    TooMuch(u64),
}

/// Runs a program with `input` as its standard input, and returns what it writes to standard output: at most `most` bytes. It is
/// stopped after `timeout`, or when `cancelled` returns true.
///
/// # Errors
///
/// [`FilterFault`]; nothing of the program is left running.
pub fn filter(
    command: &mut Command,
    input: &[u8],
    most: u64,
    timeout: Duration,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<u8>, FilterFault> {
    let deadline = Instant::now() + timeout;
    let (stopped, printed) = (OnceCell::new(), Cell::new(0_u64));
    let supervision = Supervision {
        lock: None,
        cancelled: &|| {
            if cancelled() {
                stopped.get_or_init(|| FilterFault::Cancelled);
            } else if Instant::now() >= deadline {
                stopped.get_or_init(|| FilterFault::TimedOut(timeout));
            } else if printed.get() > most.saturating_add(1) {
                stopped.get_or_init(|| FilterFault::TooMuch(most));
            }
            stopped.get().is_some()
        },
        // Characters and the ends of lines: never more than the bytes and one.
        line: &|stream, line| {
            if matches!(stream, Stream::Out) {
                printed.set(printed.get().saturating_add(line.chars().count() as u64 + 1));
            }
        },
        kept: most.saturating_add(1),
    };
    let output = supervised_with_input(&supervision, command, input).map_err(FilterFault::Start)?;
    if let Some(fault) = stopped.into_inner() {
        return Err(fault);
    }
    if cancelled() {
        return Err(FilterFault::Cancelled);
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let said = said.unwrap_or_default().to_owned();
        return Err(FilterFault::Failed { status: output.status, said });
    }
    if output.stdout.len() as u64 > most {
        return Err(FilterFault::TooMuch(most));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration, cancelled: bool) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        match filter(&mut command, b"content", 100, timeout, &|| cancelled) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn what_a_program_writes_or_why_it_cannot_be_used() {
        let long = Duration::from_secs(600);
        for (script, timeout, cancelled, expected) in [
            ("cat", long, false, "content"),
            ("wc -c </dev/stdin", long, false, "7\n"),
            ("echo one >&2; echo two >&2; exit 3", long, false, "it exited with code 3: two"),
            ("exit 4", long, false, "it exited with code 4"),
            ("head -c 101 /dev/zero", long, false, "it wrote more than 100 bytes"),
            // They would not end by themselves.
            ("exec yes", long, false, "it wrote more than 100 bytes"),
            ("exec yes ''", long, false, "it wrote more than 100 bytes"),
            ("exec cat /dev/urandom", long, false, "it wrote more than 100 bytes"),
            ("exec sleep 600", Duration::ZERO, false, "it took longer than 0.0 s"),
            ("exec sleep 600", long, true, "it was stopped"),
        ] {
            assert_eq!(shell(script, timeout, cancelled), expected, "{script}");
        }
        let fault = filter(&mut Command::new("/nonexistent"), b"", 1, long, &|| false).unwrap_err();
        assert!(fault.to_string().starts_with("it cannot be started: "), "{fault}");
    }
}
