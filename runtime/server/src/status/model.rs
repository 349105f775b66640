//! The document `/status.json`, from which the pages are rendered too.

use std::collections::BTreeMap;

use archive::ArchiveId;
use content::Digest;
use schemars::JsonSchema;
use serde::Serialize;

/// What a server serves and what it knows of it: the document at `/status.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The state of all of it.
    pub health: NodeHealth,
    /// The served archives, in the order of the configuration.
    pub archives: Vec<ArchiveStatus>,
    /// The archives that are not served, each with the reason.
    pub not_served: Vec<NotServed>,
    /// The file systems of the archives and of the node's state.
    pub file_systems: Vec<FileSystem>,
    /// The other nodes that were named to the server.
    pub nodes: Vec<NodeAgreement>,
}

/// The state of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeHealth {
    /// All of it is served, and no check found a defect.
    Ready,
    /// Something is not served.
    Degraded,
    /// No archive is served.
    Empty,
}

/// A served archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveStatus {
    /// The archive ID; null for a folder of images.
    #[schemars(with = "Option<String>")]
    pub id: Option<ArchiveId>,
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The time of the commit that it was built from.
    pub built: Option<String>,
    /// The first part of the names of its images; null if they have none.
    pub prefix: Option<String>,
    /// The ISO file or folder.
    pub path: String,
    /// The digest of its content: that of its `SHA256SUMS` or, without it, of the paths and sizes of its files. Null if it
    /// cannot be read.
    #[schemars(with = "Option<String>")]
    pub contents: Option<Digest>,
    /// The implanted MD5 of an ISO. The server does not check it; `archive verify` and imports do.
    pub implanted_md5: Option<String>,
    /// Whether it has `SHA256SUMS`.
    pub checksums: bool,
    /// What the checks found so far.
    pub verdict: ArchiveVerdict,
    /// What has been checked.
    pub checks: Checks,
    /// The number of its images: every tag of every name.
    pub images: usize,
    /// Whether it has packages.
    pub packages: bool,
    /// The first page of its documentation, as a path on the server.
    pub documentation: Option<String>,
    /// The defects that were found, at most 100.
    pub findings: Vec<ContentFinding>,
    /// What is not served, each with the reason, at most 100.
    pub not_served: Vec<String>,
    /// The number of findings and of parts that are not served that are left out of the two lists.
    pub left_out: usize,
}

/// What the checks of an archive found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveVerdict {
    /// All content matches its digest.
    Intact,
    /// The check is running, and has found no defect.
    Checking,
    /// Nothing is wrong with what was checked; the rest is checked when it is requested.
    Partial,
    /// Some content does not match its digest, is missing or cannot be read.
    Damaged,
    /// The archive has neither `SHA256SUMS` nor an implanted MD5.
    Unverifiable,
}

/// How much of an archive has been checked against its digests, in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// All that can be checked.
    pub total: usize,
    /// Those that match.
    pub intact: usize,
    /// Those that do not.
    pub damaged: usize,
    /// Those that could not be read.
    pub unreadable: usize,
}

/// A defect of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentFinding {
    /// The file in the archive.
    pub path: String,
    /// What is wrong with it.
    pub problem: ContentProblem,
    /// The images that need it, at most 10.
    pub images: Vec<String>,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContentProblem {
    /// Its content does not match its digest.
    Damaged,
    /// It cannot be read.
    Unreadable,
}

/// An archive that is not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotServed {
    /// The ISO file or folder.
    pub path: String,
    /// Why.
    pub problem: String,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    /// The folders on it that the server knows, at most 10.
    pub folders: Vec<String>,
    /// The space that is free for everybody, in bytes; null if it cannot be found.
    pub free: Option<u64>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// Another node, and whether it serves the same archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAgreement {
    /// Its URL.
    pub node: String,
    /// The comparison with this node.
    pub agreement: Agreement,
    /// The differences, or why nothing is known, at most 100.
    pub details: Vec<String>,
}

/// The comparison of another node with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// It serves the same archives with the same digests.
    Same,
    /// It does not.
    Different,
    /// It has not responded yet.
    Waiting,
    /// It does not respond, or not with a status.
    Unknown,
}

/// What another node responded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherNode {
    /// Its URL.
    pub url: String,
    /// Its archives with the digests of their contents, or why they are not known; `None` before the first response.
    pub answer: Option<Result<BTreeMap<String, Option<String>>, String>>,
}
