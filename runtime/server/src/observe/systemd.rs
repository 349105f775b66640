//! Notifying systemd of the state of a service (sd_notify(3), sd_watchdog_enabled(3)).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The state of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceState<'a> {
    /// It is ready.
    Ready,
    /// It reloads its configuration; followed by [`ServiceState::Ready`].
    Reloading {
        /// The time of the monotonic clock (`CLOCK_MONOTONIC`) in microseconds, required by `Type=notify-reload`.
        monotonic_microseconds: u64,
    },
    /// It is stopping.
    Stopping,
    /// It does not hang. [`watchdog`] returns how long systemd waits for this.
    Alive,
    /// What it is doing, as text for people.
    Status(&'a str),
}

/// Notifies systemd. `socket` is the value of `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
///
/// # Errors
///
/// Those of opening the socket or writing to it.
pub fn notify(socket: &OsStr, state: &ServiceState<'_>) -> io::Result<()> {
    let message = match state {
        ServiceState::Ready => "READY=1".to_owned(),
        ServiceState::Reloading { monotonic_microseconds } => {
            format!("RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")
        }
        ServiceState::Stopping => "STOPPING=1".to_owned(),
        ServiceState::Alive => "WATCHDOG=1".to_owned(),
        ServiceState::Status(text) => format!("STATUS={}", text.replace(char::is_control, " ")),
    };
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

/// The watchdog interval, or `None` if the watchdog is disabled. Notify [`ServiceState::Alive`] at half this interval.
///
/// `microseconds` and `process` are the values of `WATCHDOG_USEC` and `WATCHDOG_PID`, `own` is the ID of this process.
#[must_use]
pub fn watchdog(microseconds: Option<OsString>, process: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: &OsString| text.to_str()?.parse::<u64>().ok();
    let for_us = process.is_none_or(|process| number(&process) == Some(own.into()));
    let microseconds = microseconds.as_ref().and_then(number).filter(|time| for_us && *time > 0)?;
    Some(Duration::from_micros(microseconds))
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
                (ServiceState::Ready, "READY=1"),
                (ServiceState::Reloading { monotonic_microseconds: 5 }, "RELOADING=1\nMONOTONIC_USEC=5"),
                (ServiceState::Stopping, "STOPPING=1"),
                (ServiceState::Alive, "WATCHDOG=1"),
                (ServiceState::Status("serving\nREADY=1"), "STATUS=serving READY=1"),
            ] {
                notify(socket, &state).unwrap();
                let mut buffer = [0; 100];
                let count = receiver.recv(&mut buffer).unwrap();
                assert_eq!(std::str::from_utf8(&buffer[..count]).unwrap(), expected);
            }
        }
        assert!(notify(OsStr::new("/none/notify"), &ServiceState::Ready).is_err());
    }

    #[test]
    fn the_watchdog_is_enabled_by_both_variables() {
        let cases = [
            (None, None, None),
            (Some("2000000"), None, Some(Duration::from_secs(2))),
            (Some("2000000"), Some("7"), Some(Duration::from_secs(2))),
            (Some("2000000"), Some("8"), None),
            (Some("2000000"), Some(""), None),
            (Some("0"), Some("7"), None),
            (Some("soon"), Some("7"), None),
        ];
        for (microseconds, process, expected) in cases {
            let found = watchdog(microseconds.map(Into::into), process.map(Into::into), 7);
            assert_eq!(found, expected, "{microseconds:?} {process:?}");
        }
    }
}
