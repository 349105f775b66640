//! Referrers of images: signatures, SBOMs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Digest;
use graph::{ActionError, Task, TaskAction, TaskInput, TaskOutput, Title};
use images::pull::{PullRequest, attached_tag, no_referrers};
use images::{Reference, RegistrySession};

use super::super::{NETWORK, TaskBuilder};
use super::{digest_input, folder, locked, open_store, pull_now, record_digests, request};
use crate::project::{LockedReferrers, ParsedName as _, Project, PullDefinition, Subject, Tag};

/// The name of the task that pulls the referrers of an image.
pub(super) fn name(pull: &PullDefinition) -> String {
    format!("_image_referrers:{}:{}", pull.name, pull.tag)
}

/// The tags that the lists of referrers of an image are saved under.
pub(in crate::tasks) fn tags(pull: &PullDefinition) -> Vec<Tag> {
    Lists::of(pull).by_subject.keys().filter_map(tag_of).collect()
}

/// The tag at which clients look for the list of a subject.
fn tag_of(subject: &Subject) -> Option<Tag> {
    Tag::parse(&attached_tag(subject.as_str())?).ok()
}

/// The task that pulls the lists of referrers of an image and, where it is an index, of the manifests that are kept of it. Each
/// list goes into a folder of the image's name, under the tag at which clients look that do not know the referrers API.
pub(super) fn task(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    (pull, reference): (&PullDefinition, &Reference),
    registries: &RegistrySession,
    places: &mut ListFolders,
) -> Task {
    let (name, tag) = (&pull.name, &pull.tag);
    let lists = Lists::of(pull);
    let mut inputs = builder.made_here();
    inputs.push(digest_input(pull.digest));
    inputs.push(TaskInput::value("platforms", pull.platform_names()));
    let locked = lists.by_subject.iter().map(|(subject, list)| format!("{subject} {list}\n"));
    inputs.push(TaskInput::value("lists", locked.collect::<String>()));
    let folder_of =
        |(subject, list): (&Subject, &Digest)| Some((*list, folder(project, name, &tag_of(subject)?)));
    let targets = lists
        .by_subject
        .iter()
        .filter_map(folder_of)
        .filter(|(list, folder)| places.take(folder, *list))
        .collect::<Vec<_>>();
    Task {
        name: self::name(pull),
        alias: format!("images:{name}:{tag}"),
        doc: format!("Pull the referrers of the image {name}:{tag}."),
        title: Title::new("PULL REFS", format!("{name}:{tag}")),
        inputs,
        outputs: targets.iter().map(|(_, folder)| TaskOutput::Folder(folder.clone())).collect(),
        action: Some(fetch(project, pull, reference, registries, lists, targets)),
        pool: Some(NETWORK.into()),
        ..Task::default()
    }
}

/// The folders of lists that tasks produce. Two tags of one name with one digest have the same list in the same folder: the
/// task of the first produces it.
#[derive(Default)]
pub(super) struct ListFolders(HashMap<PathBuf, Digest>);

impl ListFolders {
    /// Whether a task is to produce `folder` with the list `list`. If two lists differ, both tasks do, which the graph
    /// refuses.
    fn take(&mut self, folder: &Path, list: Digest) -> bool {
        self.0.insert(folder.to_path_buf(), list) != Some(list)
    }
}

/// The lists in the lock file.
struct Lists {
    /// The digest of each list, by what it is of.
    by_subject: BTreeMap<Subject, Digest>,
    /// Whether these are all: earlier versions locked only the list of the image itself.
    all: bool,
}

impl Lists {
    fn of(pull: &PullDefinition) -> Self {
        match (&pull.referrers, pull.digest) {
            (Some(LockedReferrers::Each(lists)), _) => Self { by_subject: lists.clone(), all: true },
            (Some(LockedReferrers::Image(list)), Some(image)) => {
                Self { by_subject: BTreeMap::from([(image.into(), *list)]), all: false }
            }
            _ => Self { by_subject: BTreeMap::new(), all: false },
        }
    }

    /// The first list that differs from that in the lock file: what it is of, and what was expected and found.
    fn first_moved(&self, found: &BTreeMap<Subject, Digest>) -> Option<(Subject, String, String)> {
        let known = &self.by_subject;
        let subjects: BTreeSet<&Subject> = known
            .keys()
            .chain(found.keys().filter(|subject| self.all || known.contains_key(*subject)))
            .collect();
        let moved = subjects.into_iter().find(|subject| known.get(*subject) != found.get(*subject))?;
        let shown = |lists: &BTreeMap<Subject, Digest>| {
            lists.get(moved).map_or_else(|| "none".to_owned(), |list| format!("a list of digest {list}"))
        };
        Some((moved.clone(), shown(known), shown(found)))
    }
}

/// Pulls the referrers of the image at `reference`. `targets`: each list and its folder.
fn fetch(
    project: &Arc<Project>,
    pull: &PullDefinition,
    reference: &Reference,
    registries: &RegistrySession,
    lists: Lists,
    targets: Vec<(Digest, PathBuf)>,
) -> TaskAction {
    let (project, pull, registries) = (Arc::clone(project), pull.clone(), registries.clone());
    let reference = reference.clone();
    Box::new(move |context| {
        let image = locked(&reference, pull.digest.filter(|_| pull.referrers.is_some()))?;
        let store = open_store(&project)?;
        let request = PullRequest { referrers: true, ..request(&pull, &reference, image) };
        let pulled = pull_now(&[request], &store, &registries, context)?;
        let mut found = BTreeMap::from([(Subject::from(image), store.put(&no_referrers())?)]);
        for list in pulled.into_iter().flat_map(|image| image.referrers) {
            found.insert(Subject::parse(&list.key()).map_err(ActionError::failed)?, list.digest);
        }
        if let Some((subject, expected, found)) = lists.first_moved(&found) {
            let of = if subject == image.into() { String::new() } else { format!("@{subject}") };
            return Err(ActionError::failed(format!(
                "the referrers of {reference}{of} have changed: expected {expected}, found {found}; \
                 lock the new ones with `sealift update`"
            )));
        }
        for (list, target) in &targets {
            let files = images::dir_layout::write(&store, list, &[], target)?;
            record_digests(context, target, &files)?;
        }
        Ok(())
    })
}
