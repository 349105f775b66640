//! Checking a Solution: whether a site can import and deploy it, and whether it follows the guidelines.
//!
//! [`Checking::of`] reads lists, manifests and text files; [`Checking::run`] then hashes the content as a [verification](mod@crate::verify)
//! does, and returns both results. Nothing is mounted or unpacked, and no content is read twice. The [checks](table::CHECKS) are
//! a table, from which the book has its page.
//!
//! Archives come from anybody, so every file is bounded, and what cannot be read is a finding.

mod contents;
mod finding;
mod form;
mod manifest;
mod operator;
mod packages;
mod references;
mod schema;
pub mod table;
mod texts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use images::reference::check_repository;

pub use finding::{Finding, Place};
pub use operator::{CRDS, ROLE, check_definitions, check_roles};
pub use table::{CHECKS, Check, CheckGroup, CheckName, Severity};

use crate::image::ImageIndex;
use crate::layout::PathOwner;
use crate::requires::{self, Base, Requirement};
use crate::solution::requirement::{LAYOUT_KEY, PRODUCT_KEY};
use crate::solution::{OperatorConfig, manifest as solution_manifest};
use crate::verify::{Problem, Verification, VerifyOptions, VerifyReport};
use crate::{Error, Product, Result, Tree, image, layout, product};
use contents::Contents;
use finding::Findings;
use manifest::Declared;
use texts::TextFile;

/// The registry configuration of an archive whose paths are filled in.
pub const REGISTRY_CONFIG_RENDERED: &str = "registry-config.inc";
/// The endings of the files in [`CRDS`] that have objects.
const OBJECTS: [&str; 3] = [".yaml", ".yml", ".json"];

/// The archives that the checked one can rely on: their images and packages count as its own.
#[derive(Debug, Default)]
pub struct CheckBases {
    images: ImageIndex,
    packages: BTreeSet<String>,
    archives: Vec<Base>,
    repositories: Vec<PathBuf>,
}

impl CheckBases {
    /// Adds a package repository of the distribution. Only with one is it checked whether packages can be installed.
    pub fn add_repository(&mut self, path: PathBuf) {
        self.repositories.push(path);
    }

    /// Adds an archive.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn add(&mut self, base: Base) -> Result<()> {
        let tree = Tree::open(&base.path)?;
        let mut found = ImageIndex::default();
        image::each(&tree, layout::IMAGES, &mut |image| found.add(&image))?;
        self.packages.extend(requires::packages(&tree)?);
        self.images.append(found);
        self.archives.push(base);
        Ok(())
    }
}

/// How to check.
#[derive(Debug, Default)]
pub struct CheckOptions {
    /// How many threads hash files; 0 is one per processor.
    pub threads: usize,
    /// The program `helm`, to render charts.
    pub helm: Option<PathBuf>,
    /// Whether the digest of an ISO is computed.
    pub iso_digest: bool,
    /// The archives that the checked one can rely on.
    pub bases: CheckBases,
    /// Whether the archives that it requires are not looked for, because somebody else does that.
    pub ignore_requires: bool,
}

/// A check that has read everything but the content.
#[derive(Debug)]
pub struct Checking {
    work: Verification,
    findings: Findings,
}

/// What a check found.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// The verification of the archive. Its findings are among those of the check.
    pub verification: VerifyReport,
    /// The findings, the most severe first, then by place.
    pub findings: Vec<Finding>,
    /// How many more findings there are: of one check, only the first 1000 are kept.
    pub omitted: u64,
}

impl CheckReport {
    /// The number of findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
    }

    /// Whether the Solution can be imported: it has no finding that is an error.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

/// The description of a Solution.
enum Description {
    /// A `manifest.yaml`.
    Manifest(String),
    /// A `product.txt` of the older layout.
    Product(String),
}

impl Checking {
    /// Opens the archive at `path`, an ISO file or a folder, and checks everything but its content.
    ///
    /// # Errors
    ///
    /// Those of [`Checking::of`]; there is no archive.
    pub fn open(path: &Path, options: &CheckOptions) -> Result<Self> {
        Self::of(Tree::open(path)?, options)
    }

