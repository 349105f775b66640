//! Which files are read, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy};
use walkdir::{DirEntry, WalkDir};

use super::chart;
use super::document::{self, Document};
use super::lines::Lines;
use super::list;
use super::{Certainty, FindOptions, FoundImage, FoundImages, IncompleteFile};
use crate::yaml;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// The most files that are looked at.
const FILES_MAX: usize = 200_000;
/// The most places that are kept; a file with more is no manifest.
const FOUND_MAX: usize = 100_000;
/// The deepest folder.
const DEPTH_MAX: usize = 64;
/// Endings of the files that are read.
const ENDINGS: [&str; 10] = ["yaml", "yml", "json", "sls", "jinja", "jinja2", "j2", "tpl", "tmpl", "in"];
/// Endings of the files that count only if they are lists.
const LIST_ENDINGS: [&str; 3] = ["txt", "list", "lst"];
/// Folders that hold no manifests of the project.
const SKIPPED: [&str; 4] = [".git", ".hg", ".svn", "node_modules"];

/// The chart that a file belongs to.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The tag of its images that have none.
    pub(super) app_version: Option<String>,
}

/// A search that is under way.
pub(super) struct Scan<'a> {
    options: &'a FindOptions,
    found: FoundImages,
    left: usize,
    read: BTreeSet<PathBuf>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(options: &'a FindOptions) -> Self {
        Self { options, found: FoundImages::default(), left: FILES_MAX, read: BTreeSet::new() }
    }

    /// Reads the file or folder at `path`.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), IoError> {
        let metadata = path.metadata().map_err(IoError::at("open", path))?;
        if !metadata.is_dir() {
            self.file(path, None, LinkPolicy::Follow);
            return Ok(());
        }
        let mut files = Vec::new();
        let skip: BTreeSet<PathBuf> =
            self.options.skip.iter().filter_map(|skipped| skipped.canonicalize().ok()).collect();
        let real = path.canonicalize().map_err(IoError::at("open", path))?;
        let is_wanted = |entry: &DirEntry| {
            let is_skipped = SKIPPED.iter().any(|name| entry.file_name() == OsStr::new(name));
            // No link is followed below the folder.
            let inner = entry.path().strip_prefix(path).unwrap_or(entry.path());
            entry.depth() == 0
                || !(entry.file_type().is_dir() && is_skipped || skip.contains(&real.join(inner)))
        };
        let walk = WalkDir::new(path).max_depth(DEPTH_MAX).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(is_wanted) {
            let entry = entry.map_err(|error| {
                let place = error.path().unwrap_or(path).to_path_buf();
                IoError::at("read", &place)(error.into())
            })?;
            if !entry.file_type().is_file() || !is_read(entry.path()) {
                continue;
            }
            let Some(left) = self.left.checked_sub(1) else {
                let reason = format!("more than {FILES_MAX} files");
                self.found.incomplete.push(IncompleteFile { path: path.into(), reason });
                break;
            };
            self.left = left;
            files.push(entry.into_path());
        }
        self.files(&files);
        Ok(())
    }

    fn files(&mut self, files: &[PathBuf]) {
        let (mut charts, mut missing) = (BTreeMap::new(), BTreeMap::new());
        for file in files.iter().filter(|file| file.file_name() == Some(OsStr::new("Chart.yaml"))) {
            let Some(folder) = file.parent() else { continue };
            let text = content::open_text(file, LinkPolicy::Refuse, FILE_MAX).unwrap_or_default();
            let app_version = document::text_at(&text, "appVersion").filter(|text| !text.is_empty());
            missing.extend(chart::missing(folder, &text).map(|reason| (folder.to_path_buf(), reason)));
            charts.insert(folder.to_path_buf(), Chart { folder: folder.into(), app_version });
        }
        for file in files {
            let chart = file.ancestors().skip(1).find(|folder| charts.contains_key(*folder));
            let Some(chart) = chart.and_then(|folder| charts.get_mut(folder)) else { continue };
            let is_template = file.starts_with(chart.folder.join("templates"));
            if let Some(version) =
                chart.app_version.as_mut().filter(|version| is_template && !version.starts_with('v'))
            {
                let text = content::open_text(file, LinkPolicy::Refuse, FILE_MAX).unwrap_or_default();
                if chart::puts_v_before_version(&text) {
                    version.insert(0, 'v');
                }
            }
        }
        let mut rendered = BTreeSet::new();
        for chart in charts.values() {
            // The charts that another one depends on lie in its folder and are rendered with it.
            if chart.folder.ancestors().skip(1).any(|folder| charts.contains_key(folder)) {
                continue;
            }
            match &self.options.helm {
                Some(helm) => match chart::render(helm, &chart.folder, &mut self.found) {
                    Ok(()) => drop(rendered.insert(chart.folder.clone())),
                    Err(reason) => self.incomplete(&chart.folder, format!("helm cannot render it: {reason}")),
                },
                None => self.incomplete(
                    &chart.folder,
                    "helm is not installed, so only the values and templates of the chart were read".into(),
                ),
            }
        }
        // helm itself names what it misses.
        if self.options.helm.is_none() {
            for (folder, reason) in missing {
                self.incomplete(&folder, reason);
            }
        }
        for file in files {
            if file.ancestors().any(|folder| rendered.contains(folder)) {
                self.found.files += 1;
                continue;
            }
            let chart = file.ancestors().skip(1).find_map(|folder| charts.get(folder));
            // Values for tests of the chart, and the tests: nothing of them is deployed.
            if chart.is_some_and(|chart| chart::is_test(&chart.folder, file)) {
                self.found.files += 1;
                continue;
            }
            self.file(file, chart, LinkPolicy::Refuse);
        }
    }

    fn incomplete(&mut self, path: &Path, reason: String) {
        self.found.incomplete.push(IncompleteFile { path: path.into(), reason });
    }

    fn file(&mut self, path: &Path, chart: Option<&Chart>, links: LinkPolicy) {
        if !self.read.insert(path.into()) || self.found.images.len() >= FOUND_MAX {
            return;
        }
        match content::open_read(path, links, FILE_MAX) {
            // A file that is not text names no image.
            Ok(bytes) if bytes.contains(&0) => {}
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => {
                    self.found.files += 1;
                    if ends(path, &LIST_ENDINGS) && links == LinkPolicy::Refuse {
                        list::plain(path, &text, &mut self.found);
                    } else {
                        read(path, &text, chart, &mut self.found);
                    }
                    if self.found.images.len() > FOUND_MAX {
                        self.found.images.truncate(FOUND_MAX);
                        self.incomplete(path, format!("more than {FOUND_MAX} places"));
                    }
                }
                Err(_) => self.incomplete(path, "not UTF-8 text".into()),
            },
            Err(error) => self.incomplete(path, error.source.to_string()),
        }
    }

    /// What was found, each place once.
    pub(super) fn finish(mut self) -> FoundImages {
        tidy(&mut self.found);
        self.found
    }
}

