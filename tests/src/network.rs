//! A network of the test's own: the loopback device and nothing else.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::user::is_root;

/// Moves this thread into a new network that has only the loopback device, with the threads and processes that it starts from
/// now on. Only root can; for other users nothing changes, and the result is `false`.
///
/// # Panics
///
/// If root cannot make such a network.
#[must_use]
pub fn leave() -> bool {
    if !is_root() {
        return false;
    }
    // The network lives as long as something is in it: at first this process, which ends with its standard input.
    let mut holder = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "unshare --net");
    let network = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    holder.wait().unwrap();
    true
}
