//! A small archive, a server for it, and a client that sends exact bytes.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use content::Digest;
use tempfile::TempPath;
use tokio::sync::oneshot;

use crate::{AccessRecord, Server, ServerEvent, ServerHandle, ServerLog, ServerOptions};

/// The events that the server logged.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) access: Mutex<Vec<String>>,
    pub(super) events: Mutex<Vec<String>>,
}

impl ServerLog for Messages {
    fn access(&self, access: &AccessRecord<'_>) {
        let line = format!(
            "{} {} {} {} {}",
            access.method, access.target, access.status, access.bytes, access.complete
        );
        self.access.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn event(&self, event: &ServerEvent) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(serde_json::to_string(event).unwrap());
    }
}

/// A server in a thread of its own; stops when dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    /// The address of the first of [`ServerOptions::registries`].
    pub(super) registry: Option<SocketAddr>,
    pub(super) handle: ServerHandle,
    pub(super) messages: Arc<Messages>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(archives: &[&Path]) -> Self {
        let archives = archives.iter().map(PathBuf::from).collect();
        Self::with(ServerOptions { archives, check_in_background: false, ..ServerOptions::default() })
    }

    pub(super) fn with(config: ServerOptions) -> Self {
        let messages = Arc::<Messages>::default();
        let listen = vec![([127, 0, 0, 1], 0).into()];
        let server = Server::bind(ServerOptions { listen, log: messages.clone(), ..config }).unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let addresses = server.local_addrs();
        let registry = addresses.iter().find(|(_, host)| host.is_some()).map(|(address, _)| *address);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(server.run(async { stopped.await.unwrap_or(()) })).unwrap();
        });
        Self { address, registry, handle, messages, stop: Some(stop), thread: Some(thread) }
    }

    /// A request to another address of the server.
    pub(super) fn get_at(address: SocketAddr, path: &str) -> Reply {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Reply::parse(&answer)
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[])
    }

    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
        self.raw(request.as_bytes())
    }

    /// Sends bytes and reads until the server closes.
    pub(super) fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect();
        // The server may refuse before everything is sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Reply::parse(&answer)
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
        stream
    }

    /// Stops the server, without waiting.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(super) fn events(&self) -> String {
        self.messages.events.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A response as it was received.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or(0),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: answer.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.headers))
    }

    /// The error code of the registry.
    pub(super) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The digests of a sample image.
pub(super) struct Image {
    pub(super) manifest: Digest,
    pub(super) layer: Digest,
}

/// An archive named `name` with version 1.0: `app:1`, `app:2` and `nested/tool:v1`, a package repository, a page.
pub(super) fn archive(name: &str) -> (tempfile::TempDir, Image) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "product.txt", format!("NAME={name}\nVERSION=1.0\n").as_bytes());
    put(root, "documents/a b.txt", b"text");
    let repository = format!("packages/redhat/8/{}-scality-el8", name.to_ascii_lowercase());
    put(root, &format!("{repository}/repodata/repomd.xml"), b"<repomd/>");
    put(root, &format!("{repository}/x86_64/app-1-1.x86_64.rpm"), b"not really a package");
    image(root, "app", "2", &layer(200_000, 2));
    image(root, "nested/tool", "v1", b"small");
    let app = image(root, "app", "1", &layer(300_001, 1));
    (folder, app)
}

/// Bytes without short repetitions.
pub(super) fn layer(len: u32, seed: u32) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

/// Writes an image of one layer.
pub(super) fn image(root: &Path, name: &str, tag: &str, layer: &[u8]) -> Image {
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    write_image(root, name, tag, &manifest, &[config, layer]);
    Image { manifest: Digest::of(manifest.to_string().as_bytes()), layer: Digest::of(layer) }
}

pub(super) fn write_image(root: &Path, name: &str, tag: &str, manifest: &serde_json::Value, blobs: &[&[u8]]) {
    let folder = format!("images/{name}/{tag}");
    put(root, &format!("{folder}/manifest.json"), manifest.to_string().as_bytes());
    put(root, &format!("{folder}/version"), b"Directory Transport Version: 1.1\n");
    for blob in blobs {
        put(root, &format!("{folder}/{}", Digest::of(blob).hex()), blob);
    }
}

pub(super) fn descriptor(media_type: &str, content: &[u8]) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": Digest::of(content).to_string(), "size": content.len()})
}

pub(super) fn put(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

/// Makes an ISO of a folder, beside it. The file is removed when the path is dropped.
pub(super) fn iso_of(root: &Path) -> TempPath {
    let options = iso::IsoOptions {
        volume_id: "Example 1.0".into(),
        source_date: 1_700_000_000,
        ..iso::IsoOptions::default()
    };
    let output = root.with_extension("iso");
    iso::PlannedIso::from_dir(root, &options).unwrap().write_file(&output, &()).unwrap();
    TempPath::try_from_path(output).unwrap()
}