/// Whether a file of a folder is read, by its name.
pub(super) fn is_read(path: &Path) -> bool {
    ends(path, &ENDINGS) || ends(path, &LIST_ENDINGS)
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|ending| endings.contains(&ending))
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path, text: &str, chart: Option<&Chart>, found: &mut FoundImages) {
    if !ends(path, &ENDINGS) && list::plain(path, text, found) {
        return;
    }
    // The values say what the templates of a chart compute.
    let is_template = chart.is_some_and(|chart| {
        path.strip_prefix(&chart.folder).is_ok_and(|path| path.starts_with("templates"))
    });
    match yaml::parse(text).ok().filter(|_| !is_template) {
        Some(documents) => {
            let app_version = chart.and_then(|chart| chart.app_version.as_deref());
            let lines = yaml::lines(text);
            let document = Document { path, lines: &lines, app_version, is_rendered: false };
            if let [only] = documents.as_slice()
                && list::sync(document, only, found)
            {
                return;
            }
            documents.iter().for_each(|node| document.read(node, found));
        }
        None => {
            let certainty = Certainty::Likely;
            Lines { path, first: Some(1), certainty, with_computed: !is_template }.read(text, found);
        }
    }
}

/// Sorts what was found, and keeps of several finds of an image at one place the most certain.
pub(super) fn tidy(found: &mut FoundImages) {
    fn key(image: &FoundImage) -> (&Path, Option<u64>, &crate::Reference) {
        (&image.path, image.line, &image.reference)
    }
    found.images.sort_by(|a, b| key(a).cmp(&key(b)).then(b.certainty.cmp(&a.certainty)));
    found.images.dedup_by(|later, kept| key(later) == key(kept));
    found.computed.sort_by(|a, b| (&a.path, a.line, &a.written).cmp(&(&b.path, b.line, &b.written)));
    found.computed.dedup();
    found.incomplete.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
}
