//! `sealift lock` and `sealift update`.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use buildchain::locking::{
    self, EntryChange, LockUpdate, LookUp, PackageChange, SameName, Scope, SelectionChange, SourceChange,
};
use buildchain::project::{Project, RegistryAccess, Tag};
use clap::Args;
use content::Digest;
use images::RegistrySession;
use images::pull::TransferProgress;
use jiff::Timestamp;
use packages::metadata::ChangelogEntry;

use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::lock::LockedTag;
use crate::output::{self, ReportOutput};
use crate::remedies;
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    plain: Plain,
    /// Change nothing, and fail if a tag, source or package differs from the lock file
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
    /// Print what the changelogs of upstream packages that moved say since the locked version
    #[arg(long)]
    changelog: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(crate) fn lock(lock: &LockArguments) -> CommandResult {
    let scope = if lock.check { Scope::All } else { Scope::Missing };
    let projects = lock.selector.load_all()?;
    let found = look_up(projects, &lock.plain, what(scope), !lock.check, Some(lock.output))?;
    if !lock.check {
        return Ok(());
    }
    let selection = found.selections.iter().find(|one| one.moved()).map(remedies::images::chosen);
    let moved = || found.resolved.iter().find(|one| one.moved()).map(remedies::images::moved);
    let source = || found.sources.iter().find(|one| one.moved()).map(remedies::images::moved_source);
    let package =
        || found.packages.iter().find(|one| one.has_moved_files()).map(remedies::images::moved_package);
    let stale = || found.stale.first().map(|what| remedies::images::stale(what));
    selection.or_else(moved).or_else(source).or_else(package).or_else(stale).map_or(Ok(()), Err)
}

pub(crate) fn update(update: &UpdateArguments) -> CommandResult {
    let projects = update.selector.load_all()?;
    let what = LookUp { changelogs: update.changelog, ..what(Scope::All) };
    look_up(projects, &update.plain, what, true, Some(update.output)).map(drop)
}

/// What was looked up.
#[derive(Default)]
struct Changes {
    selections: Vec<SelectionChange>,
    resolved: Vec<EntryChange>,
    sources: Vec<SourceChange>,
    packages: Vec<PackageChange>,
    /// Sets of packages that are locked for other values of the project.
    stale: Vec<String>,
}

/// What is looked up: these tags, sources and packages, now, and no changelogs.
fn what(scope: Scope) -> LookUp {
    LookUp { scope, now: Timestamp::now().as_second(), changelogs: false }
}

/// Writes the digests that the lock file of `project` lacks, and reports them.
pub(crate) fn complete(project: Project) -> CommandResult {
    let plain = Plain { plain_http: Vec::new() };
    look_up(vec![project], &plain, what(Scope::Missing), true, None).map(drop)
}

/// Whether the lock file lacks a digest that a build of `project` needs.
pub(crate) fn lacks_digests(project: &Project) -> bool {
    let pulled = project.pull.iter().filter(|pull| pull.locked_name().is_some()).map(|pull| pull.digest);
    let bases = project.images.iter().flat_map(|image| &image.bases).map(|base| base.digest);
    pulled.chain(bases).any(|digest| digest.is_none())
}

