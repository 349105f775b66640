//! Packages and their repositories.

use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::{Document, List};

/// A package that was built.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageDocument {
    /// The path of the package.
    pub(crate) package: String,
    /// Warnings about the definition.
    pub(crate) warnings: Vec<String>,
}

impl Document for PackageDocument {
    const KIND: &'static str = "Package";
}

/// The metadata of a package repository.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageIndex {
    /// The format of the packages.
    pub(crate) format: super::archives::PackageFormat,
    /// The path of `repomd.xml`, or of `Release`.
    pub(crate) metadata: String,
    /// The number of packages.
    pub(crate) packages: usize,
    /// How many of them were read; the metadata of the others are those of before.
    pub(crate) read: usize,
    /// Warnings about packages.
    pub(crate) warnings: Vec<String>,
    /// Kinds of metadata that the repository had before, and signatures of older metadata.
    pub(crate) dropped: Vec<String>,
}

impl Document for PackageIndex {
    const KIND: &'static str = "PackageIndex";
}

/// Whether the packages of repositories can be installed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageCheck {
    /// A check for each release and architecture.
    pub(crate) checks: Vec<ClosureCheck>,
    /// The metadata and packages without a valid signature by a key of their repository. Repositories without keys are not checked.
    pub(crate) signatures: Vec<SignatureProblem>,
}

/// A file without a valid signature.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignatureProblem {
    /// `repomd.xml`, or a package.
    pub(crate) path: String,
    /// What is wrong, as a sentence.
    pub(crate) reason: String,
}

impl Document for PackageCheck {
    const KIND: &'static str = "PackageCheck";
}

/// The check of the packages of one release and architecture.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosureCheck {
    /// The release of the distribution, where the repositories say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// The architecture; `noarch` if no package has one.
    pub(crate) architecture: String,
    /// The repositories that were checked.
    pub(crate) repositories: Vec<String>,
    /// The repositories that they can rely on.
    pub(crate) bases: Vec<String>,
    /// How many packages were checked.
    pub(crate) packages: usize,
    /// The packages that cannot be installed.
    pub(crate) findings: Vec<ClosureProblem>,
}

/// A package that cannot be installed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosureProblem {
    /// The package: `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    pub(crate) package: String,
    /// The repository that has it.
    pub(crate) repository: String,
    /// Each reason, as a sentence.
    pub(crate) reasons: Vec<String>,
}

/// A package with a signature.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedPackage {
    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`
    pub(crate) package: String,
    /// The file.
    pub(crate) path: String,
    /// The fingerprint of the key that signed it.
    pub(crate) fingerprint: String,
    /// The user ID of the key.
    pub(crate) user: String,
    /// Whether the package had this signature before.
    pub(crate) was_signed: bool,
    /// Whether it had signatures by other keys, which are gone.
    pub(crate) replaced: bool,
}

impl Document for List<SignedPackage> {
    const KIND: &'static str = "SignedPackageList";
}

impl std::fmt::Display for SignedPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match (self.was_signed, self.replaced) {
            (true, _) => "was signed by",
            (false, true) => "signed again, by",
            (false, false) => "signed by",
        };
        let (path, user) = (content::printable(&self.path), content::printable(&self.user));
        writeln!(f, "{path}: {how} {} ({user})", self.fingerprint)
    }
}

/// What an upstream package is there for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PackageReason {
    /// The release of the distribution.
    pub(crate) release: String,
    /// The repository.
    pub(crate) repository: String,
    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`
    pub(crate) package: String,
    /// Its SHA-256.
    pub(crate) digest: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// What needs it, then what needs that, up to the request.
    pub(crate) because: Vec<String>,
}

impl Document for List<PackageReason> {
    const KIND: &'static str = "PackageReasonList";
}

impl std::fmt::Display for PackageReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} {} {}", self.release, self.repository, self.package)?;
        self.lines().skip(1).try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl PackageReason {
    /// The package, and its reasons as a tree.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let reasons = self.because.iter().zip(1..);
        let reasons =
            reasons.map(|(reason, depth)| format!("{}{}", "  ".repeat(depth), content::printable(reason)));
        std::iter::once(self.package.clone()).chain(reasons)
    }
}

/// Packages, or what is asked for, as a file of another tool or as entries of a project.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PackageExport {
    /// The release of the distribution.
    pub(crate) release: String,
    /// The text of the file.
    pub(crate) content: String,
}

impl Document for PackageExport {
    const KIND: &'static str = "PackageExport";
}
