//! Servers that end with the test, however that ends.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
#[derive(Debug)]
pub struct Daemon {
    /// The process.
    pub child: Child,
    /// The port it listens on at 127.0.0.1; 0 where it listens on none.
    pub port: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of the loopback addresses that refuses connections. It is below those that the kernel hands out, so no other
/// test gets it.
pub const NOBODY: u16 = 1;

/// A port that nobody listens on now, for a server that is about to start.
///
/// # Panics
///
/// If the loopback address has no free port.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts `command`, with its output in the file `log`, and waits until it listens on `port`.
///
/// # Panics
///
/// If it does not listen within twenty seconds; with its log.
pub fn start(command: &mut Command, port: u16, log: &Path) -> Daemon {
    let log_file = fs::File::create(log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(log_file.try_clone().unwrap())
        .stderr(log_file)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut daemon = Daemon { child, port };
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = daemon.child.try_wait().unwrap();
        assert!(
            ended.is_none() && began.elapsed() < Duration::from_secs(300),
            "{command:?} {ended:?}: {}",
            fs::read_to_string(log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon
}
