//! Images of public registries, pulled under their own names from an archive. The names are those of an unmodified chart
//! (kube-prometheus-stack), and of images with every form of host; the images are stand-ins.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use content::Digest;
use images::original_names::OriginalNames;
use tests::containerd::Containerd;
use tests::daemon::{NOBODY, free_port};
use tests::file_server::{FileServer, Reply};
use tests::registry::{self, Layout, layer, skopeo_copy};
use tests::{peer, sealift};

use super::site::Running;

const NAMES: [&str; 6] = [
    "docker.io/library/busybox:1.31.1",
    "docker.io/grafana/grafana:11.1.0",
    "quay.io/prometheus/prometheus:v2.53.0",
    "quay.io/prometheus-operator/prometheus-operator:v0.75.0",
    "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.13.0",
    "ghcr.io/site/team/tool:1",
];
/// The hosts of these names.
const HOSTS: [&str; 4] = ["docker.io", "quay.io", "registry.k8s.io", "ghcr.io"];

/// The registry that stands in for all hosts, and images of the chart in it.
struct Upstream {
    folder: tempfile::TempDir,
    registry: tests::daemon::Daemon,
}

impl Upstream {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry::start(folder.path(), free_port())?;
        peer::find("skopeo")?;
        Some(Self { folder, registry })
    }

    /// Publishes an image of its own under each of the names.
    fn publish(&self, version: &str, names: &[&str]) {
        let base = layer(self.folder.path(), &["gzip"]);
        let layout = Layout::new(self.folder.path().join(format!("layout-{version}")));
        for (index, name) in names.iter().enumerate() {
            let file = self.folder.path().join("file");
            fs::write(&file, format!("{version} of {name}")).unwrap();
            let tar = ["-czPf", "-", "--transform", "s,^.*/,etc/,"];
            let own = peer::run(Command::new("tar").args(tar).arg(&file)).stdout;
            let image = layout.image("amd64", &[&base, &own]);
            layout.name(&[(&format!("n{index}"), &image)]);
            let (_, repository) = name.split_once('/').unwrap();
            let to = format!("docker://127.0.0.1:{}/{repository}", self.registry.port);
            skopeo_copy(&[], &format!("oci:{}:n{index}", layout.folder.display()), &to);
        }
    }

    /// Packs the images into the ISO `example-VERSION.iso`; returns their digests.
    fn pack(&self, version: &str, names: &[&'static str]) -> BTreeMap<&'static str, String> {
        let tree = self.folder.path().join(version);
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("product.txt"), format!("NAME=Example\nVERSION={version}\n")).unwrap();
        let mirrors = HOSTS.map(|host| format!("{host}=http://127.0.0.1:{}", self.registry.port));
        let mut arguments = vec!["image", "pull", "--into", "images"];
        arguments.extend(mirrors.iter().flat_map(|mirror| ["--mirror", mirror]));
        arguments.extend(names);
        let (code, _, err) = sealift::run(&tree, &arguments);
        assert_eq!(code, 0, "{err}");
        let mut original = OriginalNames::default();
        let mut digests = BTreeMap::new();
        for name in names {
            let (_, place) = name.rsplit_once('/').unwrap();
            original.insert(&place.parse().unwrap(), &name.parse().unwrap());
            let manifest = fs::read(tree.join("images").join(place.replace(':', "/")).join("manifest.json"));
            digests.insert(*name, Digest::of(&manifest.unwrap()).to_string());
        }
        fs::write(tree.join("images/original-names.json"), original.write()).unwrap();
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let iso = format!("example-{version}.iso");
        let (code, _, err) = sealift::run(
            self.folder.path(),
            &["iso", "create", version, "--volume-id", version, "--file", &iso],
        );
        assert_eq!(code, 0, "{err}");
        digests
    }
}

/// Writes the files of the clients below `client`: for a node that is gone, and for `server`.
fn configure(folder: &Path, server: &Running, isos: &[&str], fallback: bool) {
    let (gone, serves) = (format!("http://127.0.0.2:{NOBODY}"), format!("http://{}", server.address));
    let nodes = ["--original-names", "--node", &gone, "--node", &serves, "--root", "client"];
    let fallback = if fallback { &["--fallback"][..] } else { &[] };
    for arguments in [["registry", "containerd-config"], ["registry", "crio-config"]] {
        let isos = if arguments[1] == "crio-config" { isos } else { &[] };
        let (code, _, err) = sealift::run(folder, &[&arguments, &nodes[..], isos, fallback].concat());
        assert_eq!((code, err.as_str()), (0, ""));
    }
}

/// The clients, all of which send what does not go to a loopback address to the stand-in of the internet.
struct Clients<'a> {
    folder: &'a Path,
    internet: &'a FileServer,
    containerd: Option<Containerd>,
}

