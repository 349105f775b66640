//! `registry serve` as a service: what it tells systemd, the sockets it gets from it, signals, many clients at once.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::daemon::free_port;
use tests::user::{as_user, open_folder};
use tests::{daemon, peer, sealift};

use super::archives::Node;
use super::site::Site;

/// A server of the program under test; killed when dropped, if it has not ended by then.
pub(super) struct Service {
    child: Child,
    pub(super) address: SocketAddr,
    /// What the server prints.
    out: BufReader<ChildStdout>,
}

impl Service {
    /// Starts `registry serve` with these words and waits until it says where it listens.
    pub(super) fn start(mut command: Command, words: &[&str]) -> Self {
        command.args(["registry", "serve", "--listen", "127.0.0.1:0"]).args(words);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("{line:?}")), child, out }
    }

    pub(super) fn signal(&self, name: &str) {
        peer::run(Command::new("kill").args(["-s", name, &self.child.id().to_string()]));
    }

    /// The most memory that it has had resident, in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    stream
}

/// The status of an answer on a connection that stays open, and its body.
fn ask(stream: &mut TcpStream, path: &str) -> (u16, Vec<u8>) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> (u16, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn largest(site: &Site) -> (String, Vec<u8>) {
    let layer = super::largest(&site.folder("team/skopeo", "1.0"));
    let path = format!("/v2/team/skopeo/blobs/sha256:{}", layer.file_name().unwrap().display());
    (path, fs::read(layer).unwrap())
}

#[test]
fn systemd_is_told_and_no_request_is_dropped() {
    let node = Node::new();
    let (first, second) = (node.archive("1.0", 100), node.archive("2.0", 100));
    let import = |archive: &Path| {
        let (code, out, error) =
            node.archive_command(&["import", "--mount", "never", archive.to_str().unwrap()]);
        assert_eq!(code, 0, "{out}{error}");
    };
    import(&first);
    let socket = UnixDatagram::bind(node.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    let told = || {
        let mut message = [0; 200];
        let count = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..count].to_vec()).unwrap()
    };
    let mut command = sealift::command(&node.path(""));
    command.env("NOTIFY_SOCKET", node.path("notify"));
    let places = node.places();
    let words: Vec<&str> = ["--configured"].into_iter().chain(places.iter().map(String::as_str)).collect();
    let mut service = Service::start(command, &words);
    assert_eq!(told(), "READY=1");

    let (address, done) = (service.address, Arc::new(AtomicBool::new(false)));
    let asked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (done, asked) = (Arc::clone(&done), Arc::clone(&asked));
            std::thread::spawn(move || {
                let mut kept = connect(address);
                while !done.load(Ordering::Relaxed) {
                    let (status, body) = ask(&mut kept, "/archives/example-1.0/data");
                    assert!(status == 200 && body == [7; 100], "{status}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let in_second = |expected: u16| {
        assert_eq!(ask(&mut connect(address), "/archives/example-2.0/data").0, expected);
    };
    for _ in 0..5 {
        import(&second);
        service.signal("HUP");
        let reloading = told();
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::parse::<u64>);
        assert!(matches!(time, Some(Ok(time)) if time > 0), "{reloading}");
        assert_eq!(told(), "READY=1");
        in_second(200);
        let (code, ..) = node.archive_command(&["delete", "example-2.0"]);
        assert_eq!(code, 0);
        service.signal("HUP");
        assert!(told().starts_with("RELOADING=1") && told() == "READY=1");
        in_second(404);
    }
    // A configuration that breaks its format takes nothing away.
    let text = fs::read_to_string(node.path("bootstrap.yaml")).unwrap();
    fs::write(node.path("bootstrap.yaml"), "nonsense: [").unwrap();
    service.signal("HUP");
    assert!(told().starts_with("RELOADING=1") && told() == "READY=1");
    fs::write(node.path("bootstrap.yaml"), text).unwrap();
    // A few reloads take less time than a few requests.
    while asked.load(Ordering::Relaxed) <= 10 && clients.iter().all(|client| !client.is_finished()) {
        std::thread::yield_now();
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    service.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert!(service.child.wait().unwrap().success());
}

#[test]
fn systemd_hears_that_it_does_not_hang() {
    const WATCHED: Duration = Duration::from_secs(3);
    let site = Site::new();
    let path = site.scratch.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let told = |within: Duration| {
        socket.set_read_timeout(Some(within)).unwrap();
        let mut message = [0; 200];
        let count = socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..count].to_vec()).unwrap())
    };
    let mut command = sealift::command(site.scratch.path());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", WATCHED.as_micros().to_string());
    let service = Service::start(command, &[site.iso.to_str().unwrap()]);
    assert_eq!(told(Duration::from_secs(300)).as_deref(), Some("READY=1"));
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(told(WATCHED).as_deref(), Some("WATCHDOG=1"), "in time");
    }
    assert!(began.elapsed() > WATCHED, "no more often than twice in that time");
    // One that is stopped reports nothing, and continues once it can.
    service.signal("STOP");
    let status = format!("/proc/{}/status", service.child.id());
    while !fs::read_to_string(&status).unwrap().contains("State:\tT") {
        std::thread::yield_now();
    }
    while told(Duration::from_millis(1)).is_some() {}
    assert_eq!(told(WATCHED), None);
    service.signal("CONT");
    assert_eq!(told(Duration::from_secs(300)).as_deref(), Some("WATCHDOG=1"));
}

