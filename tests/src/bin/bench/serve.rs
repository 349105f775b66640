//! `cargo xtask bench serve`: the embedded server beside nginx on the same tree.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ::images::MediaKind;
use content::Digest;
use serde_json::json;
use tests::daemon::{Daemon, free_port};
use tests::nginx::Nginx;

use crate::measure::{Side, amount, compare, is_small, limit, rates};

/// The bytes of the big blob.
const BIG: u64 = 256 << 20;
/// The images of the archive with many.
const MANY: u64 = 10_000;
/// What the archive of the cold start fills, most of it a hole.
const HUGE: u64 = 10_000_000_000;
/// The connections that the memory is measured under.
const CONNECTIONS: usize = 500;
/// How long a server may take to start, or a connection to bring its next bytes, before the bench is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An archive: its tree, the ISO made of it, and the digest of its big blob.
struct Archive {
    tree: PathBuf,
    iso: PathBuf,
    blob: Digest,
}

pub(crate) fn run(scratch: &Path) -> io::Result<()> {
    let archive = archive(scratch, "served", 100, amount(BIG))?;
    let ours = sealift(scratch, &archive.iso)?;
    let Some(peer) = nginx(scratch, &archive.tree)? else {
        return Err(io::Error::other("nginx is not installed"));
    };
    let manifest = |server: &Daemon| wrk(server, 16, "/v2/served-1.0/image-7/manifests/1", "Requests/sec");
    let blob = format!("/v2/served-1.0/big/blobs/{}", archive.blob);
    let big = |server: &Daemon| wrk(server, 4, &blob, "Transfer/sec");
    // Checked on first use, as nginx never does: the second transfer is the one to compare.
    get(ours.port, &blob)?.read_to_end(&mut Vec::new())?;
    let requests = "manifest by tag, 16 connections (requests/s)";
    rates(requests, ("sealift", &|| manifest(&ours)), ("nginx", &|| manifest(&peer)), 0.8)?;
    let bytes = "blob of 256 MiB, 4 connections (MB/s)";
    rates(bytes, ("sealift", &|| big(&ours)), ("nginx", &|| big(&peer)), 0.9)?;
    drop(peer);
    let fresh = sealift(scratch, &archive.iso)?;
    let held = hold(&fresh, &blob)?;
    limit("resident under 500 connections that take the big blob slowly (MB)", resident(&fresh)?, 64.0);
    drop((held, ours, fresh));

    let huge = scratch.join("huge.iso");
    fs::copy(&archive.iso, &huge)?;
    fs::File::options().write(true).open(&huge)?.set_len(amount(HUGE))?;
    let mut times = (0..5).map(|_| first_byte(&huge, &blob)).collect::<io::Result<Vec<_>>>()?;
    times.sort_unstable();
    let milliseconds = times.get(2).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    limit("from the start to a blob's first byte, ISO of 10 GB (ms)", milliseconds, 50.0);
    fs::remove_file(&huge)?;

    // A folder: an image of ISO 9660 has room for 65,535 folders, and these are more.
    let many = usize::try_from(amount(MANY)).unwrap_or(usize::MAX);
    let last = format!("/v2/many-1.0/image-{}/manifests/1", many - 1);
    let (many, _) = tree(scratch, "many", many, 1)?;
    let server = sealift(scratch, &many)?;
    let manifest = last.as_str();
    // It listens before it has read the archive.
    get(server.port, manifest)?.read_to_end(&mut Vec::new())?;
    wrk(&server, 16, manifest, "Requests/sec")?;
    limit("resident with 10,000 images (MB)", resident(&server)?, 20.0);
    drop(server);

    let command = |program: &Path, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).arg(&archive.iso);
        vec![command]
    };
    compare(
        "verifying an archive, every file and the implanted MD5",
        &Side {
            name: "sealift archive verify",
            prepare: &|| Ok(()),
            commands: &|| command(tests::sealift::binary(), &["archive", "verify"]),
        },
        &Side {
            name: "openssl md5",
            prepare: &|| Ok(()),
            commands: &|| command(Path::new("openssl"), &["md5"]),
        },
        1.1,
    )
}

/// Makes the archive `<name> 1.0` as an ISO, with what [`tree`] writes.
fn archive(scratch: &Path, name: &str, images: usize, bytes: u64) -> io::Result<Archive> {
    let (tree, blob) = tree(scratch, name, images, bytes)?;
    let iso = scratch.join(format!("{name}.iso"));
    if !iso.exists() {
        let options = iso::IsoOptions {
            volume_id: format!("{name} 1.0"),
            source_date: 1_700_000_000,
            ..iso::IsoOptions::default()
        };
        let plan = iso::PlannedIso::from_dir(&tree, &options).map_err(failed)?;
        plan.write_file(&iso, &()).map_err(failed)?;
    }
    Ok(Archive { tree, iso, blob })
}

