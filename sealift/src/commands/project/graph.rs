//! `sealift graph`.

use clap::{Args, ValueEnum};

use crate::completion;
use crate::failure::CommandResult;
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
    form: GraphFormArgument,
}

/// The forms of a drawing.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum GraphFormArgument {
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

pub(crate) fn run(arguments: &Arguments) -> CommandResult {
    let session = Session::open(&arguments.selector)?;
    let selection = chosen(&session, &arguments.tasks)?;
    let form = match arguments.form {
        GraphFormArgument::Dot => graph::GraphForm::Dot,
        GraphFormArgument::Mermaid => graph::GraphForm::Mermaid,
        GraphFormArgument::Svg => graph::GraphForm::Svg,
        GraphFormArgument::Json => graph::GraphForm::Json,
    };
    let drawn = graph::export(&session.graph, &selection, form);
    if matches!(arguments.form, GraphFormArgument::Json) {
        let document: TaskGraph = serde_json::from_str(&drawn)?;
        return Ok(output::write(&document, ReportForm::Json)?);
    }
    Ok(output::print(&drawn)?)
}
