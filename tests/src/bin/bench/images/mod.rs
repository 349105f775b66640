//! `cargo xtask bench images`: pulling the images of a platform, and serving ten thousand.

mod big;
mod many;

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use content::Digest;
use serde_json::{Value, json};

use crate::measure::{Side, alone, amount, compare, memory};

const PORT: u16 = 5437;
/// Thirteen images on one base: 607 MB of distinct layers, 1.4 GB when each is saved on its own.
const BASE: u64 = 66 << 20;
const LAYERS: [u64; 12] = [9, 14, 18, 2, 24, 71, 62, 33, 19, 45, 118, 98];

/// A registry that ends with the bench.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(scratch: &Path) -> io::Result<()> {
    let _registry = start(scratch)?;
    let names: Vec<String> = (0..=LAYERS.len()).map(|number| format!("image-{number}:1")).collect();
    if !scratch.join("filled").exists() {
        fill(scratch, &names)?;
        fs::write(scratch.join("filled"), "")?;
    }
    let host = format!("127.0.0.1:{PORT}");
    let (ours, peer, cache) = (scratch.join("ours"), scratch.join("peer"), scratch.join("cache"));
    let pull = || {
        let mut command = Command::new(tests::sealift::binary());
        // The content store of the bench: that of the user is neither emptied nor counted as warm.
        command.env("SEALIFT_CACHE", &cache);
        command.args(["image", "pull", "--plain-http", &host, "--into"]).arg(&ours);
        command.args(names.iter().map(|name| format!("{host}/{name}")));
        [command]
    };
    let skopeo = || {
        let mut commands: Vec<Command> = Vec::new();
        for (name, tag) in names.iter().filter_map(|name| name.split_once(':')) {
            let mut command = Command::new("skopeo");
            command.args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"]);
            command.arg(format!("docker://{host}/{name}:{tag}"));
            command.arg(format!("dir:{}", peer.join(name).join(tag).display()));
            commands.push(command);
        }
        let mut hardlink = Command::new("hardlink");
        hardlink.arg("-c").arg(&peer);
        commands.push(hardlink);
        commands
    };
    let cold = || empty(&ours).and_then(|()| empty(&cache));
    let ours_cold = Side { name: "sealift image pull", prepare: &cold, commands: &|| pull().into() };
    compare(
        "13 images, 607 MB of distinct layers, into an empty store",
        &ours_cold,
        &Side {
            name: "skopeo copy, one after another, then hardlink",
            prepare: &|| {
                empty(&peer)?;
                names
                    .iter()
                    .filter_map(|name| name.split_once(':'))
                    .try_for_each(|(name, _)| fs::create_dir_all(peer.join(name)))
            },
            commands: &skopeo,
        },
        0.3,
    )?;
    alone("the pull into an empty store", &ours_cold, 2_000.0)?;
    let ours_warm = Side { name: "sealift image pull", prepare: &|| Ok(()), commands: &|| pull().into() };
    compare(
        "the same again, nothing changed",
        &ours_warm,
        &Side {
            name: "skopeo copy of the first image alone",
            prepare: &|| empty(&peer.join("image-0/1")),
            commands: &|| skopeo().into_iter().take(1).collect(),
        },
        0.5,
    )?;
    alone("the pull from a warm store", &ours_warm, 150.0)?;
    cold()?;
    let [mut command] = pull();
    memory("a pull of 607 MB", &mut command, 96.0)?;
    big::run(&scratch.join("big"))?;
    many::run(&scratch.join("many"))
}

fn start(scratch: &Path) -> io::Result<Registry> {
    let config = scratch.join("registry.yml");
    let storage = scratch.join("registry");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{PORT}\"}}\n",
        storage.display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let registry = Registry(command.spawn()?);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", PORT)).is_err() {
        if began.elapsed() > Duration::from_secs(20) {
            return Err(io::Error::other("docker-registry does not start"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(registry)
}

/// Pushes the images, made of bytes that do not compress, as layers do not.
fn fill(scratch: &Path, names: &[String]) -> io::Result<()> {
    let layout = scratch.join("layout");
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let blob = |media_type: &str, bytes: &[u8]| -> io::Result<Value> {
        let digest = Digest::of(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes)?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    };
    let layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let base = blob(layer_type, &noise(0, amount(BASE)))?;
    for (number, name) in names.iter().enumerate() {
        let mut layers = vec![base.clone()];
        if let Some(size) = number.checked_sub(1).and_then(|index| LAYERS.get(index)) {
            layers.push(blob(layer_type, &noise(number as u64, amount(size << 20)))?);
        }
        let config =
            json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
        let media_type = ::images::MediaKind::OciManifest.media_type();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
        let mut descriptor = blob(media_type, manifest.to_string().as_bytes())?;
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        fs::write(
            layout.join("index.json"),
            json!({ "schemaVersion": 2, "manifests": [descriptor] }).to_string(),
        )?;
        let status = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"])
            .arg(format!("oci:{}:{name}", layout.display()))
            .arg(format!("docker://127.0.0.1:{PORT}/{name}"))
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("skopeo cannot push {name}: {status}")));
        }
    }
    fs::remove_dir_all(layout)
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
