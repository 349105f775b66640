//! The commands on a project's tasks: `run`, `list`, `info`, `explain`, `clean`, `forget`, `ignore`, `reset-dep`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use buildchain::graph::{
    self, ConsoleOptions, ConsoleReporter, JsonLinesReporter, JsonReporter, ListOptions, Reporter,
    RunOptions, Selection, State,
};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Form};
use crate::progress::Live;
use crate::workshop::{Selector, Workshop, broken_run, held};

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    selector: Selector,
    /// The tasks: names, wildcards, or files that tasks make [default: iso]
    tasks: Vec<String>,
    /// How many tasks run at once [default: the number of cores]
    #[arg(long, short = 'n', value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Go on with all that does not need what failed
    #[arg(long = "continue", short)]
    keep_going: bool,
    /// Run the tasks even if they are up to date
    #[arg(long, short)]
    always: bool,
    /// Only the tasks named, not what they need
    #[arg(long, short)]
    single: bool,
    /// Only say what would run, and why
    #[arg(long)]
    dry_run: bool,
    /// How to report
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    reporter: ReporterForm,
    /// What tasks that succeed may print: 0 nothing, 1 warnings, 2 all
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2), value_name = "LEVEL")]
    verbosity: u8,
    /// What is repeated of the output of tasks that fail: 0 nothing, 1 errors, 2 all
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2), value_name = "LEVEL")]
    failure_verbosity: u8,
}

/// The forms of a run's report.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ReporterForm {
    /// A line per task
    #[default]
    Console,
    /// One JSON document at the end
    Json,
    /// One JSON document per event, as it happens
    JsonLines,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    selector: Selector,
    /// Only these tasks and their sub-tasks
    tasks: Vec<String>,
    /// Sub-tasks too
    #[arg(long)]
    all: bool,
    /// Private tasks too
    #[arg(long, short)]
    private: bool,
    /// What a run would do: R run, U up to date, I ignored, E error
    #[arg(long, short)]
    status: bool,
    /// The files that each depends on
    #[arg(long)]
    deps: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: iso]
    tasks: Vec<String>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: all]
    tasks: Vec<String>,
    /// Only say what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: all]
    tasks: Vec<String>,
}

fn chosen(workshop: &Workshop, tasks: &[String]) -> Result<Selection, Failure> {
    let default = [buildchain::tasks::DEFAULT.to_owned()];
    let tasks = if tasks.is_empty() { &default } else { tasks };
    workshop.graph.select(tasks).map_err(unknown)
}

fn chosen_or_all(workshop: &Workshop, tasks: &[String]) -> Result<Selection, Failure> {
    let all: Vec<String>;
    let tasks = if tasks.is_empty() {
        all = workshop.graph.tasks().map(|(_, task)| task.name.clone()).collect();
        &all
    } else {
        tasks
    };
    workshop.graph.select(tasks).map_err(unknown)
}

fn unknown(error: graph::SelectError) -> Failure {
    Failure::usage_by(error).remedy("`sealift list --all --private` names every task")
}

pub(crate) fn run(run: &Run) -> Outcome {
    let workshop = Workshop::open(&run.selector)?;
    let selection = chosen(&workshop, &run.tasks)?;
    let signals = Signals::catch()?;
    let options = RunOptions {
        jobs: run.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into)),
        keep_going: run.keep_going,
        always: run.always,
        single: run.single,
        cancel: Arc::clone(&signals.caught),
        clock: Some(SystemTime::now),
        ..RunOptions::default()
    };
    let console = ConsoleOptions {
        verbosity: run.verbosity,
        failure_verbosity: run.failure_verbosity,
        command: workshop.door(),
        reasons: run.dry_run,
    };
    let outcome = match run.reporter {
        ReporterForm::Console => {
            let live = Live::start();
            let mut reporter = live.reporter(ConsoleReporter::new(live.writer(), console));
            execute(&workshop, &selection, &options, run.dry_run, &mut reporter)
        }
        ReporterForm::Json => {
            execute(&workshop, &selection, &options, run.dry_run, &mut JsonReporter::new(std::io::stdout()))
        }
        ReporterForm::JsonLines => execute(
            &workshop,
            &selection,
            &options,
            run.dry_run,
            &mut JsonLinesReporter::new(std::io::stdout()),
        ),
    }?;
    if let Some(signal) = signals.number() {
        return Err(Failure::Signal(signal));
    }
    match outcome.exit() {
        0 => Ok(()),
        // The reporter has told all there is to tell.
        1 => Err(Failure::Failed(None)),
        _ => Err(Failure::Told),
    }
}

fn execute(
    workshop: &Workshop,
    selection: &Selection,
    options: &RunOptions,
    dry_run: bool,
    reporter: &mut dyn Reporter,
) -> Result<graph::Outcome, Failure> {
    let path = workshop.state_path();
    if dry_run {
        let state = State::read(&path)?;
        return Ok(graph::dry_run(&workshop.graph, selection, options, &state, reporter)?);
    }
    let mut state = State::open(&path).map_err(held)?;
    for path in buildchain::tasks::sweep(&workshop.project, &workshop.graph)? {
        output::warn(&format!("removed {}, which no task makes", path.display()));
    }
    graph::run(&workshop.graph, selection, options, &mut state, reporter).map_err(broken_run)
}

/// SIGINT and SIGTERM: the first stops the run in order, the second at once.
struct Signals {
    caught: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};

        let signals = Self { caught: Arc::default(), number: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&signals.caught),
            )?;
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.number), number)?;
            signal_hook::flag::register(signal, Arc::clone(&signals.caught))?;
        }
        Ok(signals)
    }

    fn number(&self) -> Option<u8> {
        u8::try_from(self.number.load(Ordering::SeqCst)).ok().filter(|number| *number != 0)
    }
}

