//! The content store: where it is, and whether it is intact.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use buildchain::project::{Flags, Settings};
use images::Store;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, size};
use crate::session::wrong_project;

/// The content store: the folder given on the command line, else the one that builds use here.
pub(super) fn root(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(root) = given {
        return Ok(root);
    }
    let here = std::env::current_dir()?;
    let environment = crate::session::environment();
    Ok(Settings::gather(&here, &environment, &Flags::default()).map_err(wrong_project)?.cache)
}

/// The content store, which must exist.
pub(super) fn existing(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let root = root(given)?;
    if root.join("blobs").is_dir() {
        Ok(root)
    } else {
        Err(Failure::usage(format!("{}: not a content store", content::printable_path(&root))))
    }
}

/// Opens the content store in `root`.
pub(super) fn open(root: &Path) -> Result<Store, Failure> {
    Store::open(root).map_err(explained)
}

/// What to do about a content store that cannot be used.
pub(super) fn explained(error: images::Error) -> Failure {
    let unusable = error.is_unusable_place();
    let failure = Failure::from(error);
    if unusable {
        failure.remedy("name a folder that you can write to with --store DIR or SEALIFT_CACHE")
    } else {
        failure
    }
}

/// The content store that builds use here, if it exists and can be opened: for those who only profit from what it knows.
pub(super) fn known() -> Option<Store> {
    existing(None).ok().and_then(|root| Store::open(&root).ok())
}

pub(super) fn check(given: Option<PathBuf>, output: Output) -> Outcome {
    let root = existing(given)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let checked = open(&root)?.check(threads)?;
    let damaged: Vec<_> = checked
        .damaged
        .iter()
        .map(|damaged| json!({"path": damaged.path, "found": damaged.found, "linked": damaged.linked}))
        .collect();
    let report = json!({
        "store": root, "files": checked.files, "bytes": checked.bytes, "damaged": damaged,
    });
    let text = || {
        let mut text = String::new();
        for damaged in &checked.damaged {
            let found =
                damaged.found.map_or_else(|| "not a file".to_owned(), |found| format!("found {found}"));
            let linked = match damaged.linked {
                0 => String::new(),
                1 => "; 1 folder holds the same file".to_owned(),
                count => format!("; {count} folders hold the same file"),
            };
            text.push_str(&format!("{}: removed, {found}{linked}\n", content::printable_path(&damaged.path)));
        }
        let (files, bytes) = (checked.files, size(checked.bytes));
        text.push_str(&format!("{files} files, {bytes}; {} damaged\n", checked.damaged.len()));
        text
    };
    output.report(&report, text)?;
    if checked.damaged.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_store_that_cannot_be_written_is_refused_with_how_to_name_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let failure = open(&folder.path().join("file/store")).unwrap_err();
        assert!(failure.report().unwrap().remedy.as_ref().unwrap().contains("--store DIR or SEALIFT_CACHE"));
        for (kind, helps) in [
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::ReadOnlyFilesystem, true),
            (ErrorKind::StorageFull, false),
        ] {
            let path = folder.path().join("lock");
            let failure = explained(images::Error::Io { operation: "open", path, source: kind.into() });
            assert_eq!(failure.report().unwrap().remedy.is_some(), helps, "{kind}");
        }
    }
}
