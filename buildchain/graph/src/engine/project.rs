//! Output folders of the project, which also hold files of the user. A task owns what it created there: what was not there before
//! its action and is there after it. Before the action runs, its own files are moved aside; those of the user stay.
//!
//! Beside the files that are moved aside is an intent: what the folders had before the action. A run that was killed is undone
//! with it: own files are put back, and what came to the folders since then is moved to a folder where the user finds it. It may
//! be half an output, but also a file that the user wrote after the kill.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use content::{AtomicFile, Digest, Durability, IoError, LinkPolicy};

use crate::engine::outputs;
use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::paths;
use crate::model::task::{Task, TaskOutput};
use crate::record::files::{KnownFiles, NEVER};
use crate::record::journal::Slice;
use crate::record::key::{ItemTag, ItemValue, ManifestItem, items, put};
use crate::record::own::{self, OwnFile, OwnState};
use crate::record::state::ProjectState;

/// The folder in the build root with what is moved aside, one folder for each task.
const ASIDE: &str = ".aside-project";
/// The folder in the build root with the files that may be the user's and stood in the way.
const KEPT: &str = ".kept";
/// The names in the folder of a task: its own files, those that the user edited, and the intent.
const OWN: &str = "own";
const EDITED: &str = "edited";
const INTENT: &str = "intent";
/// The most bytes of an intent: as many as a state has.
const INTENT_MAX: u64 = 1 << 30;

/// The output folders of a task in the project, relative to the root. Those behind a symbolic link are left out: nothing there
/// is ever removed.
pub(crate) fn folders(graph: &Graph, task: &Task) -> Vec<PathBuf> {
    let is_link =
        |path: &Path| graph.root.join(path).symlink_metadata().is_ok_and(|found| found.is_symlink());
    let in_project = |output: &&TaskOutput| {
        let path = output.path();
        matches!(output, TaskOutput::Folder(_))
            && !task.resumes
            && paths::is_normal(path)
            && !paths::is_within(path, &graph.build_root)
            && !paths::upwards(path).any(is_link)
    };
    task.outputs.iter().filter(in_project).map(|output| output.path().clone()).collect()
}

/// The own files of a task that the task no longer has an output folder for, and the rest.
pub(crate) fn stale(graph: &Graph, state: &ProjectState, name: &str) -> (Vec<OwnFile>, Vec<OwnFile>) {
    let Some(own) = state.own.get(name) else { return Default::default() };
    let folders = graph.find(name).map(|id| folders(graph, graph.task(id))).unwrap_or_default();
    own::parse(own).into_iter().partition(|file| !is_below(&file.path, &folders))
}

fn is_below(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| paths::is_within(path, folder))
}

/// The output folders of a task in the project while it runs.
#[derive(Debug)]
pub(crate) struct Occupied {
    place: PathBuf,
    folders: Vec<PathBuf>,
    /// What the folders had before the action, without the own files.
    before: BTreeSet<PathBuf>,
    own: Vec<OwnFile>,
    /// The own files that are moved aside, and the own folders that are removed since nothing else is in them.
    moved: BTreeSet<PathBuf>,
    /// Those of them that the user edited.
    edited: Vec<PathBuf>,
}

