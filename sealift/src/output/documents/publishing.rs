//! Archives in registries.

use std::fmt::Write as _;
use std::path::Path;

use content::printable;
use images::Reference;
use images::push::BlobTotals;
use node::publish::{Attachment, FetchPlan, Publication, PublishReport, PublishedArchive};
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::Document;
use crate::output::size;

/// An archive that was published, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchivePublication {
    /// The path of the archive, as it was given.
    archive: String,
    /// The reference in the registry, with its tag.
    reference: String,
    /// The digest of the manifest.
    digest: String,
    /// The ISO.
    iso: PublishedIso,
    /// What is attached to the archive: its bundle.
    attached: Vec<AttachedFile>,
    /// Whether the registry changed: the tag is new, or named something else. Null with `--dry-run`.
    changed: Option<bool>,
    /// The bytes of the blobs that were sent. Null with `--dry-run`.
    bytes: Option<u64>,
    #[serde(skip)]
    blobs: BlobTotals,
}

impl Document for ArchivePublication {
    const KIND: &'static str = "ArchivePublication";
}

/// The ISO of a published archive.
#[derive(Debug, Serialize, JsonSchema)]
struct PublishedIso {
    /// The name that clients write it to.
    name: String,
    /// Its digest.
    digest: String,
    /// Its size in bytes.
    size: u64,
}

/// A file that is attached to an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AttachedFile {
    /// The name that clients write it to.
    name: String,
    /// Its media type.
    media_type: String,
    /// The digest of the manifest that attaches it.
    digest: String,
    /// The size of the file in bytes.
    size: u64,
    /// Whether the registry had it, signed by the same key.
    #[serde(skip)]
    is_kept: bool,
}

impl From<&Attachment> for AttachedFile {
    fn from(attachment: &Attachment) -> Self {
        Self {
            name: attachment.file.clone(),
            media_type: attachment.media_type.to_owned(),
            digest: attachment.digest.to_string(),
            size: attachment.bytes,
            is_kept: attachment.is_kept,
        }
    }
}

impl ArchivePublication {
    /// What would be published of the archive at `archive`.
    pub(crate) fn of(archive: &Path, reference: &Reference, publication: &Publication) -> Self {
        Self {
            archive: text(archive),
            reference: reference.to_string(),
            digest: publication.digest.to_string(),
            iso: PublishedIso {
                name: publication.name.to_string(),
                digest: publication.iso.to_string(),
                size: publication.bytes,
            },
            attached: publication.attachments().iter().map(Into::into).collect(),
            changed: None,
            bytes: None,
            blobs: BlobTotals::default(),
        }
    }

    /// Adds what publishing did.
    pub(crate) fn pushed(&mut self, report: &PublishReport) {
        self.changed = Some(report.changed);
        self.bytes = Some(report.bytes);
        self.blobs = report.blobs;
        self.attached = report.attached.iter().map(Into::into).collect();
    }

    /// The report for people.
    pub(crate) fn lines(&self) -> String {
        let done = match self.changed {
            None => "would be published",
            Some(true) => "published",
            Some(false) => "already present",
        };
        let mut lines = format!("oci://{}  {}  {done}\n", self.reference, self.digest);
        let note = |file: &AttachedFile| {
            if file.is_kept { "  kept: the same key has signed it" } else { "  attached" }
        };
        let attached = self.attached.iter().map(|file| (&file.name, file.size, note(file)));
        // Writing to a string cannot fail.
        for (name, bytes, note) in [(&self.iso.name, self.iso.size, "")].into_iter().chain(attached) {
            let _ = writeln!(lines, "  {}  {}{note}", printable(name), size(bytes));
        }
        if let Some(bytes) = self.bytes {
            let BlobTotals { present, mounted, uploaded } = self.blobs;
            let _ = writeln!(
                lines,
                "blobs: {uploaded} sent ({}), {mounted} mounted, {present} already present",
                size(bytes)
            );
        }
        lines
    }
}

/// An archive that was fetched, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveFetch {
    /// The reference in the registry, as it was given.
    reference: String,
    /// The digest of the manifest.
    digest: String,
    /// The name of the archive, as the publisher wrote it; null if the manifest has none.
    name: Option<String>,
    /// The version of the archive, likewise.
    version: Option<String>,
    /// The bundles, and the ISO last.
    files: Vec<FetchedArchiveFile>,
    /// Whether nothing was downloaded because of `--dry-run`.
    dry_run: bool,
}

impl Document for ArchiveFetch {
    const KIND: &'static str = "ArchiveFetch";
}

/// A file of an archive that was fetched.
#[derive(Debug, Serialize, JsonSchema)]
struct FetchedArchiveFile {
    /// Its path.
    path: String,
    /// Its digest.
    digest: String,
    /// Its size in bytes.
    size: u64,
    /// Whether it was downloaded, or would be; false if it existed.
    fetched: bool,
}

impl ArchiveFetch {
    /// What a fetch did, or would do.
    pub(crate) fn of(found: &PublishedArchive, plan: &FetchPlan<'_>, dry_run: bool) -> Self {
        let (name, version) = found.product.clone().unzip();
        let files = plan.files.iter().map(|file| FetchedArchiveFile {
            path: text(&file.path),
            digest: file.published.blob.digest.to_string(),
            size: file.published.blob.size,
            fetched: file.is_missing,
        });
        let (reference, digest) = (found.reference.to_string(), found.digest.to_string());
        Self { reference, digest, name, version, files: files.collect(), dry_run }
    }

    /// The report for people.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for file in &self.files {
            let done = match (file.fetched, self.dry_run) {
                (false, _) => "already present",
                (true, false) => "fetched",
                (true, true) => "would be fetched",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{}  {}  {done}", printable(&file.path), size(file.size));
        }
        lines
    }
}
