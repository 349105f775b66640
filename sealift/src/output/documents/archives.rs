//! Archives: what they hold and whether they are intact.

use std::collections::BTreeMap;

use archive::Product as ArchiveProduct;
use archive::inspect::{ImageSummary, Inspection, RepositorySummary};
use archive::layout::PathOwner as ArchiveOwner;
use archive::requires::{Requirement, Unmet};
use archive::solution::SolutionManifest;
use archive::verify::{self, ArchiveForm, Problem, Verdict as ArchiveVerdict, VerifyReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::packages::ClosureCheck;
use super::signatures::SignatureDocument;
use super::text;
use crate::output::document::{Document, List};

/// What a verification found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveVerification {
    /// The path of the archive, as it was given.
    archive: String,
    /// Whether it is an ISO or a folder.
    form: Form,
    /// Null if the archive has neither `product.txt` nor `manifest.yaml`.
    product: Option<ProductDocument>,
    /// Whether the verdict is `intact`.
    ok: bool,
    /// The result.
    verdict: Verdict,
    /// The check of the implanted MD5.
    implanted_md5: ImplantedMd5,
    /// Whether `SHA256SUMS` can be read. Without it only blobs of images are checked, against the digests in their names.
    sha256sums: bool,
    /// Whether `LINKS.mtree` can be read. Without it only symbolic links in `registry/` are checked.
    links: bool,
    /// The number of symbolic links.
    symbolic_links: u64,
    /// The number of files.
    files: u64,
    /// The bytes that were hashed. Shared content counts once.
    bytes: u64,
    /// What is wrong, sorted by path; at most 10,000 findings.
    findings: Vec<Finding>,
    /// The number of further findings.
    omitted: u64,
    /// The images by their names and tags.
    images: Health,
    /// The packages by their names.
    packages: Health,
    /// Package repositories without metadata, which dnf and apt cannot use. These are not findings.
    unindexed: Vec<Unindexed>,
    /// The check of its signature; null if neither `--key` nor the policy of `--trust` requires one.
    signature: Option<SignatureDocument>,
    /// What the archive requires and no archive of `--base` has; null without `--base`.
    unmet: Option<Vec<String>>,
    /// Whether its RPMs can be installed, for each release and architecture; null without `--closure`.
    closure: Option<Vec<ClosureCheck>>,
}

impl Document for ArchiveVerification {
    const KIND: &'static str = "ArchiveVerification";
}

impl Document for List<ArchiveVerification> {
    const KIND: &'static str = "ArchiveVerificationList";
}

/// How an archive is stored.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// An ISO file.
    Iso,
    /// A folder, or a mounted ISO.
    Folder,
}

impl From<ArchiveForm> for Form {
    fn from(form: ArchiveForm) -> Self {
        match form {
            ArchiveForm::Iso => Self::Iso,
            ArchiveForm::Folder => Self::Folder,
        }
    }
}

/// The result of a verification.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Nothing is wrong.
    Intact,
    /// Nothing is wrong, but the archive has neither `SHA256SUMS` nor an implanted MD5.
    Unverifiable,
    /// There are findings.
    Damaged,
}

/// The product information of an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Product")]
pub(crate) struct ProductDocument {
    /// The name of the archive.
    name: String,
    /// The version of the archive.
    version: String,
    /// Major and minor version: `2.11`.
    short_version: Option<String>,
    /// The commit that the archive was built from.
    git: Option<String>,
    /// Whether it is a pre-release.
    development_release: bool,
    /// The date of the commit: `2026-11-20T10:00:00Z`.
    build_timestamp: Option<String>,
    /// All other keys of `product.txt`.
    other: BTreeMap<String, String>,
}

impl From<&ArchiveProduct> for ProductDocument {
    fn from(product: &ArchiveProduct) -> Self {
        let ArchiveProduct { name, version, short_version, git, development_release, build_timestamp, other } =
            product.clone();
        let other = other.into_iter().collect();
        Self { name, version, short_version, git, development_release, build_timestamp, other }
    }
}