#[test]
fn any_user_may_serve() {
    let (site, scratch) = (Site::new(), open_folder());
    for (from, to) in [(sealift::binary(), "sealift"), (&site.iso, "example.iso")] {
        fs::copy(from, scratch.path().join(to)).unwrap();
    }
    let mut command = as_user(scratch.path().join("sealift"));
    // Where it may write nothing.
    command.current_dir(scratch.path());
    let service = Service::start(command, &["example.iso"]);
    let (path, content) = largest(&site);
    let (status, body) = ask(&mut connect(service.address), &path);
    assert!(status == 200 && body == content, "{status}");
}

#[test]
fn limits_are_options() {
    let site = Site::new();
    let iso = site.iso.to_str().unwrap();
    let options = ["--max-connections", "2", "--request-timeout", "1", "--max-request-bytes", "8192"];
    let service = Service::start(sealift::command(site.scratch.path()), &[&options, &[iso][..]].concat());
    let mut idle = [connect(service.address), connect(service.address)];
    let began = Instant::now();
    // Waits until one of the idle ones is cut off: after 30 seconds, if nothing else is said.
    assert_eq!(ask(&mut connect(service.address), "/healthz").0, 200);
    for stream in &mut idle {
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "cut off");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut large = connect(service.address);
    write!(large, "GET / HTTP/1.1\r\nHost: test\r\nX-Large: {}\r\n\r\n", "x".repeat(8192)).unwrap();
    let mut head = [0; 12];
    large.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 431");
    for wrong in [["--max-connections", "0"], ["--request-timeout", "0"], ["--max-request-bytes", "100"]] {
        let (code, _, error) =
            sealift::run(site.scratch.path(), &[&["registry", "serve"], &wrong[..], &[iso]].concat());
        assert!(code == 3 && error.contains(wrong[0]), "{wrong:?}: {code} {error}");
    }
}

#[test]
fn requests_are_logged_as_json() {
    let site = Site::new();
    let words = ["--access-log", "json", site.iso.to_str().unwrap()];
    let mut service = Service::start(sealift::command(site.scratch.path()), &words);
    let mut stream = connect(service.address);
    let agent = "a \"client\"";
    write!(stream, "GET /v2/curl/tags/list?n=1 HTTP/1.1\r\nHost: test\r\nUser-Agent: {agent}\r\n\r\n")
        .unwrap();
    let (status, body) = answer(&mut stream);
    let peer = stream.local_addr().unwrap();
    drop(stream);
    let mut line = String::new();
    service.out.read_line(&mut line).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let seconds = said.as_object_mut().unwrap().remove("seconds").and_then(|seconds| seconds.as_f64());
    assert!(seconds.is_some_and(|seconds| seconds < 60.0), "{line}");
    let expected = serde_json::json!({
        "peer": peer.to_string(), "method": "GET", "target": "/v2/curl/tags/list?n=1", "status": status,
        "bytes": body.len(), "complete": true, "userAgent": agent,
    });
    assert_eq!(said, expected);
}