impl Clients<'_> {
    fn with_proxy(&self, mut command: Command) -> Command {
        let proxy = self.internet.url("");
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(variable, &proxy);
        }
        command.env("NO_PROXY", "127.0.0.1,127.0.0.2").env("no_proxy", "127.0.0.1,127.0.0.2");
        command.env("CONTAINERS_REGISTRIES_CONF", self.registries());
        command.env("HOME", self.folder.join("home"));
        command.current_dir(self.folder);
        command
    }

    fn registries(&self) -> std::path::PathBuf {
        self.folder.join("client/etc/containers/registries.conf.d/50-sealift-original-names.conf")
    }

    /// Each client with the command that pulls `name` and then prints its digest.
    fn pulls(&self, name: &str) -> Vec<(&'static str, Command)> {
        let mut pulls = Vec::new();
        if let Some(containerd) = &self.containerd {
            let hosts = self.folder.join("client/etc/containerd/certs.d").display().to_string();
            let pull = containerd.command(&["images", "pull", "--hosts-dir", &hosts, name]);
            pulls.push(("ctr", pull));
        }
        let policy = self.folder.join("policy.json");
        fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).unwrap();
        if let Some(skopeo) = peer::find("skopeo") {
            let mut command = Command::new(skopeo);
            let out = self.folder.join("copy").display().to_string();
            // It does not read the variable.
            command.arg("--registries-conf").arg(self.registries());
            command.arg("--policy").arg(&policy).args(["copy", "-q"]);
            command.args([&format!("docker://{name}"), &format!("dir:{out}")]);
            pulls.push(("skopeo", command));
        }
        for program in ["podman", "buildah"] {
            if let Some(found) = peer::find(program) {
                let mut command = Command::new(found);
                command.args(["--storage-driver", "vfs", "--root"]).arg(self.folder.join("storage"));
                command.arg("--runroot").arg(self.folder.join("run"));
                command.args(["pull", "-q", "--signature-policy"]).arg(&policy).arg(name);
                pulls.push((program, command));
            }
        }
        pulls.into_iter().map(|(client, command)| (client, self.with_proxy(command))).collect()
    }

    /// The digest under which a client has the image that it just pulled.
    fn digest(&self, client: &str, name: &str) -> String {
        match client {
            "ctr" => {
                let listed =
                    self.containerd.as_ref().unwrap().run(&["images", "ls", &format!("name=={name}")]);
                listed.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned()
            }
            "skopeo" => Digest::of(&fs::read(self.folder.join("copy/manifest.json")).unwrap()).to_string(),
            _ => {
                let mut command = Command::new(peer::find(client).unwrap());
                command.args(["--storage-driver", "vfs", "--root"]).arg(self.folder.join("storage"));
                command.arg("--runroot").arg(self.folder.join("run"));
                let digests = command.args(["images", "--digests", "--format", "{{.Digest}}", name]);
                String::from_utf8(peer::run(digests).stdout).unwrap().trim().to_owned()
            }
        }
    }
}

#[test]
fn a_chart_is_pulled_under_its_own_names_and_nothing_else_is_asked() {
    let Some(upstream) = Upstream::start() else { return };
    upstream.publish("1.9.0", &NAMES);
    let old = upstream.pack("1.9.0", &NAMES);
    // In the newer archive, one tag has another image, and one image is gone.
    upstream.publish("1.10.0", &NAMES[..1]);
    let new = upstream.pack("1.10.0", &NAMES[..5]);
    assert!(old[NAMES[0]] != new[NAMES[0]] && old[NAMES[1]] == new[NAMES[1]]);
    let folder = upstream.folder.path();
    drop(upstream.registry);

    let internet = FileServer::start(|_| Reply::Status(502));
    let isos = ["example-1.9.0.iso", "example-1.10.0.iso"];
    let paths = isos.map(|iso| folder.join(iso));
    let server = Running::serving(&[&paths[0], &paths[1]]);
    configure(folder, &server, &isos, false);
    let clients = Clients { folder, internet: &internet, containerd: Containerd::start(folder) };
    for name in NAMES {
        let digest = new.get(name).unwrap_or(&old[name]);
        for (client, mut pull) in clients.pulls(name) {
            peer::run(&mut pull);
            assert_eq!(clients.digest(client, name), *digest, "{client} {name}");
        }
    }
    // The older image, by its digest.
    let name = format!("docker.io/library/busybox@{}", old[NAMES[0]]);
    for (client, mut pull) in clients.pulls(&name) {
        peer::run(&mut pull);
        if client == "skopeo" {
            assert_eq!(clients.digest(client, &name), old[NAMES[0]]);
        }
    }
    // Missing tags, repositories of another host, and for containerd also hosts that no archive knows.
    for name in
        ["docker.io/library/busybox:none", "quay.io/library/busybox:1.31.1", "unknown.example/busybox:1.31.1"]
    {
        for (client, mut pull) in clients.pulls(name) {
            if client == "ctr" || !name.starts_with("unknown") {
                assert!(!pull.output().unwrap().status.success(), "{client} {name}");
            }
        }
    }
    assert_eq!(internet.asked(), [], "nothing but the nodes");

    // The fence is that of the files: with `--fallback` the clients do ask.
    configure(folder, &server, &isos, true);
    for (client, mut pull) in clients.pulls("quay.io/library/busybox:1.31.1") {
        assert!(!pull.output().unwrap().status.success(), "{client}");
        let asked = internet.asked();
        assert!(asked.iter().any(|asked| asked.path == "quay.io:443"), "{client}: {asked:?}");
    }
}
