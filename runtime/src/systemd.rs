//! Telling systemd how a service does (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What a service tells systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// It answers.
    Ready,
    /// It reads its configuration anew; followed by [`State::Ready`]. The time is that of the monotonic clock in
    /// microseconds (`CLOCK_MONOTONIC`), which `Type=notify-reload` asks for.
    Reloading {
        /// The time.
        monotonic_microseconds: u64,
    },
    /// It is about to end.
    Stopping,
    /// What it is doing, for people.
    Status(&'a str),
}

/// Tells systemd. `socket` is the value of `NOTIFY_SOCKET`: a path, or after `@` an abstract name.
///
/// # Errors
///
/// What opening or writing to the socket gives.
pub fn notify(socket: &OsStr, state: &State<'_>) -> io::Result<()> {
    let message = match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading { monotonic_microseconds } => {
            format!("RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")
        }
        State::Stopping => "STOPPING=1".to_owned(),
        State::Status(text) => format!("STATUS={}", text.replace(char::is_control, " ")),
    };
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("sealift-test-{}", std::process::id());
        let abstract_name = format!("@{name}");
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let by_path = UnixDatagram::bind(&path).unwrap();
        let sockets = [(path.as_os_str(), by_path), (OsStr::new(&abstract_name), by_name)];
        for (socket, receiver) in sockets {
            for (state, expected) in [
                (State::Ready, "READY=1"),
                (State::Reloading { monotonic_microseconds: 5 }, "RELOADING=1\nMONOTONIC_USEC=5"),
                (State::Stopping, "STOPPING=1"),
                (State::Status("serving\nREADY=1"), "STATUS=serving READY=1"),
            ] {
                notify(socket, &state).unwrap();
                let mut buffer = [0; 100];
                let count = receiver.recv(&mut buffer).unwrap();
                assert_eq!(std::str::from_utf8(&buffer[..count]).unwrap(), expected);
            }
        }
        assert!(notify(OsStr::new("/none/notify"), &State::Ready).is_err());
    }
}
