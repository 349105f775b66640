//! Child processes of actions: captured, and never left behind.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::context::Context;
use super::report::Stream;
use super::task::ActionError;

/// How long a child may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("cannot run `{program}`")]
struct Unstartable {
    program: String,
    source: io::Error,
}

pub(super) fn run(context: &Context<'_>, command: &mut Command) -> Result<Output, ActionError> {
    let program = command.get_program().to_string_lossy().into_owned();
    if context.cancelled() {
        return Err(ActionError::Cancelled);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|source| Unstartable { program: program.clone(), source })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, stdout, stderr) = thread::scope(|scope| {
        let stdout = scope.spawn(|| copy(context, Stream::Out, stdout));
        let stderr = scope.spawn(|| copy(context, Stream::Err, stderr));
        let status = wait(context, &mut child);
        (status, stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default())
    });
    let status = status?;
    if context.cancelled() && !status.success() {
        return Err(ActionError::Cancelled);
    }
    if status.success() {
        Ok(Output { status, stdout, stderr })
    } else {
        Err(ActionError::Failed(format!("`{program}` ended with {status}")))
    }
}

/// Waits for the child; ends its whole group when the run is stopped. The pipes of a grandchild that left the group may outlive it:
/// its writer then ends by itself, which is what the caller of such a thing asks for.
fn wait(context: &Context<'_>, child: &mut Child) -> io::Result<std::process::ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut pause = Duration::from_micros(200);
    let mut told: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if context.cancelled()
            && let Some(group) = group
        {
            // An error here means the group has just ended.
            match told {
                None => {
                    let _ = kill_process_group(group, Signal::TERM);
                    told = Some(Instant::now());
                }
                Some(since) if since.elapsed() >= GRACE => {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                Some(_) => {}
            }
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Logs what a child writes, line by line, and keeps its bytes.
fn copy(context: &Context<'_>, stream: Stream, pipe: Option<impl Read>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(pipe) = pipe else { return kept };
    let mut reader = BufReader::new(pipe);
    loop {
        let start = kept.len();
        match reader.read_until(b'\n', &mut kept) {
            Ok(0) => return kept,
            Ok(_) => {
                let line = String::from_utf8_lossy(kept.get(start..).unwrap_or_default());
                context.line(stream, line.trim_end_matches(['\n', '\r']));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return kept,
        }
    }
}
