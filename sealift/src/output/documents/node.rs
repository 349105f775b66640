//! The archives of a node, and what is configured for its clients.

use std::collections::BTreeMap;

use node::archives::{Activation, ArchivedImage, ListedArchive, MountMode, NodeChange, NodeStep};
use node::environments::ObjectName;
use schemars::JsonSchema;
use serde::Serialize;

use super::archives::{ProductDocument, RequirementDocument};
use super::text;
use crate::output::document::{Document, List};

/// An archive of a node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Archive")]
pub(crate) struct ArchiveDocument {
    /// Name and version; null if the archive cannot be read.
    id: Option<String>,
    /// The ISO or folder.
    path: String,
    /// `platform`, `solution` or `unknown`.
    kind: String,
    /// Its product information; null if it cannot be read.
    product: Option<ProductDocument>,
    /// The archives that must be imported before it.
    requires: Vec<RequirementDocument>,
    /// Whether the path does not exist.
    missing: bool,
    /// The size of the ISO; null for a folder.
    bytes: Option<u64>,
    /// The numbers of images; null if the images cannot be listed.
    images: Option<ImageCount>,
    /// A digest of what the archive serves: equal digests mean equal archives.
    contents: Option<String>,
    /// The mount point.
    mounted: Option<String>,
    /// How it is mounted; null if it is not.
    mounted_by: Option<Way>,
    /// Whether the FUSE process of the mount has ended.
    mount_broken: bool,
    /// Whether this version of a Solution is active.
    active: bool,
    /// Why the archive cannot be used. Its content was not verified.
    problem: Option<String>,
    /// Package repositories without metadata, and required archives that this node does not have.
    warnings: Vec<String>,
}

impl Document for List<ArchiveDocument> {
    const KIND: &'static str = "ArchiveList";
}

/// The images of an archive.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageCount {
    /// The number of images.
    total: usize,
    /// The number of images whose blobs all exist and have the right size.
    whole: usize,
}

/// How an archive is mounted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// By the kernel.
    Kernel,
    /// Through FUSE.
    Fuse,
}

impl From<MountMode> for Way {
    fn from(way: MountMode) -> Self {
        match way {
            MountMode::Kernel => Self::Kernel,
            MountMode::Fuse => Self::Fuse,
        }
    }
}

impl From<&ListedArchive> for ArchiveDocument {
    fn from(one: &ListedArchive) -> Self {
        Self {
            id: one.id.as_ref().map(ToString::to_string),
            path: text(&one.path),
            kind: one.kind.to_string(),
            product: one.product.as_ref().map(Into::into),
            requires: one.requires.iter().map(Into::into).collect(),
            missing: one.missing,
            bytes: one.bytes,
            images: one.images.map(|count| ImageCount { total: count.total, whole: count.whole }),
            contents: one.contents.as_ref().map(ToString::to_string),
            mounted: one.mounted.as_ref().map(text),
            mounted_by: one.mounted_by.map(Into::into),
            mount_broken: one.mount_broken,
            active: one.active,
            problem: one.problem.clone(),
            warnings: one.warnings.clone(),
        }
    }
}

/// An image of an archive of a node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ArchivedImage")]
pub(crate) struct ArchivedImageDocument {
    /// Name and version of the archive; null if the archive has none.
    id: Option<String>,
    /// The ISO or folder of the archive.
    archive: String,
    /// The name of the image in the archive.
    name: String,
    /// Its tag in the archive.
    tag: String,
    /// The digest of its manifest; null if that cannot be read.
    digest: Option<String>,
    /// The references under which it was published.
    original: Vec<OriginalNameDocument>,
    /// Why it is not served. Its content was not read.
    problem: Option<String>,
}

/// A reference under which an image was published.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OriginalName")]
struct OriginalNameDocument {
    /// The reference, such as `docker.io/library/nginx:1.25`.
    reference: String,
    /// The newer archive whose image is served under this reference instead; null if this one is.
    hidden_by: Option<String>,
}

impl Document for List<ArchivedImageDocument> {
    const KIND: &'static str = "ArchivedImageList";
}

impl From<&ArchivedImage> for ArchivedImageDocument {
    fn from(image: &ArchivedImage) -> Self {
        let original = image.original.iter().map(|name| OriginalNameDocument {
            reference: name.reference.clone(),
            hidden_by: name.hidden_by.as_ref().map(ToString::to_string),
        });
        Self {
            id: image.id.as_ref().map(ToString::to_string),
            archive: text(&image.archive),
            name: image.name.clone(),
            tag: image.tag.clone(),
            digest: image.digest.map(|digest| digest.to_string()),
            original: original.collect(),
            problem: image.problem.clone(),
        }
    }
}

