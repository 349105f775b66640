//! The commands that look at tasks and at what is remembered of them: `list`, `info`, `explain`, `graph`, `clean`, `forget`, `ignore`,
//! `reset-dep`, `schema`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};
use graph::{ListOptions, Selection, State};
use serde_json::json;

use crate::completion;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::session::{Selector, Turn, Session, chosen, chosen_or_all, unknown};

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    selector: Selector,
    /// The tasks, with their sub-tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// List sub-tasks, too
    #[arg(long)]
    all: bool,
    /// List private tasks, too
    #[arg(long, short)]
    private: bool,
    /// Show what a run would do: R run, U up to date, I ignored, E error
    #[arg(long, short)]
    status: bool,
    /// Show the files that each task depends on
    #[arg(long)]
    deps: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: iso]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// Also clean the tasks that these depend on
    #[arg(long, short)]
    clean_dep: bool,
    /// Clean all tasks
    #[arg(long, short, conflicts_with = "tasks")]
    all: bool,
    /// Report what would be removed, without removing it
    #[arg(long, short_alias = 'n')]
    dry_run: bool,
    #[command(flatten)]
    turn: Turn,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    turn: Turn,
    /// The tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
}

pub(crate) fn list(list: &List) -> Outcome {
    let session = Session::open(&list.selector)?;
    let selection = if list.tasks.is_empty() {
        None
    } else {
        let selected = session.graph.select(&list.tasks).map_err(unknown)?;
        Some(selected)
    };
    let state = State::read(&session.state_path())?;
    let options = ListOptions { all: list.all, private: list.private, status: list.status, deps: list.deps };
    let listed = graph::list(&session.graph, selection.as_ref(), options, &state)?;
    let rows: Vec<_> = listed
        .iter()
        .map(|task| json!({"name": task.name, "doc": task.doc, "status": task.status, "deps": task.deps}))
        .collect();
    Ok(list.output.report(&rows, || graph::render_list(&listed))?)
}

pub(crate) fn info(info: &Asked) -> Outcome {
    let session = Session::open(&info.selector)?;
    let state = State::read(&session.state_path())?;
    let mut up_to_date = true;
    let mut infos = Vec::new();
    for id in chosen(&session, &info.tasks)?.tasks() {
        let info = graph::info(&session.graph, *id, &state)?;
        up_to_date &= info.is_up_to_date();
        infos.push(info);
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let reasons: Vec<_> = info.reasons.iter().map(ToString::to_string).collect();
            json!({
                "name": info.name, "doc": info.doc, "fileDep": info.file_dep, "taskDep": info.task_dep,
                "targets": info.targets, "status": info.verdict.word(), "reasons": reasons, "error": info.error,
            })
        })
        .collect();
    info.output.report(&rows, || infos.iter().map(ToString::to_string).collect())?;
    if up_to_date { Ok(()) } else { Err(Failure::Failed(None)) }
}

pub(crate) fn explain(explain: &Asked) -> Outcome {
    let session = Session::open(&explain.selector)?;
    let state = State::read(&session.state_path())?;
    let selection = chosen(&session, &explain.tasks)?;
    let explained = graph::explain(&session.graph, &selection, &state)?;
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
    let text = || match &explained[..] {
        [] => "everything is up to date\n".to_owned(),
        explained => explained.iter().map(ToString::to_string).collect(),
    };
    Ok(explain.output.report(&rows, text)?)
}

