//! Images: what we pull, lay out and index, against docker-registry, skopeo, nginx and containerd.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use images::pull::{self, Options, Progress, Request};
use images::{Digest, Kind, Store, check, dir_layout, nginx, registry};
use tests::peer;

/// A server that ends with the test.
struct Daemon {
    child: Child,
    port: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(command: &mut Command, port: u16, log: &Path) -> Daemon {
    let log_file = fs::File::create(log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(log_file.try_clone().unwrap())
        .stderr(log_file)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut daemon = Daemon { child, port };
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = daemon.child.try_wait().unwrap();
        assert!(
            ended.is_none() && began.elapsed() < Duration::from_secs(20),
            "{command:?} {ended:?}: {}",
            fs::read_to_string(log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon
}

fn start_registry(folder: &Path, port: u16) -> Option<Daemon> {
    let program = peer::find("docker-registry")?;
    let config = folder.join("registry.yml");
    let storage = folder.join("registry-storage");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\nlog: {{level: warn}}\n",
        storage.display()
    );
    fs::write(&config, text).unwrap();
    Some(start(Command::new(program).arg("serve").arg(&config), port, &folder.join("registry.log")))
}

/// A compressed layer of the files that Debian packages brought here.
fn layer(folder: &Path, packages: &[&str]) -> Vec<u8> {
    let listed = peer::run(Command::new("dpkg").arg("-L").args(packages)).stdout;
    let files: Vec<&str> = std::str::from_utf8(&listed)
        .unwrap()
        .lines()
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()))
        .collect();
    assert!(files.len() > 3, "{packages:?}: {files:?}");
    let list = folder.join("files");
    fs::write(&list, files.join("\n")).unwrap();
    peer::run(Command::new("tar").args(["-czPf", "-", "--transform", "s,^/,,", "-T"]).arg(&list)).stdout
}

/// An OCI layout (OCI image specification, "Image Layout") written by hand, for skopeo to push.
struct Layout {
    folder: PathBuf,
}

impl Layout {
    fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder }
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        fs::write(self.folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// An image of gzip layers; its descriptor.
    fn image(&self, architecture: &str, layers: &[&[u8]]) -> serde_json::Value {
        let diff_ids: Vec<Digest> = layers
            .iter()
            .map(|layer| {
                let path = self.folder.join("layer");
                fs::write(&path, layer).unwrap();
                Digest::of(&peer::run(Command::new("gzip").arg("-dc").arg(&path)).stdout)
            })
            .collect();
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [],
        });
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(layer_type, layer)).collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": Kind::OciManifest.media_type(), "config": config, "layers": layers,
        });
        let mut descriptor = self.blob(Kind::OciManifest.media_type(), manifest.to_string().as_bytes());
        descriptor["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    fn index(&self, manifests: &[serde_json::Value]) -> serde_json::Value {
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": Kind::OciIndex.media_type(), "manifests": manifests,
        });
        self.blob(Kind::OciIndex.media_type(), index.to_string().as_bytes())
    }

    /// Names what is in the layout.
    fn name(&self, named: &[(&str, &serde_json::Value)]) {
        let manifests: Vec<_> = named
            .iter()
            .map(|(name, descriptor)| {
                let mut descriptor = (*descriptor).clone();
                descriptor["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": name});
                descriptor
            })
            .collect();
        let index = serde_json::json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
    }
}

fn skopeo_copy(arguments: &[&str], from: &str, to: &str) {
    let skopeo = peer::find("skopeo").unwrap();
    peer::run(
        Command::new(skopeo)
            .args(["--insecure-policy", "--override-os", "linux", "copy", "-q"])
            .args(["--src-tls-verify=false", "--dest-tls-verify=false"])
            .args(arguments)
            .args([from, to]),
    );
}

