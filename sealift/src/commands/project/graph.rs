//! `sealift graph`.

use clap::{Args, ValueEnum};

use crate::completion;
use crate::failure::Outcome;
use crate::output::documents::project::TaskGraph;
use crate::output::{self, ReportForm};
use crate::session::{Selector, Session, chosen};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: iso]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// Write the graph in this form
    #[arg(long = "output", short = 'o', alias = "form", value_enum, default_value_t, value_name = "FORM")]
    form: Form,
}

/// The forms of a drawing.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Form {
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

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let session = Session::open(&arguments.selector)?;
    let selection = chosen(&session, &arguments.tasks)?;
    let form = match arguments.form {
        Form::Dot => graph::Form::Dot,
        Form::Mermaid => graph::Form::Mermaid,
        Form::Svg => graph::Form::Svg,
        Form::Json => graph::Form::Json,
    };
    let drawn = graph::export(&session.graph, &selection, form);
    if matches!(arguments.form, Form::Json) {
        let document: TaskGraph = serde_json::from_str(&drawn)?;
        return Ok(output::write(&document, ReportForm::Json)?);
    }
    Ok(output::print(&drawn)?)
}