pub(crate) fn clean(clean: &Clean) -> Outcome {
    let session = Session::open(&clean.selector)?;
    let mut selection = chosen_or_all(&session, &clean.tasks)?;
    if clean.clean_dep {
        selection = session.graph.with_needs(&selection);
    }
    let stale = || -> Result<_, Failure> {
        if !clean.tasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut stale = buildchain::tasks::stale(&session.project, &session.graph)?;
        stale.push(session.project.settings.own_home());
        Ok(stale)
    };
    if clean.dry_run {
        let state = State::read(&session.state_path())?;
        let planned = graph::plan_clean(&session.graph, &selection, &stale()?, &state)?;
        let rows: Vec<_> = planned.iter().map(removed).collect();
        return Ok(clean
            .output
            .report(&rows, || planned.iter().map(|cleaned| format!("{cleaned}\n")).collect())?);
    }
    let mut state = clean.turn.take(&session, &AtomicBool::new(false))?;
    let stale = stale()?;
    let mut printed = Ok(());
    let mut rows = Vec::new();
    let cleaned = graph::clean(&session.graph, &selection, &stale, &mut state, &mut |cleaned| {
        if !clean.output.is_text() {
            rows.push(removed(cleaned));
        } else if printed.is_ok() {
            printed = output::print(&format!("{cleaned}\n"));
        }
    });
    if !clean.output.is_text() {
        clean.output.report(&rows, String::new)?;
    }
    cleaned?;
    if state.is_empty() {
        state.erase()?;
        // What is left in it is not ours to remove.
        let _ = std::fs::remove_dir(&session.project.settings.build_root);
    }
    Ok(printed?)
}

fn removed(cleaned: &graph::Cleaned) -> serde_json::Value {
    json!({"path": cleaned.path, "folder": cleaned.is_folder, "task": cleaned.task})
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
    let session = Session::open(&named.selector)?;
    let selection = chosen_or_all(&session, &named.tasks)?;
    let mut state = named.turn.take(&session, &AtomicBool::new(false))?;
    let names = change(&session.graph, &selection, &mut state)?;
    let text = || names.iter().map(|name| format!("{word} {name}\n")).collect();
    Ok(named.output.report(&json!({"tasks": names}), text)?)
}

pub(crate) fn reset_dep(named: &Named) -> Outcome {
    let session = Session::open(&named.selector)?;
    let selection = chosen_or_all(&session, &named.tasks)?;
    let mut state = named.turn.take(&session, &AtomicBool::new(false))?;
    let resets = graph::reset_dep(&session.graph, &selection, &mut state)?;
    let rows: Vec<_> = resets
        .iter()
        .map(|reset| match reset {
            graph::Reset::Skipped(name) => json!({"name": name, "result": "skipped"}),
            graph::Reset::Processed(name) => json!({"name": name, "result": "processed"}),
            graph::Reset::Failed(name, reason) => json!({"name": name, "result": "failed", "reason": reason}),
        })
        .collect();
    named.output.report(&rows, || resets.iter().map(|reset| format!("{reset}\n")).collect())?;
    let failed = resets.iter().any(|reset| matches!(reset, graph::Reset::Failed(..)));
    if failed { Err(Failure::Failed(None)) } else { Ok(()) }
}

#[derive(Debug, Args)]
pub(crate) struct Drawing {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: iso]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// Write the graph in this form
    #[arg(long = "output", short = 'o', alias = "form", value_enum, default_value_t, value_name = "FORM")]
    form: DrawingForm,
}

/// The forms of a drawing.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum DrawingForm {
    /// Graphviz
    #[default]
    Dot,
    /// A Mermaid flowchart
    Mermaid,
    /// A picture
    Svg,
    /// Data
    Json,
}

pub(crate) fn draw(drawing: &Drawing) -> Outcome {
    let session = Session::open(&drawing.selector)?;
    let selection = chosen(&session, &drawing.tasks)?;
    let form = match drawing.form {
        DrawingForm::Dot => graph::Form::Dot,
        DrawingForm::Mermaid => graph::Form::Mermaid,
        DrawingForm::Svg => graph::Form::Svg,
        DrawingForm::Json => graph::Form::Json,
    };
    output::print(&graph::export(&session.graph, &selection, form))?;
    Ok(())
}

/// The schema of the project file.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Write the schema to FILE [default: standard output]
    #[arg(long, alias = "output", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn schema(schema: &Schema) -> Outcome {
    let value = buildchain::project::schema();
    match &schema.file {
        Some(path) => {
            let mut text = serde_json::to_string_pretty(&value)?;
            text.push('\n');
            output::write_file(path, text.as_bytes())?;
        }
        None => output::json(&value)?,
    }
    Ok(())
}
