//! `sealift run --release`: only the files of a commit.

use crate::failure::CommandResult;
use crate::remedies;
use crate::session::Session;

/// Refuses a project whose files differ from its commit.
pub(super) fn check(session: &Session) -> CommandResult {
    let project = &session.project;
    if project.revision.is_none() {
        return Err(remedies::project::no_commit(&project.root));
    }
    let differing = session.sources.differing(project)?;
    if differing.is_empty() { Ok(()) } else { Err(remedies::project::differing(&differing)) }
}
