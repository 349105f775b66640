//! A server on the loopback address that answers as it is told, over HTTP or TLS, and says afterwards what it was asked. The
//! tests of pulls, of pushes and of what both share play their registries on it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;

/// Values by lower-case name.
pub(crate) type Headers = BTreeMap<String, String>;

/// An address that refuses connections. Its port is below those that the kernel hands out, so no other test gets it.
pub(crate) fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// A request as it came, its body read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    /// Whether the client showed a certificate.
    pub(crate) certificate: bool,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it carries anything that proves who asks.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.certificate {
            found.push("certificate".to_owned());
        }
        if !self.header("authorization").is_empty() {
            found.push(self.header("authorization").to_owned());
        }
        let body = String::from_utf8_lossy(&self.body);
        if let Some((_, token)) = body.split_once("refresh_token=").filter(|_| self.method == "POST") {
            let token = token.rsplit_once("refresh_token=").map_or(token, |(_, token)| token);
            found.push(format!("identity {}", token.split('&').next().unwrap()));
        }
        found
    }
}

/// What happens to the body of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Sent whole.
    Whole,
    /// Sent whole without a length: it ends when the connection does.
    Unannounced,
    /// Sent whole in chunks (`Transfer-Encoding: chunked`).
    Chunked,
    /// The connection breaks after so many bytes.
    CutAfter(usize),
    /// Nothing more comes after so many bytes.
    StallAfter(usize),
    /// Repeated for ever, without a length.
    Endless,
    /// There is no answer, and the connection breaks.
    Hangup,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn new(status: u16, media_type: &str, bytes: &[u8]) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self { status, headers, bytes: bytes.to_vec(), body: Body::Whole }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), bytes: Vec::new(), body: Body::Whole }
    }

    /// Sets the body without a header that describes it.
    pub(crate) fn content(mut self, bytes: &[u8]) -> Self {
        self.bytes = bytes.to_vec();
        self
    }

    pub(crate) fn json(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "application/json", text.into().as_bytes())
    }

    /// 401 with these challenges.
    pub(crate) fn challenge<T: ToString>(challenges: impl IntoIterator<Item = T>) -> Self {
        challenges
            .into_iter()
            .fold(Self::empty(401), |answer, challenge| answer.with("WWW-Authenticate", challenge))
    }

    pub(crate) fn redirect(status: u16, to: impl ToString) -> Self {
        Self::empty(status).with("Location", to)
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The answer to a request with `Range: bytes=N-`.
    pub(crate) fn ranged(mut self, asked: &Asked) -> Self {
        let start = asked.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
        if let Some(start) = start.map(|start| start.parse::<usize>().unwrap()) {
            let total = self.bytes.len();
            self.bytes.drain(..start);
            self.status = 206;
            self = self.with("Content-Range", format!("bytes {start}-{}/{total}", total - 1));
        }
        self
    }
}

type Answering = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, Arc::new(answer))
    }

    pub(crate) fn start_tls(
        tls: Arc<ServerConfig>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Some(tls), Arc::new(answer))
    }

    fn start_with(tls: Option<Arc<ServerConfig>>, answer: Arc<Answering>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = server.asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, answer, tls) = (asked.clone(), answer.clone(), tls.clone());
                std::thread::spawn(move || {
                    let socket = stream.unwrap();
                    // The client may hang up on us at any moment; that is what it is tested for.
                    let _ = match tls {
                        None => converse(&mut BufReader::new(&socket), &socket, &asked, &*answer, |_| false),
                        Some(tls) => {
                            let session = rustls::ServerConnection::new(tls).unwrap();
                            let stream = rustls::StreamOwned::new(session, &socket);
                            let shown =
                                |stream: &rustls::StreamOwned<rustls::ServerConnection, &TcpStream>| {
                                    stream.conn.peer_certificates().is_some()
                                };
                            converse(&mut BufReader::new(stream), &socket, &asked, &*answer, shown)
                        }
                    };
                    let _ = socket.shutdown(Shutdown::Both);
                });
            }
        });
        server
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The paths asked for since the last call.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// What proved who asks, in everything that was asked since the last call: each once, in order.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut found: Vec<String> = self.asked().iter().flat_map(Asked::secrets).collect();
        found.sort();
        found.dedup();
        found
    }
}

fn converse<S: Read + Write>(
    reader: &mut BufReader<S>,
    socket: &TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &Answering,
    certificate: impl Fn(&S) -> bool,
) -> io::Result<()> {
    // A client that speaks TLS to a server without; nginx and Go answer like this.
    if reader.fill_buf()?.first() == Some(&0x16) {
        return reader.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    while let Some((method, path, headers)) = head(reader)? {
        let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let asked = Asked { method, path, headers, body, certificate: certificate(reader.get_ref()) };
        log.lock().unwrap().push(asked.clone());
        let Answer { status, headers, bytes, body } = answer(&asked);
        if matches!(body, Body::Hangup) {
            return socket.shutdown(Shutdown::Both);
        }
        let mut reply = format!("HTTP/1.1 {status} x\r\n");
        for (name, value) in &headers {
            reply += &format!("{name}: {value}\r\n");
        }
        let length_given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if matches!(body, Body::Chunked) {
            reply += "Transfer-Encoding: chunked\r\n";
        } else if !length_given && !matches!(body, Body::Endless | Body::Unannounced) {
            reply += &format!("Content-Length: {}\r\n", bytes.len());
        }
        let writer = reader.get_mut();
        writer.write_all((reply + "\r\n").as_bytes())?;
        if asked.method == "HEAD" {
            continue;
        }
        match body {
            Body::Hangup | Body::Whole => writer.write_all(&bytes)?,
            Body::Chunked => {
                for chunk in bytes.chunks(1000) {
                    writer.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                    writer.write_all(chunk)?;
                    writer.write_all(b"\r\n")?;
                }
                writer.write_all(b"0\r\n\r\n")?;
            }
            Body::Unannounced => {
                writer.write_all(&bytes)?;
                return socket.shutdown(Shutdown::Both);
            }
            Body::CutAfter(count) => {
                writer.write_all(&bytes[..count.min(bytes.len())])?;
                return socket.shutdown(Shutdown::Both);
            }
            Body::StallAfter(count) => {
                writer.write_all(&bytes[..count.min(bytes.len())])?;
                std::thread::sleep(Duration::from_secs(600));
            }
            Body::Endless => loop {
                writer.write_all(&bytes)?;
            },
        }
    }
    Ok(())
}

/// Method, target and headers of the next request, or `None` where the client has hung up.
fn head(reader: &mut impl BufRead) -> io::Result<Option<(String, String, Headers)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    Ok(Some((method, target, headers)))
}
