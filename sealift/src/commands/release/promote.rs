//! `sealift release promote`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::diff::{VersionComparison, compare_promotion};
use archive::tree::check_path;
use archive::verify::{Verdict, Verification, VerifyOptions};
use archive::{Tree, attestation, product};
use buildchain::project::{Checkout, Project, Settings};
use buildchain::release::{self, Promotion};
use buildchain::tasks::build_parameters;
use clap::Args;
use content::{printable, printable_path};
use images::push::PushReport;
use images::{Reference, RegistrySession};
use trust::{BuildParameters, SignedBy, Signer};

use super::placed::PlacedIso;
use crate::args::oci;
use crate::args::registry_client::ClientArguments;
use crate::args::trust::ArchiveSigningArguments;
use crate::commands::archive::sign::{self, SignedArchive};
use crate::commands::archive::{publish, push};
use crate::failure::{CommandResult, Failure};
use crate::output::documents::publishing::ArchivePublication;
use crate::output::documents::release::{ReleasePromotion, ReleaseSigner};
use crate::output::{self, ReportOutput, count};
use crate::progress::Bar;
use crate::rebuild::{self, Workshop};
use crate::remedies;
use crate::session::Selector;
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The tag of the candidate, such as `1.2.0-rc1`
    tag: String,
    /// Compare with this ISO of the candidate, the one that was tested [default: build the candidate, too]
    #[arg(long, value_name = "FILE")]
    candidate: Option<PathBuf>,
    /// Accept differences of files that this path names, or the folder above it (repeatable)
    #[arg(long, value_name = "PATH", value_parser = allowed_path)]
    allow: Vec<String>,
    /// Put the ISO into DIR
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    #[command(flatten)]
    signing: ArchiveSigningArguments,
    /// Push the images to this registry, with or without a path: `registry.example[:PORT][/PATH]`
    #[arg(long, value_name = "REGISTRY", help_heading = "Release")]
    push: Option<String>,
    /// Publish the archive at `oci://HOST[:PORT]/REPOSITORY[:TAG]`, as `archive publish` does [default tag: the version]
    #[arg(long, value_name = "URL", value_parser = oci::target, help_heading = "Release")]
    publish: Option<Reference>,
    /// Create the tag of the release in the repository, after all else succeeded
    #[arg(long = "tag", help_heading = "Release")]
    tag_source: bool,
    #[command(flatten)]
    client: ClientArguments,
    /// Build and compare, but write, push and tag nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let promotion = Promotion::of(&arguments.tag).ok_or_else(|| {
        Failure::usage(format!("`{}` is not the tag of a candidate", printable(&arguments.tag)))
            .remedy("name a tag such as 1.2.0-rc1; `git tag --list '*-rc*'` lists them")
    })?;
    // Before anything is built, which takes minutes.
    let signer = arguments.signing.signer()?;
    if let Some(registry) = &arguments.push {
        oci::check_registry(registry)?;
    }
    // What is checked out is not read: the commit of the tag counts.
    let (root, settings) = arguments.selector.find()?;
    let signals = Signals::catch()?;
    let workshop = Workshop::open(&settings, None)?;
    let checkout = Checkout::new(&settings, &root, &arguments.tag, &workshop.path("source"))
        .map_err(remedies::project::project)?;
    if arguments.tag_source {
        checkout.check_tagger().map_err(remedies::project::project)?;
    }
    promote(arguments, settings, (&promotion, &checkout), (&workshop, &signals), signer.as_ref())
        .map_err(|failure| workshop.explained(&checkout, failure))
}

