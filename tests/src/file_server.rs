//! A server of files, which can be made to misbehave.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What the server sends.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A file, or the part of it that was asked for.
    File(Vec<u8>),
    /// As [`Reply::File`], but no more than so many bytes. The connection stays open.
    Held(Vec<u8>, usize),
    /// A status without content.
    Status(u16),
    /// The file is at another URL.
    Redirect(String),
    /// The server asks for credentials.
    Challenge(&'static str),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The path, with the query.
    pub path: String,
    /// The first byte that was asked for.
    pub start: usize,
    /// The credentials that the request carried, as in the header.
    pub credentials: String,
}

/// A server at a port of the loopback address. Its threads end with the process.
#[derive(Debug)]
pub struct FileServer {
    /// Where it listens.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FileServer {
    /// Starts a server that sends what `reply` says for a path.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    #[must_use]
    pub fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_asked(move |asked| reply(&asked.path))
    }

    /// Starts a server that sends what `reply` says for a request.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    #[must_use]
    pub fn start_asked(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (reply, known) = (Arc::new(reply), Arc::clone(&asked));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (reply, known) = (Arc::clone(&reply), Arc::clone(&known));
                // The client may close the connection at any moment.
                std::thread::spawn(move || serve(client?, &*reply, &known));
            }
        });
        Self { port, asked }
    }

    /// The URL of `path`, which starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests since the last call.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(client: TcpStream, reply: &dyn Fn(&Asked) -> Reply, known: &Mutex<Vec<Asked>>) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let path = lines.next().transpose()?.unwrap_or_default();
    let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut start, mut credentials) = (0, String::new());
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=").unwrap_or_default();
                start = range.trim_end_matches('-').parse().unwrap_or_default();
            }
            "authorization" => value.clone_into(&mut credentials),
            _ => {}
        }
    }
    let asked = Asked { path, start, credentials };
    known.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let mut writer = &client;
    let empty = |status: u16, header: String| {
        format!("HTTP/1.1 {status} x\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let (bytes, limit) = match reply(&asked) {
        Reply::Status(status) => {
            return writer.write_all(empty(status, String::new()).as_bytes());
        }
        Reply::Redirect(url) => {
            return writer.write_all(empty(302, format!("Location: {url}\r\n")).as_bytes());
        }
        Reply::Challenge(challenge) => {
            return writer.write_all(empty(401, format!("WWW-Authenticate: {challenge}\r\n")).as_bytes());
        }
        Reply::File(bytes) => (bytes, None),
        Reply::Held(bytes, limit) => (bytes, Some(limit)),
    };
    let part = bytes.get(start..).unwrap_or_default();
    let (status, whole) = (if start > 0 { "206 Partial Content" } else { "200 OK" }, bytes.len());
    let range = if start > 0 {
        format!("Content-Range: bytes {start}-{}/{whole}\r\n", whole.saturating_sub(1))
    } else {
        String::new()
    };
    let length = part.len();
    write!(writer, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{range}Connection: close\r\n\r\n")?;
    let sent = limit.map_or(part, |limit| part.get(..limit).unwrap_or(part));
    writer.write_all(sent)?;
    if limit.is_some() {
        // Until the client is gone.
        io::copy(&mut writer, &mut io::sink())?;
    }
    Ok(())
}
