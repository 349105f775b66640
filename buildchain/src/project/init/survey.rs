//! What lies in a folder: the files that a project can be made from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::FileType;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use content::LinkPolicy;

use super::ignored::Ignored;
use crate::project::error::Error;

/// The most files that are looked at.
const FILES_MAX: usize = 200_000;
/// The deepest folder.
const DEPTH_MAX: usize = 64;
/// How much of a file is read to see whether it is a manifest, in bytes.
const HEAD_MAX: u64 = 64 << 10;
/// How much is read of all of them, in bytes.
const HEADS_MAX: u64 = 1 << 30;
/// Folders that are neither looked at nor packed.
const LEFT_OUT: [&str; 4] = [".git", ".hg", ".svn", "node_modules"];
/// Folders of tests, which are not looked at outside charts and Salt trees.
const TESTS: [&str; 4] = ["test", "tests", "testdata", "e2e"];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundKind {
    /// `Chart.yaml`.
    Chart,
    /// Objects of Kubernetes, or a compose file.
    Manifest,
    /// `Containerfile` or `Dockerfile`.
    Containerfile,
    /// A file of instructions with another name.
    OtherContainerfile,
    /// A package.
    Rpm,
    /// `top.sls`.
    SaltTop,
    /// `init.sls`.
    SaltState,
    /// Anything else.
    Other,
    /// A link that no archive can have if only its folder is packed: it is absolute, or leads out of the folder at this path.
    LinkOut,
    /// Neither a file, a folder nor a link, or a name that is not UTF-8.
    Unfit,
}

/// A file of the folder.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// Its path, relative to the folder.
    pub(super) path: PathBuf,
    pub(super) kind: FoundKind,
    /// Where it leads, if it is a link, relative to the folder. It may have `..` at its start.
    pub(super) leads_to: Option<PathBuf>,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The files in the order of their paths, without those that are ignored and those in folders that are not looked at.
    pub(super) files: Vec<FoundFile>,
    /// What git ignores, relative to the folder, and whether it is a folder.
    pub(super) ignored: Vec<(PathBuf, bool)>,
    /// Folders that are not looked at.
    pub(super) aside: Vec<PathBuf>,
    /// Folders of tests among them.
    pub(super) tests: Vec<PathBuf>,
    /// Why the survey is not complete.
    pub(super) limits: Vec<String>,
}

/// A folder that waits to be read.
struct Waiting {
    path: PathBuf,
    /// Whether it belongs to a chart or a Salt tree.
    is_inside: bool,
    /// Whether git ignores it, apart from the files that it tracks.
    is_ignored: bool,
    /// Whether it has the charts that a chart depends on. They are part of it, even if git ignores them.
    is_kept: bool,
}

/// Looks at the folder `root`, without `build_root`. `tracked` are the files that git tracks, which it does not ignore.
///
/// # Errors
///
/// The folder cannot be read. Of one in it that cannot be read, [`Survey::limits`] says so.
pub(super) fn survey(root: &Path, build_root: &Path, tracked: &BTreeSet<PathBuf>) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut ignored = Ignored::above(root);
    let mut heads = HEADS_MAX;
    let mut waiting =
        vec![Waiting { path: PathBuf::new(), is_inside: false, is_ignored: false, is_kept: false }];
    let has_tracked = |path: &Path| {
        tracked.range(path.to_owned()..).next().is_some_and(|tracked| tracked.starts_with(path))
    };
    while let Some(Waiting { path: folder, is_inside, is_ignored, is_kept }) = waiting.pop() {
        let here = root.join(&folder);
        ignored.enter(&here);
        let entries = match entries(&here) {
            Ok(entries) => entries,
            Err(error) if folder.as_os_str().is_empty() => return Err(error),
            Err(error) => {
                survey.limits.push(error.to_string());
                survey.aside.push(folder);
                continue;
            }
        };
        let is_chart = entries.iter().any(|(name, _)| name == "Chart.yaml");
        let is_inside = is_inside || is_chart || entries.iter().any(|(name, _)| name == "top.sls");
        let mut folders = Vec::new();
        for (name, file_type) in entries {
            let path = folder.join(&name);
            let there = root.join(&path);
            if there == build_root || LEFT_OUT.iter().any(|left| name == *left) {
                survey.aside.push(path);
                continue;
            }
            let is_kept = is_kept || is_chart && name == "charts";
            let is_ignored = !is_kept && (is_ignored || ignored.has(&there, file_type.is_dir()));
            if is_ignored && !has_tracked(&path) {
                survey.ignored.push((path, file_type.is_dir()));
            } else if file_type.is_dir() {
                let is_hidden = name.as_bytes().starts_with(b".");
                let is_test = TESTS.iter().any(|test| name == *test);
                if !is_inside && (is_hidden || is_test) {
                    survey.aside.push(path.clone());
                    survey.tests.extend(is_test.then_some(path));
                } else if path.components().count() >= DEPTH_MAX {
                    let shown = content::printable_path(&path).to_string();
                    survey.limits.push(format!("{shown}: more than {DEPTH_MAX} nested folders"));
                } else {
                    folders.push(Waiting { path, is_inside, is_ignored, is_kept });
                }
            } else {
                if survey.files.len() >= FILES_MAX {
                    survey.limits.push(format!("more than {FILES_MAX} files: the rest was not looked at"));
                    return Ok(survey);
                }
                let leads_to = file_type.is_symlink().then(|| leads_to(root, &path)).flatten();
                let kind = if path.to_str().is_none() {
                    FoundKind::Unfit
                } else if file_type.is_symlink() {
                    if leads_to.is_some() { FoundKind::Other } else { FoundKind::LinkOut }
                } else if file_type.is_file() {
                    kind(&there, &name, &mut heads)
                } else {
                    FoundKind::Unfit
                };
                survey.files.push(FoundFile { path, kind, leads_to });
            }
        }
        waiting.extend(folders.into_iter().rev());
    }
    survey.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(survey)
}