/// An archive that must be imported before another one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Requirement")]
pub(crate) struct RequirementDocument {
    /// Its name.
    name: String,
    /// The range of its versions; null for all.
    version: Option<String>,
    /// The images that it must have: `nginx:1.25`, with `@` and the digest if that counts.
    images: Vec<String>,
    /// The packages that it must have.
    packages: Vec<String>,
}

impl From<&Requirement> for RequirementDocument {
    fn from(requirement: &Requirement) -> Self {
        Self {
            name: requirement.name.clone(),
            version: requirement.version.as_ref().map(ToString::to_string),
            images: requirement.images.iter().map(ToString::to_string).collect(),
            packages: requirement.packages.clone(),
        }
    }
}

/// The check against the MD5 that is implanted in an ISO.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
enum ImplantedMd5 {
    /// The ISO is as it was when the MD5 was implanted.
    Passed { md5: String },
    /// The first change lies between these bytes.
    Failed { from: u64, to: u64 },
    /// No MD5 is implanted.
    Absent,
    /// The ISO cannot be read to its end.
    Unreadable { reason: String },
    /// The archive is a folder.
    NotChecked,
}

/// One thing that is wrong.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// The file, relative to the root of the archive; empty for the archive as a whole.
    path: String,
    /// What the file belongs to.
    owner: Owner,
    /// What is wrong: `differs`, `missing`, `extra`, `relinked`, `extra-link`, `misindexed`, `changed`, `truncated`,
    /// `unreadable`, `invalid` or `incomplete`.
    problem: &'static str,
    /// The same in words.
    message: String,
    /// The SHA-256 or the target of a link that was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// The SHA-256 or the target of a link that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    /// The size of the ISO that was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_bytes: Option<u64>,
    /// The size of the ISO that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    found_bytes: Option<u64>,
    /// The first change lies between this byte of the ISO …
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    /// … and this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    /// What lies there.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// Details.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What a file belongs to.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Owner {
    /// The archive as a whole.
    #[default]
    Archive,
    /// A container image.
    Image { name: String, tag: String },
    /// The registry tree.
    Registry,
    /// A package.
    Package { package: String, repository: String },
    /// A package repository.
    Repository { repository: String },
    /// The Salt tree.
    Salt,
}

impl From<&ArchiveOwner> for Owner {
    fn from(owner: &ArchiveOwner) -> Self {
        match owner.clone() {
            ArchiveOwner::Image { name, tag } => Self::Image { name, tag },
            ArchiveOwner::Registry => Self::Registry,
            ArchiveOwner::Package { package, repository } => Self::Package { package, repository },
            ArchiveOwner::Repository { repository } => Self::Repository { repository },
            ArchiveOwner::Salt => Self::Salt,
            _ => Self::Archive,
        }
    }
}

/// Which images or packages are intact.
#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// Those that are intact.
    intact: Vec<String>,
    /// Those that are damaged.
    damaged: Vec<String>,
}

impl From<&verify::Health> for Health {
    fn from(health: &verify::Health) -> Self {
        Self { intact: health.intact.clone(), damaged: health.damaged.clone() }
    }
}

