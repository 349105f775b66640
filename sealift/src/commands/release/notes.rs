//! `sealift release notes`.

use buildchain::release::{self, NotesError};
use clap::Args;

use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::remedies;
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The release that users have: a tag or a version
    from: String,
    /// The new release, or a candidate of it
    to: String,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let project = arguments.selector.load()?;
    let notes = release::notes(&project, &arguments.from, &arguments.to).map_err(|error| match error {
        NotesError::Project(error) => remedies::project::project(error),
        NotesError::Order { .. } => Failure::usage_by(error)
            .remedy("write the release that users have first: `sealift release notes OLD NEW`"),
        NotesError::NoSection { ref version, .. } => {
            let help = format!("add a section with a heading such as `## {version} - 2026-01-31`");
            Failure::usage_by(error).remedy(help)
        }
        NotesError::NoTag { fetching, .. } => {
            Failure::usage_by(error).remedy(format!("create it (git tag -a), or {fetching}"))
        }
        NotesError::Shallow { fetching } => Failure::usage_by(error).remedy(fetching),
        _ => Failure::usage_by(error),
    })?;
    Ok(output::print(&notes)?)
}