/// The names in a folder, sorted, with their types.
fn entries(folder: &Path) -> Result<Vec<(std::ffi::OsString, FileType)>, Error> {
    let wrong = |error| Error::file("read", folder, error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        entries.push((entry.file_name(), entry.file_type().map_err(wrong)?));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// Where the link at `path` leads, relative to the folder `root`; `None` if it is absolute or leads nowhere.
fn leads_to(root: &Path, path: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(root.join(path)).ok()?;
    let target = path.parent().unwrap_or(Path::new("")).join(target);
    (target.is_relative() && root.join(&target).exists()).then_some(target)
}

/// What the file at `path` is. `left` is how much may be read of such files.
fn kind(path: &Path, name: &OsStr, left: &mut u64) -> FoundKind {
    let ending = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
    let name = name.to_str().unwrap_or_default();
    let is_containerfile = |name: &str| matches!(name, "Containerfile" | "Dockerfile");
    match (name, ending) {
        ("Chart.yaml", _) => FoundKind::Chart,
        ("top.sls", _) => FoundKind::SaltTop,
        ("init.sls", _) => FoundKind::SaltState,
        ("compose.yaml" | "compose.yml" | "docker-compose.yaml" | "docker-compose.yml", _)
        | ("kustomization.yaml" | "kustomization.yml", _) => FoundKind::Manifest,
        (name, _) if is_containerfile(name) => FoundKind::Containerfile,
        (name, ending)
            if is_containerfile(ending)
                || name.split_once('.').is_some_and(|(name, _)| is_containerfile(name)) =>
        {
            FoundKind::OtherContainerfile
        }
        (_, "rpm") => FoundKind::Rpm,
        (_, "yaml" | "yml" | "json") => {
            let text = head(path, left);
            if is_manifest(&text) { FoundKind::Manifest } else { FoundKind::Other }
        }
        _ => FoundKind::Other,
    }
}

/// The start of the file at `path`; empty if it cannot be read.
fn head(path: &Path, left: &mut u64) -> String {
    let mut bytes = Vec::new();
    let Ok(file) = content::open(path, LinkPolicy::Refuse) else { return String::new() };
    // What cannot be read is no manifest; the search for images says so.
    let read = file.take(HEAD_MAX.min(*left)).read_to_end(&mut bytes).unwrap_or(0);
    *left = left.saturating_sub(read as u64);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a text has objects of Kubernetes. A kubeconfig, which has credentials, does not count.
fn is_manifest(text: &str) -> bool {
    let value = |key: &str| {
        let of_line = |line: &str| line.strip_prefix(key).map(|rest| rest.trim().to_owned());
        text.lines().find_map(of_line)
    };
    if text.trim_start().starts_with('{') {
        return text.contains("\"apiVersion\"")
            && text.contains("\"kind\"")
            && !text.contains("\"current-context\"");
    }
    let is_ours = value("apiVersion:").is_some_and(|version| version.starts_with("sealift.dev/"));
    let is_config = value("kind:").as_deref() == Some("Config") && text.contains("current-context:");
    value("apiVersion:").is_some() && value("kind:").is_some() && !is_ours && !is_config
}
