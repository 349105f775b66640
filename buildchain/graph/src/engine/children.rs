//! Child processes of actions: captured, and never left behind.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::engine::context::Context;
use crate::model::task::ActionError;
use crate::report::events::Stream;

/// How long a group may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How long pipes may stay open after SIGKILL. Whoever holds them then has left the group.
const LAST: Duration = Duration::from_secs(1);

/// How often to look whether the run is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// So many lines may wait to be logged.
const BACKLOG: usize = 256;

#[derive(Debug, thiserror::Error)]
#[error("cannot run `{program}`")]
struct Unstartable {
    program: String,
    source: io::Error,
}

/// What a child wrote, a line of it at a time.
type Line = (Stream, Vec<u8>);

pub(crate) fn run(context: &Context<'_>, command: &mut Command) -> Result<Output, ActionError> {
    let program = command.get_program().to_string_lossy().into_owned();
    if context.cancelled() {
        return Err(ActionError::Cancelled);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child =
        spawn(command, context.lock()).map_err(|source| Unstartable { program: program.clone(), source })?;
    let mut group = Group::of(child);
    let (said, lines) = mpsc::sync_channel(BACKLOG);
    listen(Stream::Out, group.leader.stdout.take(), said.clone())?;
    listen(Stream::Err, group.leader.stderr.take(), said)?;
    let output = wait(context, &mut group, &lines)?;
    if output.status.success() {
        Ok(output)
    } else if context.cancelled() {
        Err(ActionError::Cancelled)
    } else {
        Err(ActionError::Failed(format!("`{program}` ended with {}", output.status)))
    }
}

/// Starts a child that holds the lock on the state, too. It may outlive a run that is killed, and as long as it
/// writes, nobody else may begin.
fn spawn(command: &mut Command, lock: Option<&File>) -> io::Result<Child> {
    let inherited = lock.map(File::try_clone).transpose()?;
    if let Some(inherited) = &inherited {
        // Also passed on to what other threads start just now. That does no harm: a run that ends lets go of the
        // lock for all.
        fcntl_setfd(inherited, FdFlags::empty())?;
    }
    command.spawn()
}

/// A child and all it starts that does not leave its group. None of them outlives this.
struct Group {
    leader: Child,
    id: Pid,
    ended: bool,
}

impl Group {
    fn of(leader: Child) -> Self {
        Self { id: Pid::from_child(&leader), leader, ended: false }
    }

    /// The leader has ended. Nobody takes note of that yet: so long the id of the group is no other's.
    fn leader_has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(self.id), options)?.is_some())
    }

    fn signal(&self, signal: Signal) {
        // An error here means that the group has just ended.
        let _ = kill_process_group(self.id, signal);
    }

    /// Ends whatever is left of the group.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.ended {
            self.signal(Signal::KILL);
            self.ended = true;
        }
        self.leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Logs what the group writes until it is over: its leader has ended and nobody holds the pipes any more.
///
/// The group is told to end when the run is stopped, and when its leader has ended: the work is done then, and
/// what is left in the background would write into a tree that others read. What does not end is killed.
fn wait(context: &Context<'_>, group: &mut Group, lines: &Receiver<Line>) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut keep = |(stream, line): Line| {
        let kept = match stream {
            Stream::Out => &mut stdout,
            Stream::Err => &mut stderr,
        };
        context.line(stream, String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        kept.extend(line);
    };
    let mut told: Option<Instant> = None;
    let mut pause = Duration::from_micros(100);
    loop {
        // A leader has mostly ended when its pipes are closed, so the wait is for that.
        let closed = match lines.recv_timeout(LOOK) {
            Ok(line) => {
                keep(line);
                lines.try_iter().take(BACKLOG).for_each(&mut keep);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let ended = group.leader_has_ended()?;
        let since = told.map(|told| told.elapsed());
        match since {
            _ if ended && closed => break,
            None if ended || context.cancelled() => {
                group.signal(Signal::TERM);
                told = Some(Instant::now());
            }
            Some(since) if ended && since >= GRACE + LAST => break,
            Some(since) if since >= GRACE => group.signal(Signal::KILL),
            _ => {}
        }
        // One that closes its pipes and goes on is asked now and then.
        if closed {
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
        }
    }
    Ok(Output { status: group.end()?, stdout, stderr })
}

/// Hands on what comes through a pipe, line by line. The end of the pipe drops the sender, which is what
/// [`wait`] waits for.
fn listen(
    stream: Stream,
    pipe: Option<impl Read + Send + 'static>,
    said: SyncSender<Line>,
) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    // Not joined: somebody who has left the group may hold the pipe for ever.
    thread::Builder::new().spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if said.send((stream, std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