/// The changes to a node for an archive; with --dry-run those that would be made.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveChange {
    /// Name and version.
    id: String,
    /// The ISO or folder.
    archive: String,
    /// The steps in their order; empty if there was nothing to do.
    steps: Vec<Step>,
    /// Why it is not mounted.
    not_mounted: Option<String>,
    /// Warnings.
    notes: Vec<String>,
}

impl Document for List<ArchiveChange> {
    const KIND: &'static str = "ArchiveChangeList";
}

/// One change to a node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "kebab-case")]
enum Step {
    /// Create the mount point.
    CreateFolder { path: String },
    /// Mount the archive.
    Mount { archive: String, at: String, way: Way },
    /// Write the systemd unit that mounts the archive at each boot.
    WriteUnit {
        path: String,
        /// The link that starts the unit with the system.
        link: String,
        content: String,
        /// What the unit held before.
        former: Option<String>,
    },
    /// Add the archive to a configuration.
    List { file: String, archive: String },
    /// Remove the archive from a configuration.
    Unlist { file: String, archive: String },
    /// Unmount the archive.
    Unmount {
        archive: String,
        at: String,
        way: Way,
        /// Even if a process uses it.
        lazily: bool,
    },
    /// Remove the systemd unit.
    RemoveUnit { path: String, link: String, former: String },
    /// Remove lines from /etc/fstab.
    ChangeFstab { path: String, lines: Vec<String> },
    /// Remove the mount point.
    RemoveFolder { path: String },
    /// A step that this version of the schema does not describe.
    Other { text: String },
}

impl From<&NodeStep> for Step {
    fn from(step: &NodeStep) -> Self {
        match step {
            NodeStep::CreateFolder { path } => Self::CreateFolder { path: text(path) },
            NodeStep::Mount { archive, at, way } => {
                Self::Mount { archive: text(archive), at: text(at), way: (*way).into() }
            }
            NodeStep::WriteUnit { path, link, content, former } => Self::WriteUnit {
                path: text(path),
                link: text(link),
                content: content.clone(),
                former: former.clone(),
            },
            NodeStep::List { file, archive, .. } => Self::List { file: text(file), archive: text(archive) },
            NodeStep::Unlist { file, archive, .. } => {
                Self::Unlist { file: text(file), archive: text(archive) }
            }
            NodeStep::Unmount { archive, at, way, lazily } => {
                Self::Unmount { archive: text(archive), at: text(at), way: (*way).into(), lazily: *lazily }
            }
            NodeStep::RemoveUnit { path, link, former } => {
                Self::RemoveUnit { path: text(path), link: text(link), former: former.clone() }
            }
            NodeStep::ChangeFstab { path, lines, .. } => {
                Self::ChangeFstab { path: text(path), lines: lines.clone() }
            }
            NodeStep::RemoveFolder { path } => Self::RemoveFolder { path: text(path) },
            other => Self::Other { text: other.to_string() },
        }
    }
}

impl From<&NodeChange> for ArchiveChange {
    fn from(done: &NodeChange) -> Self {
        Self {
            id: done.id.to_string(),
            archive: text(&done.archive),
            steps: done.steps.iter().map(Into::into).collect(),
            not_mounted: done.not_mounted.clone(),
            notes: done.notes.clone(),
        }
    }
}

/// An archive as several nodes have it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ArchiveComparison {
    /// Name and version, or the path of an archive that cannot be read.
    pub(crate) archive: String,
    /// The archive on each node; `here` is this node. Nodes without the archive are missing.
    pub(crate) nodes: BTreeMap<String, Held>,
}

impl Document for List<ArchiveComparison> {
    const KIND: &'static str = "ArchiveComparisonList";
}

/// An archive on one node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Held {
    /// The size of the ISO.
    pub(crate) bytes: Option<u64>,
    /// A digest of what the archive serves.
    pub(crate) contents: Option<String>,
    /// Why the archive cannot be used, or why the node does not respond.
    pub(crate) problem: Option<String>,
}

/// The copy of one archive to one node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ArchiveCopy {
    /// The node, as it was given.
    pub(crate) node: String,
    /// Name and version.
    pub(crate) archive: String,
    /// The path on the node; null if the copy failed.
    pub(crate) path: Option<String>,
    /// The bytes that were sent.
    pub(crate) bytes: Option<u64>,
    /// Whether the node had the archive before.
    pub(crate) present: Option<bool>,
    /// Why the copy failed.
    pub(crate) error: Option<String>,
}

impl Document for List<ArchiveCopy> {
    const KIND: &'static str = "ArchiveCopyList";
}

