//! Whether the lock file has what the selected tasks need.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use graph::{Graph, SelectedTasks, TaskId};
use images::Reference;

use super::{INDEX, build, pull_name, referrers};
use crate::project::{BaseImage, Error, Mistakes, Origin, Project, SpecBuilder};
use crate::tasks::{debs, download, shown_url, sources, specs};

/// Checks that the lock file has every digest that the selected tasks, and the tasks that they depend on, need: of images to
/// pull, of their referrers and signatures, of base images and of sources outside the project.
///
/// # Errors
///
/// [`Error::NotLocked`] for each reference without one, at the first entry of the project that needs it.
pub fn check_locked(project: &Project, graph: &Graph, selection: &SelectedTasks) -> Result<(), Error> {
    let needed = graph.with_needs(selection);
    let needed: HashSet<TaskId> = needed.tasks().iter().copied().collect();
    let mut missing: BTreeMap<String, &Origin> = BTreeMap::new();
    for (task, reference, origin) in unlocked(project) {
        if graph.find(&task).is_some_and(|id| needed.contains(&id)) {
            missing.entry(reference).and_modify(|first| *first = origin.min(*first)).or_insert(origin);
        }
    }
    let mut missing: Vec<(&Origin, String)> =
        missing.into_iter().map(|(reference, origin)| (origin, reference)).collect();
    missing.sort();
    let errors =
        missing.into_iter().map(|(origin, image)| Error::NotLocked { origin: origin.clone(), image });
    Mistakes::from(errors.collect::<Vec<_>>()).end(())
}

/// The names of all that the lock file has no digest for, each once.
pub(crate) fn names_of_unlocked(project: &Project) -> Vec<String> {
    let names: BTreeSet<String> = unlocked(project).into_iter().map(|(_, name, _)| name).collect();
    names.into_iter().collect()
}

/// What the lock file lacks if a rule requires a signature.
fn signature_of(reference: &Reference) -> String {
    format!("a signature of {reference} by a key of its rule")
}

/// What the lock file has no digest for: the task that needs it, the reference, and the entry of the project that asks for the
/// task.
fn unlocked(project: &Project) -> Vec<(String, String, &Origin)> {
    let mut unlocked = Vec::new();
    for pull in &project.pull {
        let Some(reference) = pull.locked_name() else { continue };
        let reference = match (&pull.digest, &pull.referrers) {
            (None, _) => reference,
            (Some(_), None) if pull.with_referrers => format!("the referrer list of {reference}"),
            (Some(_), _) => continue,
        };
        // Without the list, the task of the referrers has no outputs that other tasks could depend on.
        if pull.with_referrers {
            unlocked.push((referrers::name(pull), reference.clone(), &pull.origin));
        }
        unlocked.push((pull_name(pull), reference, &pull.origin));
    }
    for pull in &project.pull {
        if let (Some(reference), Some(digest)) = (pull.reference(), &pull.digest)
            && project.lacks_signature(reference, digest)
        {
            let what = signature_of(reference);
            unlocked.push((referrers::name(pull), what.clone(), &pull.origin));
            unlocked.push((pull_name(pull), what, &pull.origin));
        }
    }
    for selection in project.selections.iter().filter(|selection| !selection.is_locked) {
        let tags = format!("the list of tags {selection}");
        unlocked.push((INDEX.to_owned(), tags, selection.origin()));
    }
    for image in &project.images {
        for base in image.bases.iter().filter(|base| base.digest.is_none()) {
            unlocked.push((build::name(image), base.reference.to_string(), &image.origin));
        }
        let signed = |base: &&BaseImage| {
            base.digest.is_some_and(|digest| project.lacks_signature(&base.reference, &digest))
        };
        for base in image.bases.iter().filter(signed) {
            unlocked.push((build::name(image), signature_of(&base.reference), &image.origin));
        }
    }
    for source in &project.external_sources {
        unlocked.extend(sources::unlocked(source).map(|what| (sources::name(source), what, &source.origin)));
    }
    for repository in &project.repositories {
        for spec in &repository.specs {
            let missing = spec.downloads.iter().filter(|download| download.digest.is_none());
            let missing = missing.map(|download| (specs::Step::GetSource, shown_url(download.url.as_str())));
            let builder = match &spec.builder {
                SpecBuilder::Image(image) => match &image.digest {
                    None => Some(image.reference.to_string()),
                    Some(digest) => {
                        let lacks = project.lacks_signature(&image.reference, digest);
                        lacks.then(|| signature_of(&image.reference))
                    }
                },
                SpecBuilder::Host => None,
            };
            let builder = builder.map(|reference| (specs::Step::Srpm, reference));
            let missing = missing.chain(builder);
            unlocked.extend(
                missing.map(|(step, what)| (specs::name(repository, spec, step), what, &spec.origin)),
            );
        }
        if let (Some(what), Some(upstream)) = (download::unlocked(repository), &repository.upstream) {
            unlocked.push((download::name(repository), what, &upstream.origin));
        }
    }
    for repository in &project.deb_repositories {
        if let (Some(what), Some(downloads)) = (debs::unlocked(repository), &repository.downloads) {
            unlocked.push((debs::download_name(repository), what, &downloads.origin));
        }
    }
    unlocked
}
