//! The content of each document, by the room that it is about.

pub(crate) mod archive_diff;
pub(crate) mod archives;
pub(crate) mod bootstrap;
pub(crate) mod checks;
pub(crate) mod environments;
pub(crate) mod error;
pub(crate) mod images;
pub(crate) mod iso;
pub(crate) mod lock;
pub(crate) mod node;
pub(crate) mod node_care;
pub(crate) mod packages;
pub(crate) mod project;
pub(crate) mod publishing;
pub(crate) mod release;
pub(crate) mod sboms;
mod server;
pub(crate) mod signatures;
pub(crate) mod solutions;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::Value;

use super::document::{Document, List, schema};

/// A kind of document.
pub(crate) struct DocumentKind {
    /// Its name.
    pub(crate) name: &'static str,
    /// Makes its JSON Schema.
    pub(crate) schema: fn() -> Value,
    /// The commands that report it, in words.
    pub(crate) source: &'static str,
}

const fn kind<D: Document>(source: &'static str) -> DocumentKind {
    DocumentKind { name: D::KIND, schema: schema::<D>, source }
}

/// The kinds of documents in alphabetical order.
pub(crate) const KINDS: &[DocumentKind] = &[
    kind::<node::AdmissionPolicy>("`registry admission-policy`"),
    kind::<List<node::ArchiveChange>>(
        "`archive import`, `mount`, `unmount` and `delete`; `solution import` and `unimport`",
    ),
    kind::<List<node::ArchiveComparison>>("`archive get --node`"),
    kind::<List<node::ArchiveCopy>>("`archive copy-to`"),
    kind::<List<node::ArchiveCopyPlan>>("`archive copy-to --dry-run`"),
    kind::<archive_diff::ArchiveDiffDocument>("`archive diff`"),
    kind::<publishing::ArchiveFetch>("`archive fetch`"),
    kind::<signatures::ArchiveFileVerification>("`archive verify --file`"),
    kind::<archives::ArchiveInspection>("`archive inspect`"),
    kind::<List<node::ArchiveDocument>>("`archive get`"),
    kind::<sboms::ArchivePackages>("`archive inspect --packages`"),
    kind::<publishing::ArchivePublication>("`archive publish`"),
    kind::<node::ArchivePush>("`archive push`"),
    kind::<node::ArchivePushPlan>("`archive push --dry-run`"),
    kind::<signatures::ArchiveReproduction>("`archive reproduce`"),
    kind::<signatures::ArchiveSignature>("`archive sign`"),
    kind::<archives::ArchiveVerification>("`archive verify` of one archive"),
    kind::<List<archives::ArchiveVerification>>("`archive verify` of several archives"),
    kind::<List<node::ArchivedImageDocument>>("`archive get --images`"),
    kind::<project::CachePruning>("`cache gc`"),
    kind::<project::CacheUsage>("`cache show`"),
    kind::<node::ClientConfiguration>(
        "`registry containerd-config`, `crio-config` and `k3s-config`, `repository dnf-config` and `apt-config`",
    ),
    kind::<images::ContentStoreCheck>("`image check --store`"),
    kind::<images::ContentStorePruning>("`image gc`"),
    kind::<environments::EnvironmentChange>(
        "`solution create-environment`, `delete-environment`, `add` and `remove`",
    ),
    kind::<List<environments::EnvironmentDocument>>("`solution get-environment`"),
    kind::<error::ErrorDocument>("every command that fails"),
    kind::<images::FoundImagesDocument>("`image find`"),
    kind::<List<node_care::HookDocument>>("`node hooks` and `node run-hooks`"),
    kind::<images::ImageCheck>("`image check`"),
    kind::<List<images::ImageDocument>>("`image ls` and `image pull`"),
    kind::<project::InitializedPipeline>("`init --ci` in a project"),
    kind::<project::InitializedProject>("`init`"),
    kind::<iso::Iso>("`iso create`"),
    kind::<iso::IsoCheck>("`iso check`"),
    kind::<List<iso::IsoDifference>>("`iso diff`"),
    kind::<iso::IsoExtraction>("`iso extract`"),
    kind::<List<iso::IsoFile>>("`iso ls`"),
    kind::<iso::IsoInformation>("`iso info`"),
    kind::<iso::IsoPlan>("`iso create --dry-run`"),
    kind::<iso::IsoSum>("`iso implant`"),
    kind::<List<lock::LockedTag>>("`lock` and `update`"),
    kind::<project::NewSolution>("`solution new`"),
    kind::<node::NginxConfiguration>("`registry nginx-config`"),
    kind::<node_care::BackupDocument>("`node backup`"),
    kind::<bootstrap::BootstrapDocument>("`node bootstrap`"),
    kind::<node_care::RestorationDocument>("`node restore`"),
    kind::<::server::NodeStatus>("the server of `registry serve`, at `/status.json`"),
    kind::<node_care::VersionChangeDocument>("`node upgrade` and `node downgrade`"),
    kind::<packages::PackageDocument>("`package build`"),
    kind::<packages::PackageCheck>("`package check`"),
    kind::<packages::PackageExport>("`package export` and `package import`"),
    kind::<packages::PackageIndex>("`package index`"),
    kind::<List<packages::PackageReason>>("`package why`"),
    kind::<images::RegistryIndex>("`registry index`"),
    kind::<release::ReleaseDocument>("`release check`"),
    kind::<release::ReleasePromotion>("`release promote`"),
    kind::<List<project::Removal>>("`clean`"),
    kind::<project::RunDocument>("`run`, `lint` and `watch`"),
    kind::<List<packages::SignedPackage>>("`package sign`"),
    kind::<node::SolutionActivation>("`solution activate` and `deactivate`"),
    kind::<checks::SolutionCheck>("`solution check`"),
    kind::<List<solutions::SolutionDocument>>("`solution get`"),
    kind::<archives::SolutionManifestDocument>("`solution manifest`"),
    kind::<List<project::TaskExplanation>>("`explain`"),
    kind::<project::TaskGraph>("`graph -o json`"),
    kind::<List<project::TaskInformation>>("`info`"),
    kind::<List<project::TaskDocument>>("`list`"),
    kind::<List<project::TaskReset>>("`reset-dep`"),
    kind::<project::TaskSelection>("`forget` and `ignore`"),
    kind::<project::VersionDocument>("`version`"),
];

/// A path as text; a byte that is not UTF-8 becomes U+FFFD.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}