/// The images of the test: what to save as, and the kind.
const IMAGES: [(&str, &str, Kind); 5] = [
    ("curl", "oci", Kind::OciManifest),
    ("curl", "docker", Kind::DockerManifest),
    ("team/skopeo", "1.0", Kind::OciManifest),
    ("multi", "oci", Kind::OciIndex),
    ("multi", "docker", Kind::DockerList),
];

/// Fills a registry with images made from Debian packages, of every kind.
fn fill(folder: &Path, registry: &Daemon) {
    let layout = Layout::new(folder.join("layout"));
    let base = layer(folder, &["libarchive-tools", "isomd5sum"]);
    let curl = layer(folder, &["curl"]);
    let skopeo = layer(folder, &["skopeo"]);
    let one = layout.image("amd64", &[&base, &curl]);
    let two = layout.image("amd64", &[&base, &skopeo]);
    let arm = layout.image("arm64", &[&base]);
    let index = layout.index(&[one.clone(), arm]);
    layout.name(&[("one", &one), ("two", &two), ("index", &index)]);
    let from = |name: &str| format!("oci:{}:{name}", layout.folder.display());
    let to = |name: &str| format!("docker://127.0.0.1:{}/{name}", registry.port);
    skopeo_copy(&[], &from("one"), &to("curl:oci"));
    skopeo_copy(&["--format", "v2s2"], &from("one"), &to("curl:docker"));
    skopeo_copy(&[], &from("two"), &to("team/skopeo:1.0"));
    skopeo_copy(&["--all"], &from("index"), &to("multi:oci"));
    skopeo_copy(&["--all", "--format", "v2s2"], &from("index"), &to("multi:docker"));
}

fn requests(registry: &Daemon) -> Vec<Request> {
    IMAGES
        .iter()
        .map(|(name, tag, _)| Request {
            name: (*name).into(),
            tag: (*tag).into(),
            reference: format!("127.0.0.1:{}/{name}:{tag}", registry.port).parse().unwrap(),
            platforms: Vec::new(),
            expected: None,
        })
        .collect()
}

fn options(registry: &Daemon) -> Options {
    Options {
        plain_http: [format!("127.0.0.1:{}", registry.port)].into(),
        system_proxy: false,
        first_delay: Duration::from_millis(50),
        ..Options::default()
    }
}

/// Name and bytes of every file in a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Compares file by file; the bytes themselves would make a message of megabytes.
fn assert_same(ours: &Path, theirs: &Path) {
    let (ours, theirs) = (content(ours), content(theirs));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, bytes) in &ours {
        assert!(*bytes == theirs[name], "{name} differs");
    }
}

/// Everything pulled from a registry and laid out.
struct Laid {
    _scratch: tempfile::TempDir,
    folder: PathBuf,
    images: PathBuf,
    digests: Vec<Digest>,
    registry: Daemon,
}

fn lay_out() -> Option<Laid> {
    for peer in ["skopeo", "docker-registry", "bsdtar", "curl", "dpkg"] {
        peer::find(peer)?;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().to_owned();
    let registry = start_registry(&folder, free_port())?;
    fill(&folder, &registry);
    let store = Store::open(&folder.join("store")).unwrap();
    let images = folder.join("archive/images");
    let pulled = pull::pull(&requests(&registry), &store, &options(&registry), &()).unwrap();
    for image in &pulled {
        let place = images.join(&image.name).join(&image.tag);
        dir_layout::write(&store, &image.digest, &[], &place).unwrap();
    }
    registry::index(&images, &folder.join("archive/registry")).unwrap();
    assert_eq!(pulled.iter().map(|image| image.kind).collect::<Vec<_>>(), IMAGES.map(|(_, _, kind)| kind));
    let digests = pulled.iter().map(|image| image.digest).collect();
    Some(Laid { _scratch: scratch, folder, images, digests, registry })
}

#[test]
fn what_we_pull_is_what_skopeo_pulls() {
    let Some(laid) = lay_out() else { return };
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        let theirs = laid.folder.join(format!("skopeo-{position}"));
        let from = format!("docker://127.0.0.1:{}/{name}:{tag}", laid.registry.port);
        skopeo_copy(&["--all"], &from, &format!("dir:{}", theirs.display()));
        assert_same(&laid.images.join(name).join(tag), &theirs);
    }
    let report = check::check(&laid.images, std::num::NonZero::<usize>::MIN).unwrap();
    assert_eq!(report.images.len(), IMAGES.len());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    // skopeo reads our folders.
    let (name, tag, _) = IMAGES[3];
    let ours = laid.images.join(name).join(tag);
    let copy = laid.folder.join("copy");
    skopeo_copy(&["--all"], &format!("dir:{}", ours.display()), &format!("dir:{}", copy.display()));
    assert_same(&ours, &copy);
}

