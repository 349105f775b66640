//! A registry of real images: docker-registry on the loopback address, filled with images made from Debian packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Digest;
use images::MediaKind;

use crate::daemon::{self, Daemon};
use crate::peer;

/// Starts docker-registry on `port` with its files in `folder`; `None` if it is not installed, which is reported on standard error.
///
/// # Panics
///
/// If it does not start.
pub fn start(folder: &Path, port: u16) -> Option<Daemon> {
    let program = peer::find("docker-registry")?;
    let config = folder.join("registry.yml");
    let storage = folder.join("registry-storage");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\nlog: {{level: warn}}\n",
        storage.display()
    );
    fs::write(&config, text).unwrap();
    Some(daemon::start(Command::new(program).arg("serve").arg(&config), port, &folder.join("registry.log")))
}

/// A compressed layer of files from Debian packages of this machine.
pub fn layer(folder: &Path, packages: &[&str]) -> Vec<u8> {
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
#[derive(Debug)]
pub struct Layout {
    /// Its folder.
    pub folder: PathBuf,
}

impl Layout {
    /// An empty layout in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder }
    }

    /// Adds a blob; returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        fs::write(self.folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Adds an image of gzip layers; returns its descriptor.
    pub fn image(&self, architecture: &str, layers: &[&[u8]]) -> serde_json::Value {
        let layers: Vec<_> =
            layers.iter().map(|layer| ("+gzip", layer.to_vec(), self.unpacked(layer))).collect();
        self.image_of(architecture, &layers)
    }

    /// Adds an image of a zstd layer and of the same layer uncompressed; returns its descriptor.
    pub fn image_of_other_layers(&self, architecture: &str, layer: &[u8]) -> serde_json::Value {
        let tar = self.unpacked(layer);
        let path = self.folder.join("layer.tar");
        fs::write(&path, &tar).unwrap();
        let packed = peer::run(Command::new("zstd").args(["-q", "-c"]).arg(&path)).stdout;
        self.image_of(architecture, &[("+zstd", packed, tar.clone()), ("", tar.clone(), tar)])
    }

    /// A gzip layer, unpacked.
    fn unpacked(&self, layer: &[u8]) -> Vec<u8> {
        let path = self.folder.join("layer");
        fs::write(&path, layer).unwrap();
        peer::run(Command::new("gzip").arg("-dc").arg(&path)).stdout
    }

    /// Adds an image of layers, each with the end of its media type, its bytes and its tar; returns its descriptor.
    fn image_of(&self, architecture: &str, layers: &[(&str, Vec<u8>, Vec<u8>)]) -> serde_json::Value {
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, _, tar)| Digest::of(tar)).collect();
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [],
        });
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layers: Vec<_> = layers
            .iter()
            .map(|(packed, bytes, _)| {
                self.blob(&format!("application/vnd.oci.image.layer.v1.tar{packed}"), bytes)
            })
            .collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "config": config, "layers": layers,
        });
        let mut descriptor = self.blob(MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes());
        descriptor["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    /// Adds an image with the subject `subject`; `content` makes it differ from others. Returns its descriptor.
    pub fn attached(&self, subject: &serde_json::Value, content: &str) -> serde_json::Value {
        let config = serde_json::json!({ "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []} });
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "layers": [],
            "config": self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
            "subject": subject, "annotations": {"content": content},
        });
        self.blob(MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes())
    }

    /// Adds an index of these manifests; returns its descriptor.
    pub fn index(&self, manifests: &[serde_json::Value]) -> serde_json::Value {
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(), "manifests": manifests,
        });
        self.blob(MediaKind::OciIndex.media_type(), index.to_string().as_bytes())
    }

    /// Writes the index of the layout.
    pub fn name(&self, named: &[(&str, &serde_json::Value)]) {
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

/// Copies an image with skopeo, which must be installed and succeed.
pub fn skopeo_copy(arguments: &[&str], from: &str, to: &str) {
    let skopeo = peer::find("skopeo").unwrap();
    peer::run(
        Command::new(skopeo)
            .args(["--insecure-policy", "--override-os", "linux", "copy", "-q"])
            .args(["--src-tls-verify=false", "--dest-tls-verify=false"])
            .args(arguments)
            .args([from, to]),
    );
}

/// Attaches something to a manifest in a repository, which `subject` describes, by the list that clients keep under a tag.
/// `folder` is made and removed.
pub fn attach(folder: &Path, port: u16, repository: &str, subject: &serde_json::Value, contents: &[&str]) {
    let layout = Layout::new(folder.to_path_buf());
    let attached: Vec<_> = contents.iter().map(|content| layout.attached(subject, content)).collect();
    layout.name(&[("list", &layout.index(&attached))]);
    let tag = subject["digest"].as_str().unwrap().replace(':', "-");
    let to = format!("docker://127.0.0.1:{port}/{repository}:{tag}");
    skopeo_copy(&["--all"], &format!("oci:{}:list", layout.folder.display()), &to);
    fs::remove_dir_all(&layout.folder).unwrap();
}

/// The images of the test: the name to save each under, and its kind.
pub const IMAGES: [(&str, &str, MediaKind); 6] = [
    ("curl", "oci", MediaKind::OciManifest),
    ("curl", "docker", MediaKind::DockerManifest),
    ("team/skopeo", "1.0", MediaKind::OciManifest),
    ("multi", "oci", MediaKind::OciIndex),
    ("multi", "docker", MediaKind::DockerList),
    ("team/deeper/layers", "zstd_and-raw", MediaKind::OciManifest),
];

/// Fills a registry with images made from Debian packages, of every kind.
pub fn fill(folder: &Path, registry: &Daemon) {
    let layout = Layout::new(folder.join("layout"));
    let base = layer(folder, &["libarchive-tools", "isomd5sum"]);
    let curl = layer(folder, &["curl"]);
    let skopeo = layer(folder, &["skopeo"]);
    let one = layout.image("amd64", &[&base, &curl]);
    let two = layout.image("amd64", &[&base, &skopeo]);
    let arm = layout.image("arm64", &[&base]);
    let index = layout.index(&[one.clone(), arm]);
    let other = layout.image_of_other_layers("amd64", &curl);
    layout.name(&[("one", &one), ("two", &two), ("index", &index), ("other", &other)]);
    let from = |name: &str| format!("oci:{}:{name}", layout.folder.display());
    let to = |name: &str| format!("docker://127.0.0.1:{}/{name}", registry.port);
    skopeo_copy(&[], &from("one"), &to("curl:oci"));
    skopeo_copy(&["--format", "v2s2"], &from("one"), &to("curl:docker"));
    skopeo_copy(&[], &from("two"), &to("team/skopeo:1.0"));
    skopeo_copy(&["--all"], &from("index"), &to("multi:oci"));
    skopeo_copy(&["--all", "--format", "v2s2"], &from("index"), &to("multi:docker"));
    skopeo_copy(&["--preserve-digests"], &from("other"), &to("team/deeper/layers:zstd_and-raw"));
}
