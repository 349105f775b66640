//! Which files of a folder go into the archive, and where: charts, Salt trees and manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::survey::{FoundFile, FoundKind, Survey};
use super::text;
use crate::project::paths::clean;

/// How many charts of a folder have entries of their own.
const CHARTS_ALONE: usize = 2;
/// The most patterns of an entry.
const PATTERNS_MAX: usize = 100;

/// What a group of entries is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FilesKind {
    Charts,
    Manifests,
    Salt,
    Pillar,
}

/// An entry of `spec.files`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilesLine {
    pub(super) kind: FilesKind,
    /// The folder, relative to the project; empty for the project's own.
    pub(super) from: PathBuf,
    /// The folder in the archive.
    pub(super) to: String,
    /// Patterns of the only files to take.
    pub(super) only: Vec<String>,
    /// Patterns of what is left out.
    pub(super) exclude: Vec<String>,
    /// The first file whose name ends like that of a template.
    pub(super) template: Option<PathBuf>,
}

/// What the entries are made from.
#[derive(Debug, Default)]
pub(super) struct FilesPlan {
    pub(super) lines: Vec<FilesLine>,
    /// The folders of charts that are not in another chart.
    pub(super) charts: Vec<PathBuf>,
    /// The number of manifests.
    pub(super) manifests: usize,
    /// The folders of Salt states and pillars.
    pub(super) salt: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// Plans the entries for what `survey` found. `slug` is the name of the project in lower case.
pub(super) fn plan(survey: &Survey, slug: &str) -> FilesPlan {
    let mut plan = FilesPlan {
        charts: outermost(survey, FoundKind::Chart),
        salt: salt_trees(survey),
        ..FilesPlan::default()
    };
    charts(&mut plan, slug);
    salt(&mut plan);
    let claimed: Vec<PathBuf> = plan.charts.iter().chain(&plan.salt).cloned().collect();
    manifests(survey, &claimed, &mut plan);
    let folders: Vec<PathBuf> = plan.lines.iter().map(|line| line.from.clone()).collect();
    for line in &mut plan.lines {
        complete(survey, &folders, line, &mut plan.warnings);
    }
    plan.lines.sort_by(|a, b| (a.kind, &a.from).cmp(&(b.kind, &b.from)));
    plan
}

/// The folders with a file of this kind that are in no other one.
fn outermost(survey: &Survey, kind: FoundKind) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for file in survey.files.iter().filter(|file| file.kind == kind) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        folders.push(folder.to_owned());
    }
    folders.sort();
    let all = folders.clone();
    folders.retain(|folder| !all.iter().any(|other| other != folder && folder.starts_with(other)));
    folders
}

/// The folders with a `top.sls`, and those of formulas: with an `init.sls`, in no such folder.
fn salt_trees(survey: &Survey) -> Vec<PathBuf> {
    let mut trees = outermost(survey, FoundKind::SaltTop);
    let formulas = outermost(survey, FoundKind::SaltState);
    trees.extend(formulas.into_iter().filter(|folder| !folder.as_os_str().is_empty()));
    let all = trees.clone();
    trees.retain(|folder| !all.iter().any(|other| other != folder && folder.starts_with(other)));
    trees.sort();
    trees
}

fn name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_str()?.to_owned())
}

fn line(kind: FilesKind, from: &Path, to: String) -> FilesLine {
    FilesLine { kind, from: from.into(), to, only: Vec::new(), exclude: Vec::new(), template: None }
}

/// The places of `folders` below `top`: their last parts, or their whole paths where two are the same.
fn places(folders: &[PathBuf], top: &str, own: &str) -> Vec<(PathBuf, String)> {
    let last = |folder: &Path| name(folder).unwrap_or_else(|| own.to_owned());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for folder in folders {
        *counts.entry(last(folder)).or_default() += 1;
    }
    let place = |folder: &PathBuf| {
        let short = last(folder);
        let is_free = counts.get(&short).is_some_and(|count| *count < 2);
        let inner = if is_free { short } else { folder.to_string_lossy().into_owned() };
        (folder.clone(), format!("{top}/{inner}"))
    };
    folders.iter().map(place).collect()
}