/// Counts what is transferred, and stops the registry at a given point.
struct Killer<'a> {
    at: i64,
    came: std::cell::Cell<i64>,
    kill: &'a dyn Fn(),
}

impl Progress for Killer<'_> {
    fn advance(&self, _: &Digest, bytes: i64) {
        let before = self.came.get();
        self.came.set(before + bytes);
        if before < self.at && self.came.get() >= self.at {
            (self.kill)();
        }
    }
}

#[test]
fn a_registry_that_dies_half_way_is_resumed_and_a_second_pull_moves_no_blob() {
    for peer in ["skopeo", "docker-registry", "bsdtar", "curl", "dpkg"] {
        if peer::find(peer).is_none() {
            return;
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let port = free_port();
    let registry = start_registry(folder, port).unwrap();
    fill(folder, &registry);
    let (requests, patient) = (requests(&registry), options(&registry));
    let store = Store::open(&folder.join("store")).unwrap();
    let daemon = std::cell::RefCell::new(Some(registry));
    let kill = || drop(daemon.borrow_mut().take());
    let killer = Killer { at: 1_000_000, came: 0.into(), kill: &kill };
    let hasty = Options { attempts: 1, concurrency: 1, ..patient.clone() };
    let error = pull::pull(&requests, &store, &hasty, &killer).unwrap_err();
    assert!(error.to_string().contains(&format!("http://127.0.0.1:{port}/v2/")), "{error}");
    assert!(daemon.borrow().is_none());

    let _registry = start_registry(folder, port).unwrap();
    let counter = Killer { at: i64::MAX, came: 0.into(), kill: &|| () };
    let pulled = pull::pull(&requests, &store, &patient, &counter).unwrap();
    let layers: i64 = {
        let distinct: BTreeMap<Digest, u64> = pulled
            .iter()
            .flat_map(|image| {
                let place = folder.join("images").join(&image.name).join(&image.tag);
                dir_layout::write(&store, &image.digest, &[], &place).unwrap();
                dir_layout::read(&place).unwrap().blobs
            })
            .map(|blob| (blob.digest, blob.size))
            .collect();
        distinct.values().sum::<u64>().try_into().unwrap()
    };
    assert!(counter.came.get() <= layers - 900_000, "{} of {layers} bytes came again", counter.came.get());
    let none = Killer { at: i64::MAX, came: 0.into(), kill: &|| () };
    assert_eq!(pull::pull(&requests, &store, &patient, &none).unwrap(), pulled);
    assert_eq!(none.came.get(), 0);
}

/// Adds an image `signed` whose manifest refers to another, and indexes anew.
fn sign(laid: &Laid, subject: &Digest) {
    let store = Store::open(&laid.folder.join("store")).unwrap();
    let empty = serde_json::json!({
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": store.put(b"{}").unwrap(), "size": 2,
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": Kind::OciManifest.media_type(), "artifactType": "application/x.signature",
        "config": empty, "layers": [empty],
        "subject": {"mediaType": Kind::OciManifest.media_type(), "digest": subject, "size": 1},
    });
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    dir_layout::write(&store, &digest, &[], &laid.images.join("signed/1")).unwrap();
    registry::index(&laid.images, &laid.folder.join("archive/registry")).unwrap();
}

/// Starts nginx with one server of these includes.
fn start_nginx(folder: &Path, includes: &str) -> Option<Daemon> {
    let program = peer::find("nginx")?;
    let port = free_port();
    let place = folder.join(format!("nginx-{port}"));
    fs::create_dir(&place).unwrap();
    let root = peer::run(Command::new("id").arg("-u")).stdout.starts_with(b"0\n");
    let user = if root { "user root;" } else { "" };
    let here = place.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .concat();
    let text = format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/error.log warn;\nevents {{ }}\n\
         http {{\naccess_log off;\ngzip on;\ngzip_types *;\ngzip_min_length 1;\ndefault_type text/plain;\n{temporary}\
         server {{\nlisten 127.0.0.1:{port};\nlocation / {{ root /var/empty; }}\n{includes}\n}}\n}}\n"
    );
    let config = place.join("nginx.conf");
    fs::write(&config, text).unwrap();
    peer::run(Command::new(&program).arg("-t").arg("-c").arg(&config));
    Some(start(Command::new(&program).arg("-c").arg(&config), port, &place.join("log")))
}

/// An answer, with its header names in lower case.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// One request, sent as it is written.
fn ask(port: u16, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n{headers}\r\n"
    )
    .unwrap();
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

#[test]
fn nginx_serves_the_tree_to_skopeo_and_containerd() {
    let Some(laid) = lay_out() else { return };
    let root = format!("{}/", laid.images.display());
    // Two archives side by side, and a common part for /v2/ itself.
    let includes = [
        nginx::common().to_owned(),
        nginx::render("metalk8s-1.0.0", &root).unwrap(),
        nginx::render("vendor/solution-1.2", laid.images.to_str().unwrap()).unwrap(),
    ];
    let Some(server) = start_nginx(&laid.folder, &includes.concat()) else { return };
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        for repository in ["metalk8s-1.0.0", "vendor/solution-1.2"] {
            let theirs = laid.folder.join(format!("nginx-{position}-{}", repository.replace('/', "-")));
            let from = format!("docker://127.0.0.1:{}/{repository}/{name}:{tag}", server.port);
            skopeo_copy(&["--all"], &from, &format!("dir:{}", theirs.display()));
            assert_same(&laid.images.join(name).join(tag), &theirs);
        }
    }
    let host = format!("127.0.0.1:{}", server.port);
    for (line, (name, tag, _)) in containerd_pulls(&laid.folder, &host, "metalk8s-1.0.0").iter().zip(IMAGES) {
        let position = IMAGES.iter().position(|image| (image.0, image.1) == (name, tag)).unwrap();
        assert!(line.contains(&laid.digests[position].to_string()), "{line}");
    }
}