    /// As [`Checking::open`] for an archive that is open already.
    ///
    /// # Errors
    ///
    /// [`Error::NotASolution`]; the root cannot be read; [`Error::Limit`] for an archive that no honest builder makes.
    pub fn of(tree: Tree, options: &CheckOptions) -> Result<Self> {
        let mut findings = Findings::default();
        let declared = match description(&tree)? {
            Ok(Description::Manifest(text)) => manifest::check(&text, &mut findings),
            Ok(Description::Product(text)) => manifest::check_product(&text, &mut findings),
            Err(problem) => {
                findings.add(CheckName::ManifestInvalid, Place::file(layout::MANIFEST), problem);
                Declared::default()
            }
        };
        let mut contents = Contents::new();
        let verify = VerifyOptions {
            threads: options.threads,
            iso_digest: options.iso_digest,
            ..VerifyOptions::default()
        };
        let work = Verification::of_each(tree, &verify, &mut |tree, image| contents.add(tree, image))?;
        if let Tree::Iso(image) = work.tree() {
            let names: Vec<&str> = [Some(declared.name.as_str()), declared.display_name.as_deref()]
                .into_iter()
                .flatten()
                .collect();
            form::check(image, &names, &declared.version, &mut findings);
        }
        if !work.can_verify() {
            let problem = format!("it has neither {} nor an implanted MD5", layout::SUMS);
            findings.add(CheckName::Unverifiable, Place::default(), problem);
        }
        contents.check(work.tree(), &declared, &mut findings);
        operator_config(&declared, &mut findings);
        registry_config(work.tree(), &mut findings)?;
        if !options.ignore_requires {
            requirements(work.tree(), &declared, &options.bases, &mut findings);
        }
        let texts = texts::read(work.tree(), work.files(), &mut findings);
        operator_files(work.tree(), work.files(), &texts, &mut findings)?;
        references::check(
            &texts,
            options.helm.as_deref(),
            &contents.index,
            &options.bases.images,
            &mut findings,
        );
        references::check_pull_policies(&texts, &mut findings);
        let own = work.files().filter_map(requires::package_name).map(str::to_owned);
        let packages = own.chain(options.bases.packages.iter().cloned()).collect();
        packages::check(&texts, &packages, &mut findings);
        packages::check_closure(work.tree(), &options.bases, &mut findings)?;
        Ok(Self { work, findings })
    }

    /// The archive.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        self.work.tree()
    }

    /// Whether the archive can be verified as a whole; see [`Verification::can_verify`].
    #[must_use]
    pub fn can_verify(&self) -> bool {
        self.work.can_verify()
    }

    /// Adds what a check outside this crate found.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The bytes that [`Checking::run`] reports as progress in total.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.work.bytes()
    }

    /// Hashes the content. `progress` gets [`Checking::bytes`] bytes.
    #[must_use]
    pub fn run(self, progress: &dyn iso::ByteProgress) -> CheckReport {
        let Self { work, findings } = self;
        report(work.run(progress), findings)
    }

    /// The report without what only the content shows.
    #[must_use]
    pub fn without_content(self) -> CheckReport {
        let Self { work, findings } = self;
        report(work.without_content(), findings)
    }
}

/// Adds the findings of a verification to the others.
fn report(verification: VerifyReport, mut findings: Findings) -> CheckReport {
    for finding in &verification.findings {
        let name = match (&finding.problem, &finding.owner) {
            (Problem::Incomplete { .. }, _) => CheckName::ImageIncomplete,
            // Its own checks say more.
            (Problem::Invalid { .. }, _) if [layout::MANIFEST, layout::PRODUCT].contains(&&*finding.path) => {
                continue;
            }
            (Problem::Invalid { .. }, _) if finding.path == layout::REQUIRES => CheckName::RequirementInvalid,
            (Problem::Differs { .. } | Problem::Unreadable { .. }, PathOwner::Image { .. }) => {
                CheckName::ImageDamaged
            }
            _ => CheckName::Damaged,
        };
        findings.add(name, Place::file(finding.path.as_str()), finding.problem.to_string());
    }
    let (findings, omitted) = findings.finish();
    let omitted = omitted.saturating_add(verification.omitted);
    CheckReport { verification, findings, omitted }
}

/// What describes the Solution. The inner error is what is wrong with a manifest that is no text.
fn description(tree: &Tree) -> Result<std::result::Result<Description, String>> {
    let read = |file: &'static str, limit| -> Result<Option<std::result::Result<String, String>>> {
        if tree.entry(file)?.is_none() {
            return Ok(None);
        }
        Ok(Some(match tree.read(file, limit) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into()),
            Err(error) => Err(error.to_string()),
        }))
    };
    let not_a_solution = |reason| Err(Error::NotASolution { archive: tree.path().to_path_buf(), reason });
    let manifest = read(layout::MANIFEST, solution_manifest::LIMIT)?;
    let product = read(layout::PRODUCT, product::LIMIT)?;
    let is_solution = |text: &str| {
        images::yaml::parse(text).is_ok_and(|documents| {
            let kind = documents.first().and_then(|document| document.value.key("kind"));
            kind.and_then(|kind| kind.value.text()) == Some(solution_manifest::KIND)
        })
    };
    match (manifest, product) {
        (None, None) => not_a_solution(match tree {
            Tree::Iso(image) if !image.volume().rock_ridge && !image.volume().joliet => {
                "it has neither manifest.yaml nor product.txt; the ISO has only plain names, create it with the options -R -J of mkisofs"
            }
            _ => "it has neither manifest.yaml nor product.txt",
        }),
        (Some(manifest), None) => Ok(manifest.map(Description::Manifest)),
        (Some(Ok(manifest)), Some(_)) if is_solution(&manifest) => Ok(Ok(Description::Manifest(manifest))),
        (_, Some(Ok(product))) if is_older_layout(&product) => Ok(Ok(Description::Product(product))),
        (_, Some(_)) => not_a_solution(
            "it is the archive of a platform: product.txt has neither REQUIRE_METALK8S nor ARCHIVE_LAYOUT_VERSION, \
             and no manifest.yaml has the kind Solution",
        ),
    }
}

