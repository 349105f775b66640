//! `sealift lock` and `sealift update`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use buildchain::locking::{self, EntryChange, LockUpdate, Scope};
use buildchain::project::RegistryAccess;
use clap::Args;
use content::Digest;
use images::RegistrySession;
use images::pull::TransferProgress;

use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::project::LockedTag;
use crate::output::{self, ReportOutput};
use crate::remedies;
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    plain: Plain,
    /// Change nothing, and fail if a tag differs from the lock file
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: ReportOutput,
}

#[derive(Debug, Args)]
struct Plain {
    /// Connect to this registry over plain HTTP (repeatable)
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    output: ReportOutput,
}

pub(crate) fn lock(lock: &LockArguments) -> CommandResult {
    let scope = if lock.check { Scope::All } else { Scope::Missing };
    let moved = resolve(&lock.selector, &lock.plain, scope, lock.output, !lock.check)?;
    match moved.iter().find(|one| one.moved()) {
        Some(one) if lock.check => Err(remedies::images::moved(one)),
        _ => Ok(()),
    }
}

pub(crate) fn update(update: &UpdateArguments) -> CommandResult {
    resolve(&update.selector, &update.plain, Scope::All, update.output, true).map(drop)
}

/// Writes and reports the tags that could be looked up, then fails for the others.
fn resolve(
    selector: &Selector,
    plain: &Plain,
    scope: Scope,
    output: ReportOutput,
    write: bool,
) -> Result<Vec<EntryChange>, Failure> {
    let mut projects = selector.load_all()?;
    // A profile can reach registries of its own.
    let registries: Vec<RegistryAccess> =
        projects.iter_mut().flat_map(|project| std::mem::take(&mut project.registries)).collect();
    let Some(project) = projects.first_mut() else { return Ok(Vec::new()) };
    for registry in registries {
        if !project.registries.contains(&registry) {
            project.registries.push(registry);
        }
    }
    let mut options = buildchain::tasks::registry_options(project);
    options.plain_http.extend(plain.plain_http.iter().cloned());
    let root = project.root.clone();
    let printed = Printed::default();
    let LockUpdate { lock, resolved, mut failures } =
        locking::resolve(&projects, scope, &RegistrySession::new(options), &printed)?;
    if write {
        lock.write(&root)?;
    }
    let text = || {
        let moved: String = resolved.iter().filter(|one| one.moved()).map(lines).collect();
        let nothing = moved.is_empty() && failures.is_empty();
        if nothing { "no tag moved\n".to_owned() } else { moved }
    };
    output.report(|| resolved.iter().map(LockedTag::from).collect::<List<_>>(), text)?;
    let Some(last) = failures.pop() else { return Ok(resolved) };
    for failure in failures {
        output::failure(&remedies::images::lock(failure));
    }
    Err(remedies::images::lock(last))
}

/// Prints each warning once: several images are looked up at a time, often in one registry.
#[derive(Default)]
struct Printed(Mutex<HashSet<String>>);

impl TransferProgress for Printed {
    fn warn(&self, text: &str) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
            output::warn(text);
        }
    }

    fn retry(&self, text: &str) {
        self.warn(text);
    }
}

/// A line for a tag that moved, and one for each of its platforms that did.
fn lines(one: &EntryChange) -> String {
    let mut text = change(&one.entry.to_string(), one.old, one.new);
    for moved in &one.platforms {
        text.push_str(&change(&format!("{} {}", one.entry, moved.platform), moved.old, moved.new));
    }
    text
}

fn change(what: &str, old: Option<Digest>, new: Option<Digest>) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{what} {old} -> {new}\n"),
        (None, Some(new)) => format!("{what} is new: {new}\n"),
        (Some(old), None) => format!("{what} is gone: {old}\n"),
        (None, None) => format!("{what} is gone\n"),
    }
}