/// A package repository without metadata.
#[derive(Debug, Serialize, JsonSchema)]
struct Unindexed {
    /// The folder in the archive: `packages/redhat/8/scality-el8`.
    folder: String,
    /// The format of its packages.
    format: PackageFormat,
    /// The number of packages.
    packages: u64,
    /// The path of one of them.
    example: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PackageFormat {
    /// RPM packages.
    Rpm,
    /// DEB packages.
    Deb,
}

impl From<archive::PackageFormat> for PackageFormat {
    fn from(format: archive::PackageFormat) -> Self {
        match format {
            archive::PackageFormat::Rpm => Self::Rpm,
            archive::PackageFormat::Deb => Self::Deb,
        }
    }
}

impl From<&archive::UnindexedPackages> for Unindexed {
    fn from(one: &archive::UnindexedPackages) -> Self {
        let format = one.format.into();
        Self { folder: one.folder.clone(), format, packages: one.packages, example: one.example.clone() }
    }
}

impl From<&verify::Finding> for Finding {
    fn from(finding: &verify::Finding) -> Self {
        let mut one = Self {
            path: finding.path.clone(),
            owner: (&finding.owner).into(),
            message: finding.problem.to_string(),
            ..Self::default()
        };
        one.problem = match finding.problem.clone() {
            Problem::Differs { expected, found } => {
                (one.expected, one.found) = (Some(expected), Some(found));
                "differs"
            }
            Problem::Missing { expected } => {
                one.expected = expected;
                "missing"
            }
            Problem::Extra => "extra",
            Problem::Relinked { expected, found } => {
                (one.expected, one.found) = (Some(expected), found);
                "relinked"
            }
            Problem::ExtraLink => "extra-link",
            Problem::Misindexed { reason } => {
                one.reason = Some(reason);
                "misindexed"
            }
            Problem::Changed { from, to, place } => {
                (one.from, one.to, one.place) = (Some(from), Some(to), Some(place));
                "changed"
            }
            Problem::Truncated { expected, found } => {
                (one.expected_bytes, one.found_bytes) = (Some(expected), Some(found));
                "truncated"
            }
            Problem::Unreadable { reason } => {
                one.reason = Some(reason);
                "unreadable"
            }
            Problem::Incomplete { reason } => {
                one.reason = Some(reason);
                "incomplete"
            }
            Problem::Invalid { reason } => {
                one.reason = Some(reason);
                "invalid"
            }
            _ => "invalid",
        };
        one
    }
}

impl From<&verify::ImplantedMd5> for ImplantedMd5 {
    fn from(check: &verify::ImplantedMd5) -> Self {
        use verify::ImplantedMd5 as Check;

        match check.clone() {
            Check::Passed { md5 } => Self::Passed { md5 },
            Check::Failed { from, to } => Self::Failed { from, to },
            Check::Absent => Self::Absent,
            Check::Unreadable { reason } => Self::Unreadable { reason },
            Check::NotChecked => Self::NotChecked,
        }
    }
}

impl ArchiveVerification {
    /// The document of a report; `signature` is the check of its signature, `unmet` is what the archive requires and no base has, `closure` the checks of its packages.
    pub(crate) fn of(
        report: &VerifyReport,
        signature: Option<SignatureDocument>,
        unmet: Option<&[Unmet]>,
        closure: Option<&[ClosureCheck]>,
    ) -> Self {
        Self {
            archive: text(&report.archive),
            form: report.form.into(),
            product: report.product.as_ref().map(Into::into),
            ok: report.ok(),
            verdict: match report.verdict() {
                ArchiveVerdict::Intact => Verdict::Intact,
                ArchiveVerdict::Unverifiable => Verdict::Unverifiable,
                ArchiveVerdict::Damaged => Verdict::Damaged,
            },
            implanted_md5: (&report.implanted_md5).into(),
            sha256sums: report.sha256sums,
            links: report.links,
            symbolic_links: report.symbolic_links,
            files: report.files,
            bytes: report.bytes,
            findings: report.findings.iter().map(Into::into).collect(),
            omitted: report.omitted,
            images: (&report.images).into(),
            packages: (&report.packages).into(),
            unindexed: report.unindexed.iter().map(Into::into).collect(),
            signature,
            unmet: unmet.map(|unmet| unmet.iter().map(ToString::to_string).collect()),
            closure: closure.map(<[ClosureCheck]>::to_vec),
        }
    }
}

/// What is in an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveInspection {
    /// The path of the archive, as it was given.
    archive: String,
    /// Whether it is an ISO or a folder.
    form: Form,
    /// The volume ID of an ISO.
    volume_id: Option<String>,
    /// Null if the archive has neither `product.txt` nor `manifest.yaml`.
    product: Option<ProductDocument>,
    /// The archives that must be imported before it.
    requires: Vec<RequirementDocument>,
    /// The container images, sorted by name and tag.
    images: Vec<InspectedImage>,
    /// The package repositories, sorted by folder.
    repositories: Vec<InspectedRepository>,
    /// Package repositories without metadata.
    unindexed: Vec<Unindexed>,
    /// The number of files.
    files: u64,
    /// The bytes of all files. Shared content counts for each file.
    bytes: u64,
    /// The size of the ISO.
    image_bytes: Option<u64>,
}

