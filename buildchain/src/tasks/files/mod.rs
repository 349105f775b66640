//! Files of the project that go into the archive, copied or rendered: `salt_tree` and the files at the root.

mod produced;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::tree::EntryKind;
use graph::{Discover, Task, TaskAction, TaskInput, TaskOutput, Title};

use super::origins::more_places;
use super::{Error, TaskBuilder, TaskHandle, place_file, spelled};
use crate::project::{
    self, DataFile, FileMode, FilesDefinition, FilesSource, Project, SelectedFile, Templates, UnusedPattern,
    Values, template,
};

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
        if let FilesSource::Data(data) = &files.source {
            let task = data_task(builder, &project, files, data);
            // The project file has the content.
            claims.add(position, &files.to, Path::new("data"));
            let family = if is_salt(&files.to) { &mut salt } else { &mut others };
            family.push(builder.push_for(files.origin.clone(), "data", task));
            continue;
        }
        if let FilesSource::Produced(produced) = &files.source {
            let (inside, task) = produced::task(builder, files, produced)?;
            let family = if is_salt(&inside) { &mut salt } else { &mut others };
            family.push(builder.push_for(files.origin.clone(), inside.to_string_lossy(), task));
            continue;
        }
        let listing = project.list(files)?;
        builder.links.extend(listing.followed);
        for UnusedPattern { key, pattern, origin } in listing.unused {
            let at_root = pattern.as_str().strip_prefix("./").map(|rest| format!("; write `/{rest}`"));
            let from = files.local().map(|local| local.from.as_path()).unwrap_or(Path::new(""));
            let from = if from.as_os_str().is_empty() { Path::new(".") } else { from };
            builder.warn(format!(
                "{}:{}:{}: {key} `{pattern}` matches nothing in {}{}",
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
            claims.add(position, &file.inside, &file.source);
            let task = task(builder, &project, files, &file);
            let origin = files.origin.clone();
            let family = if is_salt(&file.inside) { &mut salt } else { &mut others };
            family.push(builder.push_for(origin, file.name.to_string_lossy(), task));
        }
    }
    claims.check(&project)?;
    check_links(builder, &links);
    let salt_tree = builder.group("salt_tree", "Deploy the Salt tree and its pillar.", salt);
    Ok(FileTasks { salt_tree, others })
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
    fn add(&mut self, entry: usize, inside: &Path, source: &Path) {
        match self.by_place.get(inside) {
            None => drop(self.by_place.insert(inside.to_owned(), (entry, source.to_owned()))),
            Some((other, first)) => {
                let first = || (inside.to_owned(), first.clone(), source.to_owned(), 0);
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
            let more = more_places(count);
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

/// The task of a file of the project.
fn task(
    builder: &mut TaskBuilder<'_>,
    project: &Arc<Project>,
    files: &FilesDefinition,
    file: &SelectedFile,
) -> Task {
    let SelectedFile { name, source, inside, link, is_template } = file;
    let mut task = new_task(builder, inside);
    let target = project.tree().join(inside);
    task.inputs = vec![builder.input(source, name)];
    let (command, action) = if let (true, Some(local)) = (*is_template, files.local()) {
        task.inputs.extend(builder.made_here());
        let (templates, values) = (Arc::clone(&local.templates), Arc::clone(&files.values));
        let template = Arc::new(Template { source: source.clone(), templates, values });
        task.inputs.push(TaskInput::value("syntax", template.templates.to_string()));
        task.discover = Some(Arc::clone(&template).discover());
        task.doc = format!("Render {}.", content::printable_path(inside));
        ("RENDER", template.render(&target, mode(files)))
    } else if let Some(text) = link {
        // The link itself is copied: what it leads to is not an input.
        builder.links.push(source.clone());
        task.inputs = vec![TaskInput::value("target", text.to_string_lossy())];
        ("LINK", relink(text.clone(), &target))
    } else {
        ("COPY", copy_as(source, &target, mode(files)))
    };
    if let Some(mode) = files.mode.as_ref().filter(|_| link.is_none()) {
        task.inputs.push(TaskInput::value("mode", mode.as_str()));
    }
    task.title = Title::new(command, builder.shown(&target));
    task.action = Some(action);
    task
}

/// The task of a file whose content the project file has.
fn data_task(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    files: &FilesDefinition,
    data: &Arc<DataFile>,
) -> Task {
    let target = project.tree().join(&files.to);
    let mut inputs: Vec<TaskInput> =
        data.files().into_iter().map(|(name, path)| builder.input(path, name)).collect();
    inputs.extend(values(data.used()));
    inputs.push(TaskInput::value("data", data.digest().to_string()));
    let mode = mode(files).unwrap_or(0o644);
    inputs.push(TaskInput::value("mode", format!("{mode:04o}")));
    inputs.extend(builder.made_here());
    let (data, written) = (Arc::clone(data), target.clone());
    Task {
        doc: format!("Write {}.", content::printable_path(&files.to)),
        title: Title::new("WRITE", builder.shown(&target)),
        inputs,
        action: Some(Box::new(move |_| Ok(place_file::write(&written, &data.content()?, mode)?))),
        ..new_task(builder, &files.to)
    }
}

/// A task that makes the file at `inside`, without its inputs and its action.
fn new_task(builder: &TaskBuilder<'_>, inside: &Path) -> Task {
    let (family, group) =
        if is_salt(inside) { ("_deploy_salt_tree", "salt_tree") } else { ("_iso_add_tree", "populate_iso") };
    Task {
        name: format!("{family}:{}", spelled(inside)),
        alias: format!("{group}:{}", spelled(inside)),
        doc: format!("Copy {}.", content::printable_path(inside)),
        outputs: vec![TaskOutput::File(builder.project.tree().join(inside))],
        cheap: true,
        ..Task::default()
    }
}

/// The mode that all files of an entry have in the archive, if it says one.
fn mode(files: &FilesDefinition) -> Option<u32> {
    files.mode.as_ref().map(FileMode::bits)
}

/// Values of the project as inputs.
fn values(used: &BTreeMap<String, serde_json::Value>) -> impl Iterator<Item = TaskInput> {
    used.iter().map(|(name, value)| TaskInput::value(name, value.to_string()))
}

/// The copying of a file into the tree.
pub(super) fn copy(source: &Path, target: &Path) -> TaskAction {
    copy_as(source, target, None)
}

fn copy_as(source: &Path, target: &Path, mode: Option<u32>) -> TaskAction {
    let (source, target) = (source.to_path_buf(), target.to_path_buf());
    Box::new(move |context| {
        place_file::copy_as(&source, &target, mode)?;
        context.record(&target, context.digest(&source)?)?;
        Ok(())
    })
}

fn relink(text: PathBuf, target: &Path) -> TaskAction {
    let target = target.to_path_buf();
    Box::new(move |_| Ok(place_file::symlink(&text, &target)?))
}

/// A template and the values that it can name.
struct Template {
    source: PathBuf,
    templates: Arc<Templates>,
    values: Arc<Values>,
}

impl Template {
    /// Finds the values that the template names: no other value is an input.
    fn discover(self: Arc<Self>) -> Discover {
        Box::new(move |_| {
            // The action reports a template that cannot be read.
            let text = template::read_template(&self.source).unwrap_or_default();
            Ok(values(&self.templates.syntax.used(&text, &self.values)).collect())
        })
    }

    fn render(self: Arc<Self>, target: &Path, mode: Option<u32>) -> TaskAction {
        let target = target.to_path_buf();
        Box::new(move |_| {
            let text = template::read_template(&self.source)?;
            let text = self.templates.syntax.render(&self.source, &text, &self.values)?;
            let mode = match mode {
                Some(mode) => mode,
                // A script stays a script.
                None => place_file::mode_of(&std::fs::metadata(&self.source)?),
            };
            Ok(place_file::write(&target, &text, mode)?)
        })
    }
}
