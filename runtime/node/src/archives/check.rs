//! Checking a Solution, before it is imported or shipped.

use std::path::Path;

use archive::Tree;
use archive::check::{CheckName, CheckOptions, CheckReport, Checking, Finding, Place, Severity};
use archive::requires::Base;
use archive::verify::Verdict;

use super::describe::described;
use super::error::Error;
use super::lists::configured;
use super::node_layout::NodeLayout;
use super::open_archive::OpenArchive;
use super::signed::Requirement;
use crate::nginx;

/// Checks everything but the content of the Solution in `tree`, its registry configuration included.
///
/// # Errors
///
/// Those of [`Checking::of`].
pub fn check(tree: Tree, options: &CheckOptions) -> Result<Checking, archive::Error> {
    let mut checking = Checking::of(tree, options)?;
    // What is wrong with the name is a finding already.
    let Ok(Some(product)) = archive::product::of(checking.tree()) else { return Ok(checking) };
    match nginx::include_problem(checking.tree(), &product.repository_prefix()) {
        Ok(None) => {}
        Ok(Some((file, problem))) => {
            let (line, problem) = line_of(&problem);
            checking.add(Finding::new(CheckName::RegistryConfig, Place::line(file, line), problem));
        }
        Err(error) => {
            checking.add(Finding::new(CheckName::RegistryConfig, Place::default(), &error.to_string()));
        }
    }
    Ok(checking)
}

/// `line 3: PROBLEM` in its parts; line 0 if it names no line.
fn line_of(problem: &str) -> (u64, &str) {
    let parts = problem.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    parts.and_then(|(line, problem)| Some((line.parse().ok()?, problem))).unwrap_or((0, problem))
}

/// How an import checks a Solution.
pub(super) struct ImportCheck<'a> {
    /// The checks whose errors do not keep it from being imported.
    pub(super) allow: &'a [CheckName],
    /// What the policy requires of its archive.
    pub(super) requirement: &'a Requirement,
    /// Whether its content is not read.
    pub(super) dry_run: bool,
}

/// Verifies and checks a Solution. The other archives of the node count as its bases. Returns what to tell the user.
pub(super) fn run(
    paths: &NodeLayout,
    open: &OpenArchive,
    how: &ImportCheck<'_>,
    progress: &dyn iso::ByteProgress,
) -> Result<Vec<String>, Error> {
    let requirement = how.requirement;
    let mut options = CheckOptions {
        ignore_requires: true,
        iso_digest: requirement.needs_iso_digest(),
        ..CheckOptions::default()
    };
    for path in configured(paths)?.iter().filter(|path| *path != open.path()) {
        // One that cannot be read has nothing that is known.
        if let Ok((product, _)) = described(path) {
            let _ = options.bases.add(Base { path: path.clone(), product });
        }
    }
    let unverified = requirement.accepts_unverified();
    let checking = check(open.tree()?, &options)?;
    if !unverified && !checking.can_verify() {
        return Err(Error::Unverifiable(open.path().to_path_buf()));
    }
    let report = if how.dry_run { checking.without_content() } else { checking.run(progress) };
    if !how.dry_run {
        requirement.prove(&report.verification)?;
    }
    if report.verification.verdict() == Verdict::Damaged {
        return Err(Error::Damaged(Box::new(report.verification)));
    }
    // Its MD5 can turn out to be no longer valid.
    if !unverified && !how.dry_run && report.verification.verdict() == Verdict::Unverifiable {
        return Err(Error::Unverifiable(open.path().to_path_buf()));
    }
    if !how.dry_run {
        open.check()?;
    }
    judged(open.path(), report, how.allow)
}

/// The notes about a Solution that can be imported.
fn judged(archive: &Path, report: CheckReport, allow: &[CheckName]) -> Result<Vec<String>, Error> {
    let warnings = report.count(Severity::Warning);
    let errors = report.findings.into_iter().filter(|finding| finding.severity() == Severity::Error);
    let (allowed, findings): (Vec<_>, Vec<_>) = errors.partition(|finding| allow.contains(&finding.name));
    if !findings.is_empty() {
        return Err(Error::Unfit { archive: archive.to_path_buf(), findings });
    }
    let mut notes: Vec<String> = allowed.iter().map(|finding| format!("allowed: {finding}")).collect();
    if warnings > 0 {
        let (noun, them) = if warnings == 1 { ("warning", "it") } else { ("warnings", "them") };
        let archive = content::printable_path(archive);
        notes.push(format!("{warnings} {noun} about {archive}; show {them} with `sealift solution check`"));
    }
    Ok(notes)
}
