//! Counters, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::inventory::Inventory;

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Base,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Referrers,
    File,
    Page,
    Health,
    Other,
}

const ENDPOINTS: [(&str, Endpoint); 10] = [
    ("base", Endpoint::Base),
    ("catalog", Endpoint::Catalog),
    ("tags", Endpoint::Tags),
    ("manifest", Endpoint::Manifest),
    ("blob", Endpoint::Blob),
    ("referrers", Endpoint::Referrers),
    ("file", Endpoint::File),
    ("page", Endpoint::Page),
    ("health", Endpoint::Health),
    ("other", Endpoint::Other),
];
const CLASSES: usize = 5;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: [[AtomicU64; CLASSES]; ENDPOINTS.len()],
    pub(crate) bytes: AtomicU64,
    /// Responses that were not sent whole.
    pub(crate) incomplete: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Connections that were closed because their client had too many.
    pub(crate) refused: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) reloads: AtomicU64,
}

impl Metrics {
    pub(crate) fn request(&self, endpoint: Endpoint, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1).min(CLASSES - 1);
        if let Some(counter) = self.requests.get(endpoint as usize).and_then(|classes| classes.get(class)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The page for Prometheus.
    pub(crate) fn render(&self, inventory: &Inventory, dropped: u64) -> String {
        let mut page = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "# HELP sealift_{name} {help}\n# TYPE sealift_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(page, "sealift_{name}{labels} {value}");
            }
        };
        let one = |counter: &AtomicU64| [(String::new(), counter.load(Ordering::Relaxed))];
        let mut requests = Vec::new();
        for ((name, _), classes) in ENDPOINTS.iter().zip(&self.requests) {
            for (class, counter) in classes.iter().enumerate() {
                let value = counter.load(Ordering::Relaxed);
                if value > 0 {
                    requests.push((format!("{{endpoint=\"{name}\",status=\"{}xx\"}}", class + 1), value));
                }
            }
        }
        family("requests_total", "counter", "Requests answered.", &requests);
        family("sent_bytes_total", "counter", "Bytes of bodies sent.", &one(&self.bytes));
        family(
            "broken_answers_total",
            "counter",
            "Responses that ended before their last byte.",
            &one(&self.incomplete),
        );
        family("connections_total", "counter", "Connections accepted.", &one(&self.connections));
        family(
            "refused_connections_total",
            "counter",
            "Connections closed because their client had too many.",
            &one(&self.refused),
        );
        family("connections", "gauge", "Connections open.", &one(&self.open));
        family("reloads_total", "counter", "Times the archives were reloaded.", &one(&self.reloads));
        family(
            "dropped_log_lines_total",
            "counter",
            "Log lines dropped because the reader of the log was too slow.",
            &[(String::new(), dropped)],
        );
        let mut images = Vec::new();
        let mut contents = Vec::new();
        let mut damaged = Vec::new();
        for archive in &inventory.archives {
            let name = archive
                .product
                .as_ref()
                .map_or_else(|| archive.path.display().to_string(), |p| p.id().into());
            let label = format!(
                "{{archive=\"{}\"}}",
                name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
            );
            images.push((
                label.clone(),
                archive.repositories.values().map(|found| found.tags.len() as u64).sum(),
            ));
            contents.push((label.clone(), archive.contents.len() as u64));
            let checked = archive.contents.iter().map(|content| &content.checked);
            let checked = checked.chain(archive.files.iter().map(|listed| &listed.checked));
            let broken = checked.filter(|checked| checked.is_damaged()).count();
            damaged.push((label, (broken + archive.problems.len()) as u64));
        }
        family("images", "gauge", "Images served.", &images);
        family("contents", "gauge", "Manifests and blobs served.", &contents);
        family("damaged", "gauge", "Damaged images, contents and files, which are not served.", &damaged);
        page
    }
}
