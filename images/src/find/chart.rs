//! Helm charts, rendered by `helm template`.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::FoundImages;
use super::document::{self, Document};
use crate::yaml;

/// The most bytes that a chart may render to.
const RENDERED_MAX: u64 = 64 << 20;
/// The most dependencies of a chart.
const DEPENDENCIES_MAX: usize = 1000;
/// The longest time that rendering may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How often to check whether helm is done.
const POLL: Duration = Duration::from_millis(20);
/// The most bytes of helm's errors that are read.
const ERROR_MAX: u64 = 64 << 10;

/// Finds the images of the chart in `folder` in what `helm` renders with its default values.
///
/// # Errors
///
/// Why the chart was not rendered.
pub(super) fn render(helm: &Path, folder: &Path, found: &mut FoundImages) -> Result<(), String> {
    let text = output(helm, folder)?;
    for object in objects(&text) {
        let path = source(object, folder).unwrap_or_else(|| folder.to_path_buf());
        let documents = yaml::parse(object).map_err(|_| "it renders to text that is not YAML")?;
        let lines = yaml::lines(object);
        let document = Document { path: &path, lines: &lines, app_version: None, is_rendered: true };
        documents.iter().for_each(|node| document.read(node, found));
    }
    Ok(())
}

/// Which of the dependencies that the `Chart.yaml` of the chart in `folder` lists cannot be read without helm, as a sentence: those
/// that are packed or not in `charts/`. `None` if all can.
pub(super) fn missing(folder: &Path, text: &str) -> Option<String> {
    let names = document::dependencies(text);
    if names.is_empty() {
        return None;
    }
    let charts = folder.join("charts");
    let there: Vec<String> = std::fs::read_dir(&charts)
        .into_iter()
        .flatten()
        .take(DEPENDENCIES_MAX)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let is_packed = |name: &str| {
        there.iter().any(|file| {
            file.ends_with(".tgz") && file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
        })
    };
    let lacking: Vec<String> = names.into_iter().filter(|name| !there.contains(name)).collect();
    let (packed, absent): (Vec<String>, Vec<String>) = lacking.into_iter().partition(|name| is_packed(name));
    let said = [
        (packed, "packed, so they were not read: install helm"),
        (absent, "not in charts/: run `helm dependency build`"),
    ];
    let said: Vec<String> = said
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("dependencies that are {what} ({})", names.join(", ")))
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Whether a template of a chart names the version of the application with a `v` before it, as tags of images often have it.
pub(super) fn puts_v_before_version(template: &str) -> bool {
    let words = template.replace([' ', '-', '('], "").replace("$.", ".");
    ["\"v%s\".Chart.AppVersion", "\"v\".Chart.AppVersion", ":v{{.Chart.AppVersion"]
        .iter()
        .any(|sign| words.contains(sign))
}

/// Whether a file of the chart in `folder` is for its tests: those of helm-unittest, and values for `ct install`.
pub(super) fn is_test(folder: &Path, file: &Path) -> bool {
    file.strip_prefix(folder).is_ok_and(|inner| inner.starts_with("ci") || inner.starts_with("tests"))
}

/// The objects, separated as helm does it.
fn objects(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---\n").map(|object| object.strip_prefix("---\n").unwrap_or(object))
}

/// The file of the chart from which helm rendered an object: `# Source: NAME/templates/web.yaml`.
fn source(object: &str, folder: &Path) -> Option<PathBuf> {
    let path = object.lines().find_map(|line| line.strip_prefix("# Source: "))?;
    let (_, path) = path.split_once('/')?;
    let is_inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| folder.join(path))
}

fn output(helm: &Path, folder: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut out = tempfile::tempfile().map_err(failed)?;
    let mut errors = tempfile::tempfile().map_err(failed)?;
    let mut child = Command::new(helm)
        .args(["template", "release"])
        .arg(folder.canonicalize().map_err(failed)?)
        .arg("--include-crds")
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(failed)?)
        .stderr(errors.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let end = Instant::now() + TIMEOUT;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        let is_large = out.metadata().map_err(failed)?.len() > RENDERED_MAX;
        if is_large || Instant::now() > end {
            // It may have ended in the meantime.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            return Err(if is_large { "it renders to too much text" } else { "it takes too long" }.into());
        }
        std::thread::sleep(POLL);
    };
    if !status.success() {
        let text = text(&mut errors, ERROR_MAX).unwrap_or_default();
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        return Err(line.chars().take(300).collect());
    }
    text(&mut out, RENDERED_MAX).map_err(failed)
}

fn text(file: &mut File, max: u64) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let bytes = content::read_bounded(file, max)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
