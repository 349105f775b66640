//! The receiving end.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::partial::{Begun, PartialCopy};
use super::protocol::{CopyOutcome, RecipeResponse, read_message, write_message};
use super::recipe::Recipe;

/// Receives one archive from the [`send`](super::send()) at the other end of the streams into the folder `into`. Content that
/// `archives` (ISO files or folders of this node) hold already is not sent. `publish` is called with the whole archive, and
/// returns why it cannot be used.
///
/// An interrupted copy leaves `.<name>.partial` behind, from which the next one resumes. Both ends get the error.
///
/// # Errors
///
/// [`Error`]; the archives of the node have not changed.
pub fn receive(
    mut from: impl BufRead,
    mut to: impl Write,
    into: &Path,
    archives: &[PathBuf],
    publish: &dyn Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, Error> {
    let begun = read_message(&mut from).and_then(|recipe: Recipe| PartialCopy::begin(recipe, into, archives));
    let partial = match begun {
        Ok(Begun::Present(path)) => {
            let published = published(path, publish);
            let response = match &published {
                Ok(path) => RecipeResponse::Present(path.clone()),
                Err(error) => RecipeResponse::Error(error.to_string()),
            };
            write_message(&mut to, &response)?;
            return published;
        }
        Ok(Begun::Partial(partial)) => partial,
        Err(error) => {
            // The other end may be the cause.
            let _ = write_message(&mut to, &RecipeResponse::Error(error.to_string()));
            return Err(error);
        }
    };
    write_message(&mut to, &RecipeResponse::Needs(partial.needed.clone()))?;
    let done =
        partial.fill(&mut from).and_then(|()| partial.finish()).and_then(|path| published(path, publish));
    let outcome = match &done {
        Ok(path) => CopyOutcome::Published(path.clone()),
        Err(error) => CopyOutcome::Error(error.to_string()),
    };
    match (write_message(&mut to, &outcome), done) {
        // The other end has gone; the error here is the first cause.
        (Err(_), Err(error)) => Err(error),
        (reported, done) => reported.and(done),
    }
}

fn published(path: PathBuf, publish: &dyn Fn(&Path) -> Result<(), String>) -> Result<PathBuf, Error> {
    match publish(&path) {
        Ok(()) => Ok(path),
        Err(reason) => Err(Error::Publish { path, reason }),
    }
}