#[test]
fn a_log_that_nobody_reads_stops_neither_requests_nor_the_end() {
    let site = Site::new();
    let words = ["--access-log", "json", site.iso.to_str().unwrap()];
    // Its standard output is a pipe, which holds a few hundred lines.
    let mut service = Service::start(sealift::command(site.scratch.path()), &words);
    let request = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
    let last = "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let mut stream = connect(service.address);
    let mut sender = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || sender.write_all((request.repeat(18_000) + last).as_bytes()));
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    sent.join().unwrap().unwrap();
    assert_eq!(metrics.matches("HTTP/1.1 200").count(), 18_001);
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("sealift_dropped_log_lines_total "));
    assert!(dropped.is_some_and(|dropped| dropped != "0"), "{metrics}");
    drop(stream);
    service.signal("TERM");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_service_without_archives_says_so() {
    let node = Node::new();
    let mut command = node.command(&["registry", "serve", "--configured", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    child.kill().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on") && said.contains("nothing is served"), "{line}{said}");
}

#[test]
fn what_was_begun_is_finished_when_the_service_stops() {
    let site = Site::new();
    let (path, content) = largest(&site);
    let mut service = Service::start(sealift::command(site.scratch.path()), &[site.iso.to_str().unwrap()]);
    let mut stream = connect(service.address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut begun = [0; 1000];
    stream.read_exact(&mut begun).unwrap();
    service.signal("TERM");
    // No new connections; once that is so, it is draining.
    while TcpStream::connect(service.address).is_ok() {
        std::thread::yield_now();
    }
    let mut all = begun.to_vec();
    stream.read_to_end(&mut all).unwrap();
    assert!(all.ends_with(&content), "{} bytes", all.len());
    assert!(service.child.wait().unwrap().success());
}

#[test]
fn systemd_opens_the_socket() {
    let Some(activate) = peer::find("systemd-socket-activate") else { return };
    let site = Site::new();
    let port = free_port();
    let mut command = Command::new(activate);
    command.args(["-l", &format!("127.0.0.1:{port}")]).arg(sealift::binary());
    // What --listen says does not count then: nobody could listen there.
    command.args(["registry", "serve", "--listen", "192.0.2.1:1"]).arg(&site.iso);
    let server = daemon::start(&mut command, port, &site.scratch.path().join("log"));
    let (status, body) = ask(&mut connect(([127, 0, 0, 1], server.port).into()), "/v2/curl/tags/list");
    assert_eq!((status, body.as_slice()), (200, &br#"{"name":"curl","tags":["7","docker"]}"#[..]));
    // An address for other machines needs the same word as with --listen.
    let port = free_port();
    let mut command = Command::new(peer::find("systemd-socket-activate").unwrap());
    command.args(["-l", &format!("0.0.0.0:{port}")]).arg(sealift::binary());
    command.args(["registry", "serve"]).arg(&site.iso).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut refused = command.spawn().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(refused.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = refused.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(3) && error.contains("or --no-tls"), "{error}");
}

#[test]
fn a_thousand_pulls_at_once() {
    const PULLS: usize = 1000;
    let open = server::raise_open_files().unwrap();
    assert!(open.is_none_or(|open| open > PULLS as u64 + 200), "{open:?} files may be open");
    let site = Site::new();
    let (path, content) = largest(&site);
    let service = Service::start(sealift::command(site.scratch.path()), &[site.iso.to_str().unwrap()]);
    // All have asked before any reads on: the server holds a thousand transfers.
    let streams: Vec<TcpStream> = (0..PULLS)
        .map(|_| {
            let mut stream = connect(service.address);
            write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let content = Arc::new(content);
    let mut streams = streams.into_iter();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (mine, content) =
                (streams.by_ref().take(PULLS / 8).collect::<Vec<_>>(), Arc::clone(&content));
            std::thread::spawn(move || {
                for mut stream in mine {
                    let mut all = Vec::new();
                    stream.read_to_end(&mut all).unwrap();
                    assert!(all.ends_with(&content), "{} bytes", all.len());
                }
            })
        })
        .collect();
    for reader in readers {
        reader.join().unwrap();
    }
    let resident = service.resident();
    assert!(resident < 128 * 1024, "{resident} KiB");
}
