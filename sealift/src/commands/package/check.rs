//! `sealift package check`.

use std::fmt::Write as _;
use std::path::PathBuf;

use archive::Tree;
use archive::closure::{ArchitectureCheck, ClosureSet, Source, check_set, sets};
use archive::signatures::{SignatureFinding, check_metadata, check_packages};
use content::printable;
use iso::ByteProgress as _;
use packages::metadata::RepositoryFiles as _;
use packages::openpgp::ValidAt;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::packages::{ClosureCheck, ClosureProblem, PackageCheck, SignatureProblem};
use crate::output::{self, ReportOutput, count, documents};
use crate::progress::Bar;

pub(super) fn run(repositories: &[PathBuf], bases: &[PathBuf], output: ReportOutput) -> CommandResult {
    let open = |paths: &[PathBuf]| paths.iter().map(|path| Tree::open(path)).collect::<Result<Vec<_>, _>>();
    let (repositories, bases) = (open(repositories)?, open(bases)?);
    let bar = Bar::items("checking", "package");
    let checks = checks(&repositories, &bases)?;
    if checks.iter().all(|one| one.packages == 0) {
        return Err(Failure::usage("there is no RPM to check")
            .remedy("name folders with RPMs, or archives with `packages/redhat`"));
    }
    let signatures = signatures(&repositories, &bar)?;
    drop(bar);
    let is_incomplete = checks.iter().any(|one| !one.findings.is_empty());
    let document = || PackageCheck { checks: checks.clone(), signatures: signatures.clone() };
    output.report(document, || text_of_signatures(&signatures) + &text(&checks))?;
    if !is_incomplete && signatures.is_empty() {
        return Ok(());
    }
    if is_incomplete && bases.is_empty() && output.is_text() {
        output::note("name the repositories of the distribution with --base");
    }
    Err(Failure::Failed(None))
}

/// Checks the packages of repositories and archives, for each release and architecture.
pub(crate) fn checks(repositories: &[Tree], bases: &[Tree]) -> Result<Vec<ClosureCheck>, Failure> {
    let sets = sets(repositories, bases)?;
    let mut checks = Vec::new();
    for set in &sets {
        checks.extend(check_set(set)?.into_iter().map(|check| document(set, check)));
    }
    Ok(checks)
}

/// Checks the signatures of metadata, by keys that are valid now, and of packages, by keys that were valid when they were signed.
fn signatures(repositories: &[Tree], bar: &Bar) -> Result<Vec<SignatureProblem>, Failure> {
    let now = ValidAt::Time(jiff::Timestamp::now().as_second());
    let mut problems = Vec::new();
    for Source { tree, folder } in sets(repositories, &[])?.iter().flat_map(|set| &set.sources) {
        let mut found: Vec<SignatureFinding> = check_metadata(tree, folder, now)?.into_iter().collect();
        found.extend(check_packages(tree, folder, ValidAt::Signing, &|| bar.advance(1))?);
        problems.extend(found.into_iter().map(|SignatureFinding { path, reason }| SignatureProblem {
            path: documents::text(tree.path().join(path)),
            reason,
        }));
    }
    Ok(problems)
}

fn text_of_signatures(problems: &[SignatureProblem]) -> String {
    let line = |one: &SignatureProblem| format!("{}: {}\n", printable(&one.path), one.reason);
    problems.iter().map(line).collect()
}

fn document(set: &ClosureSet<'_>, check: ArchitectureCheck) -> ClosureCheck {
    let paths = |all: &[Source<'_>]| all.iter().map(|one| documents::text(one.path())).collect();
    let finding = |one: archive::closure::ClosureFinding| ClosureProblem {
        package: one.package,
        repository: one.repository,
        reasons: one.reasons,
    };
    ClosureCheck {
        release: set.release.clone(),
        architecture: check.architecture,
        repositories: paths(&set.sources),
        bases: paths(&set.bases),
        packages: check.packages,
        findings: check.findings.into_iter().map(finding).collect(),
    }
}

/// The report for people: each package that cannot be installed, and what was checked against what.
pub(crate) fn text(checks: &[ClosureCheck]) -> String {
    let mut text = String::new();
    for check in checks {
        // Writing to a string cannot fail.
        for one in &check.findings {
            let _ = writeln!(text, "{}: {}", printable(&one.package), one.reasons.join("; "));
        }
        let release = check.release.as_deref().map(|release| format!("release {}, ", printable(release)));
        let named = |paths: &[String]| {
            let all: Vec<String> = paths.iter().map(|path| printable(path).to_string()).collect();
            all.join(", ")
        };
        let result = match check.findings.len() {
            0 => "all can be installed".to_owned(),
            findings => format!("{} cannot be installed", count(findings, "package")),
        };
        let _ = write!(
            text,
            "{}{}: {} of {}: {result}",
            release.unwrap_or_default(),
            printable(&check.architecture),
            count(check.packages, "package"),
            named(&check.repositories)
        );
        let _ = match check.bases.as_slice() {
            [] => writeln!(text, ", from these alone"),
            bases => writeln!(text, ", with {}", named(bases)),
        };
    }
    if checks.is_empty() {
        text.push_str("no packages\n");
    }
    text
}