fn charts(plan: &mut FilesPlan, slug: &str) {
    let mut by_parent: BTreeMap<&Path, Vec<PathBuf>> = BTreeMap::new();
    let charts = plan.charts.iter().filter(|chart| chart.to_str().is_some());
    for chart in charts {
        by_parent.entry(chart.parent().unwrap_or(Path::new(""))).or_default().push(chart.clone());
    }
    let mut alone = Vec::new();
    let mut together = Vec::new();
    for (parent, charts) in by_parent {
        if charts.len() > CHARTS_ALONE && !parent.as_os_str().is_empty() {
            together.push(parent.to_owned());
        } else {
            alone.extend(charts);
        }
    }
    let is_only = together.len() == 1 && alone.is_empty();
    let together = if is_only {
        together.into_iter().map(|parent| (parent, "charts".to_owned())).collect()
    } else {
        places(&together, "charts", slug)
    };
    let alone = places(&alone, "charts", slug);
    plan.lines
        .extend(together.iter().chain(&alone).map(|(from, to)| line(FilesKind::Charts, from, to.clone())));
}

fn salt(plan: &mut FilesPlan) {
    let (pillars, states): (Vec<PathBuf>, Vec<PathBuf>) = plan
        .salt
        .iter()
        .filter(|tree| tree.to_str().is_some())
        .cloned()
        .partition(|tree| name(tree).is_some_and(|name| name.to_ascii_lowercase().contains("pillar")));
    for (kind, top, trees) in [(FilesKind::Salt, "salt", states), (FilesKind::Pillar, "pillar", pillars)] {
        if let [tree] = trees.as_slice() {
            let is_tree = name(tree).is_none_or(|name| name == top) || kind == FilesKind::Pillar;
            let name = name(tree).unwrap_or_default();
            let to = if is_tree || name.contains("salt") || name.contains("states") {
                top.to_owned()
            } else {
                format!("{top}/{name}")
            };
            plan.lines.push(line(kind, tree, to));
        } else {
            plan.lines.extend(places(&trees, top, top).into_iter().map(|(from, to)| line(kind, &from, to)));
        }
    }
}

/// The files below each folder: those that are manifests, and those that have nothing to do with them.
#[derive(Debug, Default)]
struct Counts {
    manifests: usize,
    foreign: usize,
    folders: BTreeSet<PathBuf>,
    own: Vec<PathBuf>,
}

fn manifests(survey: &Survey, claimed: &[PathBuf], plan: &mut FilesPlan) {
    let mut counts: BTreeMap<PathBuf, Counts> = BTreeMap::new();
    let is_claimed = |file: &&FoundFile| claimed.iter().any(|folder| file.path.starts_with(folder));
    let is_fit = |file: &&FoundFile| !matches!(file.kind, FoundKind::LinkOut | FoundKind::Unfit);
    for file in survey.files.iter().filter(|file| !is_claimed(file)).filter(is_fit) {
        let is_manifest = file.kind == FoundKind::Manifest;
        let ending = file.path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_hidden = file.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_foreign = !is_hidden
            && file.leads_to.is_none()
            && !matches!(ending, "yaml" | "yml" | "json" | "md" | "txt");
        plan.manifests += usize::from(is_manifest);
        let mut below: Option<&Path> = None;
        for folder in file.path.ancestors().skip(1) {
            let count = counts.entry(folder.to_owned()).or_default();
            count.manifests += usize::from(is_manifest);
            count.foreign += usize::from(is_foreign);
            if is_manifest {
                match below {
                    Some(below) => drop(count.folders.insert(below.to_owned())),
                    None => count.own.push(file.path.clone()),
                }
            }
            below = Some(folder);
        }
    }
    let mut entries = Vec::new();
    claim(&counts, Path::new(""), &mut entries);
    let is_only = entries.len() == 1;
    for (from, only) in entries {
        let inner = from.strip_prefix("manifests").unwrap_or(&from);
        let to = if is_only || inner.as_os_str().is_empty() {
            "manifests".to_owned()
        } else {
            format!("manifests/{}", inner.to_string_lossy())
        };
        let only = only.iter().filter_map(|path| path.file_name()?.to_str());
        let mut line = line(FilesKind::Manifests, &from, to);
        line.only = only.map(|name| text::pattern(name, false)).collect();
        plan.lines.push(line);
    }
}

