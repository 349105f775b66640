//! Files of the project that go into the archive, copied or rendered: `salt_tree` and the files at the root.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::tree::EntryKind;
use graph::{Task, TaskAction, TaskInput, TaskOutput, Title};

use super::{Error, TaskBuilder, TaskHandle, place_file, spelled};
use crate::project::{self, Project, SelectedFile, Values};

/// The ending that marks a template.
const TEMPLATE: &str = ".in";

/// The tasks of files.
pub(super) struct FileTasks {
    /// The group of those below `salt/` and `pillar/`.
    pub(super) salt_tree: TaskHandle,
    /// All others.
    pub(super) others: Vec<TaskHandle>,
}

/// The folders of the Salt tree in the archive.
const SALT: [&str; 2] = ["salt", "pillar"];

pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Result<FileTasks, Error> {
    let project = Arc::clone(builder.project);
    let mut links = Vec::new();
    let mut claims = Claims::default();
    let (mut salt, mut others) = (Vec::new(), Vec::new());
    for (position, files) in project.files.iter().enumerate() {
        let listing = project.list(files)?;
        for (pattern, origin) in listing.unused {
            let at_root = pattern.as_str().strip_prefix("./").map(|rest| format!("; write `/{rest}`"));
            let from = files.local().map(|local| local.from.as_path()).unwrap_or(Path::new(""));
            let from = if from.as_os_str().is_empty() { Path::new(".") } else { from };
            builder.warn(format!(
                "{}:{}:{}: exclude `{pattern}` matches nothing in {}{}",
                project::FILE_NAME,
                origin.line,
                origin.column,
                from.display(),
                at_root.unwrap_or_default()
            ));
        }
        for file in listing.files {
            let Some(inside) = file.inside.to_str() else { return Err(Error::Name(file.source)) };
            if let Some(target) = &file.link {
                let Some(target) = target.to_str() else { return Err(Error::Name(file.source)) };
                links.push((inside.to_owned(), target.to_owned(), builder.shown(&file.source)));
            }
            claims.add(position, &file);
            let task = task(builder, &project, &file, &files.values);
            let origin = files.origin.clone();
            let family = if is_salt(rendered(&file).as_ref().unwrap_or(&file.inside)) {
                &mut salt
            } else {
                &mut others
            };
            family.push(builder.push_for(origin, file.name.to_string_lossy(), task));
        }
    }
    claims.check(&project)?;
    check_links(builder, &links);
    let salt_tree = builder.group("salt_tree", "Deploy the Salt tree and its pillar.", salt);
    Ok(FileTasks { salt_tree, others })
}

/// Where the result of a template goes in the archive; `None` for a file that is copied.
fn rendered(file: &SelectedFile) -> Option<PathBuf> {
    let path = file.inside.to_str().and_then(|path| path.strip_suffix(TEMPLATE));
    path.filter(|_| file.link.is_none()).map(PathBuf::from)
}

fn is_salt(inside: &Path) -> bool {
    SALT.iter().any(|folder| inside.starts_with(folder))
}

/// Which entry of `spec.files` puts a file where.
#[derive(Default)]
struct Claims {
    by_place: HashMap<PathBuf, (usize, PathBuf)>,
    /// By the entries that clash: one place for which both have a file, the two files, and for how many places they do.
    clashes: BTreeMap<(usize, usize), (PathBuf, PathBuf, PathBuf, usize)>,
}

impl Claims {
    fn add(&mut self, entry: usize, file: &SelectedFile) {
        let inside = rendered(file).unwrap_or_else(|| file.inside.clone());
        match self.by_place.get(&inside) {
            None => drop(self.by_place.insert(inside, (entry, file.source.clone()))),
            Some((other, source)) => {
                let first = || (inside.clone(), source.clone(), file.source.clone(), 0);
                self.clashes.entry((*other, entry)).or_insert_with(first).3 += 1;
            }
        }
    }

