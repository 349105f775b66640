//! A layer that no memory holds.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use ::images::{MediaKind, dir_layout, nginx, registry};
use content::Digest;
use serde_json::json;
use tests::nginx as server;

use super::empty;
use crate::measure::{amount, memory};

/// Bytes of the layer.
const SIZE: u64 = 3 << 30;

pub(super) fn run(scratch: &Path) -> io::Result<()> {
    let (images, ours, cache) = (scratch.join("images"), scratch.join("ours"), scratch.join("cache"));
    if !scratch.join("filled").exists() {
        fill(scratch, &images.join("layer/1"))?;
        registry::index(&images, &scratch.join("registry")).map_err(io::Error::other)?;
        fs::write(scratch.join("filled"), "")?;
    }
    let root = images.to_str().ok_or_else(|| io::Error::other("the folder's name is not text"))?;
    let config = nginx::render("big", root).map_err(io::Error::other)?;
    let place = tempfile::tempdir_in(scratch)?;
    let Some(server) = server::start(place.path(), &(nginx::common().to_owned() + &config)) else {
        return Err(io::Error::other("needs nginx: apt-get install nginx-light"));
    };
    let host = format!("127.0.0.1:{}", server.port);
    let clear = || empty(&ours).and_then(|()| empty(&cache));
    clear()?;
    let mut command = Command::new(tests::sealift::binary());
    command
        .env("SEALIFT_CACHE", &cache)
        .args(["image", "pull", "--plain-http", &host, &format!("{host}/big/layer:1"), "--into"])
        .arg(&ours);
    memory("a pull of one layer of 3 GiB", &mut command, 96.0)?;
    clear()
}

/// Lays out an image of one layer of nothing but zeros, which takes no room on the disk.
fn fill(scratch: &Path, folder: &Path) -> io::Result<()> {
    empty(scratch)?;
    fs::create_dir_all(folder)?;
    let layer = scratch.join("layer");
    File::create(&layer)?.set_len(amount(SIZE))?;
    let summed = Command::new("sha256sum").arg(&layer).output()?;
    let hex = String::from_utf8_lossy(&summed.stdout).chars().take(64).collect::<String>();
    let digest = Digest::from_hex(&hex).map_err(io::Error::other)?;
    fs::rename(&layer, folder.join(digest.hex()))?;
    let config = json!({ "architecture": "amd64", "os": "linux" }).to_string();
    fs::write(folder.join(Digest::of(config.as_bytes()).hex()), &config)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(),
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
            "digest": Digest::of(config.as_bytes()),
        },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": amount(SIZE) }],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string())?;
    fs::write(folder.join("version"), dir_layout::VERSION)
}