/// Makes the archive `<name> 1.0` as a folder, with `images` images that share their blobs, and one with a blob of
/// `bytes`; answers the folder and the digest of that blob.
fn tree(scratch: &Path, name: &str, images: usize, bytes: u64) -> io::Result<(PathBuf, Digest)> {
    let tree = scratch.join(name);
    let noise = crate::images::noise(1, bytes);
    let blob = Digest::of(&noise);
    if tree.join(::archive::layout::SUMS).exists() {
        return Ok((tree, blob));
    }
    image(&tree, "big", &noise)?;
    for number in 0..images {
        image(&tree, &format!("image-{number}"), format!("layer {}", number % 10).as_bytes())?;
    }
    fs::write(tree.join("product.txt"), format!("NAME={name}\nVERSION=1.0\n"))?;
    ::images::registry::index(&tree.join("images"), &tree.join("registry")).map_err(failed)?;
    ::archive::sums::write(&tree, &::archive::sums::digest_file).map_err(failed)?;
    Ok((tree, blob))
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Writes an image of one layer.
fn image(tree: &Path, name: &str, layer: &[u8]) -> io::Result<()> {
    let folder = tree.join("images").join(name).join("1");
    fs::create_dir_all(&folder)?;
    let config = format!(r#"{{"architecture":"amd64","os":"linux","name":"{name}"}}"#);
    let descriptor = |kind: &str, content: &[u8]| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": Digest::of(content), "size": content.len(),
        })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::OciManifest.media_type(),
        "config": descriptor("config.v1+json", config.as_bytes()),
        "layers": [descriptor("layer.v1.tar+gzip", layer)],
    });
    fs::write(folder.join("version"), "Directory Transport Version: 1.1\n")?;
    fs::write(folder.join("manifest.json"), manifest.to_string())?;
    for content in [config.as_bytes(), layer] {
        fs::write(folder.join(Digest::of(content).hex()), content)?;
    }
    Ok(())
}

fn sealift(scratch: &Path, archive: &Path) -> io::Result<Daemon> {
    let port = free_port();
    let child = start_sealift(port, archive)?;
    wait(Daemon { child, port }, &scratch.join("log"))
}

fn start_sealift(port: u16, archive: &Path) -> io::Result<Child> {
    Command::new(tests::sealift::binary())
        .args(["registry", "serve", "--listen", &format!("127.0.0.1:{port}")])
        .arg(archive)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Starts nginx as Debian sets it up, with the archive's own configuration.
fn nginx(scratch: &Path, tree: &Path) -> io::Result<Option<Nginx>> {
    if tests::peer::find("nginx").is_none() {
        return Ok(None);
    }
    let here = scratch.join("nginx");
    fs::create_dir_all(&here)?;
    let place = here.display();
    let registry = ::images::nginx::render("served-1.0", &tree.join("images").to_string_lossy())
        .map_err(|error| io::Error::other(error.to_string()))?;
    let port = free_port();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let config = format!(
        "user root;\ndaemon off;\nworker_processes auto;\npid {place}/pid;\nerror_log {place}/error.log;\n\
         events {{ worker_connections 768; }}\nhttp {{\nsendfile on;\ntcp_nopush on;\naccess_log off;\n{temporary}\
         server {{\nlisten 127.0.0.1:{port};\n{}\n{registry}\n}}\n}}\n",
        ::images::nginx::common()
    );
    fs::write(here.join("nginx.conf"), config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(here.join("nginx.conf"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait(Daemon { child, port }, &here.join("error.log")).map(Nginx).map(Some)
}

/// Waits until a server accepts connections.
fn wait(mut server: Daemon, log: &Path) -> io::Result<Daemon> {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
        if server.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("a server does not start; see {}", log.display())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(server)
}

/// Runs wrk against `path` and reads the figure `name` from its report; bytes as MB.
fn wrk(server: &Daemon, connections: usize, path: &str, name: &str) -> io::Result<f64> {
    let url = format!("http://127.0.0.1:{}{path}", server.port);
    let output = Command::new("wrk")
        .args([
            "-t1",
            if is_small() { "-d1s" } else { "-d2s" },
            "--timeout",
            "30s",
            "-c",
            &connections.to_string(),
            &url,
        ])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let refused = text.contains("Non-2xx") || text.contains("Socket errors");
    let figure =
        text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let figure = figure.and_then(|figure| {
        let end = figure.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(figure.len());
        let (number, unit) = figure.split_at(end);
        let scale = [("", 1.0), ("B", 1e-6), ("KB", 1.024e-3), ("MB", 1.048_576), ("GB", 1_073.741_824)];
        let (_, scale) = scale.into_iter().find(|(name, _)| *name == unit)?;
        Some(number.parse::<f64>().ok()? * scale)
    });
    figure.filter(|_| !refused).ok_or_else(|| io::Error::other(format!("wrk {url}: {text}")))
}

/// A connection that has asked for `path`.
fn get(port: u16, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// Connections that have asked for `path`, have begun to get it and take no more of it.
fn hold(server: &Daemon, path: &str) -> io::Result<Vec<TcpStream>> {
    let begun = |mut stream: TcpStream| stream.read_exact(&mut [0; 4096]).map(|()| stream);
    (0..CONNECTIONS).map(|_| get(server.port, path).and_then(begun)).collect()
}

/// The most memory that a server has had resident, in MB.
fn resident(server: &Daemon) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak = peak.and_then(|kilobytes| kilobytes.trim().parse::<f64>().ok());
    peak.map(|kilobytes| kilobytes * 1.024e-3).ok_or_else(|| io::Error::other("no VmHWM"))
}

/// How long it takes from starting a server to the first byte of a blob.
fn first_byte(archive: &Path, path: &str) -> io::Result<Duration> {
    let port = free_port();
    let began = Instant::now();
    let mut server = Daemon { child: start_sealift(port, archive)?, port };
    loop {
        match get(port, path) {
            Ok(mut stream) => {
                stream.read_exact(&mut [0; 4096])?;
                return Ok(began.elapsed());
            }
            Err(_) if server.child.try_wait()?.is_none() && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(error),
        }
    }
}
