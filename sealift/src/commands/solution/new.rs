//! `sealift solution new`.

use std::path::{Path, PathBuf};

use buildchain::project::{ParsedName as _, Scaffold, SolutionName, Version};
use clap::Args;
use content::printable_path;

use crate::failure::CommandResult;
use crate::output::documents::project::NewSolution;
use crate::output::{ReportOutput, documents};
use crate::remedies;

/// The version of a Solution that has none yet.
const VERSION: &str = "0.1.0";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the Solution: at most 24 lower-case letters, digits and `-`
    #[arg(value_parser = SolutionName::parse)]
    name: SolutionName,
    /// Set its version
    #[arg(long, value_name = "VERSION", value_parser = Version::parse, default_value = VERSION)]
    version: Version,
    /// Write the project into DIR, which is created [default: NAME]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let scaffold = Scaffold::new(&arguments.name, &arguments.version).map_err(remedies::project::project)?;
    let folder = arguments.into.as_deref().unwrap_or(Path::new(arguments.name.as_str()));
    scaffold.write(folder).map_err(remedies::project::scaffold)?;
    let next = format!("sealift solution build {}", graph::quoted(&folder.to_string_lossy()));
    let document = || NewSolution {
        folder: documents::text(folder),
        files: scaffold.files.iter().map(|file| documents::text(&file.path)).collect(),
        next: next.clone(),
    };
    Ok(arguments.output.report(document, || {
        let mut text: String = scaffold
            .files
            .iter()
            .map(|file| format!("wrote {}\n", printable_path(&folder.join(&file.path))))
            .collect();
        text.push_str(&format!("next: {next}\n"));
        text
    })?)
}
