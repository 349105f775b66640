//! A registry on the loopback address that can be told to lie, and says afterwards what it was asked.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use images::{Digest, Kind};

use crate::wire::head;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The path with its query.
    pub(crate) path: String,
    /// Headers by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What happens to the body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Sent whole.
    Whole,
    /// Sent whole without a length: it ends when the connection does.
    Unannounced,
    /// The connection breaks after so many bytes.
    CutAfter(usize),
    /// Nothing more comes after so many bytes.
    StallAfter(usize),
    /// Repeated for ever, without a length.
    Endless,
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

/// Content by path: `/v2/<name>/manifests/<reference>` and `/v2/<name>/blobs/<digest>`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content(pub(crate) BTreeMap<String, (String, Vec<u8>)>);

impl Content {
    pub(crate) fn blob(&mut self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{name}/blobs/{digest}");
        self.0.insert(path, ("application/octet-stream".into(), bytes.to_vec()));
        digest
    }

    pub(crate) fn manifest(&mut self, name: &str, tag: &str, kind: Kind, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        for reference in [tag, &digest.to_string()] {
            let path = format!("/v2/{name}/manifests/{reference}");
            self.0.insert(path, (kind.media_type().into(), bytes.to_vec()));
        }
        digest
    }

    /// An image with these layers; the digest of its manifest.
    pub(crate) fn image(&mut self, name: &str, tag: &str, kind: Kind, layers: &[&[u8]]) -> Digest {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","of":"{name}:{tag}"}}"#).into_bytes();
        let mut describe = |bytes: &[u8]| {
            format!(r#"{{"mediaType":"x/y","digest":"{}","size":{}}}"#, self.blob(name, bytes), bytes.len())
        };
        let config = describe(&config);
        let layers: Vec<String> = layers.iter().map(|layer| describe(layer)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{}]}}"#,
            layers.join(",")
        );
        self.manifest(name, tag, kind, manifest.as_bytes())
    }

    /// An index of manifests that are there already, with their platforms.
    pub(crate) fn index(
        &mut self,
        name: &str,
        tag: &str,
        kind: Kind,
        entries: &[(Digest, Kind, &str)],
    ) -> Digest {
        let entries: Vec<String> = entries
            .iter()
            .map(|(digest, kind, architecture)| {
                let size = self.0[&format!("/v2/{name}/manifests/{digest}")].1.len();
                format!(
                    r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size},"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
                )
            })
            .collect();
        let index =
            format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#, entries.join(","));
        self.manifest(name, tag, kind, index.as_bytes())
    }

    /// The honest answer.
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        match self.0.get(&asked.path) {
            Some((media_type, bytes)) => Answer::new(200, media_type, bytes).ranged(asked),
            None => {
                Answer::new(404, "application/json", br#"{"errors":[{"code":"X","message":"not here"}]}"#)
            }
        }
    }
}

/// A running server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (asked, answer) = (server.asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, answer) = (asked.clone(), answer.clone());
                std::thread::spawn(move || {
                    // The client may hang up on us at any moment; that is what it is tested for.
                    let _ = converse(&stream.unwrap(), &asked, &*answer);
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
}

fn converse(
    stream: &TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((_, target, headers)) = head(&mut reader)? {
        let asked = Asked { path: target, headers };
        log.lock().unwrap().push(asked.clone());
        let Answer { status, headers, bytes, body } = answer(&asked);
        let mut reply = format!("HTTP/1.1 {status} x\r\n");
        for (name, value) in &headers {
            reply += &format!("{name}: {value}\r\n");
        }
        let length_given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if !length_given && !matches!(body, Body::Endless | Body::Unannounced) {
            reply += &format!("Content-Length: {}\r\n", bytes.len());
        }
        writer.write_all((reply + "\r\n").as_bytes())?;
        match body {
            Body::Whole => writer.write_all(&bytes)?,
            Body::Unannounced => {
                writer.write_all(&bytes)?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            Body::CutAfter(count) => {
                writer.write_all(&bytes[..count.min(bytes.len())])?;
                return stream.shutdown(std::net::Shutdown::Both);
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