/// Moves the own files of a task aside. `None` if no output folder of the task is in the project.
pub(crate) fn occupy(
    graph: &Graph,
    id: TaskId,
    files: &KnownFiles,
    recorded: Option<&Slice>,
) -> Result<Option<Occupied>, FileError> {
    let task = graph.task(id);
    let folders = folders(graph, task);
    if folders.is_empty() {
        return Ok(None);
    }
    let recorded: &[u8] = recorded.map(|own| &**own).unwrap_or_default();
    let own = own::parse(recorded);
    let (mut same, mut edited) = (Vec::new(), Vec::new());
    for file in own.iter().filter(|file| !file.is_folder() && is_below(&file.path, &folders)) {
        match file.state(files) {
            OwnState::Same => same.push(file.path.clone()),
            OwnState::Edited => edited.push(file.path.clone()),
            OwnState::Gone => {}
        }
    }
    let mut before: BTreeSet<PathBuf> = BTreeSet::new();
    for folder in &folders {
        before.extend(tree(graph, folder)?);
    }
    let mut moved: BTreeSet<PathBuf> = same.iter().chain(&edited).cloned().collect();
    before.retain(|path| !moved.contains(path));
    // The deepest first: an own folder goes if nothing of the user is in it.
    for file in own.iter().rev().filter(|file| file.is_folder()) {
        let is_used = before.iter().any(|path| *path != file.path && paths::is_within(path, &file.path));
        if !is_used && before.remove(&file.path) {
            moved.insert(file.path.clone());
        }
    }
    let place = graph.root.join(&graph.build_root).join(ASIDE).join(id.index().to_string());
    let occupied = Occupied { place, folders, before, own, moved, edited };
    occupied.write_intent(&task.name, recorded)?;
    if let Err(error) = occupied.set_aside(graph, &same) {
        let _ = occupied.undo(graph);
        return Err(error.into());
    }
    Ok(Some(occupied))
}

impl Occupied {
    fn write_intent(&self, name: &str, recorded: &[u8]) -> Result<(), IoError> {
        let mut bytes = Vec::new();
        let own = Digest::of(recorded);
        for (what, text) in [("task", name.as_bytes()), ("own", own.as_bytes().as_slice())] {
            let value = ItemValue::Text(text);
            put(&mut bytes, &ManifestItem { tag: ItemTag::Value, name: what.as_bytes(), value });
        }
        for folder in &self.folders {
            own::put_path(&mut bytes, ItemTag::Folder, folder, ItemValue::Nothing);
        }
        for (paths, tag) in [(&self.before, ItemTag::File), (&self.moved, ItemTag::Named)] {
            for path in paths {
                own::put_path(&mut bytes, tag, path, ItemValue::Nothing);
            }
        }
        content::create_folder(&self.place)?;
        AtomicFile::write(&self.place.join(INTENT), &bytes, 0o644, Durability::Durable)
    }

    fn set_aside(&self, graph: &Graph, same: &[PathBuf]) -> Result<(), IoError> {
        for (paths, kind) in [(same, OWN), (&self.edited, EDITED)] {
            for path in paths {
                move_file(&graph.root.join(path), &self.place.join(kind).join(path))?;
            }
        }
        for file in self.own.iter().rev().filter(|file| file.is_folder()) {
            if self.moved.contains(&file.path) {
                // If it stays, the action finds it empty.
                let _ = fs::remove_dir(graph.root.join(&file.path));
            }
        }
        Ok(())
    }

