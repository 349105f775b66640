//! The names of backups, and removing the oldest.

use std::path::{Path, PathBuf};

use super::create::BackupReason;
use super::error::Error;

/// The start and the end of the name of every backup.
const START: &str = "backup_";
const END: &str = ".tar.gz";

/// The name of a backup: its date as digits, and why it was made unless that was a person.
pub(super) fn name(created: &str, reason: BackupReason, number: u32) -> String {
    // 2026-11-29T16:09:18Z
    let digits: String = created.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at(digits.len().min(8));
    let why = if reason == BackupReason::Manual { String::new() } else { format!("_{reason}") };
    let number = if number == 0 { String::new() } else { format!("_{number}") };
    format!("{START}{day}_{time}{why}{number}{END}")
}

/// The characters of a name up to the end of the date: those after it do not say which backup is newer.
const DATED: usize = START.len() + "20261129_160918".len();

/// Whether a folder has a backup that was made for this reason, which is not [`BackupReason::Manual`].
#[must_use]
pub fn exists(folder: &Path, reason: BackupReason) -> bool {
    let why = format!("_{reason}");
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .any(|name| name.starts_with(START) && name.contains(&why))
}

/// Removes all backups but `made` and the `keep - 1` newest others; returns those that were removed.
pub(super) fn prune(folder: &Path, keep: usize, made: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(content::IoError::at("list", folder))?;
    let is_backup = |name: &str| {
        let inner = name.strip_prefix(START).and_then(|name| name.strip_suffix(END));
        inner.is_some_and(|inner| inner.as_bytes().first().is_some_and(u8::is_ascii_digit))
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok().filter(|name| is_backup(name)))
        .filter(|name| made.file_name().is_none_or(|made| made != name.as_str()))
        .collect();
    let modified = |name: &String| folder.join(name).metadata().and_then(|data| data.modified()).ok();
    names.sort_by_cached_key(|name| (name.get(..DATED).map(str::to_owned), modified(name)));
    let removable = names.len().saturating_sub(keep.saturating_sub(1));
    let mut removed = Vec::new();
    for name in names.into_iter().take(removable) {
        let path = folder.join(name);
        crate::file::remove(&path).map_err(content::IoError::at("remove", &path))?;
        removed.push(path);
    }
    Ok(removed)
}
