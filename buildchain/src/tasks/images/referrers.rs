//! What is attached to images: signatures, SBOMs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::{Digest, ParseDigestError};
use graph::{Action, ActionError, Input, Output, Task, Title};
use images::RegistrySession;
use images::pull::{attached_tag, no_referrers};

use super::super::{Error, NETWORK, Place};
use super::{folder, locked, open_store, pull_now, record_digests, request};
use crate::project::{Attached, FILE_NAME, Project, Pull};

/// The name of the task that pulls the referrers of an image.
pub(super) fn name(pull: &Pull) -> String {
    format!("_image_referrers:{}:{}", pull.image.name.value, pull.image.tag.value)
}

/// The lists of what is attached to an image and, where it is an index, to the manifests that are kept of it, each in a
/// folder of the image's name: its tag is where clients look that know no better way.
pub(super) fn task(
    place: &Place<'_>,
    project: &Arc<Project>,
    pull: &Pull,
    registries: &RegistrySession,
    places: &mut Places,
) -> Result<Task, Error> {
    let (name, tag) = (&pull.image.name.value, &pull.image.tag.value);
    let lists = Lists::of(pull).map_err(|error| Error::Definition {
        path: project.root.join(FILE_NAME),
        message: error.to_string(),
    })?;
    let mut inputs = place.made_here();
    inputs.push(Input::value("digest", pull.digest.as_deref().unwrap_or("none: not locked")));
    inputs.push(Input::value("platforms", pull.image.platform_names()));
    let locked = lists.by_subject.iter().map(|(subject, list)| format!("{subject} {list}\n"));
    inputs.push(Input::value("lists", locked.collect::<String>()));
    let place_of =
        |(key, list): (&String, &Digest)| Some((*list, folder(project, name, &attached_tag(key)?)));
    let targets = lists
        .by_subject
        .iter()
        .filter_map(place_of)
        .filter(|(list, folder)| places.take(folder, *list))
        .collect::<Vec<_>>();
    Ok(Task {
        name: self::name(pull),
        alias: format!("images:{name}:{tag}"),
        doc: format!("Pull what is attached to the image {name}:{tag}."),
        title: Title::new("PULL REFS", format!("{name}:{tag}")),
        inputs,
        outputs: targets.iter().map(|(_, folder)| Output::Folder(folder.clone())).collect(),
        action: Some(fetch(project, pull, registries, lists, targets)),
        pool: Some(NETWORK.into()),
        ..Task::default()
    })
}

/// The folders of lists that tasks make. Two tags of one name with one digest have the same list in the same folder: the task
/// of the first makes it.
#[derive(Default)]
pub(super) struct Places(HashMap<PathBuf, Digest>);

impl Places {
    /// Whether the task that asks is to make `folder` with the list `list`. Two that differ are both made, which the graph
    /// refuses.
    fn take(&mut self, folder: &Path, list: Digest) -> bool {
        self.0.insert(folder.to_path_buf(), list) != Some(list)
    }
}

/// What the lock holds.
struct Lists {
    /// The digest of each list, by the digest of what it is of; with `.sig` and the like of what cosign keeps.
    by_subject: BTreeMap<String, Digest>,
    /// These are all: locks of earlier versions hold only what is attached to the image itself.
    all: bool,
}

impl Lists {
    fn of(pull: &Pull) -> Result<Self, ParseDigestError> {
        let mut by_subject = BTreeMap::new();
        match (&pull.referrers, &pull.digest) {
            (Some(Attached::Each(lists)), _) => {
                for (key, list) in lists {
                    let wrong = || ParseDigestError { found: key.chars().take(100).collect() };
                    attached_tag(key).ok_or_else(wrong)?;
                    by_subject.insert(key.clone(), list.parse()?);
                }
            }
            (Some(Attached::Image(list)), Some(image)) => {
                by_subject.insert(image.parse::<Digest>()?.to_string(), list.parse()?);
            }
            _ => {}
        }
        Ok(Self { by_subject, all: matches!(pull.referrers, Some(Attached::Each(_))) })
    }

    /// The first list that is not what the lock says: what it is of, and what was expected and found.
    fn first_moved(&self, found: &BTreeMap<String, Digest>) -> Option<(String, String, String)> {
        let known = &self.by_subject;
        let subjects: BTreeSet<&String> = known
            .keys()
            .chain(found.keys().filter(|subject| self.all || known.contains_key(*subject)))
            .collect();
        let moved = subjects.into_iter().find(|subject| known.get(*subject) != found.get(*subject))?;
        let shown = |lists: &BTreeMap<String, Digest>| {
            lists.get(moved).map_or_else(|| "none".to_owned(), |list| format!("a list of digest {list}"))
        };
        Some((moved.clone(), shown(known), shown(found)))
    }
}

/// `targets`: each list and its folder.
fn fetch(
    project: &Arc<Project>,
    pull: &Pull,
    registries: &RegistrySession,
    lists: Lists,
    targets: Vec<(Digest, PathBuf)>,
) -> Action {
    let (project, pull, registries) = (Arc::clone(project), pull.clone(), registries.clone());
    Box::new(move |context| {
        let reference = pull.reference();
        let image = locked(&reference, pull.digest.as_deref().filter(|_| pull.referrers.is_some()))?;
        let store = open_store(&project)?;
        let mut request = request(&pull, image)?;
        request.referrers = true;
        let pulled = pull_now(&[request], &store, &registries, context)?;
        let mut found = BTreeMap::from([(image.to_string(), store.put(&no_referrers())?)]);
        let attached = pulled.into_iter().flat_map(|image| image.referrers);
        found.extend(attached.map(|list| (list.key(), list.digest)));
        if let Some((subject, expected, found)) = lists.first_moved(&found) {
            let of = if subject == image.to_string() { String::new() } else { format!("@{subject}") };
            return Err(ActionError::failed(format!(
                "what is attached to {reference}{of} has changed: expected {expected}, found {found}; \
                 `sealift update` takes the new one"
            )));
        }
        for (list, target) in &targets {
            let files = images::dir_layout::write(&store, list, &[], target)?;
            record_digests(context, target, &files)?;
        }
        Ok(())
    })
}