    /// Removes what an earlier attempt of the action created.
    pub(crate) fn clear(&self, graph: &Graph) -> Result<(), FileError> {
        for folder in &self.folders {
            for path in tree(graph, folder)? {
                if !self.before.contains(&path) {
                    outputs::remove(&graph.root.join(&path)).map_err(IoError::at("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the files that the user edited, after the action succeeded: in their place, or out of the way if the action created
    /// them again. Returns a warning for each.
    pub(crate) fn keep_edited(&mut self, graph: &Graph) -> Result<Vec<String>, IoError> {
        let mut warnings = Vec::new();
        let mut kept = None;
        for path in &self.edited {
            let (from, to) = (self.place.join(EDITED).join(path), graph.root.join(path));
            let shown = content::printable_path(path);
            if to.symlink_metadata().is_ok() {
                let folder = kept_folder(graph, &mut kept)?;
                link_or_copy(&from, &graph.root.join(&folder).join(path))?;
                let folder = content::printable_path(&folder).to_string();
                warnings.push(format!(
                    "{shown} was edited and the task produced it again: your file is {folder}/{shown}"
                ));
            } else {
                link_or_copy(&from, &to)?;
                self.before.insert(path.clone());
                warnings.push(format!(
                    "{shown} was edited, so it is kept although the task no longer produces it"
                ));
            }
        }
        Ok(warnings)
    }

    /// The list of the own files after the action.
    pub(crate) fn own_now(&self, graph: &Graph, files: &KnownFiles) -> Result<Vec<u8>, FileError> {
        let was_own: BTreeSet<&Path> =
            self.own.iter().filter(|file| file.is_folder()).map(|file| file.path.as_path()).collect();
        // Those of other folders wait until they are pruned.
        let mut own: Vec<OwnFile> =
            self.own.iter().filter(|file| !is_below(&file.path, &self.folders)).cloned().collect();
        for folder in &self.folders {
            for path in tree(graph, folder)? {
                if (!self.before.contains(&path) || was_own.contains(path.as_path()))
                    && let Some(entry) = files.link_entry(&path, &NEVER)?
                {
                    own.push(OwnFile { path, entry });
                }
            }
        }
        Ok(own::list(own))
    }

    /// The folder with what was moved aside. It is removed once the new list of own files is on disk.
    pub(crate) fn into_place(self) -> PathBuf {
        self.place
    }

    /// Removes what the action created, and puts the own files back.
    pub(crate) fn undo(self, graph: &Graph) -> Result<(), FileError> {
        self.clear(graph)?;
        Ok(put_back(graph, &self.place, &self.own, &self.moved)?)
    }
}

/// Moves all files that were moved aside back, creates own folders again, and removes `place`.
fn put_back(graph: &Graph, place: &Path, own: &[OwnFile], moved: &BTreeSet<PathBuf>) -> Result<(), IoError> {
    for kind in [OWN, EDITED] {
        let from = place.join(kind);
        for path in files_below(&from)? {
            move_file(&from.join(&path), &graph.root.join(&path))?;
        }
    }
    for file in own.iter().filter(|file| file.is_folder() && moved.contains(&file.path)) {
        let path = graph.root.join(&file.path);
        content::create_folder(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.entry.mode.into()))
            .map_err(IoError::at("set the mode of", &file.path))?;
    }
    discard(place)
}

/// Removes what was moved aside: the intent last, without which nothing there can be put back.
pub(crate) fn discard(place: &Path) -> Result<(), IoError> {
    for name in [OWN, EDITED, INTENT] {
        let path = place.join(name);
        outputs::remove(&path).map_err(IoError::at("remove", &path))?;
    }
    outputs::remove(place).map_err(IoError::at("remove", place))
}

/// Removes the folder of what is moved aside, at the start and the end of a run.
pub(crate) fn remove_empty(graph: &Graph) {
    // Fails if the folder of a task is left.
    let _ = fs::remove_dir(graph.root.join(&graph.build_root).join(ASIDE));
}

/// What a run has to undo after a kill.
#[derive(Default)]
struct Intent {
    task: String,
    own: Vec<u8>,
    folders: Vec<PathBuf>,
    before: BTreeSet<PathBuf>,
    moved: BTreeSet<PathBuf>,
}

impl Intent {
    fn read(path: &Path) -> Result<Option<Self>, IoError> {
        let bytes = match content::open_read(path, LinkPolicy::Refuse, INTENT_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut intent = Self::default();
        for item in items(&bytes) {
            match (item.tag, item.name, item.value) {
                (ItemTag::Value, b"task", ItemValue::Text(name)) => {
                    intent.task = String::from_utf8_lossy(name).into_owned();
                }
                (ItemTag::Value, b"own", ItemValue::Text(digest)) => intent.own = digest.to_owned(),
                (ItemTag::Folder, ..) if paths::is_normal(item.path()) => {
                    intent.folders.push(item.path().to_owned());
                }
                (ItemTag::File, ..) => drop(intent.before.insert(item.path().to_owned())),
                (ItemTag::Named, ..) => drop(intent.moved.insert(item.path().to_owned())),
                _ => {}
            }
        }
        Ok(Some(intent))
    }
}

/// What was found in output folders of a task whose run was killed, and moved away.
pub(crate) struct Recovered {
    pub(crate) task: String,
    pub(crate) unknown: Vec<PathBuf>,
    /// The folder that has them now, relative to the root or absolute.
    pub(crate) kept: PathBuf,
}

/// The text of a warning.
impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.unknown.iter().map(|path| content::printable_path(path).to_string());
        write!(
            f,
            "a run was killed in {}: what it may have left in the project is now in {}: {}",
            content::printable(&self.task),
            content::printable_path(&self.kept),
            shown.collect::<Vec<_>>().join(", ")
        )
    }
}

/// Undoes what killed runs did in output folders of the project.
pub(crate) fn recover(
    graph: &Graph,
    files: &KnownFiles,
    recorded: &HashMap<String, Slice>,
) -> Result<Vec<Recovered>, FileError> {
    let aside = graph.root.join(&graph.build_root).join(ASIDE);
    let mut recovered = Vec::new();
    let mut kept = None;
    for place in entries(&aside)? {
        let place = aside.join(place);
        let Some(intent) = Intent::read(&place.join(INTENT))? else {
            // It was being created or removed.
            put_back(graph, &place, &[], &BTreeSet::new())?;
            continue;
        };
        let list: &[u8] = recorded.get(&intent.task).map(|own| &**own).unwrap_or_default();
        if Digest::of(list).as_bytes().as_slice() != intent.own {
            // The task was recorded.
            discard(&place)?;
            continue;
        }
        let own = own::parse(list);
        let unknown = set_unknown_apart(graph, files, &intent, &own, &place, &mut kept)?;
        put_back(graph, &place, &own, &intent.moved)?;
        if let Some(kept) = kept.clone().filter(|_| !unknown.is_empty()) {
            recovered.push(Recovered { task: intent.task, unknown, kept });
        }
    }
    remove_empty(graph);
    Ok(recovered)
}

/// Moves the files away that came to the folders after the intent and that are not own files. Returns their paths.
fn set_unknown_apart(
    graph: &Graph,
    files: &KnownFiles,
    intent: &Intent,
    own: &[OwnFile],
    place: &Path,
    kept: &mut Option<PathBuf>,
) -> Result<Vec<PathBuf>, FileError> {
    let mut unknown = Vec::new();
    let own: HashMap<&Path, &OwnFile> = own.iter().map(|file| (file.path.as_path(), file)).collect();
    for folder in &intent.folders {
        let now = tree(graph, folder)?;
        let is_folder =
            |path: &Path| graph.root.join(path).symlink_metadata().is_ok_and(|found| found.is_dir());
        for path in &now {
            let is_own = own.get(path.as_path()).filter(|file| !file.is_folder()).is_some_and(|file| {
                // The second: it was not yet moved aside, or has been put back.
                file.state(files) == OwnState::Same
                    || intent.moved.contains(path) && is_unmoved(graph, place, path)
            });
            if !is_own && !intent.before.contains(path) && !is_folder(path) {
                let to = graph.root.join(kept_folder(graph, kept)?).join(path);
                move_file(&graph.root.join(path), &to)?;
                unknown.push(path.clone());
            }
        }
        for path in now.iter().rev() {
            let is_own = own.get(path.as_path()).is_some_and(|file| file.is_folder());
            if !is_own && !intent.before.contains(path) && is_folder(path) {
                // Fails if a file is in it that is kept.
                let _ = fs::remove_dir(graph.root.join(path));
            }
        }
    }
    Ok(unknown)
}

/// Whether no file of this path was moved aside, or the one that was is the file that is there now.
fn is_unmoved(graph: &Graph, place: &Path, path: &Path) -> bool {
    let now = graph.root.join(path).symlink_metadata();
    [OWN, EDITED].iter().all(|kind| match (place.join(kind).join(path).symlink_metadata(), &now) {
        (Ok(aside), Ok(now)) => (aside.dev(), aside.ino()) == (now.dev(), now.ino()),
        _ => true,
    })
}

/// The folder for files that are kept, relative to the root or absolute: a new one for each run.
fn kept_folder(graph: &Graph, kept: &mut Option<PathBuf>) -> Result<PathBuf, IoError> {
    if let Some(kept) = kept {
        return Ok(kept.clone());
    }
    let all = graph.build_root.join(KEPT);
    content::create_folder(&graph.root.join(&all))?;
    let mut number = 1_u32;
    loop {
        let folder = all.join(number.to_string());
        match fs::create_dir(graph.root.join(&folder)) {
            Ok(()) => {
                *kept = Some(folder.clone());
                return Ok(folder);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(IoError::at("create", &folder)(error)),
        }
    }
}

/// A folder and all below it, relative to the root, in the order of [`paths::order`]. Empty if it is no folder.
fn tree(graph: &Graph, folder: &Path) -> Result<Vec<PathBuf>, IoError> {
    if !graph.root.join(folder).symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let whole = graph.root.join(&path);
        if whole.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            found.extend(entries(&whole)?.into_iter().map(|name| path.join(name)));
        }
    }
    found.sort_by(|a, b| paths::order(a, b));
    Ok(found)
}

/// The names in a folder; none if it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, IoError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed,
    };
    let names = listed.and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())))
            .collect::<io::Result<Vec<_>>>()
    });
    names.map_err(IoError::at("list", folder))
}