/// A containerd of our own.
struct Containerd {
    _daemon: Daemon,
    ctr: PathBuf,
    socket: PathBuf,
}

impl Containerd {
    fn start(folder: &Path) -> Option<Self> {
        let (containerd, ctr) = (peer::find("containerd")?, peer::find("ctr")?);
        let place = folder.join("containerd");
        fs::create_dir(&place).unwrap();
        let (here, config) = (place.display(), place.join("config.toml"));
        let text = format!(
            "version = 2\nroot = \"{here}/root\"\nstate = \"{here}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{here}/sock\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{here}/opt\"\n"
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(place.join("log")).unwrap();
        let child = Command::new(containerd)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Daemon { child, port: 0 };
        let containerd = Self { _daemon: daemon, ctr, socket: place.join("sock") };
        let began = Instant::now();
        while !containerd.command(&["version"]).output().unwrap().status.success() {
            let log = fs::read_to_string(place.join("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(20), "containerd does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(containerd)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ctr);
        command.arg("--address").arg(&self.socket).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        String::from_utf8(peer::run(&mut self.command(arguments)).stdout).unwrap()
    }
}

/// Pulls every image with containerd: the line `ctr images ls` has for it, which names the digest.
fn containerd_pulls(folder: &Path, host: &str, repository: &str) -> Vec<String> {
    let Some(containerd) = Containerd::start(folder) else { return Vec::new() };
    IMAGES
        .iter()
        .map(|(name, tag, _)| {
            let reference = format!("{host}/{repository}/{name}:{tag}");
            containerd.run(&["content", "fetch", "--plain-http", "--all-platforms", &reference]);
            containerd.run(&["images", "ls", &format!("name=={reference}")])
        })
        .collect()
}

#[test]
fn containerd_loads_our_archives_under_the_digest_of_the_registry() {
    let Some(laid) = lay_out() else { return };
    let Some(containerd) = Containerd::start(&laid.folder) else { return };
    for ((name, tag, _), digest) in IMAGES.iter().zip(&laid.digests) {
        let reference: images::Reference = format!("registry.invalid/base-1.0/{name}:{tag}").parse().unwrap();
        let archive = laid.folder.join("image.tar");
        let again = laid.folder.join("again.tar");
        for output in [&archive, &again] {
            images::oci_archive::write(&laid.images.join(name).join(tag), &reference, output, 1_700_000_000)
                .unwrap();
        }
        assert!(
            fs::read(&archive).unwrap() == fs::read(&again).unwrap(),
            "{reference} is not the same twice"
        );
        containerd.run(&["images", "import", "--all-platforms", "--no-unpack", archive.to_str().unwrap()]);
        let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
        assert!(listed.contains(&digest.to_string()), "{listed}");
    }
    // Every layer can be unpacked.
    let image = "registry.invalid/base-1.0/curl:oci";
    if peer::run(Command::new("id").arg("-u")).stdout.starts_with(b"0\n") {
        let archive = laid.folder.join("unpacked.tar");
        images::oci_archive::write(&laid.images.join("curl/oci"), &image.parse().unwrap(), &archive, 0)
            .unwrap();
        containerd.run(&["images", "import", "--snapshotter", "native", archive.to_str().unwrap()]);
    }
}

#[test]
fn of_an_index_only_the_platforms_that_were_kept_are_served() {
    let Some(laid) = lay_out() else { return };
    let store = Store::open(&laid.folder.join("store")).unwrap();
    let kept = laid.folder.join("sparse/images/multi/1");
    dir_layout::write(&store, &laid.digests[3], &["linux/amd64".parse().unwrap()], &kept).unwrap();
    let images = laid.folder.join("sparse/images");
    registry::index(&images, &laid.folder.join("sparse/registry")).unwrap();
    assert!(check::check(&images, std::num::NonZero::<usize>::MIN).unwrap().problems.is_empty());
    let includes = nginx::common().to_owned() + &nginx::render("s", images.to_str().unwrap()).unwrap();
    let Some(server) = start_nginx(&laid.folder, &includes) else { return };
    let reference = format!("127.0.0.1:{}/s/multi:1", server.port);
    // Clients take what is for their platform, and the digest of the index is the one it was published under.
    skopeo_copy(
        &["--override-arch", "amd64"],
        &format!("docker://{reference}"),
        &format!("dir:{}", laid.folder.join("one").display()),
    );
    let left_out = dir_layout::read(&kept).unwrap().left_out;
    let path = format!("/v2/s/multi/manifests/{}", left_out[0].digest);
    assert_eq!(ask(server.port, "GET", &path, "").status, 404);
    let Some(containerd) = Containerd::start(&laid.folder) else { return };
    containerd.run(&["content", "fetch", "--plain-http", "--platform", "linux/amd64", &reference]);
    let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
    assert!(listed.contains(&laid.digests[3].to_string()), "{listed}");
}

#[test]
fn folders_and_archives_of_skopeo_are_taken_over() {
    let Some(laid) = lay_out() else { return };
    let from = format!("dir:{}", laid.images.join("curl/oci").display());
    for (position, prefix) in ["oci:", "oci-archive:", "dir:", "docker-archive:"].iter().enumerate() {
        let place = laid.folder.join(format!("source-{position}"));
        let name = if *prefix == "dir:" { "" } else { ":curl:1" };
        let text = format!("{prefix}{}{name}", place.display());
        skopeo_copy(&[], &from, &text);
        let Ok(images::Source::Local(local)) = text.parse() else { panic!("{text}") };
        let store = Store::open(&laid.folder.join(format!("store-{position}"))).unwrap();
        let digest = if *prefix == "docker-archive:" {
            // `docker save` keeps another name than the reference skopeo was given.
            let local = images::source::Local { name: Some("docker.io/library/curl:1".into()), ..local };
            images::source::import(&local, &[], &store).unwrap()
        } else {
            let digest = images::source::import(&local, &[], &store).unwrap();
            assert_eq!(digest, laid.digests[0], "{text}");
            digest
        };
        // skopeo reads it back, layer by layer.
        let ours = laid.folder.join(format!("ours-{position}"));
        dir_layout::write(&store, &digest, &[], &ours).unwrap();
        let copy = laid.folder.join(format!("copy-{position}"));
        skopeo_copy(&[], &format!("dir:{}", ours.display()), &format!("dir:{}", copy.display()));
        assert_same(&ours, &copy);
    }
}

#[test]
fn nginx_answers_as_the_distribution_specification_says() {
    let Some(laid) = lay_out() else { return };
    let subject = laid.digests[0];
    sign(&laid, &subject);
    let includes = nginx::common().to_owned() + &nginx::render("a.b", laid.images.to_str().unwrap()).unwrap();
    let Some(server) = start_nginx(&laid.folder, &includes) else { return };
    let image = dir_layout::read(&laid.images.join("curl/oci")).unwrap();
    let blob = image.blobs.last().unwrap();
    let bytes = fs::read(laid.images.join("curl/oci").join(blob.digest.hex())).unwrap();
    let manifest = fs::read(laid.images.join("curl/oci/manifest.json")).unwrap();

    for (name, tag, kind) in IMAGES {
        let digest = laid.digests[IMAGES.iter().position(|image| (image.0, image.1) == (name, tag)).unwrap()];
        for reference in [tag.to_owned(), digest.to_string(), digest.to_string().replace(':', "%3A")] {
            for method in ["GET", "HEAD"] {
                let path = format!("/v2/a.b/{name}/manifests/{reference}");
                let answer = ask(server.port, method, &path, "");
                let header = |name: &str| answer.headers.get(name).map(String::as_str);
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(header("content-type"), Some(kind.media_type()), "{path}");
                assert_eq!(header("docker-content-digest"), Some(digest.to_string().as_str()), "{path}");
                assert_eq!(header("docker-distribution-api-version"), Some("registry/2.0"), "{path}");
                let length =
                    fs::metadata(laid.images.join(name).join(tag).join("manifest.json")).unwrap().len();
                assert_eq!(header("content-length"), Some(length.to_string().as_str()), "{path}");
                assert_eq!(answer.body.is_empty(), method == "HEAD");
                assert_eq!(header("cache-control"), Some("no-cache"), "{path}");
            }
        }
    }
    assert_eq!(ask(server.port, "GET", "/v2/a.b/curl/manifests/oci", "").body, manifest);

    let path = format!("/v2/a.b/curl/blobs/{}", blob.digest);
    let whole = ask(server.port, "GET", &path, "");
    assert!(whole.status == 200 && whole.body == bytes);
    assert_eq!(whole.headers["docker-content-digest"], blob.digest.to_string());
    assert_eq!(whole.headers["content-type"], "application/octet-stream");
    assert_eq!(ask(server.port, "HEAD", &path, "").headers["content-length"], bytes.len().to_string());
    let part = ask(server.port, "GET", &path, "Range: bytes=1000-\r\n");
    assert_eq!(part.status, 206);
    assert_eq!(part.headers["content-range"], format!("bytes 1000-{}/{}", bytes.len() - 1, bytes.len()));
    assert!(part.body == bytes[1000..]);
    assert_eq!(ask(server.port, "GET", &path, "Range: bytes=999999999-\r\n").status, 416);
    let etag = format!("If-None-Match: {}\r\n", whole.headers["etag"]);
    assert_eq!(ask(server.port, "GET", &path, &etag).status, 304);

    let tags = ask(server.port, "GET", "/v2/a.b/curl/tags/list", "");
    assert_eq!(tags.headers["content-type"], "application/json");
    let tags: serde_json::Value = serde_json::from_slice(&tags.body).unwrap();
    assert_eq!(tags["tags"], serde_json::json!(["docker", "oci"]));
    let signed = ask(server.port, "GET", &format!("/v2/a.b/signed/referrers/{subject}"), "");
    assert_eq!((signed.status, signed.headers["content-type"].as_str()), (200, Kind::OciIndex.media_type()));
    let signed: serde_json::Value = serde_json::from_slice(&signed.body).unwrap();
    assert_eq!(signed["manifests"][0]["artifactType"], "application/x.signature");
    let none = ask(server.port, "GET", &format!("/v2/a.b/curl/referrers/{}", image.digest), "");
    assert_eq!((none.status, none.headers["content-type"].as_str()), (200, Kind::OciIndex.media_type()));
    let base = ask(server.port, "GET", "/v2/", "");
    assert_eq!((base.status, base.body.as_slice()), (200, b"{}".as_slice()));

    let zeros = format!("sha256:{}", "0".repeat(64));
    let digest = image.digest;
    for (status, code, method, path) in [
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/curl/manifests/none".to_owned()),
        (404, "MANIFEST_UNKNOWN", "GET", format!("/v2/a.b/curl/manifests/{zeros}")),
        // The manifest of another image.
        (404, "MANIFEST_UNKNOWN", "GET", format!("/v2/a.b/multi/manifests/{}", laid.digests[2])),
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/curl/manifests/sha256".into()),
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/none/manifests/1".into()),
        (404, "BLOB_UNKNOWN", "GET", format!("/v2/a.b/curl/blobs/{zeros}")),
        (404, "NAME_UNKNOWN", "GET", format!("{path}00")),
        (404, "NAME_UNKNOWN", "GET", path.replace("a.b", "aXb")),
        (404, "NAME_UNKNOWN", "GET", path.replace("a.b", "a")),
        (404, "NAME_UNKNOWN", "GET", "/v2/a.b/none/tags/list".into()),
        (400, "DIGEST_INVALID", "GET", "/v2/a.b/curl/referrers/sha256:00".into()),
        (405, "UNSUPPORTED", "PUT", "/v2/a.b/curl/manifests/oci".into()),
        (405, "UNSUPPORTED", "PUT", format!("/v2/a.b/curl/manifests/{digest}")),
        (405, "UNSUPPORTED", "DELETE", path.clone()),
        (405, "UNSUPPORTED", "POST", "/v2/a.b/curl/blobs/uploads/".into()),
        (405, "UNSUPPORTED", "PATCH", "/v2/a.b/curl/tags/list".into()),
        (405, "UNSUPPORTED", "DELETE", format!("/v2/a.b/curl/referrers/{digest}")),
        (405, "UNSUPPORTED", "POST", "/v2/".into()),
    ] {
        let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
        let answer = ask(server.port, method, &path, length);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{method} {path}: {text}");
        assert_eq!(answer.headers["content-type"], "application/json", "{method} {path}");
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["errors"][0]["code"], code, "{method} {path}");
        if status == 405 {
            assert_eq!(answer.headers["allow"], "GET, HEAD");
        }
    }
    let log = fs::read_to_string(laid.folder.join(format!("nginx-{}/error.log", server.port))).unwrap();
    assert_eq!(log, "");
    // nginx resolves dots before it looks for a location: this leaves the archive.
    assert_eq!(ask(server.port, "GET", "/v2/a.b/curl/blobs/../../../../etc/passwd", "").status, 404);
}

/// Keys and certificates of an authority, a server on the loopback address and a client, made by openssl.
fn certificates(folder: &Path) -> PathBuf {
    let place = folder.join("tls");
    fs::create_dir(&place).unwrap();
    let openssl = |arguments: &str| {
        let program = peer::find("openssl").unwrap();
        peer::run(Command::new(program).current_dir(&place).args(arguments.split_whitespace()));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    for (name, extension) in
        [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
    {
        fs::write(place.join("extension"), extension).unwrap();
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {name}.pem"
        ));
    }
    place
}

#[test]
fn a_registry_behind_tls_asks_for_certificate_and_password() {
    for peer in ["skopeo", "docker-registry", "openssl", "bsdtar", "curl", "dpkg"] {
        if peer::find(peer).is_none() {
            return;
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let port = free_port();
    let open = start_registry(folder, port).unwrap();
    fill(folder, &open);
    let requests: Vec<Request> = requests(&open).drain(..1).collect();
    let digest = pull::resolve(&requests[0].reference, &options(&open)).unwrap();
    drop(open);

    // The same images once more, behind TLS with client certificates, and a password.
    let tls = certificates(folder);
    let mut config = fs::read_to_string(folder.join("registry.yml")).unwrap();
    let here = tls.display();
    config = config.replace(
        &format!("http: {{addr: \"127.0.0.1:{port}\"}}"),
        &format!(
            "http: {{addr: \"127.0.0.1:{port}\", tls: {{certificate: {here}/server.pem, key: {here}/server.key, clientcas: [{here}/ca.pem]}}}}\n\
             auth: {{htpasswd: {{realm: r, path: {here}/htpasswd}}}}"
        ),
    );
    // The password is `p$w:d`.
    fs::write(tls.join("htpasswd"), "user:$2b$04$v6Y6R3y1Zvyp.ZTs.kiIguP0TeF6lUuHFpRD9h.gJd9UOVXLkRT0e\n")
        .unwrap();
    fs::write(folder.join("registry.yml"), config).unwrap();
    let program = peer::find("docker-registry").unwrap();
    let config = folder.join("registry.yml");
    let _closed = start(Command::new(program).arg("serve").arg(config), port, &folder.join("closed.log"));

    let auth = folder.join("auth.json");
    let login = |password: &str| {
        // base64 of `user:p$w:d` and of `user:wrong`.
        fs::write(&auth, format!(r#"{{"auths": {{"127.0.0.1:{port}": {{"auth": "{password}"}}}}}}"#))
            .unwrap();
    };
    login("dXNlcjpwJHc6ZA==");
    let full = Options {
        system_proxy: false,
        attempts: 1,
        certificate_authorities: vec![tls.join("ca.pem")],
        client_certificate: Some((tls.join("client.pem"), tls.join("client.key"))),
        auth_file: Some(auth.clone()),
        ..Options::default()
    };
    let store = Store::open(&folder.join("store")).unwrap();
    assert_eq!(pull::pull(&requests, &store, &full, &()).unwrap()[0].digest, digest);

    let refused = |options: &Options, reason: &str| {
        let error = pull::resolve(&requests[0].reference, options).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    };
    refused(&Options { certificate_authorities: Vec::new(), ..full.clone() }, "UnknownIssuer");
    refused(&Options { client_certificate: None, ..full.clone() }, "Certificate");
    refused(&Options { auth_file: None, ..full.clone() }, "asks for a user name and a password");
    login("dXNlcjp3cm9uZw==");
    refused(&full, "not authorised: UNAUTHORIZED");
    refused(&Options { auth_file: Some(folder.join("none")), ..full.clone() }, "none");
}
