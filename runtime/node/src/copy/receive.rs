//! The receiving end.

use std::io::{BufRead, ErrorKind, Write};
use std::path::{Path, PathBuf};

use archive::attestation::bundle_path;
use content::{LinkPolicy, Root};

use super::error::Error;
use super::partial::{Begun, PartialCopy};
use super::protocol::{CopyOutcome, RecipeResponse, read_message, write_message};
use super::recipe::{BUNDLE_MAX, Recipe};

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
    let mut bundle = None;
    let begun = read_message(&mut from).and_then(|recipe: Recipe| {
        bundle.clone_from(&recipe.bundle);
        PartialCopy::begin(recipe, into, archives)
    });
    let published = |path: PathBuf| {
        if let Some(bundle) = &bundle {
            place_bundle(&path, bundle)?;
        }
        published(path, publish)
    };
    let partial = match begun {
        Ok(Begun::Present(path)) => {
            let published = published(path);
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
    let done = partial.fill(&mut from).and_then(|()| partial.finish()).and_then(published);
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

/// Puts the bundle of the archive at `path` beside it, in the place of another one.
fn place_bundle(path: &Path, bundle: &str) -> Result<(), Error> {
    let target = bundle_path(path);
    if content::open_read(&target, LinkPolicy::Refuse, BUNDLE_MAX)
        .is_ok_and(|found| found == bundle.as_bytes())
    {
        return Ok(());
    }
    let root = Root::open(target.parent().unwrap_or(Path::new("/")))?;
    let name = PathBuf::from(target.file_name().unwrap_or_default());
    let partial = PathBuf::from(format!(".{}.partial", name.display()));
    match root.remove_file(&partial) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        removed => removed?,
    }
    root.create_whole(&partial, 0o644, |mut file| {
        file.write_all(bundle.as_bytes())?;
        file.sync_all()
    })?;
    root.rename(&partial, &name)?;
    Ok(root.sync()?)
}

fn published(path: PathBuf, publish: &dyn Fn(&Path) -> Result<(), String>) -> Result<PathBuf, Error> {
    match publish(&path) {
        Ok(()) => Ok(path),
        Err(reason) => Err(Error::Publish { path, reason }),
    }
}
