//! `sealift archive report`.

mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use archive::closure::Source;
use archive::inspect::Inspection;
use archive::verify::{Verdict, VerifyOptions, VerifyReport};
use archive::{Tree, attestation, image, inspect, layout, licences, product, requires};
use clap::Args;
use content::printable_path;
use images::original_names::OriginalNames;
use images::signatures::{RULES_MAX, SignatureRules};
use trust::{Policy, Provenance};

use super::verify;
use super::verify::signature::SignatureCheck;
use crate::args::trust::TrustArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::{self, count};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    /// Write the page into FILE [default: standard output]
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let Arguments { archive, into, trust } = arguments;
    let policy = trust.policy()?;
    let report = Report::of(Tree::open(archive)?, trust.bundle.as_deref(), policy.as_ref())?;
    let page = page::page(archive, &report).html()?;
    output::write_file(into.as_deref().unwrap_or(Path::new("-")), page.as_bytes())?;
    if let Some(into) = into.as_deref().filter(|into| !content::is_standard_output(into)) {
        output::done(&format!("wrote {}", printable_path(into)));
    }
    match report.refusal(archive) {
        None => Ok(()),
        Some(reason) => {
            Err(Failure::failed(anyhow!(reason)).remedy("do not transfer it; the page says more"))
        }
    }
}

/// All that the page is about.
struct Report {
    contents: Contents,
    verified: VerifyReport,
    signature: Signature,
}

/// What is known about the signature.
enum Signature {
    Checked(Box<SignatureCheck>),
    /// The policy accepts the archive without one.
    NotRequired,
    /// No key and no policy was given.
    NotChecked {
        bundle: PathBuf,
        /// Whether the bundle exists.
        exists: bool,
    },
}

/// What the archive has. A part that cannot be read is among the problems; the others are still listed.
#[derive(Default)]
struct Contents {
    /// Parts that cannot be read, and why.
    problems: Vec<String>,
    inspection: Option<Inspection>,
    provenance: Option<Provenance>,
    rules: Option<SignatureRules>,
    original_names: OriginalNames,
    /// The licences of the packages of each repository.
    licences: BTreeMap<String, BTreeMap<String, String>>,
    /// The paths of the SBOMs.
    sboms: Vec<String>,
}

impl Report {
    /// # Errors
    ///
    /// The archive cannot be read.
    fn of(tree: Tree, bundle: Option<&Path>, policy: Option<&Policy>) -> Result<Self, Failure> {
        let contents = Contents::of(&tree);
        let expected = bundle.map_or_else(|| attestation::bundle_path(tree.path()), Path::to_owned);
        let options = VerifyOptions { iso_digest: true, ..VerifyOptions::default() };
        let (verified, check) = verify::verify_tree(tree, options, bundle, policy)?;
        let signature = match (check, policy) {
            (Some(check), _) => Signature::Checked(Box::new(check)),
            (None, Some(_)) => Signature::NotRequired,
            (None, None) => Signature::NotChecked { exists: expected.exists(), bundle: expected },
        };
        Ok(Self { contents, verified, signature })
    }

    fn check(&self) -> Option<&SignatureCheck> {
        match &self.signature {
            Signature::Checked(check) => Some(check),
            Signature::NotRequired | Signature::NotChecked { .. } => None,
        }
    }

    /// Why the archive should not be transferred, if so.
    fn refusal(&self, path: &Path) -> Option<String> {
        let check = self.check();
        if verify::is_whole(&self.verified, check) {
            return None;
        }
        let path = printable_path(path);
        let findings = self.verified.findings.len() as u64 + self.verified.omitted;
        Some(match (self.verified.verdict(), check.and_then(SignatureCheck::reason)) {
            (Verdict::Damaged, _) => format!("{path} is not intact: {}", count(findings, "finding")),
            (_, Some(reason)) => format!("the signature of {path} does not count: {reason}"),
            (_, None) => format!("{path} is unverifiable: it has neither SHA256SUMS nor an implanted MD5"),
        })
    }
}

impl Contents {
    fn of(tree: &Tree) -> Self {
        let mut found = Self::default();
        let product = found.read(layout::PRODUCT, product::of(tree));
        let required = found.read(layout::REQUIRES, requires::of(tree, product.as_ref()));
        let inspection = inspect::inspect_tree(tree, product, required).map(Some);
        found.inspection = found.read("the folders", inspection);
        found.provenance = found.read(layout::PROVENANCE, attestation::provenance(tree));
        found.rules = found.read(layout::IMAGE_POLICY, rules(tree));
        found.original_names =
            found.read(layout::ORIGINAL_NAMES, image::original_names(tree, layout::IMAGES));
        found.sboms = found.read(layout::ATTESTATIONS, sboms(tree));
        for repository in
            found.inspection.iter().flat_map(|one| &one.repositories).cloned().collect::<Vec<_>>()
        {
            let folder = format!("{}/{}", layout::PACKAGES, repository.folder);
            let licences = licences::of_packages(&Source { tree, folder: folder.clone() });
            let licences = found.read(&folder, licences);
            found.licences.insert(repository.folder, licences);
        }
        found
    }

    /// What was read, or nothing and a problem.
    fn read<T: Default>(&mut self, what: &str, read: Result<T, impl Display>) -> T {
        read.unwrap_or_else(|error| {
            let error = error.to_string();
            self.problems.push(if error.contains(what) { error } else { format!("{what}: {error}") });
            T::default()
        })
    }
}

/// The rules for signatures of images that the archive has.
fn rules(tree: &Tree) -> anyhow::Result<Option<SignatureRules>> {
    if tree.entry(layout::IMAGE_POLICY)?.is_none() {
        return Ok(None);
    }
    let bytes = tree.read(layout::IMAGE_POLICY, RULES_MAX)?;
    Ok(Some(SignatureRules::parse(&bytes)?))
}

/// The software bills of materials that the archive has.
fn sboms(tree: &Tree) -> archive::Result<Vec<String>> {
    let files = tree.walk_below(layout::ATTESTATIONS)?.into_iter().map(|(path, _)| path);
    Ok(files.filter(|path| path.ends_with(layout::SBOM_EXTENSION)).collect())
}
