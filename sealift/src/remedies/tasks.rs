//! Help for errors of tasks, which a run reports with the task.

use std::error::Error;
use std::io;

use buildchain::tasks::SigningError;
use graph::{CannotRun, FileError};

use super::{images, packages};

/// How to build without the secret key.
const WITHOUT: &str = "or build without signatures: SEALIFT_SIGN=no";

/// What to do about the error of a task, from the outermost of its causes that there is help for.
pub(crate) fn help(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(help) = of(error) {
            return Some(help);
        }
        next = error.source();
    }
    None
}

fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<::images::pull::Error>() {
        return images::task(error);
    }
    if let Some(error) = error.downcast_ref::<CannotRun>() {
        let program = content::printable(&error.program);
        let is_missing = error.source.kind() == io::ErrorKind::NotFound;
        return is_missing.then(|| match error.program.contains('/') {
            true => format!("check the path `{program}` and the first line of that file"),
            false => format!("install `{program}`, or add its folder to PATH"),
        });
    }
    if let Some(SigningError::NoSecretKey) = error.downcast_ref() {
        return Some(format!("set SEALIFT_SIGNING_KEY to its file; {WITHOUT}"));
    }
    if let Some(::packages::Error::Key { fault, .. } | ::packages::Error::Signing { fault, .. }) =
        error.downcast_ref()
    {
        let help = packages::signing_help(fault, packages::Caller::Project)?;
        return Some(format!("{help}; {WITHOUT}"));
    }
    let is_store = |error: &::images::Error| error.is_unusable_place();
    if error.downcast_ref().is_some_and(is_store) {
        return Some("name a folder that you can write to with SEALIFT_CACHE".to_owned());
    }
    matches!(kind(error)?, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        .then(|| "free space, or build on a larger disk with --build-root DIR".to_owned())
}

/// The kind of an error of the operating system. The errors of the rooms have the same text as the error inside, and it is
/// not among their causes.
fn kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let inside = if let Some(FileError::Io(inside)) = error.downcast_ref() {
        inside
    } else if let Some(::images::Error::Io(inside)) = error.downcast_ref() {
        inside
    } else if let Some(::packages::Error::Io(inside)) = error.downcast_ref() {
        inside
    } else if let Some(::iso::Error::Io(inside)) = error.downcast_ref() {
        inside
    } else if let Some(::archive::Error::Io(inside)) = error.downcast_ref() {
        inside
    } else if let Some(inside) = error.downcast_ref::<content::IoError>() {
        inside
    } else {
        return Some(error.downcast_ref::<io::Error>()?.kind());
    };
    Some(inside.kind())
}