    /// Refuses two sources for one place: a line for each two entries that clash, not for each file.
    fn check(self, project: &Project) -> Result<(), Error> {
        let shown = |path: &Path| {
            content::printable_path(path.strip_prefix(&project.root).unwrap_or(path)).to_string()
        };
        let mut errors = Vec::new();
        for ((one, other), (inside, first, second, count)) in self.clashes {
            let (Some(one), Some(other)) = (project.files.get(one), project.files.get(other)) else {
                continue;
            };
            let more = if count > 1 { format!(", and {} more places", count - 1) } else { String::new() };
            let message = format!(
                "two sources for `{}`: {} (line {}) and {}{more}",
                content::printable_path(&inside),
                shown(&first),
                one.origin.line,
                shown(&second),
            );
            errors.push(project::Error::of(&other.origin, message));
        }
        Ok(project::Mistakes::from(errors).end(())?)
    }
}

/// Holds the symbolic links, each with its place in the archive, its target and its place in the project, to the rule of
/// archives, and notes those that break it. What lies elsewhere in the archive counts as folders: what other tasks will make is
/// not known yet.
fn check_links(builder: &mut TaskBuilder<'_>, links: &[(String, String, String)]) {
    let targets: HashMap<&str, &str> =
        links.iter().map(|(inside, target, _)| (inside.as_str(), target.as_str())).collect();
    for (inside, target, source) in links {
        if let Err(error) = iso::check_target(Path::new(source), target.as_bytes()) {
            builder.too_long.push(error.to_string());
        }
        let followed = archive::tree::follow(inside, &mut |path| {
            Ok(Some(
                targets
                    .get(path)
                    .map_or(EntryKind::Directory, |target| EntryKind::Symlink((*target).to_owned())),
            ))
        });
        if let Err(error) = followed {
            let reason = match error {
                archive::Error::Path { problem, .. } => problem.to_owned(),
                error => error.to_string(),
            };
            builder.wrong_links.push(format!(
                "{source}: link to `{}`: {}",
                content::printable(target),
                content::printable(&reason)
            ));
        }
    }
}

fn task(
    builder: &mut TaskBuilder<'_>,
    project: &Arc<Project>,
    file: &SelectedFile,
    values: &Arc<Values>,
) -> Task {
    let SelectedFile { name, source, inside, link } = file;
    let rendered = rendered(file);
    let is_template = rendered.is_some();
    let inside = rendered.unwrap_or_else(|| inside.clone());
    let target = project.tree().join(&inside);
    let (family, group) =
        if is_salt(&inside) { ("_deploy_salt_tree", "salt_tree") } else { ("_iso_add_tree", "populate_iso") };
    let mut inputs = vec![builder.input(source, name)];
    let (command, action) = if is_template {
        let named = values.names().filter_map(|name| Some((name, values.get(name)?)));
        inputs.extend(named.map(|(name, value)| TaskInput::value(name, value.to_string())));
        inputs.extend(builder.made_here());
        ("RENDER", render(values, source, &target))
    } else if let Some(text) = link {
        // The link itself is copied: what it leads to is not an input.
        builder.links.push(source.clone());
        inputs = vec![TaskInput::value("target", text.to_string_lossy())];
        ("LINK", relink(text.clone(), &target))
    } else {
        ("COPY", copy(source, &target))
    };
    Task {
        name: format!("{family}:{}", spelled(&inside)),
        alias: format!("{group}:{}", spelled(&inside)),
        doc: format!("{} {}.", if is_template { "Render" } else { "Copy" }, content::printable_path(&inside)),
        title: Title::new(command, builder.shown(&target)),
        inputs,
        outputs: vec![TaskOutput::File(target)],
        action: Some(action),
        cheap: true,
        ..Task::default()
    }
}

/// The copying of a file into the tree.
pub(super) fn copy(source: &Path, target: &Path) -> TaskAction {
    let (source, target) = (source.to_path_buf(), target.to_path_buf());
    Box::new(move |context| {
        place_file::copy(&source, &target)?;
        context.record(&target, context.digest(&source)?)?;
        Ok(())
    })
}

fn relink(text: PathBuf, target: &Path) -> TaskAction {
    let target = target.to_path_buf();
    Box::new(move |_| Ok(place_file::symlink(&text, &target)?))
}

fn render(values: &Arc<Values>, source: &Path, target: &Path) -> TaskAction {
    let (values, source, target) = (Arc::clone(values), source.to_path_buf(), target.to_path_buf());
    Box::new(move |_| {
        // A script stays a script.
        let mode = place_file::mode_of(&std::fs::metadata(&source)?);
        Ok(place_file::write(&target, &project::render(&source, &values)?, mode)?)
    })
}