fn promote(
    arguments: &Arguments,
    settings: Settings,
    (promotion, checkout): (&Promotion, &Checkout),
    (workshop, signals): (&Workshop, &Signals),
    signer: Option<&Signer>,
) -> CommandResult {
    let parameters = parameters(arguments, settings, promotion, checkout)?;
    if let Some(newer) = checkout.newer_candidate(&arguments.tag).map_err(remedies::project::project)? {
        output::warn(&format!("{newer} is a newer candidate of {}", promotion.release));
    }
    let build = |name: &str| rebuild::build(checkout, &parameters, (workshop, name), signals);
    check(checkout, &parameters, workshop, &arguments.tag)?;
    let candidate = match &arguments.candidate {
        Some(path) => verified(path)?,
        None => build("candidate")?.iso,
    };
    if let Some(registry) = &arguments.push {
        // The release has the same images.
        push::plan(&candidate, registry, None)?;
    }
    let is_untagged = checkout.tag(&promotion.tag).map_err(remedies::project::project)?;
    check(checkout, &parameters, workshop, &promotion.tag)?;
    let built = build("release")?;
    let found = compare(&candidate, &built.iso, promotion)?;
    warn_of_unused(&arguments.allow, &found);
    let refused: Vec<_> = found.other.iter().filter(|one| !is_allowed(&one.path, &arguments.allow)).collect();
    let target = arguments.into.join(target_name(&built.iso, &promotion.release));
    let is_good = refused.is_empty();
    let commit = checkout.commit().map_err(remedies::project::project)?;
    let mut done = Done { is_untagged, ..Done::default() };
    if is_good && !arguments.dry_run {
        let iso = PlacedIso::place(&built, &target)?;
        done.signed = sign(arguments, &iso, signer)?;
        if let Err(failure) = carry(arguments, promotion, checkout, &iso, &mut done) {
            output::note(&format!(
                "{} is written; the same command continues from there",
                printable_path(&target)
            ));
            return Err(failure);
        }
    }
    let text = text(arguments, promotion, (&target, signer), &found, &done);
    let by = done.signed.as_ref().map(|signed| signed.by.clone());
    let signer = signer.map(|signer| ReleaseSigner::of(signer, by.unwrap_or_else(|| known(signer)).as_ref()));
    let document =
        || ReleasePromotion::of(promotion, &commit, (&target, built.digest), signer, &found, (done, is_good));
    arguments.output.report(document, || text)?;
    if is_good { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// What was done with the ISO of the release.
#[derive(Default)]
pub(crate) struct Done {
    /// Its signature.
    pub(crate) signed: Option<SignedArchive>,
    /// Its images in the registry.
    pub(crate) pushed: Option<PushReport>,
    /// The archive in the registry.
    pub(crate) published: Option<ArchivePublication>,
    /// Whether the tag is new; `None` if none was wanted.
    pub(crate) tagged: Option<bool>,
    /// Whether the repository had no tag of the release at the start.
    is_untagged: bool,
}

/// Pushes, publishes and tags the release, as the options say. What was done before a failure stays.
fn carry(
    arguments: &Arguments,
    promotion: &Promotion,
    checkout: &Checkout,
    iso: &PlacedIso,
    done: &mut Done,
) -> Result<(), Failure> {
    let registries = RegistrySession::new(arguments.client.options());
    if let Some(registry) = &arguments.push {
        let planned = push::plan(iso.path(), registry, None)?;
        iso.check()?;
        done.pushed = Some(planned.push(&registries)?);
    }
    if let Some(reference) = &arguments.publish {
        let planned = publish::plan(iso.path(), reference.clone(), None, Some(iso.digest()))?;
        iso.check()?;
        let published = planned.push(false, &registries);
        done.published = Some(published.map_err(|error| remedies::publishing::release(error, iso.path()))?);
    }
    iso.check()?;
    if arguments.tag_source {
        let tagged = checkout.tag_source(&promotion.tag, &promotion.release);
        done.tagged = Some(tagged.map_err(remedies::project::project)?);
    }
    Ok(())
}

/// How the candidate was built: as its ISO says, else as the command line does.
fn parameters(
    arguments: &Arguments,
    settings: Settings,
    promotion: &Promotion,
    checkout: &Checkout,
) -> Result<BuildParameters, Failure> {
    let of_options = || {
        let project = Project::load(&checkout.project(), settings).map_err(remedies::project::project)?;
        Ok(build_parameters(&project))
    };
    let Some(path) = &arguments.candidate else { return of_options() };
    let tree = Tree::open(path)?;
    let version = product::of(&tree)?.map(|product| product.version).unwrap_or_default();
    if version != promotion.candidate {
        let message = format!(
            "{} has version {}, and not {}",
            printable_path(path),
            printable(&version),
            promotion.candidate
        );
        return Err(
            Failure::usage(message).remedy("name the ISO that was built from the tag of the candidate")
        );
    }
    let Some(provenance) = attestation::provenance(&tree)? else { return of_options() };
    let commit = checkout.commit().map_err(remedies::project::project)?;
    if provenance.commit() != Some((commit.as_str(), false)) {
        let message = format!(
            "{} was not built from the commit of {}, which is {commit}",
            printable_path(path),
            printable(&arguments.tag)
        );
        return Err(Failure::failed(anyhow::Error::msg(message))
            .remedy("build the candidate from its tag with `sealift run --release`, and test that"));
    }
    let parameters = provenance.build_definition.external_parameters;
    rebuild::check(path, &parameters)?;
    Ok(parameters)
}

/// Checks that the commit can be released under a tag.
fn check(
    checkout: &Checkout,
    parameters: &BuildParameters,
    workshop: &Workshop,
    tag: &str,
) -> Result<(), Failure> {
    let project = rebuild::project(checkout, parameters, workshop)?;
    let report = release::check(&project, Some(tag)).map_err(remedies::project::project)?;
    let problems = report.checks.iter().filter_map(|check| Some((check.rule, check.problem.as_ref()?)));
    let lines: Vec<String> = problems
        .map(|(rule, problem)| format!("  {}: {}\n    help: {}", rule.word(), problem.text, problem.remedy))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let message = format!("{} cannot be released:\n{}", printable(tag), lines.join("\n"));
    Err(Failure::failed(anyhow::Error::msg(message)))
}

/// The ISO of the candidate, if it is intact: what is compared are the digests of its files.
fn verified(path: &Path) -> Result<PathBuf, Failure> {
    let work = Verification::open(path, &VerifyOptions::default())?;
    let report = {
        let bar = Bar::bytes("verifying", work.bytes());
        work.run(&bar)
    };
    match report.verdict() {
        Verdict::Damaged => Err(remedies::trust::damaged(path, &report)),
        _ => Ok(path.to_owned()),
    }
}

/// What differs between the two ISOs apart from the version.
fn compare(candidate: &Path, release: &Path, promotion: &Promotion) -> Result<VersionComparison, Failure> {
    let (former, new) = (Tree::open(candidate)?, Tree::open(release)?);
    let version = product::of(&new)?.map(|product| product.version).unwrap_or_default();
    if version != promotion.release {
        let message = format!(
            "the project has version {} at the tag {}, and not {}",
            printable(&version),
            promotion.tag,
            promotion.release
        );
        return Err(Failure::failed(anyhow::Error::msg(message))
            .remedy("take the version from the tag: `versionFrom: {git: tag}` in sealift.yaml"));
    }
    Ok(compare_promotion((&former, &promotion.candidate), (&new, &promotion.release))?)
}

/// Whether one of the paths is `path` or a folder above it.
fn is_allowed(path: &str, allowed: &[String]) -> bool {
    let below =
        |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    allowed.iter().any(|allowed| below(allowed))
}

/// Reads the path of a file or a folder as archives write it: `./salt/` is `salt`.
fn allowed_path(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let path = parts.join("/");
    check_path(if text.starts_with('/') { text } else { &path }).map_err(|error| error.to_string())?;
    if path.is_empty() {
        return Err("expected a file or folder of the archive, such as salt/top.sls".into());
    }
    Ok(path)
}

/// Warns of each path that matches no difference, such as one with a typing error.
fn warn_of_unused(allowed: &[String], found: &VersionComparison) {
    for path in allowed {
        if !found.other.iter().any(|one| is_allowed(&one.path, std::slice::from_ref(path))) {
            output::warn(&format!("no difference matches --allow {}", printable(path)));
        }
    }
}

/// The name of the ISO of a release: `app-1.2.0.iso`.
fn target_name(iso: &Path, version: &str) -> String {
    let stem = iso.file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}-{version}.iso")
}

fn sign(
    arguments: &Arguments,
    iso: &PlacedIso,
    signer: Option<&Signer>,
) -> Result<Option<SignedArchive>, Failure> {
    let Some(signer) = signer else {
        output::note("the ISO is not signed: name a key with --key FILE");
        return Ok(None);
    };
    let builder_id = arguments.signing.builder_id.as_deref();
    sign::sign_built(&iso.tree()?, iso.digest(), || iso.check(), (signer, builder_id)).map(Some)
}

/// Who would sign: an authority certifies nothing before something is signed.
fn known(signer: &Signer) -> Option<SignedBy> {
    Some(signer).filter(|signer| !signer.is_recorded()).and_then(|signer| signer.signed_by().ok())
}

fn text(
    arguments: &Arguments,
    promotion: &Promotion,
    (target, signer): (&Path, Option<&Signer>),
    found: &VersionComparison,
    done: &Done,
) -> String {
    let mut text = String::new();
    let (mut allowed, mut refused) = (Vec::new(), Vec::new());
    for one in &found.other {
        let line = format!("{}: {}", printable(&one.path), one.reason);
        if is_allowed(&one.path, &arguments.allow) { allowed.push(line) } else { refused.push(line) }
    }
    let explained = count(found.explained.len() as u64, "file");
    let Promotion { candidate, release, tag } = promotion;
    // Writing to a string cannot fail.
    let _ = match refused.len() {
        0 => writeln!(text, "{release} differs from {candidate} only in its version: {explained} with it"),
        number => writeln!(
            text,
            "{release} differs from {candidate} in more than its version: {}",
            count(number as u64, "difference")
        ),
    };
    for (title, lines) in [("", &refused), ("allowed: ", &allowed)] {
        for line in output::bounded(lines, "differences; -o json lists all") {
            let _ = writeln!(text, "  {title}{line}");
        }
    }
    if !refused.is_empty() {
        return text;
    }
    if arguments.dry_run {
        let _ = writeln!(text, "would write {}", printable_path(target));
        if let Some(signer) = signer {
            let by = known(signer).map_or_else(|| "a certificate".to_owned(), |by| by.to_string());
            let _ = writeln!(text, "would sign it with {by}");
        }
        if let Some(registry) = &arguments.push {
            let _ = writeln!(text, "would push its images to {}", printable(registry));
        }
        if let Some(reference) = &arguments.publish {
            let _ = writeln!(text, "would publish it at oci://{}", reference.name());
        }
        if arguments.tag_source && done.is_untagged {
            let _ = writeln!(text, "would create the tag {tag}");
        }
        return text;
    }
    let _ = writeln!(text, "wrote {}", printable_path(target));
    if let Some(signed) = &done.signed {
        text += &sign::lines(signed, false);
    }
    if let Some(report) = &done.pushed {
        text += &push::summary(report);
    }
    if let Some(published) = &done.published {
        text += &published.lines();
    }
    let commit = format!("{}^{{commit}}", arguments.tag);
    let _ = match (done.tagged, done.is_untagged) {
        (None, true) => writeln!(text, "next: git tag -a {tag} -m {release} {commit}"),
        (Some(true), _) => writeln!(text, "created the tag {tag}\nnext: git push origin {tag}"),
        _ => writeln!(text, "the tag {tag} exists\nnext: git push origin {tag}"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_path_is_a_file_or_folder_of_the_archive() {
        for (text, expected) in [
            ("salt", Ok("salt")),
            ("./salt/top.sls", Ok("salt/top.sls")),
            ("salt/./states//", Ok("salt/states")),
            ("", Err("expected a file or folder of the archive")),
            (".", Err("expected a file or folder of the archive")),
            ("/", Err("it is absolute")),
            ("/salt", Err("it is absolute")),
            ("salt/../a", Err("a part of it is `.` or `..`")),
        ] {
            match (allowed_path(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