/// Whether a `product.txt`, which may be invalid, has a key of a Solution.
fn is_older_layout(text: &str) -> bool {
    let is_key =
        |line: &str| line.split_once('=').is_some_and(|(key, _)| [PRODUCT_KEY, LAYOUT_KEY].contains(&key));
    text.lines().any(is_key)
}

/// Whether the configuration of the operator can be made.
fn operator_config(declared: &Declared, findings: &mut Findings) {
    let Declared { name, version, .. } = declared;
    let has_other = [CheckName::ManifestInvalid, CheckName::ManifestName, CheckName::ProductInvalid];
    if name.is_empty() || version.is_empty() || has_other.iter().any(|name| findings.has(*name)) {
        return;
    }
    let product = Product { name: name.clone(), version: version.clone(), ..Product::default() };
    let repository = product.repository_prefix();
    let listed = declared.images.iter().flatten().map(|listed| listed.image.clone()).collect();
    let endpoint = format!("metalk8s-registry/{repository}");
    let made = OperatorConfig::default().add(version, &endpoint, listed).map_err(|error| error.to_string());
    let made = made.and_then(|()| {
        check_repository(&repository).map_err(|reason| {
            format!("`{repository}` cannot be the first part of names of images: it {reason}")
        })
    });
    if let Err(problem) = made {
        let file = if declared.is_manifest { layout::MANIFEST } else { layout::PRODUCT };
        findings.add(CheckName::OperatorConfig, Place::file(file), problem);
    }
}

/// Whether there is a registry configuration.
fn registry_config(tree: &Tree, findings: &mut Findings) -> Result<()> {
    for name in [layout::REGISTRY_CONFIG, REGISTRY_CONFIG_RENDERED] {
        if tree.entry(name)?.is_some() {
            return Ok(());
        }
    }
    let problem = format!("it has neither {REGISTRY_CONFIG_RENDERED} nor {}", layout::REGISTRY_CONFIG);
    findings.add(CheckName::RegistryConfigMissing, Place::default(), problem);
    Ok(())
}

/// Whether the base archives meet what the archive requires.
fn requirements(tree: &Tree, declared: &Declared, bases: &CheckBases, findings: &mut Findings) {
    // What cannot be read is a finding already.
    let product = product::of(tree).ok().flatten();
    let Ok(requires) = requires::of(tree, product.as_ref()) else { return };
    let place = |requirement: &Requirement| match (requirement.of_platform, declared.is_manifest) {
        (false, _) => Place::file(layout::REQUIRES),
        (true, true) => Place::file(layout::MANIFEST),
        (true, false) => Place::file(layout::PRODUCT),
    };
    for requirement in &requires {
        let Some(unmet) = requirement.unmet_by(&bases.archives) else { continue };
        let is_unknown = requirement.of_platform && unmet.reason == requires::UnmetReason::NoArchive;
        if !(bases.archives.is_empty() || is_unknown) {
            findings.add(CheckName::RequirementUnmet, place(requirement), unmet.to_string());
        } else if !requirement.of_platform {
            findings.add(
                CheckName::RequirementUnchecked,
                place(requirement),
                format!("it requires {requirement}"),
            );
        }
    }
}

/// The definitions and the permissions of the operator.
fn operator_files<'a>(
    tree: &Tree,
    files: impl Iterator<Item = &'a str>,
    texts: &[TextFile],
    findings: &mut Findings,
) -> Result<()> {
    let inside = format!("{CRDS}/");
    let mut has_definition = false;
    for path in
        files.filter(|path| path.starts_with(&inside) && OBJECTS.iter().any(|end| path.ends_with(end)))
    {
        // One that could not be read is a finding already.
        let (found, is_definition) = match texts::find(texts, path) {
            Some(text) => operator::definitions(path, text),
            None => (Vec::new(), true),
        };
        found.into_iter().for_each(|finding| findings.push(finding));
        let is_deployed = path.ends_with(operator::DEPLOYED);
        has_definition |= is_definition || is_deployed;
        if is_definition && !is_deployed {
            let problem = format!("its name does not end in `{}`", operator::DEPLOYED);
            findings.add(CheckName::CrdFileName, Place::file(path), problem);
        }
    }
    if !has_definition {
        findings.add(CheckName::CrdMissing, Place::file(CRDS), "it has no CustomResourceDefinition");
    }
    match texts::find(texts, ROLE) {
        Some(text) => check_roles(text).into_iter().for_each(|finding| findings.push(finding)),
        None if tree.entry(ROLE)?.is_none() => {
            findings.add(CheckName::RoleMissing, Place::file(ROLE), "it is missing");
        }
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
