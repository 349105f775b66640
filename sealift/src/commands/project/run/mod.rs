//! `sealift run`.

mod release;
mod reporters;
pub(crate) mod summary;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use buildchain::tasks;
use clap::{Args, ValueEnum};
use graph::{
    ConsoleOptions, ConsoleReporter, JsonLinesReporter, JsonReporter, JunitReporter, ProjectState, Reporter,
    RunOptions, SelectedTasks, TraceReporter,
};

use self::reporters::{All, Quiet};
use crate::commands::project::cache;
use crate::completion;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::project::RunDocument;
use crate::output::{self, ReportForm};
use crate::progress::live::Live;
use crate::remedies;
use crate::session::{Permit, Selector, Session, chosen, is_xtask};
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The tasks: names, wildcards, or files that tasks produce [default: iso]
    #[arg(add = completion::tasks())]
    pub(super) tasks: Vec<String>,
    /// Fail if a file that the build reads differs from the commit
    #[arg(long)]
    pub(super) release: bool,
    #[command(flatten)]
    pub(super) flags: RunFlags,
}

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// The languages, as `sealift list --all` shows them after `lint:` [default: all]
    languages: Vec<String>,
    #[command(flatten)]
    pub(super) flags: RunFlags,
}

/// The options of a run.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    #[command(flatten)]
    pub(crate) selector: Selector,
    /// Run at most this many tasks at a time [default: the number of cores]
    #[arg(long, short = 'n', value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Keep running tasks that do not depend on a failed one
    #[arg(long = "continue", short = 'c')]
    keep_going: bool,
    /// Run the tasks even if they are up to date
    #[arg(long, short)]
    always: bool,
    /// Run only the named tasks, without their dependencies
    #[arg(long, short)]
    single: bool,
    /// Report what would run and why, without running it
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Report in this form
    #[arg(long, alias = "output", short_alias = 'o', value_enum, default_value_t, value_name = "FORM")]
    reporter: ReporterForm,
    #[command(flatten)]
    cache: cache::CacheFlags,
    #[command(flatten)]
    permit: Permit,
    /// Write a trace for Chrome or Perfetto to FILE
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a JUnit report to FILE
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show the output of successful tasks: 0 none, 1 standard error, 2 all [default: 1; 0 with -q, 2 with -v]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2), value_name = "LEVEL")]
    verbosity: Option<u8>,
    /// Show the output of failed tasks: 0 none, 1 standard error, 2 all
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2), value_name = "LEVEL")]
    failure_verbosity: u8,
}

impl RunFlags {
    /// The files that a run writes outside the build root: reports, printed output, caches.
    pub(super) fn written(&self, session: &Session) -> Vec<PathBuf> {
        let (root, settings) = (&session.project.root, &session.project.settings);
        let mut written = vec![settings.cache.clone(), settings.outputs.folder.clone()];
        let reports = [&self.trace, &self.junit].into_iter().flatten();
        written.extend(reports.filter_map(|path| std::path::absolute(path).ok()));
        // The files that standard output and standard error go to. The kernel returns paths without links.
        let real_root = root.canonicalize().unwrap_or_else(|_| root.clone());
        let streams = ["/proc/self/fd/1", "/proc/self/fd/2"];
        written.extend(
            streams
                .iter()
                .filter_map(|path| std::fs::read_link(path).ok())
                .filter_map(|path| Some(root.join(path.strip_prefix(&real_root).ok()?))),
        );
        written
    }
}

/// The forms of a run's report.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ReporterForm {
    /// A line per task
    #[default]
    #[value(alias = "text")]
    Console,
    /// One JSON document at the end
    Json,
    /// One JSON document per event, as it happens
    JsonLines,
    /// One YAML document at the end
    Yaml,
}

pub(crate) fn run(run: &RunArguments) -> CommandResult {
    run_tasks(&run.tasks, &run.flags, run.release)
}

pub(crate) fn lint(lint: &LintArguments) -> CommandResult {
    let tasks: Vec<String> = if lint.languages.is_empty() {
        vec!["lint".to_owned()]
    } else {
        lint.languages.iter().map(|language| format!("lint:{language}")).collect()
    };
    run_tasks(&tasks, &lint.flags, false)
}

fn run_tasks(tasks: &[String], run: &RunFlags, release: bool) -> CommandResult {
    let signals = Signals::catch()?;
    run_in(&Session::open(&run.selector)?, tasks, run, release, &signals)
}

/// Runs tasks of the project of `session`.
pub(crate) fn run_in(
    session: &Session,
    tasks: &[String],
    run: &RunFlags,
    release: bool,
    signals: &Signals,
) -> CommandResult {
    session.print_warnings();
    let selection = chosen(session, tasks)?;
    if release {
        release::check(session)?;
    }
    let ended = once(run, session, &selection, signals);
    let Some(signal) = signals.number() else { return ended };
    if let Err(failure) = ended {
        output::failure(&failure);
    }
    Err(Failure::Signal(signal))
}

/// The error when a report cannot be written.
const UNWRITTEN: &str = "cannot write the report";

