//! The files, links and folders that a record of outputs lists. The record is checked: it may come from another machine.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use content::Digest;

use crate::model::paths;
use crate::model::task::TaskOutput;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::key::{ItemTag, ItemValue, ManifestItem, all_items};

/// One output, or something below an output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputPart {
    /// Relative to the root of the graph, or absolute if the path of the output is.
    pub(crate) path: PathBuf,
    pub(crate) entry: FileEntry,
    /// Whether it is the output itself, not something below it.
    pub(crate) is_output: bool,
}

/// Why a record of outputs is invalid. Paths are escaped: they may come from another machine.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadRecord {
    #[error("the list of outputs is malformed")]
    Malformed,
    #[error("its outputs are not those that the task declares")]
    OtherOutputs,
    #[error("the output {0:?} is missing")]
    Missing(PathBuf),
    #[error("the output {0:?} has the wrong kind")]
    Kind(PathBuf),
    #[error("the output {0:?} is inside another output")]
    Nested(PathBuf),
    #[error("{0:?} is not a path inside its folder")]
    Path(PathBuf),
    #[error("{0:?} is listed twice or out of order")]
    Order(PathBuf),
    #[error("the folder of {0:?} is not listed before it")]
    NoFolder(PathBuf),
    #[error("{path:?} has the mode {mode:o}: set-user-ID, set-group-ID and sticky bits cannot be cached")]
    Mode { path: PathBuf, mode: u16 },
    #[error("it lists more than {PARTS_MAX} files")]
    TooMany,
}

/// The most files, links and folders in the cached outputs of one task.
const PARTS_MAX: usize = 1_000_000;

/// The longest name in a folder, in bytes.
const NAME_MAX: usize = 255;

/// The longest path, in bytes, without the final NUL.
const PATH_MAX: usize = 4095;

/// The permission bits that are cached.
const PERMISSIONS: u16 = 0o777;

/// Checks that `outputs` lists exactly the declared outputs, each with its declared kind.
pub(crate) fn check_declared(outputs: &[u8], declared: &[TaskOutput]) -> Result<(), BadRecord> {
    let listed = all_items(outputs).ok_or(BadRecord::Malformed)?;
    let is_declared = |(item, output): (&ManifestItem<'_>, &TaskOutput)| {
        let tag = match output {
            TaskOutput::File(_) => ItemTag::File,
            TaskOutput::Folder(_) => ItemTag::Folder,
        };
        item.tag == tag && item.path().as_os_str() == output.path().as_os_str()
    };
    if listed.len() == declared.len() && listed.iter().zip(declared).all(is_declared) {
        Ok(())
    } else {
        Err(BadRecord::OtherOutputs)
    }
}

/// All parts of outputs, each path once, folders before their content. The parent of each part that is not an output itself
/// is a folder in the same list, so no part is reached through a link or is outside of its output.
pub(crate) fn parts<'a>(
    outputs: &[u8],
    find: &dyn Fn(Digest) -> Option<&'a [u8]>,
) -> Result<Vec<OutputPart>, BadRecord> {
    let listed = all_items(outputs).ok_or(BadRecord::Malformed)?;
    check_apart(&listed)?;
    let mut parts = Vec::new();
    for item in listed {
        let path = item.path().to_owned();
        match (item.tag, item.value) {
            (ItemTag::File, ItemValue::Entry(entry)) if entry.kind != FileEntryKind::Folder => {
                push(&mut parts, OutputPart { path, entry, is_output: true })?;
            }
            (ItemTag::Folder, ItemValue::Listing(digest)) => {
                let listing = find(digest).ok_or(BadRecord::Malformed)?;
                add_listing(&path, listing, &mut parts)?;
            }
            (_, ItemValue::Nothing) => return Err(BadRecord::Missing(path)),
            _ => return Err(BadRecord::Kind(path)),
        }
    }
    Ok(parts)
}

/// Checks that no output is equal to another or inside of another.
fn check_apart(outputs: &[ManifestItem<'_>]) -> Result<(), BadRecord> {
    let mut paths: Vec<&Path> = outputs.iter().map(ManifestItem::path).collect();
    for path in &paths {
        // Absolute if the build root is outside of the project.
        let relative = path.strip_prefix("/").unwrap_or(path);
        if !is_inner(relative) {
            return Err(BadRecord::Path(path.to_path_buf()));
        }
    }
    paths.sort_by(|a, b| paths::order(a, b));
    match paths.windows(2).find(|pair| matches!(pair, [outer, inner] if paths::is_within(inner, outer))) {
        Some(pair) => Err(BadRecord::Nested(pair.iter().copied().last().unwrap_or(Path::new("")).to_owned())),
        None => Ok(()),
    }
}

fn add_listing(folder: &Path, listing: &[u8], parts: &mut Vec<OutputPart>) -> Result<(), BadRecord> {
    let listed = all_items(listing).ok_or(BadRecord::Malformed)?;
    let mut folders: HashSet<&Path> = HashSet::new();
    let mut before: Option<&Path> = None;
    for item in listed {
        let path = item.path();
        let whole = || if path.as_os_str().is_empty() { folder.to_owned() } else { folder.join(path) };
        let (ItemTag::File, ItemValue::Entry(entry)) = (item.tag, item.value) else {
            return Err(BadRecord::Kind(folder.join(path)));
        };
        match before {
            // The folder itself comes first.
            None if path.as_os_str().is_empty() && entry.kind == FileEntryKind::Folder => {}
            None => return Err(BadRecord::NoFolder(whole())),
            Some(_) if !is_inner(path) => return Err(BadRecord::Path(path.to_owned())),
            Some(before) if paths::order(before, path).is_ge() => return Err(BadRecord::Order(whole())),
            Some(_) if !path.parent().is_some_and(|parent| folders.contains(parent)) => {
                return Err(BadRecord::NoFolder(whole()));
            }
            Some(_) => {}
        }
        if entry.kind == FileEntryKind::Folder {
            folders.insert(path);
        }
        push(parts, OutputPart { path: whole(), entry, is_output: before.is_none() })?;
        before = Some(path);
    }
    if before.is_none() { Err(BadRecord::Missing(folder.to_owned())) } else { Ok(()) }
}

fn push(parts: &mut Vec<OutputPart>, part: OutputPart) -> Result<(), BadRecord> {
    if part.entry.kind != FileEntryKind::Link && part.entry.mode & !PERMISSIONS != 0 {
        return Err(BadRecord::Mode { path: part.path, mode: part.entry.mode });
    }
    if parts.len() >= PARTS_MAX {
        return Err(BadRecord::TooMany);
    }
    parts.push(part);
    Ok(())
}

/// Whether `path` is relative, without `.`, `..` and empty names, and short enough for a file system.
fn is_inner(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    paths::is_normal(path)
        && bytes.len() <= PATH_MAX
        && bytes.split(|byte| *byte == b'/').all(|name| name.len() <= NAME_MAX && !name.contains(&0))
}
