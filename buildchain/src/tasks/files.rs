//! Files of the project that go into the archive, copied or rendered: `salt_tree` and the files at the root.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::{Error, Place, place_file, spelled};
use crate::graph::{Action, Input, Output, Task, Title};
use crate::project::Project;
use crate::project::file::Files;

/// The ending that marks a template.
const TEMPLATE: &str = ".in";

pub(super) fn add(place: &mut Place<'_>) -> Result<(), Error> {
    let project = Arc::clone(place.project);
    for files in &project.files {
        add_tree(place, &project, files)?;
    }
    place.group("salt_tree", "Deploy the Salt tree and its pillar.", &["_deploy_salt_tree:"]);
    Ok(())
}

fn add_tree(place: &mut Place<'_>, project: &Arc<Project>, files: &Files) -> Result<(), Error> {
    let from = project.root.join(&files.from.value);
    let to = PathBuf::from(&files.to.value);
    let exclude = patterns(&files.exclude)?;
    for entry in WalkDir::new(&from).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::Read {
            path: error.path().unwrap_or(&from).to_path_buf(),
            source: error.into(),
        })?;
        let relative = entry.path().strip_prefix(&from).unwrap_or(entry.path());
        if exclude.is_match(relative) || relative.ancestors().any(|folder| exclude.is_match(folder)) {
            continue;
        }
        let kind = entry.file_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() && !kind.is_symlink() {
            return Err(Error::Special(entry.path().into()));
        }
        let inside = if relative.as_os_str().is_empty() { to.clone() } else { to.join(relative) };
        let inside: PathBuf =
            inside.components().filter(|part| *part != std::path::Component::CurDir).collect();
        place.push(task(place, project, entry.path(), &inside, kind.is_symlink()));
    }
    Ok(())
}

fn task(place: &Place<'_>, project: &Arc<Project>, source: &Path, inside: &Path, link: bool) -> Task {
    let rendered =
        inside.to_str().and_then(|path| path.strip_suffix(TEMPLATE)).filter(|_| !link).map(PathBuf::from);
    let is_template = rendered.is_some();
    let inside = rendered.unwrap_or_else(|| inside.to_path_buf());
    let target = project.tree().join(&inside);
    let in_salt = ["salt", "pillar"].iter().any(|folder| inside.starts_with(folder));
    let family = if in_salt { "_deploy_salt_tree" } else { "_iso_add_tree" };
    let values = &project.values;
    let mut inputs = vec![Input::file(source)];
    let (command, action) = if is_template {
        inputs.push(Input::value("name", &values.name));
        inputs.push(Input::value("version", &values.version));
        inputs.push(Input::file(place.builder));
        ("RENDER", render(project, source, &target))
    } else if link {
        // A link's own text is what is copied; its target may lie outside and is nobody's input.
        let text = std::fs::read_link(source).unwrap_or_default();
        inputs = vec![Input::value("target", text.to_string_lossy())];
        ("LINK", relink(text, &target))
    } else {
        ("COPY", copy(source, &target))
    };
    Task {
        name: format!("{family}:{}", spelled(&inside)),
        doc: format!("{} {}.", if is_template { "Render" } else { "Copy" }, inside.display()),
        title: Title::new(command, place.shown(&target)),
        inputs,
        outputs: vec![Output::File(target)],
        action: Some(action),
        cheap: true,
        ..Task::default()
    }
}

fn copy(source: &Path, target: &Path) -> Action {
    let (source, target) = (source.to_path_buf(), target.to_path_buf());
    Box::new(move |context| {
        place_file::copy(&source, &target)?;
        context.known(&target, context.digest(&source)?)?;
        Ok(())
    })
}

fn relink(text: PathBuf, target: &Path) -> Action {
    let target = target.to_path_buf();
    Box::new(move |_| Ok(place_file::symlink(&text, &target)?))
}

fn render(project: &Arc<Project>, source: &Path, target: &Path) -> Action {
    let (project, source, target) = (Arc::clone(project), source.to_path_buf(), target.to_path_buf());
    Box::new(move |_| {
        // A script stays a script.
        let mode = std::fs::metadata(&source)?.permissions().mode() & 0o777;
        Ok(place_file::write(&target, &project.render(&source)?, mode)?)
    })
}

fn patterns(texts: &[String]) -> Result<GlobSet, Error> {
    let wrong = |pattern: &str| {
        let pattern = pattern.to_owned();
        move |source| Error::Pattern { pattern, source }
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(Glob::new(text).map_err(wrong(text))?);
    }
    set.build().map_err(wrong(&texts.join(" ")))
}