/// Chooses the folders that hold manifests and little else; of others, the files.
fn claim(counts: &BTreeMap<PathBuf, Counts>, folder: &Path, entries: &mut Vec<(PathBuf, Vec<PathBuf>)>) {
    let Some(count) = counts.get(folder).filter(|count| count.manifests > 0) else { return };
    let is_root = folder.as_os_str().is_empty();
    if !is_root && count.foreign * 2 <= count.manifests {
        // A folder with nothing but another folder says less.
        match (count.own.is_empty(), count.folders.first()) {
            (true, Some(only)) if count.folders.len() == 1 => claim(counts, only, entries),
            _ => entries.push((folder.to_owned(), Vec::new())),
        }
        return;
    }
    if !count.own.is_empty() {
        entries.push((folder.to_owned(), count.own.clone()));
    }
    count.folders.iter().for_each(|inner| claim(counts, inner, entries));
}

/// Adds to an entry what must be left out: what git ignores, what other entries have, and what no archive can hold.
fn complete(survey: &Survey, folders: &[PathBuf], line: &mut FilesLine, warnings: &mut Vec<String>) {
    let is_own = |path: &Path| path.starts_with(&line.from);
    let has_suffix = |file: &&FoundFile| {
        file.path.extension().is_some_and(|ending| ending == "in") && file.path.file_stem().is_some()
    };
    if !line.only.is_empty() {
        return;
    }
    line.template =
        survey.files.iter().filter(has_suffix).map(|file| file.path.clone()).find(|path| is_own(path));
    let mut left_out: Vec<(PathBuf, bool)> = Vec::new();
    let is_project = line.from.as_os_str().is_empty();
    let is_hidden = |path: &Path| {
        is_project
            && path
                .components()
                .next()
                .is_some_and(|part| part.as_os_str().to_string_lossy().starts_with('.'))
    };
    let unfit = survey.files.iter().filter(|file| match (&file.kind, &file.leads_to) {
        (FoundKind::LinkOut | FoundKind::Unfit, _) => true,
        (_, Some(target)) => !clean(target).starts_with(&line.from) || target.starts_with(".."),
        _ => false,
    });
    left_out.extend(unfit.map(|file| (file.path.clone(), false)));
    left_out.extend(survey.ignored.iter().cloned());
    let is_version_control = |path: &&PathBuf| !survey.tests.contains(path);
    left_out.extend(survey.aside.iter().filter(is_version_control).map(|folder| (folder.clone(), true)));
    left_out
        .extend(folders.iter().filter(|folder| **folder != line.from).map(|folder| (folder.clone(), true)));
    left_out.retain(|(path, _)| is_own(path) && *path != line.from && !is_hidden(path));
    left_out.sort();
    left_out.dedup();
    let mut exclude = Vec::new();
    if is_project {
        exclude.push("/sealift.*".to_owned());
        let has_hidden = survey
            .files
            .iter()
            .map(|file| &file.path)
            .chain(&survey.aside)
            .any(|path| path.to_string_lossy().starts_with('.'));
        exclude.extend(has_hidden.then(|| "/.*".to_owned()));
        // It says which files belong to a chart.
        let has_rules = survey.files.iter().any(|file| file.path == Path::new(".helmignore"));
        exclude.extend(has_rules.then(|| "!/.helmignore".to_owned()));
    }
    let mut last: Option<PathBuf> = None;
    for (path, is_folder) in left_out {
        // What is below a folder that is left out matches nothing.
        if last.as_ref().is_some_and(|last| path.starts_with(last)) {
            continue;
        }
        let inner = path.strip_prefix(&line.from).unwrap_or(&path);
        match inner.to_str() {
            Some(inner) => exclude.push(text::pattern(inner, is_folder)),
            None => warnings.push(format!(
                "{}: no archive can hold a name that is not UTF-8, and no pattern can leave it out: rename it",
                content::printable_path(&path)
            )),
        }
        last = Some(path);
    }
    if exclude.len() > PATTERNS_MAX {
        let more = exclude.len() - PATTERNS_MAX;
        warnings
            .push(format!("{}: {more} more paths should be excluded", content::printable_path(&line.from)));
        exclude.truncate(PATTERNS_MAX);
    }
    line.exclude = exclude;
}
