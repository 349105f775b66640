//! `sealift schema`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::output::documents::KINDS;

/// The kind of the project file.
const PROJECT: &str = "Platform";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print the schema of this kind of document: `Platform` is sealift.yaml, the others are reports
    #[arg(default_value = PROJECT, value_parser = kinds(), hide_possible_values = true)]
    kind: String,
    /// Write the schema to FILE [default: standard output]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once(PROJECT).chain(KINDS.iter().map(|kind| kind.name)))
}

pub(crate) fn run(arguments: &Arguments) -> CommandResult {
    let Arguments { kind, file } = arguments;
    let known = KINDS.iter().find(|known| known.name == kind).map(|known| (known.schema)());
    let value = match known {
        Some(value) => value,
        None if kind == PROJECT => buildchain::project::schema(),
        None => return Err(Failure::usage(format!("no document has the kind `{kind}`"))),
    };
    let text = output::json(&value)?;
    match file {
        Some(path) => output::write_file(path, text.as_bytes())?,
        None => output::print(&text)?,
    }
    Ok(())
}
