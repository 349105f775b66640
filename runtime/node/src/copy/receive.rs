//! The receiving end.

use std::io::{BufRead, ErrorKind, Write};
use std::path::{Path, PathBuf};

use archive::attestation::bundle_path;
use content::{Digest, LinkPolicy, Root};
use trust::BUNDLE_MAX;

use super::error::Error;
use super::partial::{Begun, PartialCopy};
use super::protocol::{CopyOutcome, RecipeResponse, read_message, write_message};
use super::recipe::Recipe;

/// Receives one archive from the [`send`](super::send()) at the other end of the streams into the folder `into`. Content that
/// `archives` (ISO files or folders of this node) hold already is not sent. `check_bundle` is called with the whole archive, its
/// digest and the file of the bundle that came with it, and returns whether the policy of this node requires and accepts the bundle,
/// or why the policy refuses it. `publish` is called with the whole archive, and returns why it cannot be used.
///
/// A bundle replaces another one only if the policy requires and accepts it: the sender is not trusted.
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
    check_bundle: CheckBundle<'_>,
    publish: &dyn Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, Error> {
    let mut bundle = None;
    let begun = read_message(&mut from).and_then(|recipe: Recipe| {
        bundle = recipe.bundle.clone().map(|bundle| (bundle, recipe.digest));
        PartialCopy::begin(recipe, into, archives)
    });
    let published = |path: PathBuf| {
        if let Some((bundle, digest)) = &bundle {
            place_bundle(&path, bundle, &|file| check_bundle(&path, *digest, file))?;
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

/// Whether the policy requires and accepts the bundle of an archive with this digest, or why it refuses the bundle.
pub type CheckBundle<'a> = &'a dyn Fn(&Path, Digest, &Path) -> Result<bool, String>;

/// Puts the bundle of the archive at `path` beside it, in the place of another one if `check` says so.
fn place_bundle(
    path: &Path,
    bundle: &str,
    check: &dyn Fn(&Path) -> Result<bool, String>,
) -> Result<(), Error> {
    let target = bundle_path(path);
    let is_other = match content::open_read(&target, LinkPolicy::Refuse, BUNDLE_MAX as u64) {
        Ok(found) if found == bundle.as_bytes() => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Ok(_) | Err(_) => true,
    };
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
    let refused = match check(&target.with_file_name(&partial)) {
        Ok(counts) if counts || !is_other => None,
        Ok(_) => Some(Error::Taken(target.clone())),
        Err(reason) => Some(Error::Publish { path: path.to_owned(), reason }),
    };
    if let Some(error) = refused {
        root.remove_file(&partial)?;
        return Err(error);
    }
    root.rename(&partial, &name)?;
    Ok(root.sync()?)
}

fn published(path: PathBuf, publish: &dyn Fn(&Path) -> Result<(), String>) -> Result<PathBuf, Error> {
    match publish(&path) {
        Ok(()) => Ok(path),
        Err(reason) => Err(Error::Publish { path, reason }),
    }
}
