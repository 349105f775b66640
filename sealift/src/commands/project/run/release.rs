//! `sealift run --release`: only the files of a commit.

use buildchain::project::MISTAKES_SHOWN;

use crate::failure::{CommandResult, Failure};
use crate::session::Session;

/// Refuses a project whose files differ from its commit.
pub(super) fn check(session: &Session) -> CommandResult {
    let project = &session.project;
    if project.revision.is_none() {
        let message = format!(
            "{} is not a checkout of a commit, which --release requires",
            content::printable_path(&project.root)
        );
        return Err(Failure::usage(message).remedy("build in a clone, or without --release"));
    }
    let differing = session.sources.differing(project)?;
    if differing.is_empty() {
        return Ok(());
    }
    let mut message = String::from("these files differ from the commit:");
    for path in differing.iter().take(MISTAKES_SHOWN) {
        message += &format!("\n  {}", content::printable_path(path));
    }
    if let Some(more) = differing.len().checked_sub(MISTAKES_SHOWN).filter(|more| *more > 0) {
        message += &format!("\n  and {more} more");
    }
    Err(Failure::usage(message).remedy("commit them, or build without --release"))
}
