//! Malformed and malicious requests.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::site::{Running, archive};
use crate::{ServerLimits, ServerOptions};

fn limited(limits: ServerLimits) -> (tempfile::TempDir, Running, content::Digest) {
    let (folder, app) = archive("Example");
    let archives = vec![folder.path().to_path_buf()];
    let server = Running::with(ServerOptions {
        archives,
        limits,
        check_in_background: false,
        ..ServerOptions::default()
    });
    (folder, server, app.layer)
}

#[test]
fn no_address_names_anything_outside() {
    let (folder, app) = archive("Example");
    std::fs::write(folder.path().with_file_name("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("documents/link")).unwrap();
    std::os::unix::fs::symlink("../..", folder.path().join("documents/up")).unwrap();
    let server = Running::start(&[folder.path()]);
    let paths = [
        "/archives/example-1.0/../../secret",
        "/archives/example-1.0/..",
        "/archives/example-1.0/../../../etc/passwd",
        "/archives/example-1.0/%2e%2e/%2e%2e/secret",
        "/archives/example-1.0/..%2f..%2fsecret",
        "/archives/example-1.0/%2e%2e%2fsecret",
        "/archives/example-1.0/documents%2fa%20b.txt",
        "/archives/example-1.0/..%5c..%5csecret",
        "/archives/example-1.0//etc/passwd",
        "/archives/example-1.0/documents/a%20b.txt%00",
        "/archives/example-1.0/documents/a%20b.txt%00.rpm",
        "/archives/example-1.0/documents/link",
        "/archives/example-1.0/documents/up/secret",
        "/archives/example-1.0/documents/a%20b.txt/../a%20b.txt",
        "/archives/example-1.0/documents/a%ffb.txt",
        "/archives/../etc/passwd",
        "/archives/..",
        "/example-1.0/../images/app/1/manifest.json",
        "/example-1.0/redhat/8/../../../product.txt",
        "/example-1.0/redhat/8/scality-el8/../../../../product.txt",
        "/v2/../etc/passwd",
        "/v2/app/manifests/../../../product.txt",
        "/v2/app/blobs/../../../../etc/passwd",
        "/v2/app%2f..%2f/tags/list",
        "/v2/app/manifests/1%00",
        "/v2/app/../app/tags/list",
        "/v2//app/tags/list",
        "//etc/passwd",
        "/..//etc/passwd",
    ];
    for path in paths {
        let reply = server.get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        let body = String::from_utf8_lossy(&reply.body);
        assert!(
            !body.contains("secret\n") && !body.contains("root:") && !body.contains("NAME="),
            "{path}: {body}"
        );
    }
    // The digits of another blob, with additions that a careless pattern accepts.
    for tail in ["00", "/", "%20", ".", "/..", "?/../x/"] {
        let reply = server.get(&format!("/v2/app/blobs/{}{tail}", app.layer));
        assert!(matches!(reply.status, 400 | 404) || tail.starts_with('?'), "{tail}: {}", reply.status);
    }
}

#[test]
fn the_pillar_is_kept_back() {
    let (folder, _) = archive("Example");
    super::site::put(folder.path(), "pillar/site.sls", b"password: secret\n");
    super::site::put(folder.path(), "salt/pillar/state.sls", b"a state\n");
    std::os::unix::fs::symlink("../pillar", folder.path().join("documents/link")).unwrap();
    let image = super::site::iso_of(folder.path());
    for path in [folder.path(), &image] {
        let server = Running::start(&[path]);
        for below in ["pillar", "pillar/", "pillar/site.sls", "documents/link/", "documents/link/site.sls"] {
            assert_eq!(server.get(&format!("/archives/example-1.0/{below}")).status, 404, "{below}");
        }
        let page = String::from_utf8(server.get("/archives/example-1.0/").body).unwrap();
        assert!(!page.contains("pillar") && page.contains("./documents/"), "{page}");
        assert_eq!(server.get("/archives/example-1.0/salt/pillar/state.sls").body, b"a state\n");
    }
    std::fs::remove_file(image).unwrap();
}

#[test]
fn names_in_pages_are_text() {
    let (folder, _) = archive("Example");
    let name = "<script>alert(1)</script>&\"'";
    std::fs::write(folder.path().join("documents").join(name.replace('/', "-")), "x").unwrap();
    let page = Running::start(&[folder.path()]).get("/archives/example-1.0/documents/");
    let page = String::from_utf8(page.body).unwrap();
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    assert!(page.contains("href=\"./%3Cscript%3Ealert(1)%3C-script%3E%26%22'\""), "{page}");
}

#[test]
fn heads_have_a_size() {
    let (_folder, server, _) = limited(ServerLimits { header_bytes: 8192, ..ServerLimits::default() });
    // The server refuses long before the client has sent everything, and the client still receives the response.
    let huge = "x".repeat(5_000_000);
    assert_eq!(server.send("GET", "/healthz", &[("X-Huge", &huge)]).status, 431);
    let path = server.get(&format!("/{huge}")).status;
    assert!(matches!(path, 414 | 431), "{path}");
    let many: Vec<(String, String)> = (0..500).map(|n| (format!("X-{n}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reply = server.send("GET", "/healthz", &many);
    assert_eq!(reply.status, 431, "{reply:?}");
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n"]
    {
        let reply = server.raw(nonsense);
        assert!(matches!(reply.status, 0 | 400), "{nonsense:?}: {reply:?}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_range_bomb_gets_the_file_once() {
    let (_folder, server, layer) = limited(ServerLimits::default());
    let ranges: Vec<String> = (0..500).map(|n| format!("{n}-")).collect();
    let reply = server.send(
        "GET",
        &format!("/v2/app/blobs/{layer}"),
        &[("Range", &format!("bytes={}", ranges.join(",")))],
    );
    assert_eq!((reply.status, reply.body.len()), (200, 300_001));
}

#[test]
fn an_unexpected_body_is_not_waited_for() {
    let (_folder, server, _) = limited(ServerLimits::default());
    let request =
        b"POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n0123456789";
    let mut stream = server.connect();
    stream.write_all(request).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 405");
}

#[test]
fn a_client_that_sends_a_body_reads_the_refusal() {
    let (_folder, server, _) = limited(ServerLimits::default());
    let body = vec![b'x'; 20_000_000];
    let mut stream = server.connect();
    write!(
        stream,
        "PUT /v2/app/blobs/uploads/1 HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 405");
}

#[test]
fn requests_that_break_the_rules_of_http_are_refused() {
    let (_folder, server, layer) = limited(ServerLimits::default());
    let cases = [
        ("GET /healthz HTTP/1.1", "", 400),
        ("GET /healthz HTTP/1.1", "Host: a\r\nHost: b\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: a\r\nHost: a\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: a b\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: user@a\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: a/b\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host:\r\n", 200),
        ("GET /healthz HTTP/1.1", "Host: [::1]:8080\r\n", 200),
        ("GET /healthz HTTP/1.0", "", 200),
        ("GET /healthz HTTP/1.0", "Host: a\r\nHost: b\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: a\r\nExpect: 100-continue\r\n", 200),
        ("GET /healthz HTTP/1.1", "Host: a\r\nExpect: 100-Continue\r\n", 200),
        ("GET /healthz HTTP/1.1", "Host: a\r\nExpect: a-miracle\r\n", 417),
        ("GET /healthz HTTP/1.1", "Host: a\r\nExpect: 100-continue\r\nExpect: more\r\n", 417),
        ("GET /v2/ HTTP/1.1", "Host: a\r\nIf-Match: \"x\"\r\n", 412),
        ("GET /v2/ HTTP/1.1", "Host: a\r\nIf-Match: *\r\n", 200),
        ("GET /v2/app/manifests/none HTTP/1.1", "Host: a\r\nIf-Match: \"x\"\r\n", 404),
        ("GET /v2/app/manifests/1 HTTP/1.1", "Host: a\r\nIf-Match: \"x\"\r\nIf-None-Match: *\r\n", 412),
        ("HEAD /v2/app/blobs/BLOB HTTP/1.1", "Host: a\r\nIf-Match: \"x\"\r\n", 412),
        ("HEAD /v2/app/blobs/BLOB HTTP/1.1", "Host: a\r\nIf-Match: \"x\", \"BLOB\"\r\n", 200),
        ("HEAD /v2/app/blobs/BLOB HTTP/1.1", "Host: a\r\nIf-Match: W/\"BLOB\"\r\n", 412),
        ("GET /v2/app/blobs/BLOB HTTP/1.1", "Host: a\r\nRange: bytes=0-1\r\nIf-Match: \"x\"\r\n", 412),
        ("GET /v2/app/blobs/BLOB HTTP/1.1", "Host: a\r\nRange: bytes=9999999-\r\nIf-Match: \"x\"\r\n", 412),
        (
            "HEAD /archives/example-1.0/product.txt HTTP/1.1",
            "Host: a\r\nIf-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            412,
        ),
        (
            "HEAD /archives/example-1.0/product.txt HTTP/1.1",
            "Host: a\r\nIf-Unmodified-Since: Fri, 31 Dec 9999 00:00:00 GMT\r\n",
            200,
        ),
        (
            "HEAD /archives/example-1.0/product.txt HTTP/1.1",
            "Host: a\r\nIf-Unmodified-Since: yesterday\r\n",
            200,
        ),
    ];
    for (line, fields, status) in cases {
        let request =
            format!("{line}\r\n{fields}Connection: close\r\n\r\n").replace("BLOB", &layer.to_string());
        assert_eq!(server.raw(request.as_bytes()).status, status, "{line} {fields:?}");
    }
}

#[test]
fn a_bare_name_is_not_served_for_another_host() {
    let (_folder, server, layer) = limited(ServerLimits::default());
    for host in ["quay.io", "docker.io", "", "localhost%3A5000"] {
        for what in ["manifests/1", "tags/list", &format!("blobs/{layer}"), &format!("referrers/{layer}")] {
            for (name, status) in [("app", 404), ("example-1.0/app", 200)] {
                let path = format!("/v2/{name}/{what}");
                assert_eq!(server.get(&path).status, 200, "{path}");
                assert_eq!(server.get(&format!("{path}?ns={host}")).status, status, "{path} of {host}");
                assert_eq!(server.get(&format!("{path}?n=1&ns={host}")).status, status, "{path} of {host}");
            }
        }
    }
}

#[test]
fn a_client_that_never_ends_its_head_is_disconnected() {
    let (_folder, server, _) =
        limited(ServerLimits { header_time: Duration::from_millis(300), ..ServerLimits::default() });
    for start in
        [&b""[..], b"GET /healthz HTTP/1.1\r\nHost: t", b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"]
    {
        let mut stream = server.connect();
        stream.write_all(start).unwrap();
        let mut rest = Vec::new();
        // The connection ends or is reset before the client gives up.
        let ended = stream.read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(ended != Err(std::io::ErrorKind::WouldBlock), "{:?}", String::from_utf8_lossy(start));
    }
}

#[test]
fn a_client_that_receives_nothing_is_disconnected() {
    let (folder, app) = archive("Example");
    // More than the kernel buffers for a connection.
    let big = super::site::image(folder.path(), "big", "1", &super::site::layer(60_000_000, 7));
    let limits = ServerLimits { stall_time: Duration::from_millis(300), ..ServerLimits::default() };
    let archives = vec![folder.path().to_path_buf()];
    let server = Running::with(ServerOptions {
        archives,
        limits,
        check_in_background: false,
        ..ServerOptions::default()
    });
    let mut stream = server.connect();
    stream
        .write_all(format!("GET /v2/big/blobs/{} HTTP/1.1\r\nHost: test\r\n\r\n", big.layer).as_bytes())
        .unwrap();
    let began = Instant::now();
    let target = format!("GET /v2/big/blobs/{} 200", big.layer);
    while !server.messages.access.lock().unwrap().iter().any(|line| line.starts_with(&target)) {
        assert!(began.elapsed() < Duration::from_secs(300), "it is waited for");
        std::thread::sleep(Duration::from_millis(20));
    }
    let access = server.messages.access.lock().unwrap().join("\n");
    assert!(access.ends_with("false"), "{access}");
    assert_eq!(server.get(&format!("/v2/app/blobs/{}", app.layer)).status, 200);
}

#[test]
fn connections_above_the_limit_wait() {
    let limits =
        ServerLimits { connections: 4, header_time: Duration::from_millis(500), ..ServerLimits::default() };
    let (_folder, server, _) = limited(limits);
    let idle: Vec<_> = (0..40).map(|_| server.connect()).collect();
    // Idle connections are closed in turn, so a real request is served.
    assert_eq!(server.get("/healthz").status, 200);
    drop(idle);
}

#[test]
fn ten_thousand_idle_connections_do_not_block_clients() {
    const IDLE: usize = 10_000;
    const AT_A_TIME: usize = 1000;
    const CLIENTS: usize = 8;
    let open = crate::raise_open_files().unwrap();
    // As many connections as the limit of open files allows.
    let held = open.map_or(IDLE, |open| IDLE.min(usize::try_from(open).unwrap() - AT_A_TIME - 500));
    let limits = ServerLimits {
        connections: AT_A_TIME,
        header_time: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let (_folder, server, _) = limited(limits);
    let address = server.address;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            std::thread::spawn(move || {
                let mut idle = std::collections::VecDeque::new();
                for _ in 0..IDLE / CLIENTS {
                    if idle.len() == held / CLIENTS {
                        idle.pop_front();
                    }
                    // The kernel's queue of connections may be full for a moment.
                    idle.push_back(std::net::TcpStream::connect(address).unwrap());
                }
                idle
            })
        })
        .collect();
    let mut most = 0;
    while !clients.iter().all(std::thread::JoinHandle::is_finished) {
        most = most.max(server.handle.connections());
        std::thread::sleep(Duration::from_millis(5));
    }
    let idle: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(most > 0 && most <= AT_A_TIME as u64, "{most} at a time");
    drop(idle);
}

#[test]
fn stopping_finishes_open_requests() {
    let (folder, _) = archive("Example");
    let big = super::site::image(folder.path(), "big", "1", &super::site::layer(30_000_000, 7));
    let mut server = Running::start(&[folder.path()]);
    let mut stream = server.connect();
    stream
        .write_all(format!("GET /v2/big/blobs/{} HTTP/1.1\r\nHost: test\r\n\r\n", big.layer).as_bytes())
        .unwrap();
    let mut first = vec![0; 1000];
    stream.read_exact(&mut first).unwrap();
    server.stop();
    let began = Instant::now();
    while std::net::TcpStream::connect(server.address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(300), "new connections are taken");
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(first.len() + rest.len() > 30_000_000, "{}", rest.len());
}
