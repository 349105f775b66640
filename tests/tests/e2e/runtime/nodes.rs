//! Three nodes serve the same archive, each in a network namespace of its own; clients in a fourth pull while the first node
//! misbehaves. The outcome is the table of `docs/guide/nodes.md`, row by row.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::containerd::Containerd;
use tests::{peer, sealift};

use content::Digest;
use node::client_config::HOST;

use super::site::Site;

/// The image that is pulled.
const IMAGE: (&str, &str) = ("team/skopeo", "1.0");

/// The result of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The image was pulled and has the digest of the build.
    Pulls,
    /// The client gives up, although another node has the image.
    Fails,
    /// The client waits for the node, and pulls when it is back.
    Waits,
}

/// What is wrong with the first node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    Dead,
    Unplugged,
    OtherArchive,
    BlobLost,
    BlobLostBehindNginx,
    DiesInTheMiddle,
    Hangs,
    Garbage,
}

/// Each fault by its name in the documents, and the results of containerd and skopeo.
const TABLE: [(Fault, &str, End, End); 9] = [
    (Fault::Nothing, "works", End::Pulls, End::Pulls),
    (Fault::Dead, "refuses connections", End::Pulls, End::Pulls),
    (Fault::Unplugged, "is unplugged", End::Pulls, End::Pulls),
    (Fault::OtherArchive, "came back without the archive", End::Pulls, End::Pulls),
    (Fault::BlobLost, "has lost a blob, and runs `sealift registry serve`", End::Pulls, End::Pulls),
    (Fault::BlobLostBehindNginx, "has lost a blob, and runs nginx", End::Pulls, End::Fails),
    (Fault::DiesInTheMiddle, "dies in the middle of a blob", End::Pulls, End::Fails),
    (Fault::Hangs, "accepts connections and sends nothing", End::Waits, End::Waits),
    (Fault::Garbage, "responds to everything with an HTML page", End::Fails, End::Fails),
];

/// Four namespaces: the client's, joined to each of three nodes by a link of its own.
struct Network {
    names: [String; 4],
}

impl Network {
    /// `None` without `ip` or root, which is reported on standard error.
    fn new() -> Option<Self> {
        peer::find("ip")?;
        let names = ["client", "node1", "node2", "node3"]
            .map(|name| format!("sealift-{}-{name}", std::process::id()));
        let network = Self { names };
        for name in &network.names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        let client = network.names[0].as_str();
        for number in 1..=3 {
            let (node, here) = (network.names[number].as_str(), format!("veth{number}"));
            ip(&["-n", client, "link", "add", &here, "type", "veth", "peer", "name", "eth0", "netns", node]);
            for (namespace, link, host) in [(client, here.as_str(), 1), (node, "eth0", 2)] {
                ip(&["-n", namespace, "address", "add", &format!("10.77.{number}.{host}/30"), "dev", link]);
                ip(&["-n", namespace, "link", "set", link, "up"]);
            }
            // Ask for the address of a neighbor once, for a second, instead of three times.
            let once = format!("echo 1 >/proc/sys/net/ipv4/neigh/{here}/mcast_solicit");
            peer::run(network.command(0, Path::new("sh")).args(["-c", &once]));
        }
        Some(network)
    }

    /// Brings the link of the first node `up` or `down`.
    fn plug(&self, state: &str) {
        ip(&["-n", &self.names[1], "link", "set", "eth0", state]);
    }

