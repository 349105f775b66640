//! The images of a public chart, their stand-ins in a registry, and a project that packs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tests::daemon::{Daemon, free_port};
use tests::registry::{self, Layout, layer, skopeo_copy};
use tests::{peer, sealift};

/// An image of the chart: the name in the archive, if it is not the last part of the repository; the source and the tag in the
/// project.
pub(super) type Image = (Option<&'static str>, &'static str, &'static str);

/// The images that kube-prometheus-stack 88.5.3 and its dependencies (grafana 12.11.1, kube-state-metrics 8.4.0,
/// prometheus-node-exporter 4.56.1) name in their values. Where a value has no tag, this is the version that the chart puts there.
///
/// Two of them are different images with the same last part and tag, so one needs a name.
pub(super) const CHART: [Image; 15] = [
    (None, "quay.io/prometheus/prometheus", "v3.14.0-distroless"),
    (Some("hub-busybox"), "docker.io/busybox", "latest"),
    (None, "quay.io/prometheus/busybox", "latest"),
    (None, "docker.io/grafana/grafana", "13.2.0"),
    (None, "docker.io/curlimages/curl", "8.21.0"),
    (None, "quay.io/kiwigrid/k8s-sidecar", "2.10.1"),
    (None, "quay.io/prometheus-operator/prometheus-operator", "v0.93.1"),
    (None, "quay.io/prometheus-operator/prometheus-config-reloader", "v0.93.1"),
    (None, "quay.io/prometheus-operator/admission-webhook", "v0.93.1"),
    (None, "quay.io/prometheus/alertmanager", "v0.34.0"),
    (None, "quay.io/prometheus/node-exporter", "v1.12.1"),
    (None, "quay.io/thanos/thanos", "v0.42.4"),
    (None, "quay.io/brancz/kube-rbac-proxy", "v0.22.1"),
    (None, "registry.k8s.io/kube-state-metrics/kube-state-metrics", "v2.20.0"),
    (None, "ghcr.io/jkroepke/kube-webhook-certgen", "1.8.7"),
];

/// The name that clients ask for, as the kubelet writes it.
pub(super) fn name((_, source, tag): &Image) -> String {
    let (host, repository) = source.split_once('/').unwrap();
    let library = if host == "docker.io" && !repository.contains('/') { "library/" } else { "" };
    format!("{host}/{library}{repository}:{tag}")
}

/// The digest of each image, by its name.
pub(super) type Digests = BTreeMap<String, String>;

/// A registry that stands in for all hosts of the images, with a folder for each, and a project that pulls from it.
pub(super) struct Upstream {
    pub(super) folder: tempfile::TempDir,
    pub(super) registry: Daemon,
}

impl Upstream {
    /// `None` if a peer is missing, which is reported on standard error.
    pub(super) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry::start(folder.path(), free_port())?;
        peer::find("skopeo")?;
        Some(Self { folder, registry })
    }

    /// Publishes an image of its own under each of the names; returns the digests.
    pub(super) fn publish(&self, edition: &str, images: &[Image]) -> Digests {
        let base = layer(self.folder.path(), &["gzip"]);
        let layout = Layout::new(self.folder.path().join(format!("layout-{edition}")));
        let publish = |image: &Image| {
            let file = self.folder.path().join("file");
            let name = name(image);
            fs::write(&file, format!("{edition} of {name}")).unwrap();
            let tar = ["-czPf", "-", "--transform", "s,^.*/,etc/,"];
            let own = peer::run(Command::new("tar").args(tar).arg(&file)).stdout;
            let descriptor = layout.image("amd64", &[&base, &own]);
            layout.name(&[("image", &descriptor)]);
            let to = format!("docker://127.0.0.1:{}/{name}", self.registry.port);
            skopeo_copy(&[], &format!("oci:{}:image", layout.folder.display()), &to);
            (name, descriptor["digest"].as_str().unwrap().to_owned())
        };
        images.iter().map(publish).collect()
    }

    /// Builds the project `NAME` with these images, and returns its ISO, `NAME-VERSION.iso`.
    pub(super) fn pack(&self, product: &str, version: &str, images: &[Image]) -> PathBuf {
        let folder = self.folder.path();
        let mut text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: {product}, version: '{version}'}}\n\
             spec:\n  registries:\n"
        );
        let hosts: BTreeSet<_> =
            images.iter().filter_map(|(_, source, _)| source.split('/').next()).collect();
        for host in hosts {
            let mirror = format!("http://127.0.0.1:{}/{host}", self.registry.port);
            text.push_str(&format!("    - {{host: {host}, mirrors: ['{mirror}']}}\n"));
        }
        text.push_str("  images:\n    pull:\n");
        for (name, source, tag) in images {
            let name = name.map(|name| format!("name: {name}, ")).unwrap_or_default();
            text.push_str(&format!("      - {{{name}source: {source}, tag: '{tag}'}}\n"));
        }
        fs::write(folder.join("sealift.yaml"), text).unwrap();
        // A tag that has moved is locked again by `update` alone.
        let lock = if folder.join("sealift.lock").exists() { "update" } else { "lock" };
        for arguments in [[lock], ["run"]] {
            let mut command = sealift::command(folder);
            command.env("SEALIFT_CACHE", folder.join("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
            let (code, out, err) = sealift::told(&command.args(arguments).output().unwrap());
            assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        }
        let product = product.to_lowercase();
        let iso = folder.join(format!("{product}-{version}.iso"));
        fs::rename(folder.join(format!("_build/{product}.iso")), &iso).unwrap();
        iso
    }
}
