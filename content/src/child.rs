//! Child processes: their output is captured, and none is left running.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// One of the two output streams of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How long a group may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How long pipes may stay open after SIGKILL. Only processes that have left the group can still hold them.
const LAST: Duration = Duration::from_secs(1);

/// How often to check whether the run stops.
const POLL: Duration = Duration::from_millis(20);

/// The most bytes of a line; what is longer becomes several lines.
const LINE_MAX: u64 = 64 << 10;

/// How many lines may wait to be logged.
const BACKLOG: usize = 256;

/// How a child process is watched while it runs.
pub struct Supervision<'a> {
    /// A lock that the child inherits, so that it stays taken if this process is killed and the child is not.
    pub lock: Option<&'a File>,
    /// Whether the child is to be stopped.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Called with each line of its output.
    pub line: &'a dyn Fn(Stream, &str),
    /// How many bytes of each stream are returned: the line in which they end is the last one.
    pub kept: u64,
}

/// A line that a child wrote.
type Line = (Stream, Vec<u8>);

/// Runs a program that prints something short, such as its version. Its process group is stopped when it takes longer than
/// `timeout` or prints more than `most` bytes, and nothing of the group is left when this returns.
///
/// # Errors
///
/// It cannot be started, takes too long ([`io::ErrorKind::TimedOut`]) or prints too much ([`io::ErrorKind::FileTooLarge`]). A
/// program that exits with another code than 0 is no error.
pub fn probe(command: &mut Command, timeout: Duration, most: u64) -> io::Result<Output> {
    let (deadline, printed) = (Instant::now() + timeout, Cell::new(0_u64));
    let supervision = Supervision {
        lock: None,
        cancelled: &|| Instant::now() >= deadline || printed.get() > most,
        line: &|_, line| printed.set(printed.get().saturating_add(line.len() as u64 + 1)),
        kept: most,
    };
    let output = supervised(&supervision, command)?;
    if printed.get() > most {
        Err(io::ErrorKind::FileTooLarge.into())
    } else if Instant::now() >= deadline {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(output)
    }
}

/// Runs a child process in a group of its own to its end, successful or not, with an empty input. The group gets SIGTERM, and
/// SIGKILL after a few seconds, when it is to be stopped or its leader has ended: nothing of it is left when this returns.
///
/// # Errors
///
/// It cannot be started or waited for.
pub fn supervised(supervision: &Supervision<'_>, command: &mut Command) -> io::Result<Output> {
    run(supervision, command, Stdio::null())
}

/// Runs a child process as [`supervised`] does, with these bytes as its input. They are in a file without a name, so a child that
/// does not read them ends as well.
///
/// # Errors
///
/// Those of [`supervised`], and if the input cannot be written.
pub fn supervised_with_input(
    supervision: &Supervision<'_>,
    command: &mut Command,
    input: &[u8],
) -> io::Result<Output> {
    let mut file = tempfile::tempfile()?;
    file.write_all(input)?;
    file.rewind()?;
    run(supervision, command, file.into())
}

fn run(supervision: &Supervision<'_>, command: &mut Command, input: Stdio) -> io::Result<Output> {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut group = Group::of(spawn(command, supervision.lock)?);
    let (sender, lines) = mpsc::sync_channel(BACKLOG);
    forward(Stream::Out, group.leader.stdout.take(), sender.clone())?;
    forward(Stream::Err, group.leader.stderr.take(), sender)?;
    wait(supervision, &mut group, &lines)
}

/// Starts a child that also holds the lock of the state. It may outlive a run that is killed, and no other run may start
/// while it writes.
fn spawn(command: &mut Command, lock: Option<&File>) -> io::Result<Child> {
    let inherited = lock.map(File::try_clone).transpose()?;
    if let Some(inherited) = &inherited {
        // Children that other threads start at this moment inherit it too. That does no harm: at its end, a run releases
        // the lock for all processes.
        fcntl_setfd(inherited, FdFlags::empty())?;
    }
    command.spawn()
}

/// A child and all processes of its group. They are killed when this is dropped.
struct Group {
    leader: Child,
    id: Pid,
    ended: bool,
}

impl Group {
    fn of(leader: Child) -> Self {
        Self { id: Pid::from_child(&leader), leader, ended: false }
    }

    /// Whether the leader has ended. It is not reaped yet, so that no other process gets the ID of the group.
    fn leader_has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(self.id), options)?.is_some())
    }

    fn signal(&self, signal: Signal) {
        // Fails only if the group has just ended.
        let _ = kill_process_group(self.id, signal);
    }

    /// Kills all processes that are left in the group.
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

/// Logs what the group writes until its leader has ended and its pipes are closed.
///
/// The group gets SIGTERM when the run stops, and when its leader has ended: the work is done then, and processes in the
/// background would write into folders that other tasks read. Those that do not end are killed.
fn wait(supervision: &Supervision<'_>, group: &mut Group, lines: &Receiver<Line>) -> io::Result<Output> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut keep = |(stream, line): Line| {
        let kept = match stream {
            Stream::Out => &mut stdout,
            Stream::Err => &mut stderr,
        };
        (supervision.line)(stream, String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        if (kept.len() as u64) < supervision.kept {
            kept.extend(line);
        }
    };
    let mut terminated: Option<Instant> = None;
    let mut pause = Duration::from_micros(100);
    loop {
        // Most leaders have ended when their pipes are closed, so wait for that.
        let closed = match lines.recv_timeout(POLL) {
            Ok(line) => {
                keep(line);
                lines.try_iter().take(BACKLOG).for_each(&mut keep);
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let ended = group.leader_has_ended()?;
        let since = terminated.map(|terminated| terminated.elapsed());
        match since {
            _ if ended && closed => break,
            None if ended || (supervision.cancelled)() => {
                group.signal(Signal::TERM);
                terminated = Some(Instant::now());
            }
            Some(since) if ended && since >= GRACE + LAST => break,
            Some(since) if since >= GRACE => group.signal(Signal::KILL),
            _ => {}
        }
        // A leader that closed its pipes and still runs is polled.
        if closed {
            thread::sleep(pause);
            pause = (pause * 2).min(POLL);
        }
    }
    Ok(Output { status: group.end()?, stdout, stderr })
}

/// Forwards what is written to a pipe, line by line. The end of the pipe drops the sender, for which [`wait`] waits.
fn forward(
    stream: Stream,
    pipe: Option<impl Read + Send + 'static>,
    sender: SyncSender<Line>,
) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    // Not joined: a process that has left the group may hold the pipe for ever.
    thread::Builder::new().spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send((stream, std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
