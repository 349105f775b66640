//! Ten thousand repositories behind nginx.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use ::images::{MediaKind, Store, dir_layout, nginx};
use content::Digest;
use serde_json::json;
use tests::{nginx as server, peer};

use super::empty;
use crate::measure::{Side, alone, amount, limit};

/// The repositories.
fn repositories() -> usize {
    usize::try_from(amount(10_000)).unwrap_or(usize::MAX)
}

pub(super) fn run(scratch: &Path) -> io::Result<()> {
    let (images, registry) = (scratch.join("images"), scratch.join("registry"));
    if !scratch.join("filled").exists() {
        fill(scratch, &images)?;
    }
    let index = || {
        let mut command = Command::new(tests::sealift::binary());
        // The user's content store knows nothing of these images.
        command.env("SEALIFT_CACHE", scratch.join("none"));
        command.args(["registry", "index"]).arg(&images).arg("--into").arg(&registry);
        vec![command]
    };
    // Moved aside, not removed: ext4 passes over the inodes of files removed in the last seconds, one by one, which takes longer
    // than all the work.
    let aside = scratch.join("aside");
    let runs = Cell::new(0);
    let clear = || {
        fs::create_dir_all(&aside)?;
        runs.set(runs.get() + 1);
        match fs::rename(&registry, aside.join(runs.get().to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    empty(&aside)?;
    let fresh = Side { name: "sealift registry index", prepare: &clear, commands: &index };
    alone(&format!("the index of {} repositories, from nothing", repositories()), &fresh, 2_000.0)?;
    empty(&aside)?;

    let Some(wrk) = peer::find("wrk") else {
        return Err(io::Error::other("needs wrk and nginx: apt-get install wrk nginx-light"));
    };
    let root = images.to_str().ok_or_else(|| io::Error::other("the folder's name is not text"))?;
    let config = nginx::render("many", root).map_err(io::Error::other)?;
    let place = tempfile::tempdir_in(scratch)?;
    let Some(server) = server::start(place.path(), &(nginx::common().to_owned() + &config)) else {
        return Err(io::Error::other("needs nginx: apt-get install nginx-light"));
    };
    for (what, path) in [
        ("a manifest by tag", "manifests/1".to_owned()),
        ("a small blob", format!("blobs/{}", Digest::of(LAYER))),
    ] {
        let url = format!("http://127.0.0.1:{}/v2/many/{}/{path}", server.port, name(repositories() - 1));
        let output = Command::new(&wrk).args(["-t1", "-c16", "-d3s", &url]).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate =
            said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
        let rate: Option<f64> = rate.filter(|_| !said.contains("Non-2xx"));
        let rate = rate.ok_or_else(|| io::Error::other(format!("wrk {url}: {said}")))?;
        limit(&format!("nginx, {what}: microseconds a request ({rate:.0} a second)"), 1e6 / rate, 40.0);
    }
    let master = server.child.id();
    let workers = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
    let mut most = 0.0_f64;
    for worker in workers.split_whitespace() {
        let status = fs::read_to_string(format!("/proc/{worker}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        most = most.max(kilobytes.unwrap_or_default() / 1024.0);
    }
    limit("nginx, a worker's resident memory after that, MiB", most, 20.0);
    Ok(())
}

const LAYER: &[u8] = b"the layer of all";

fn name(number: usize) -> String {
    format!("team-{}/image-{number}", number % 100)
}

/// Lays out an image for each repository: a configuration of its own, on a layer that all share.
fn fill(scratch: &Path, images: &Path) -> io::Result<()> {
    empty(scratch)?;
    let store = Store::open(&scratch.join("store")).map_err(io::Error::other)?;
    let layer = store.put(LAYER).map_err(io::Error::other)?;
    for number in 0..repositories() {
        let config = json!({ "architecture": "amd64", "os": "linux", "number": number }).to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(),
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
                "digest": store.put(config.as_bytes()).map_err(io::Error::other)?,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": LAYER.len(),
            }],
        });
        let digest = store.put(manifest.to_string().as_bytes()).map_err(io::Error::other)?;
        let folder = images.join(name(number)).join("1");
        dir_layout::write(&store, &digest, &[], &folder).map_err(io::Error::other)?;
    }
    fs::write(scratch.join("filled"), "")
}