/// Looks up what the lock file of `projects`, which are forms of one project, lacks or all that is in it. Writes it with `write`, and
/// reports what was found, then fails for the rest. Without `output` notes report what is new.
fn look_up(
    mut projects: Vec<Project>,
    plain: &Plain,
    what: LookUp,
    write: bool,
    output: Option<ReportOutput>,
) -> Result<Changes, Failure> {
    // A profile can reach registries of its own.
    let registries: Vec<RegistryAccess> =
        projects.iter_mut().flat_map(|project| std::mem::take(&mut project.registries)).collect();
    let Some(project) = projects.first_mut() else { return Ok(Changes::default()) };
    for registry in registries {
        if !project.registries.contains(&registry) {
            project.registries.push(registry);
        }
    }
    let mut options = buildchain::tasks::registry_options(project);
    options.plain_http.extend(plain.plain_http.iter().cloned());
    let root = project.root.clone();
    let printed = Printed::new();
    let LockUpdate { lock, selections, resolved, sources, packages, stale, mut failures } =
        locking::resolve(&projects, what, &RegistrySession::new(options), &printed)?;
    // The old lock file stays, whole, if an image lacks a good signature.
    let is_unsigned = failures.iter().any(|failure| matches!(failure, locking::Error::Unsigned { .. }));
    if write && !is_unsigned {
        lock.write(&root)?;
    }
    let text = || {
        let chosen = selections.iter().filter(|one| one.moved()).map(chosen);
        let resolved = resolved.iter().filter(|one| one.moved()).map(lines);
        let sources = sources.iter().filter(|one| one.moved());
        let sources = sources.map(|one| change(&one.source, one.old.as_ref(), one.new.as_ref()));
        let packages = packages.iter().filter(|one| one.moved()).map(package_line);
        let moved: String = chosen.chain(resolved).chain(sources).chain(packages).collect();
        if !moved.is_empty() || !failures.is_empty() {
            return moved;
        }
        let same = stale.iter().map(|what| format!("{what} are the same for the changed project\n"));
        let same: String = same.collect();
        if same.is_empty() { "nothing moved\n".to_owned() } else { same }
    };
    let documents = || {
        let (selections, sources) =
            (selections.iter().map(LockedTag::from), sources.iter().map(LockedTag::from));
        let packages = packages.iter().map(LockedTag::from);
        let resolved = resolved.iter().map(LockedTag::from);
        selections.chain(resolved).chain(sources).chain(packages).collect::<List<_>>()
    };
    match output {
        Some(output) => output.report(documents, text)?,
        None => text().lines().for_each(output::note),
    }
    let Some(last) = failures.pop() else {
        return Ok(Changes { selections, resolved, sources, packages, stale });
    };
    for failure in failures {
        output::failure(&remedies::images::lock(failure));
    }
    Err(remedies::images::lock(last))
}

/// How often a line says how much was fetched.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Prints each warning once, since several images are looked up at a time, often in one registry; and from time to time how much of
/// the sources was fetched.
pub(crate) struct Printed {
    warnings: Mutex<HashSet<String>>,
    fetched: Mutex<Fetched>,
}

/// How much of the sources was fetched, in bytes.
struct Fetched {
    done: u64,
    all: u64,
    last_line: Instant,
}

impl Printed {
    pub(crate) fn new() -> Self {
        let fetched = Fetched { done: 0, all: 0, last_line: Instant::now() };
        Self { warnings: Mutex::default(), fetched: Mutex::new(fetched) }
    }

    fn fetched(&self) -> MutexGuard<'_, Fetched> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TransferProgress for Printed {
    fn planned(&self, _: usize, bytes: u64) {
        self.fetched().all += bytes;
    }

    fn advance(&self, _: &Digest, bytes: i64) {
        let mut fetched = self.fetched();
        fetched.done = fetched.done.saturating_add_signed(bytes);
        if fetched.last_line.elapsed() >= LINE_EVERY {
            fetched.last_line = Instant::now();
            let (done, all) = (output::size(fetched.done), output::size(fetched.all.max(fetched.done)));
            output::note(&format!("fetching: {done} of {all}"));
        }
    }

    fn warn(&self, text: &str) {
        if self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
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

/// A line for a package that moved.
pub(crate) fn package_line(one: &PackageChange) -> String {
    let list = |packages: &[String]| (!packages.is_empty()).then(|| packages.join(", "));
    let what = format!("{} ({}, release {})", one.package, one.repository, one.release);
    match one.same_name {
        Some(SameName::File { old, new }) if one.old == one.new => {
            return format!("{what} {}: the file was replaced: {old} -> {new}\n", one.new.join(", "));
        }
        Some(SameName::Reason) if one.old == one.new => {
            return format!("{what} {}: the same file for another reason\n", one.new.join(", "));
        }
        _ => {}
    }
    let mut text = change(&what, list(&one.old), list(&one.new));
    for ChangelogEntry { date, author, text: said } in &one.changelog {
        let date = Timestamp::from_second(*date).map(|date| date.strftime("%Y-%m-%d ").to_string());
        text.push_str(&format!("  {}{}\n", date.unwrap_or_default(), content::printable(author)));
        said.lines().for_each(|line| text.push_str(&format!("    {}\n", content::printable(line))));
    }
    text
}

fn change<T: std::fmt::Display>(what: &str, old: Option<T>, new: Option<T>) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{what} {old} -> {new}\n"),
        (None, Some(new)) => format!("{what} is new: {new}\n"),
        (Some(old), None) => format!("{what} is gone: {old}\n"),
        (None, None) => format!("{what} is gone\n"),
    }
}
