//! HTTP as it is on the wire: no library repairs a request or hides a response.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header field, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Sends one request to `port` at 127.0.0.1, with `headers` (lines that end in CR LF) as they are written, and reads until the
/// server closes the connection.
///
/// # Panics
///
/// If the response is incomplete.
#[must_use]
pub fn ask(port: u16, method: &str, path: &str, headers: &str) -> Answer {
    exchange(
        port,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n{headers}\r\n"
        ),
    )
}

/// As [`ask`], for the name `host` of the server.
///
/// # Panics
///
/// If the response is incomplete.
#[must_use]
pub fn ask_host(port: u16, host: &str, method: &str, path: &str) -> Answer {
    exchange(port, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// As [`ask`], with a body instead of header fields.
///
/// # Panics
///
/// If the response is incomplete.
#[must_use]
pub fn send(port: u16, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    exchange(port, &request)
}

/// Sends a request, and reads until the server closes the connection.
fn exchange(port: u16, request: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        })
        .collect();
    Answer { status, headers, body: bytes[split + 4..].to_vec() }
}