/// Runs the selected tasks once.
pub(super) fn once(
    run: &RunFlags,
    session: &Session,
    selection: &SelectedTasks,
    signals: &Signals,
) -> CommandResult {
    let here = std::env::current_dir()?;
    let iso = session.project.root.join(session.project.iso());
    let check = if session.project.solution.is_some() { "solution check" } else { "archive verify" };
    let next = next(check, &summary::as_typed(&iso, &here), &here)?;
    let options = RunOptions {
        jobs: run.jobs.unwrap_or_else(|| content::parallel::processors().get()),
        keep_going: run.keep_going,
        always: run.always,
        single: run.single,
        cancel: Arc::clone(&signals.caught),
        cache: run.cache.cache(session),
        artifacts: artifacts(session, selection, iso, next),
        clock: Some(SystemTime::now),
        help: Some(remedies::tasks::help),
        ..RunOptions::default()
    };
    let console = ConsoleOptions {
        verbosity: run.verbosity.unwrap_or(if output::is_quiet() {
            0
        } else if output::is_verbose() {
            2
        } else {
            1
        }),
        failure_verbosity: run.failure_verbosity,
        command: run.selector.task_command(),
        reasons: run.dry_run || output::is_verbose(),
        color: output::is_colored(&io::stdout()),
    };
    let (mut trace, mut junit, mut json) = (Vec::new(), Vec::new(), Vec::new());
    let live = Live::start();
    let mut reporters: Vec<Box<dyn Reporter + '_>> = vec![match run.reporter {
        // A dry run is asked for its report, even quietly.
        ReporterForm::Console if output::is_quiet() && !run.dry_run => {
            Box::new(Quiet(ConsoleReporter::new(live.writer(), console)))
        }
        ReporterForm::Console => Box::new(live.reporter(ConsoleReporter::new(live.writer(), console))),
        ReporterForm::JsonLines => Box::new(JsonLinesReporter::new(io::stdout(), options.clock)),
        ReporterForm::Json | ReporterForm::Yaml => Box::new(JsonReporter::new(&mut json)),
    }];
    if run.trace.is_some() {
        reporters.push(Box::new(TraceReporter::new(&mut trace)));
    }
    if run.junit.is_some() {
        reporters.push(Box::new(JunitReporter::new(&mut junit, session.project.values.slug.clone())));
    }
    let mut reporters = All(reporters);
    if !matches!(run.reporter, ReporterForm::Console) {
        // The console has them on standard error.
        session.warnings().iter().for_each(|text| reporters.event(&graph::RunEvent::Warned { text }));
    }
    let ended = execute(run, session, selection, &options, &mut reporters);
    let unwritten = reporters.take_error().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    drop(reporters);
    if !json.is_empty() {
        let form =
            if matches!(run.reporter, ReporterForm::Yaml) { ReportForm::Yaml } else { ReportForm::Json };
        output::write(&serde_json::from_slice::<RunDocument>(&json)?, form).context(UNWRITTEN)?;
    }
    for (path, report) in [(&run.trace, trace), (&run.junit, junit)] {
        if let (Some(path), false) = (path, report.is_empty()) {
            output::write_file(path, &report)?;
        }
    }
    let outcome = ended?;
    if let Some(error) = unwritten {
        return Err(anyhow::Error::new(error).context(UNWRITTEN).into());
    }
    let is_console = matches!(run.reporter, ReporterForm::Console);
    match outcome.exit() {
        0 if is_console && run.dry_run => output::note(&summary::dry(&outcome)),
        0 if is_console => output::done(&summary::success(&outcome, &here)),
        0 => {}
        // The errors of the tasks are printed; this says which tasks they are of.
        1 => return Err(Failure::Failed(is_console.then(|| summary::failure(&outcome)))),
        _ if is_console => return Err(Failure::Error(summary::failure(&outcome))),
        _ => return Err(Failure::Reported),
    }
    Ok(())
}

/// What the run reports as built: the ISO, and the files of the tasks that the user named.
fn artifacts(
    session: &Session,
    selection: &SelectedTasks,
    iso: PathBuf,
    next: String,
) -> Vec<(PathBuf, Option<String>)> {
    let root = &session.project.root;
    let named = selection.tasks().iter().flat_map(|id| &session.graph.task(*id).outputs);
    let files = named.filter_map(|output| match output {
        graph::TaskOutput::File(path) => Some(root.join(path)),
        graph::TaskOutput::Folder(_) => None,
    });
    let others: Vec<_> = files.filter(|path| *path != iso).map(|path| (path, None)).collect();
    std::iter::once((iso, Some(next))).chain(others).collect()
}

/// The command to run next: `check` of the archive at `iso`.
fn next(check: &str, iso: &Path, here: &Path) -> io::Result<String> {
    // A user of `cargo xtask` may not have the program on the path.
    let program = if is_xtask() {
        summary::as_typed(&std::env::current_exe()?, here).to_string_lossy().into_owned()
    } else {
        "sealift".to_owned()
    };
    let iso = iso.to_string_lossy();
    Ok(format!("{} {check} {}", graph::quoted(&program), graph::quoted(&iso)))
}

fn execute(
    run: &RunFlags,
    session: &Session,
    selection: &SelectedTasks,
    options: &RunOptions,
    reporter: &mut dyn Reporter,
) -> Result<graph::RunOutcome, Failure> {
    let Session { project, graph, .. } = session;
    if run.dry_run {
        let state = ProjectState::read(&session.state_path())?;
        return Ok(graph::dry_run(graph, selection, options, &state, reporter)?);
    }
    tasks::check_locked(project, graph, selection).map_err(remedies::project::project)?;
    let is_first = !session.state_path().exists();
    let state = run.permit.take(session, &options.cancel)?;
    let removed = |path: PathBuf| {
        output::warn(&format!("removed {}, which no task produces", content::printable_path(&path)));
    };
    tasks::run(project, graph, selection, options, state, is_first, &removed, reporter)
        .map_err(remedies::project::run)
}
