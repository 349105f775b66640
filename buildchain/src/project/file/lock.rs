//! The lock file.

use content::Digest;
use images::source::EngineImage;
use images::{Platform, Reference};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::project::field::{ByName, Named};
use crate::project::names::{CommitHash, FileUrl, GitLocation, GitRef, ImageRepository, Subject, Tag, Text};

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
    /// Each file of `spec.sources`, by its URL.
    #[serde(default)]
    pub downloads: ByName<FileUrl, LockedDownloadEntry>,
    /// The commit of each tag or branch of `spec.sources`, by the repository.
    #[serde(default)]
    pub git: ByName<GitLocation, ByName<GitRef, Named<CommitHash>>>,
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