pub(crate) fn list(list: &List) -> Outcome {
    let workshop = Workshop::open(&list.selector)?;
    let selection = if list.tasks.is_empty() {
        None
    } else {
        let selected = workshop.graph.select(&list.tasks).map_err(unknown)?;
        Some(selected)
    };
    let state = State::read(&workshop.state_path())?;
    let options = ListOptions { all: list.all, private: list.private, status: list.status, deps: list.deps };
    let listed = graph::list(&workshop.graph, selection.as_ref(), options, &state)?;
    match list.output {
        Form::Text => output::print(&graph::render_list(&listed))?,
        Form::Json => {
            let rows: Vec<_> = listed
                .iter()
                .map(|task| {
                    json!({"name": task.name, "doc": task.doc, "status": task.status, "deps": task.deps})
                })
                .collect();
            output::json(&rows)?;
        }
    }
    Ok(())
}

pub(crate) fn info(info: &Asked) -> Outcome {
    let workshop = Workshop::open(&info.selector)?;
    let state = State::read(&workshop.state_path())?;
    let mut up_to_date = true;
    let mut rows = Vec::new();
    for id in chosen(&workshop, &info.tasks)?.tasks() {
        let info = graph::info(&workshop.graph, *id, &state)?;
        up_to_date &= info.is_up_to_date();
        rows.push(info);
    }
    match info.output {
        Form::Text => {
            for row in &rows {
                output::print(&row.to_string())?;
            }
        }
        Form::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|info| {
                    let reasons: Vec<_> = info.reasons.iter().map(ToString::to_string).collect();
                    json!({
                        "name": info.name, "doc": info.doc, "fileDep": info.file_dep, "taskDep": info.task_dep,
                        "targets": info.targets, "status": info.verdict.word(), "reasons": reasons, "error": info.error,
                    })
                })
                .collect();
            output::json(&rows)?;
        }
    }
    if up_to_date { Ok(()) } else { Err(Failure::Failed(None)) }
}

pub(crate) fn explain(explain: &Asked) -> Outcome {
    let workshop = Workshop::open(&explain.selector)?;
    let state = State::read(&workshop.state_path())?;
    let selection = chosen(&workshop, &explain.tasks)?;
    let explained = graph::explain(&workshop.graph, &selection, &state)?;
    match explain.output {
        Form::Text if explained.is_empty() => output::print("everything is up to date\n")?,
        Form::Text => {
            for one in &explained {
                output::print(&one.to_string())?;
            }
        }
        Form::Json => {
            let rows: Vec<_> = explained
                .iter()
                .map(|one| {
                    let reasons: Vec<_> = one.reasons.iter().map(ToString::to_string).collect();
                    json!({
                        "name": one.name, "status": one.verdict.word(), "was": one.was, "now": one.now,
                        "reasons": reasons, "error": one.error,
                    })
                })
                .collect();
            output::json(&rows)?;
        }
    }
    Ok(())
}

pub(crate) fn clean(clean: &Clean) -> Outcome {
    let workshop = Workshop::open(&clean.selector)?;
    let selection = chosen_or_all(&workshop, &clean.tasks)?;
    if clean.dry_run {
        for cleaned in graph::plan_clean(&workshop.graph, &selection)? {
            output::print(&format!("{cleaned}\n"))?;
        }
        return Ok(());
    }
    let mut state = State::open(&workshop.state_path()).map_err(held)?;
    let mut printed = Ok(());
    graph::clean(&workshop.graph, &selection, &mut state, &mut |cleaned| {
        if printed.is_ok() {
            printed = output::print(&format!("{cleaned}\n"));
        }
    })?;
    if state.is_empty() {
        state.erase()?;
        // What is left in it is not ours to remove.
        let _ = std::fs::remove_dir(&workshop.project.settings.build_root);
    }
    Ok(printed?)
}

pub(crate) fn forget(named: &Named) -> Outcome {
    each(named, "forgetting", graph::forget)
}

pub(crate) fn ignore(named: &Named) -> Outcome {
    if named.tasks.is_empty() {
        return Err(Failure::usage("`ignore` needs the names of tasks"));
    }
    each(named, "ignoring", graph::ignore)
}

type Change = fn(&graph::Graph, &Selection, &mut State) -> Result<Vec<String>, graph::StateError>;

fn each(named: &Named, word: &str, change: Change) -> Outcome {
    let workshop = Workshop::open(&named.selector)?;
    let selection = chosen_or_all(&workshop, &named.tasks)?;
    let mut state = State::open(&workshop.state_path()).map_err(held)?;
    for name in change(&workshop.graph, &selection, &mut state)? {
        output::print(&format!("{word} {name}\n"))?;
    }
    Ok(())
}

pub(crate) fn reset_dep(named: &Named) -> Outcome {
    let workshop = Workshop::open(&named.selector)?;
    let selection = chosen_or_all(&workshop, &named.tasks)?;
    let mut state = State::open(&workshop.state_path()).map_err(held)?;
    for reset in graph::reset_dep(&workshop.graph, &selection, &mut state)? {
        output::print(&format!("{reset}\n"))?;
    }
    Ok(())
}

/// The schema of the project file.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Write it here instead of to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn schema(schema: &Schema) -> Outcome {
    let value = buildchain::project::schema();
    match &schema.output {
        Some(path) => {
            let mut text = serde_json::to_string_pretty(&value)?;
            text.push('\n');
            std::fs::write(path, text)?;
        }
        None => output::json(&value)?,
    }
    Ok(())
}
