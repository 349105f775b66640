//! Child processes of actions: captured, and never left behind.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::context::Context;
use super::report::Stream;
use super::task::ActionError;

/// How long a child may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How often to look whether the run is to stop.
const LOOK: Duration = Duration::from_millis(20);

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
    let (closed, closing) = mpsc::channel();
    let (status, stdout, stderr) = thread::scope(|scope| {
        let other = closed.clone();
        let stdout = scope.spawn(move || copy(context, Stream::Out, stdout, closed));
        let stderr = scope.spawn(move || copy(context, Stream::Err, stderr, other));
        let status = wait(context, &mut child, &closing);
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

/// Waits for the child; ends its whole group when the run is stopped. A child has mostly ended when its pipes
/// are closed, so the wait is for that; one that closes them and goes on is asked now and then.
fn wait(context: &Context<'_>, child: &mut Child, closing: &Receiver<()>) -> io::Result<ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut told: Option<Instant> = None;
    let mut pause = Duration::from_micros(100);
    loop {
        let closed = match closing.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
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
        if closed {
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
        }
    }
}

/// Logs what a child writes, line by line, and keeps its bytes. The end of the pipe drops the sender, which
/// is what [`wait`] waits for.
fn copy(context: &Context<'_>, stream: Stream, pipe: Option<impl Read>, _closed: Sender<()>) -> Vec<u8> {
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