/// The files and links below a folder, relative to it.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, IoError> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for name in entries(&folder.join(&below))? {
            let path = below.join(name);
            let is_folder = folder.join(&path).symlink_metadata().is_ok_and(|found| found.is_dir());
            if is_folder { open.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// Moves a file or link, also to another file system, and creates the folders above it.
fn move_file(from: &Path, to: &Path) -> Result<(), IoError> {
    if let Some(folder) = to.parent() {
        content::create_folder(folder)?;
    }
    let moved = writable(from, || fs::rename(from, to)).or_else(|error| match error.kind() {
        io::ErrorKind::CrossesDevices => copy(from, to).and_then(|()| fs::remove_file(from)),
        _ => Err(error),
    });
    moved.map_err(IoError::at("move", from))
}

/// Removes the own files among `stale` that the user did not edit, and own folders that become empty. `removed` is notified of
/// each file. Returns the paths of edited ones.
pub(crate) fn remove_own(
    graph: &Graph,
    files: &KnownFiles,
    stale: &[OwnFile],
    removed: &mut dyn FnMut(&Path),
) -> Result<Vec<PathBuf>, IoError> {
    let mut edited = Vec::new();
    // The deepest first.
    for file in stale.iter().rev() {
        let path = graph.root.join(&file.path);
        match file.state(files) {
            OwnState::Gone => {}
            OwnState::Edited => edited.push(file.path.clone()),
            // Fails if files of the user are in it.
            OwnState::Same if file.is_folder() => drop(fs::remove_dir(path)),
            OwnState::Same => {
                writable(&path, || fs::remove_file(&path)).map_err(IoError::at("remove", &file.path))?;
                removed(&file.path);
            }
        }
    }
    Ok(edited)
}

/// Tries again with a writable folder: the task may have left a read-only one.
fn writable(path: &Path, change: impl Fn() -> io::Result<()>) -> io::Result<()> {
    change().or_else(|error| match path.parent() {
        Some(folder) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            change()
        }
        _ => Err(error),
    })
}

/// Gives a file a second name, or copies it to another file system.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), IoError> {
    if let Some(folder) = to.parent() {
        content::create_folder(folder)?;
    }
    fs::hard_link(from, to).or_else(|_| copy(from, to)).map_err(IoError::at("copy", from))
}

/// Copies a file with its permissions, or a link. The copy is whole or missing.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let found = from.symlink_metadata()?;
    if found.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    let source = content::open(from, LinkPolicy::Refuse)?;
    let target = AtomicFile::create(to, found.permissions().mode() & 0o7777, Durability::Durable)?;
    content::copy(&source, from, target.file(), to)?;
    Ok(target.commit()?)
}