    /// `program` in the namespace of node `number`, or of the client (0).
    fn command(&self, number: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[number]]).arg(program).stdin(Stdio::null());
        command
    }

    /// Starts `command` on node `number` and waits until it responds to the client.
    fn start(&self, number: usize, command: &mut Command) -> Server {
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let server = Server(child);
        let began = Instant::now();
        let url = format!("http://{}/v2/", address(number));
        let ask = || {
            let mut curl = self.command(0, Path::new("curl"));
            curl.args(["--silent", "--output", "/dev/null", "--max-time", "2", &url])
                .status()
                .unwrap()
                .success()
        };
        while !ask() {
            assert!(began.elapsed() < Duration::from_secs(300), "{url} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Our server on node `number`, over `archive`.
    fn serve(&self, number: usize, archive: &Path) -> Server {
        let mut command = self.command(number, sealift::binary());
        command.args([
            "registry",
            "serve",
            "--plain-http",
            "--no-background-check",
            "--listen",
            &address(number),
        ]);
        self.start(number, command.arg(archive))
    }

    /// nginx on node `number`, with `body` in its only server.
    fn nginx(&self, number: usize, folder: &Path, body: &str) -> Server {
        let place = folder.join("nginx");
        fs::create_dir_all(&place).unwrap();
        let here = place.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
            .concat();
        let config = format!(
            "user root;\ndaemon off;\nmaster_process off;\npid {here}/pid;\nerror_log {here}/error.log;\nevents {{ }}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {};\n{body}\n}}\n}}\n",
            address(number)
        );
        fs::write(place.join("nginx.conf"), config).unwrap();
        let mut command = self.command(number, Path::new("nginx"));
        self.start(number, command.arg("-c").arg(place.join("nginx.conf")))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            // Links are removed with their namespaces.
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    peer::run(Command::new("ip").args(arguments));
}

/// Where node `number` listens.
fn address(number: usize) -> String {
    format!("10.77.{number}.2:8080")
}

/// A server of a node, which ends with the test.
struct Server(Child);

impl Server {
    /// Waits until the process has a file open whose name begins with `name`.
    fn wait_until_it_sends(&self, name: &str) {
        let files = format!("/proc/{}/fd", self.0.id());
        let is_it = |file: PathBuf| {
            let target = fs::read_link(file).unwrap_or_default();
            target.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name))
        };
        let began = Instant::now();
        while !fs::read_dir(&files).unwrap().any(|entry| is_it(entry.unwrap().path())) {
            assert!(began.elapsed() < Duration::from_secs(300), "{name} is not asked for");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, name: &str) {
        peer::run(Command::new("kill").args(["-s", name, &self.0.id().to_string()]));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The clients' side: where each keeps its configuration.
struct Clients<'a> {
    network: &'a Network,
    containerd: &'a Containerd,
    folder: PathBuf,
}

impl<'a> Clients<'a> {
    fn new(network: &'a Network, containerd: &'a Containerd, folder: &Path) -> Self {
        // As a site has it written.
        for command in ["containerd-config", "crio-config"] {
            let mut configure = sealift::command(folder);
            configure.args(["registry", command, "--root", "client"]);
            for number in 1..=3 {
                configure.args(["--node", &format!("http://{}", address(number))]);
            }
            peer::run(&mut configure);
        }
        let folder = folder.join("client/etc");
        Self { network, containerd, folder }
    }

    /// Starts to fetch `image` with containerd.
    fn containerd(&self, image: &str) -> Child {
        let ctr = self.containerd.command(&["images", "pull", "--snapshotter", "native", "--hosts-dir"]);
        let mut command = self.network.command(0, Path::new(ctr.get_program()));
        command
            .args(ctr.get_args())
            .arg(self.folder.join("containerd/certs.d"))
            .arg(format!("{HOST}/{image}"));
        started(&mut command)
    }

    /// The digest that containerd has of `image`, which it then forgets.
    fn digest_in_containerd(&self, image: &str) -> Option<String> {
        let name = format!("{HOST}/{image}");
        let listed = self.containerd.run(&["images", "ls", &format!("name=={name}")]);
        let digest = listed.split_whitespace().find(|word| word.starts_with("sha256:")).map(str::to_owned);
        self.containerd.run(&["images", "rm", "--sync", &name]);
        digest
    }

    /// Starts to copy `image` with skopeo into `into`.
    fn skopeo(&self, image: &str, into: &Path) -> Child {
        let mut command = self.network.command(0, Path::new("skopeo"));
        command
            .arg("--registries-conf")
            .arg(self.folder.join(format!("containers/registries.conf.d/50-{HOST}.conf")))
            .args(["--insecure-policy", "copy", "--quiet", &format!("docker://{HOST}/{image}")])
            .arg(format!("dir:{}", into.display()));
        started(&mut command)
    }
}

fn started(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a client ends, and returns whether it succeeded; `None` if it still runs after `patience`.
fn ended(client: &mut Child, patience: Duration) -> Option<bool> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = client.try_wait().unwrap() {
            return Some(status.success());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// The result of the pull of `client`. A client that waits for the node `first` may continue.
fn end(mut client: Child, first: Option<&Server>, expected: End) -> End {
    let patience = Duration::from_secs(if expected == End::Waits { 3 } else { 120 });
    let mut succeeded = ended(&mut client, patience);
    let waited = succeeded.is_none();
    if let (true, Some(first)) = (waited, first) {
        first.signal("CONT");
        succeeded = ended(&mut client, Duration::from_secs(120));
    }
    // Does nothing to one that has ended.
    client.kill().unwrap();
    let output = client.wait_with_output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stderr));
    match (waited, succeeded) {
        (true, Some(true)) => End::Waits,
        (false, Some(true)) => End::Pulls,
        _ => End::Fails,
    }
}

#[test]
fn a_pull_goes_on_while_the_first_node_misbehaves() {
    if ["nginx", "skopeo", "curl"].iter().any(|program| peer::find(program).is_none()) {
        return;
    }
    let Some(network) = Network::new() else { return };
    let site = Site::new();
    let Some(containerd) = Containerd::start(site.scratch.path()) else { return };
    let clients = Clients::new(&network, &containerd, site.scratch.path());
    let (name, tag) = IMAGE;
    let (image, digest) = (format!("example-1.0/{name}:{tag}"), site.digest(name, tag));
    let blob = super::largest(&site.folder(name, tag)).file_name().unwrap().display().to_string();
    let into = site.scratch.path().join("pulled");
    let documents = fs::read_to_string(sealift::repository().join("docs/guide/nodes.md")).unwrap();
    let _others = [network.serve(2, &site.iso), network.serve(3, &site.iso)];

    for (fault, called, with_containerd, with_skopeo) in TABLE {
        let row = format!("| {called} | {with_containerd:?} | {with_skopeo:?} |").to_lowercase();
        assert!(documents.to_lowercase().contains(&row), "the documents lack the row {row}");
        for (program, expected) in [("containerd", with_containerd), ("skopeo", with_skopeo)] {
            let first = misbehave(&network, &site, fault);
            let client = match program {
                "containerd" => clients.containerd(&image),
                _ => clients.skopeo(&image, &into),
            };
            if let (Fault::DiesInTheMiddle, Some(first)) = (fault, &first) {
                first.wait_until_it_sends(&blob);
                first.signal("KILL");
            }
            assert_eq!(end(client, first.as_ref(), expected), expected, "{program}, first node {called}");
            let pulled = match program {
                "containerd" => clients.digest_in_containerd(&image),
                _ => fs::read(into.join("manifest.json"))
                    .ok()
                    .map(|manifest| Digest::of(&manifest).to_string()),
            };
            if expected != End::Fails {
                assert_eq!(pulled, Some(digest.to_string()), "{program}, first node {called}");
            }
            // skopeo leaves the files that it had when it failed.
            let _ = fs::remove_dir_all(&into);
        }
    }
}

/// Brings the first node into the state of `fault`.
fn misbehave(network: &Network, site: &Site, fault: Fault) -> Option<Server> {
    let folder = site.scratch.path();
    network.plug("up");
    match fault {
        Fault::Nothing => Some(network.serve(1, &site.iso)),
        Fault::Dead => None,
        Fault::Unplugged => {
            let server = network.serve(1, &site.iso);
            network.plug("down");
            Some(server)
        }
        Fault::OtherArchive => {
            let other = folder.join("other");
            fs::create_dir_all(&other).unwrap();
            fs::write(other.join("product.txt"), "NAME=Other\nVERSION=2.0\n").unwrap();
            Some(network.serve(1, &other))
        }
        Fault::BlobLost => Some(network.serve(1, &damaged(site))),
        Fault::BlobLostBehindNginx => Some(network.nginx(1, folder, &include(&damaged(site)))),
        Fault::Garbage => {
            Some(network.nginx(1, folder, "default_type text/html;\nreturn 200 '<html>Sign in</html>';"))
        }
        Fault::DiesInTheMiddle => {
            let slow = format!("limit_rate 1m;\n{}", include(&indexed(site, "whole")));
            Some(network.nginx(1, folder, &slow))
        }
        Fault::Hangs => {
            let server = network.serve(1, &site.iso);
            server.signal("STOP");
            Some(server)
        }
    }
}

/// A copy of the archive's tree, with the index that nginx needs.
fn indexed(site: &Site, name: &str) -> PathBuf {
    let tree = site.scratch.path().join(name);
    if !tree.exists() {
        peer::run(Command::new("cp").arg("-a").args([&site.tree, &tree]));
        images::registry::index(&tree.join("images"), &tree.join("registry")).unwrap();
    }
    tree
}

/// A copy of the archive's tree that has lost the largest blob of the image that is pulled, under all of its names.
fn damaged(site: &Site) -> PathBuf {
    let tree = indexed(site, "damaged");
    let blob = super::largest(&site.folder(IMAGE.0, IMAGE.1));
    let name = format!("*{}*", blob.file_name().unwrap().display());
    peer::run(Command::new("find").arg(&tree).args(["-name", &name, "-delete"]));
    tree
}

/// The configuration with which nginx serves the images of `tree`.
pub(super) fn include(tree: &Path) -> String {
    let images = tree.join("images").display().to_string();
    format!("{}{}", images::nginx::common(), images::nginx::render("example-1.0", &images).unwrap())
}
