//! The lock file.

use content::Digest;
use images::source::EngineImage;
use images::{Platform, Reference};
use schemars::JsonSchema;
use serde::Deserialize;

use super::LockedSignatureEntry;
use super::debian::LockedDebSetEntry;
use crate::project::field::{ByName, Named};
use crate::project::names::{
    CommitHash, FileUrl, GitLocation, GitRef, ImageRepository, LockedPath, Nevra, Release, RepositoryName,
    RepositoryUrl, RpmArchitecture, Subject, Tag, Text,
};

/// `sealift.lock`: the digests that tags had when they were locked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockFileContent {
    /// The version of the format.
    pub version: u32,
    /// The digest of each reference with a tag, such as `docker.io/library/alpine:3.20.1`.
    #[serde(default)]
    pub images: ByName<Reference, Named<Digest>>,
    /// The ID of each image in the storage of a container engine, such as `docker-daemon:team/app:1`: the digest of its
    /// configuration.
    #[serde(default)]
    pub engines: ByName<EngineImage, Named<Digest>>,
    /// The tags of each repository that a `tagPattern` or a range of versions (`semver`) stands for.
    #[serde(default)]
    pub tags: ByName<ImageRepository, ByName<Text, Vec<Named<Tag>>>>,
    /// For an image index: the digest of the manifest of each platform. The digest of the index already pins them; they are
    /// listed so that a review shows what changed.
    #[serde(default)]
    pub platforms: ByName<Reference, ByName<Platform, Named<Digest>>>,
    /// For an image with `referrers: true`: the digests of the lists of its referrers.
    #[serde(default)]
    pub referrers: ByName<Reference, LockedReferrersEntry>,
    /// For an image that needs a signature: a good one.
    #[serde(default)]
    pub signatures: ByName<Reference, LockedSignatureEntry>,
    /// Each file of `spec.sources` and each source of a spec file, by its URL.
    #[serde(default)]
    pub downloads: ByName<FileUrl, LockedDownloadEntry>,
    /// The commit of each tag or branch of `spec.sources`, by the repository.
    #[serde(default)]
    pub git: ByName<GitLocation, ByName<GitRef, Named<CommitHash>>>,
    /// The packages of upstream repositories, by the release of the distribution: a set for each form of the project.
    #[serde(default)]
    pub packages: ByName<Release, Vec<LockedPackageSet>>,
    /// The Debian packages that are downloaded, by the release of the distribution and the name of the repository: a set for each
    /// form of the project.
    #[serde(default)]
    pub debs: ByName<Release, ByName<RepositoryName, Vec<LockedDebSetEntry>>>,
}

/// The packages of a release for one form of the project.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedPackageSet {
    /// The digest of what the project says about them. If it differs, `sealift lock` chooses packages again.
    pub inputs: Named<Digest>,
    /// The architecture that they are for. Default: `x86_64`.
    #[serde(default)]
    pub architecture: Option<Named<RpmArchitecture>>,
    /// The packages, by the name of the repository.
    #[serde(default)]
    pub repositories: ByName<RepositoryName, LockedRepositoryEntry>,
}

/// The packages of an upstream repository.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedRepositoryEntry {
    /// When the newest package was built, in seconds since 1970.
    #[serde(default)]
    pub date: i64,
    /// The URLs that a metalink or a list of mirrors gave.
    #[serde(default)]
    pub mirrors: Vec<Named<RepositoryUrl>>,
    /// Each package, as `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    #[serde(default)]
    pub packages: ByName<Nevra, LockedPackageEntry>,
}

/// A package of an upstream repository.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedPackageEntry {
    /// Its path from the URL of the repository, or its URL.
    pub path: Named<LockedPath>,
    /// Its SHA-256.
    pub digest: Named<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// What it is there for.
    pub why: LockedWhyEntry,
    /// The request, or the package that needs it.
    #[serde(default)]
    pub by: Option<String>,
    /// What that package needs.
    #[serde(default)]
    pub needs: Option<String>,
}

/// What a package is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LockedWhyEntry {
    /// The project asks for it.
    Requested,
    /// Another package requires it.
    Required,
    /// Another package recommends it.
    Recommended,
    /// It supplements packages that are there.
    Supplements,
    /// A package of another architecture needs the same version of it.
    Accompanies,
    /// A conditional dependency needs it.
    Allows,
    /// A file of another tool has it.
    Imported,
}

impl LockedWhyEntry {
    /// How the lock file has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::Supplements => "supplements",
            Self::Accompanies => "accompanies",
            Self::Allows => "allows",
            Self::Imported => "imported",
        }
    }
}

/// A file of `spec.sources`.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedDownloadEntry {
    /// Its SHA-256.
    pub digest: Named<Digest>,
    /// Its size in bytes.
    pub size: u64,
}

/// The digests of the lists of referrers of an image.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LockedReferrersEntry {
    /// That of the list for the image itself, as earlier versions locked it.
    Image(Named<Digest>),
    /// Those of all lists, by the digest of what they are of: the image and, where it is an index, the manifests that it
    /// lists.
    Each(ByName<Subject, Named<Digest>>),
}
