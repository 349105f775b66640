//! `sealift lock` and `sealift update`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use buildchain::locking::{self, EntryChange, LockUpdate, Scope, SelectionChange};
use buildchain::project::{RegistryAccess, Tag};
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
    let (selections, resolved) = resolve(&lock.selector, &lock.plain, scope, lock.output, !lock.check)?;
    if !lock.check {
        return Ok(());
    }
    let selection = selections.iter().find(|one| one.moved()).map(remedies::images::chosen);
    let moved = || resolved.iter().find(|one| one.moved()).map(remedies::images::moved);
    selection.or_else(moved).map_or(Ok(()), Err)
}

pub(crate) fn update(update: &UpdateArguments) -> CommandResult {
    resolve(&update.selector, &update.plain, Scope::All, update.output, true).map(drop)
}

/// Writes and reports the tags that could be looked up and chosen, then fails for the others.
fn resolve(
    selector: &Selector,
    plain: &Plain,
    scope: Scope,
    output: ReportOutput,
    write: bool,
) -> Result<(Vec<SelectionChange>, Vec<EntryChange>), Failure> {
    let mut projects = selector.load_all()?;
    // A profile can reach registries of its own.
    let registries: Vec<RegistryAccess> =
        projects.iter_mut().flat_map(|project| std::mem::take(&mut project.registries)).collect();
    let Some(project) = projects.first_mut() else { return Ok(Default::default()) };
    for registry in registries {
        if !project.registries.contains(&registry) {
            project.registries.push(registry);
        }
    }
    let mut options = buildchain::tasks::registry_options(project);
    options.plain_http.extend(plain.plain_http.iter().cloned());
    let root = project.root.clone();
    let printed = Printed::default();
    let LockUpdate { lock, selections, resolved, mut failures } =
        locking::resolve(&projects, scope, &RegistrySession::new(options), &printed)?;
    if write {
        lock.write(&root)?;
    }
    let text = || {
        let chosen = selections.iter().filter(|one| one.moved()).map(chosen);
        let moved: String = chosen.chain(resolved.iter().filter(|one| one.moved()).map(lines)).collect();
        let nothing = moved.is_empty() && failures.is_empty();
        if nothing { "no tag moved\n".to_owned() } else { moved }
    };
    let documents = || selections.iter().map(LockedTag::from).chain(resolved.iter().map(LockedTag::from));
    output.report(|| documents().collect::<List<_>>(), text)?;
    let Some(last) = failures.pop() else { return Ok((selections, resolved)) };
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

/// A line for the tags that a pattern or range stands for: all of them, or what differs from before.
fn chosen(one: &SelectionChange) -> String {
    let list = |tags: Vec<&Tag>| tags.into_iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
    let without = |tags: &[Tag], others: &[Tag]| {
        let others: HashSet<&Tag> = others.iter().collect();
        list(tags.iter().filter(|tag| !others.contains(tag)).collect())
    };
    match (&one.old, &one.new) {
        (_, None) => format!("{one} is gone\n"),
        (None, Some(new)) => format!("{one} is new: {}\n", list(new.iter().collect())),
        (Some(old), Some(new)) => {
            let differences = [("added", without(new, old)), ("removed", without(old, new))];
            let differences = differences.into_iter().filter(|(_, tags)| !tags.is_empty());
            let differences: Vec<String> = differences.map(|(what, tags)| format!("{what} {tags}")).collect();
            format!("{one}: {}\n", differences.join("; "))
        }
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