/// What a copy of one archive to one node would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ArchiveCopyPlan {
    /// The node, as it was given.
    pub(crate) node: String,
    /// Name and version.
    pub(crate) archive: String,
    /// Whether the node has the archive.
    pub(crate) present: bool,
    /// The size of the archive. Content that the node has in other archives is not sent.
    pub(crate) bytes: Option<u64>,
    /// The folder on the node.
    pub(crate) into: String,
    /// Why the archive would not be copied.
    pub(crate) error: Option<String>,
}

impl Document for List<ArchiveCopyPlan> {
    const KIND: &'static str = "ArchiveCopyPlanList";
}

/// What a push did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ArchivePush {
    /// The images, in the order of the archive.
    images: Vec<PushedImage>,
    /// The numbers of blobs.
    blobs: BlobCounts,
    /// The bytes of the blobs that were sent.
    bytes: u64,
    /// The number of manifests and tags that were written.
    manifests: usize,
}

impl Document for ArchivePush {
    const KIND: &'static str = "ArchivePush";
}

/// An image that was pushed.
#[derive(Debug, Serialize, JsonSchema)]
struct PushedImage {
    /// The reference in the registry, with its tag.
    reference: String,
    /// The digest of the manifest or index.
    digest: String,
    /// Whether the registry changed: it did not have the image, or the tag named another image.
    changed: bool,
}

/// Blobs, counted once for each repository that needs them.
#[derive(Debug, Serialize, JsonSchema)]
struct BlobCounts {
    /// Blobs that the registry had.
    present: usize,
    /// Blobs that the registry took from another of its repositories.
    mounted: usize,
    /// Blobs that were sent.
    uploaded: usize,
}

impl From<&images::push::PushReport> for ArchivePush {
    fn from(report: &images::push::PushReport) -> Self {
        let image = |one: &images::push::PushedReference| PushedImage {
            reference: one.reference.clone(),
            digest: one.digest.to_string(),
            changed: one.changed,
        };
        let images::push::BlobTotals { present, mounted, uploaded } = report.blobs;
        Self {
            images: report.images.iter().map(image).collect(),
            blobs: BlobCounts { present, mounted, uploaded },
            bytes: report.bytes,
            manifests: report.manifests,
        }
    }
}

/// What a push would do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchivePushPlan {
    /// The images, in the order of the archive.
    pub(crate) images: Vec<PlannedImage>,
    /// The bytes of all manifests and blobs, each once; what the registry has is not sent.
    pub(crate) bytes_at_most: u64,
}

impl Document for ArchivePushPlan {
    const KIND: &'static str = "ArchivePushPlan";
}

/// An image that would be pushed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PlannedImage {
    /// The reference in the registry, with its tag.
    pub(crate) reference: String,
    /// The digest of the manifest or index.
    pub(crate) digest: String,
}

/// The active version of a Solution, or what it would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SolutionActivation {
    solution: String,
    /// Null if no version is active.
    version: Option<String>,
    /// The version that was active before.
    former: Option<String>,
    /// The node configuration.
    file: String,
    /// Warnings.
    notes: Vec<String>,
    /// The names of the custom resource definitions that were applied.
    crds: Vec<String>,
}

impl Document for SolutionActivation {
    const KIND: &'static str = "SolutionActivation";
}

impl SolutionActivation {
    pub(crate) fn new(one: &Activation, crds: &[ObjectName]) -> Self {
        Self {
            solution: one.solution.clone(),
            version: one.version.clone(),
            former: one.former.clone(),
            file: text(&one.file),
            notes: one.notes.clone(),
            crds: crds.iter().map(|crd| crd.name.clone()).collect(),
        }
    }
}

/// Files that configure clients.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClientConfiguration {
    /// With --root the files that changed, or would change; without, all files with their content.
    pub(crate) files: Vec<ClientFile>,
}

impl Document for ClientConfiguration {
    const KIND: &'static str = "ClientConfiguration";
}

/// A file that configures clients.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClientFile {
    /// The path, below --root if that is given.
    pub(crate) path: String,
    /// The content; null if the file was written.
    pub(crate) content: Option<String>,
}

/// What an admission controller requires of images.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AdmissionPolicy {
    /// The objects of Kubernetes, in the order in which they are applied.
    pub(crate) objects: Vec<serde_json::Value>,
}

impl Document for AdmissionPolicy {
    const KIND: &'static str = "AdmissionPolicy";
}

/// The configuration of nginx.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NginxConfiguration {
    /// The file that was installed; null if the configuration was not written.
    pub(crate) file: Option<String>,
    /// The content; null if the file was written.
    pub(crate) content: Option<String>,
    /// Whether the file changed.
    pub(crate) replaced: bool,
    /// Whether nginx was running, and was reloaded.
    pub(crate) reloaded: bool,
}

impl Document for NginxConfiguration {
    const KIND: &'static str = "NginxConfiguration";
}