impl Document for ArchiveInspection {
    const KIND: &'static str = "ArchiveInspection";
}

/// A container image of an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct InspectedImage {
    /// The name of the image.
    name: String,
    /// Its tag.
    tag: String,
    /// The digest of the manifest or index; null if it cannot be read.
    digest: Option<String>,
    /// The media type of the manifest or index.
    media_type: Option<String>,
    /// The platforms: `linux/amd64`.
    platforms: Vec<String>,
    /// The bytes of its blobs.
    bytes: u64,
    /// Why it cannot be served.
    problem: Option<String>,
}

impl From<&ImageSummary> for InspectedImage {
    fn from(image: &ImageSummary) -> Self {
        Self {
            name: image.name.clone(),
            tag: image.tag.clone(),
            digest: image.digest.as_ref().map(ToString::to_string),
            media_type: image.media_type.clone(),
            platforms: image.platforms.clone(),
            bytes: image.bytes,
            problem: image.problem.as_ref().map(ToString::to_string),
        }
    }
}

/// A package repository of an archive.
#[derive(Debug, Serialize, JsonSchema)]
struct InspectedRepository {
    /// The folder below `packages/`.
    folder: String,
    /// The files of the packages without extension.
    packages: Vec<String>,
    /// The bytes of the packages.
    bytes: u64,
}

impl From<&RepositorySummary> for InspectedRepository {
    fn from(one: &RepositorySummary) -> Self {
        Self { folder: one.folder.clone(), packages: one.packages.clone(), bytes: one.bytes }
    }
}

impl From<&Inspection> for ArchiveInspection {
    fn from(inspection: &Inspection) -> Self {
        Self {
            archive: text(&inspection.archive),
            form: inspection.form.into(),
            volume_id: inspection.volume_id.clone(),
            product: inspection.product.as_ref().map(Into::into),
            requires: inspection.requires.iter().map(Into::into).collect(),
            images: inspection.images.iter().map(Into::into).collect(),
            repositories: inspection.repositories.iter().map(Into::into).collect(),
            unindexed: inspection.unindexed.iter().map(Into::into).collect(),
            files: inspection.files,
            bytes: inspection.bytes,
            image_bytes: inspection.image_bytes,
        }
    }
}

/// The manifest of a Solution.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SolutionManifestDocument {
    /// The name of the Solution.
    name: String,
    /// Its version.
    version: String,
    /// The name that people read.
    display_name: String,
    /// Its annotations.
    annotations: BTreeMap<String, String>,
    /// Its labels.
    labels: BTreeMap<String, String>,
    /// Its images, as `NAME:TAG`.
    images: Vec<String>,
    /// The image of the operator.
    operator: Option<String>,
    /// The image of the user interface.
    ui: Option<String>,
}

impl Document for SolutionManifestDocument {
    const KIND: &'static str = "SolutionManifest";
}

impl From<&SolutionManifest> for SolutionManifestDocument {
    fn from(manifest: &SolutionManifest) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            display_name: manifest.display_name().to_owned(),
            annotations: manifest.annotations.clone(),
            labels: manifest.labels.clone(),
            images: manifest.images.iter().map(ToString::to_string).collect(),
            operator: manifest.operator.as_ref().map(ToString::to_string),
            ui: manifest.ui.as_ref().map(ToString::to_string),
        }
    }
}
