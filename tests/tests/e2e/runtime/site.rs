//! An archive with real content, and a server that serves it from this process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Digest;
use images::MediaKind;
use server::{AccessRecord, Server, ServerEvent, ServerHandle, ServerLog, ServerOptions};
use tests::registry::layer;
use tokio::sync::oneshot;

/// 2023-11-14, the date of everything that these tests build.
pub(super) const DATE: i64 = 1_700_000_000;

/// The images of the site: name, tag, kind.
pub(super) const IMAGES: [(&str, &str, MediaKind); 4] = [
    ("curl", "7", MediaKind::OciManifest),
    ("curl", "docker", MediaKind::DockerManifest),
    ("team/skopeo", "1.0", MediaKind::OciManifest),
    ("multi", "1", MediaKind::OciIndex),
];

/// A folder with the tree of an archive, and the ISO made of it.
pub(super) struct Site {
    pub(super) scratch: tempfile::TempDir,
    pub(super) tree: PathBuf,
    pub(super) iso: PathBuf,
}

impl Site {
    /// The archive `Example 1.0`: images of files that Debian packages brought here, and an RPM.
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("product.txt"), "NAME=Example\nVERSION=1.0\n").unwrap();
        let (base, curl) = (layer(scratch.path(), &["gzip", "sed"]), layer(scratch.path(), &["curl"]));
        let skopeo = layer(scratch.path(), &["skopeo"]);
        let folder = |name: &str, tag: &str| Folder::new(tree.join("images").join(name).join(tag));
        folder("curl", "7").image(MediaKind::OciManifest, "amd64", &[&base, &curl], "manifest.json");
        folder("curl", "docker").image(MediaKind::DockerManifest, "amd64", &[&base, &curl], "manifest.json");
        folder("team/skopeo", "1.0").image(
            MediaKind::OciManifest,
            "amd64",
            &[&base, &skopeo],
            "manifest.json",
        );
        folder("multi", "1").index(&[("amd64", &base), ("arm64", &curl)]);
        package(scratch.path(), &tree.join("packages/redhat/8/example-scality-el8"));
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let iso = scratch.path().join("example.iso");
        let options = iso::IsoOptions {
            volume_id: "Example 1.0".into(),
            source_date: DATE,
            ..iso::IsoOptions::default()
        };
        iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&iso, &()).unwrap();
        Self { scratch, tree, iso }
    }

    /// The folder of an image in the tree.
    pub(super) fn folder(&self, name: &str, tag: &str) -> PathBuf {
        self.tree.join("images").join(name).join(tag)
    }

    /// The digest of an image.
    pub(super) fn digest(&self, name: &str, tag: &str) -> Digest {
        Digest::of(&fs::read(self.folder(name, tag).join("manifest.json")).unwrap())
    }
}

/// An image in skopeo's `dir:` layout.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("version"), "Directory Transport Version: 1.1\n").unwrap();
        Self(path)
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        fs::write(self.0.join(Digest::of(bytes).hex()), bytes).unwrap();
        described(media_type, bytes)
    }

    pub(super) fn image(
        &self,
        kind: MediaKind,
        architecture: &str,
        layers: &[&[u8]],
        name: &str,
    ) -> serde_json::Value {
        let (config_type, layer_type) = match kind {
            MediaKind::DockerManifest => (
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ),
            _ => ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
        };
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| unpacked(layer)).collect::<Vec<_>>()},
        });
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": kind.media_type(),
            "config": self.blob(config_type, config.to_string().as_bytes()),
            "layers": layers.iter().map(|layer| self.blob(layer_type, layer)).collect::<Vec<_>>(),
        })
        .to_string();
        let name = if name.is_empty() {
            format!("{}.manifest.json", Digest::of(manifest.as_bytes()).hex())
        } else {
            name.into()
        };
        fs::write(self.0.join(name), &manifest).unwrap();
        let mut descriptor = described(kind.media_type(), manifest.as_bytes());
        descriptor["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    fn index(&self, images: &[(&str, &Vec<u8>)]) {
        let manifests: Vec<_> = images
            .iter()
            .map(|(architecture, layer)| self.image(MediaKind::OciManifest, architecture, &[layer], ""))
            .collect();
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(), "manifests": manifests,
        });
        fs::write(self.0.join("manifest.json"), index.to_string()).unwrap();
    }
}

fn described(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

fn unpacked(layer: &[u8]) -> Digest {
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(layer), &mut content).unwrap();
    Digest::of(&content)
}

/// What the RPM of the site installs, and where.
pub(super) const INSTALLED: (&str, &str) = ("usr/share/greeting", "Served from one file.\n");

pub(super) fn package(scratch: &Path, repository: &Path) {
    let base = scratch.join("package");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("greeting"), INSTALLED.1).unwrap();
    let definition: packages::RpmDefinition = serde_saphyr::from_str(
        "name: greeting\nversion: \"1.0\"\nrelease: \"1\"\narch: noarch\nsummary: A greeting\nlicense: Apache-2.0\n\
         files:\n  - {from: greeting, to: /usr/share/greeting}\n",
    )
    .unwrap();
    packages::build(&definition, &base, DATE, &repository.join("noarch")).unwrap();
    packages::repository::index(repository, DATE).unwrap();
}

/// A server in this process that stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(super) handle: ServerHandle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Shows what the server says when a test fails.
#[derive(Debug)]
struct Shown;

impl ServerLog for Shown {
    fn access(&self, access: &AccessRecord<'_>) {
        println!("{access:?}");
    }

    fn event(&self, event: &ServerEvent) {
        println!("{event:?}");
    }
}

impl Running {
    pub(crate) fn start(config: ServerOptions) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), config)
    }

    /// [`Running::start`] at an address, which may have port 0.
    pub(super) fn at(address: SocketAddr, config: ServerOptions) -> Self {
        let listen = vec![address];
        let server = Server::bind(ServerOptions { listen, log: Arc::new(Shown), ..config }).unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(server.run(async { stopped.await.unwrap_or(()) })).unwrap();
        });
        Self { address, handle, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn serving(archives: &[&Path]) -> Self {
        Self::start(ServerOptions {
            archives: archives.iter().map(PathBuf::from).collect(),
            ..ServerOptions::default()
        })
    }

    /// [`Running::serving`] at the IPv6 address of this machine.
    pub(super) fn serving_by_ipv6(archives: &[&Path]) -> Self {
        let archives = archives.iter().map(PathBuf::from).collect();
        Self::at(
            (std::net::Ipv6Addr::LOCALHOST, 0).into(),
            ServerOptions { archives, ..ServerOptions::default() },
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
