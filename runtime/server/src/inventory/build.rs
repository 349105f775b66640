//! Building the index of an archive.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use archive::tree::TreeEntry;
use archive::{Tree, image};
use content::Digest;
use images::manifest::MediaKind;
use images::original_names::{OriginalNames, OriginalReference, Place};

use super::contents::{ContentFileName, ContentPosition, ServedContent};
use super::original::OriginalRepositories;
use super::repository::{Referrers, ServedRepository};

/// Collects the images of an archive.
#[derive(Default)]
pub(super) struct Builder {
    repositories: BTreeMap<Box<str>, Collected>,
    /// By host and repository.
    original: BTreeMap<Box<str>, BTreeMap<Box<str>, Collected>>,
    names: OriginalNames,
    contents: Vec<ServedContent>,
    by_digest: HashMap<Digest, u32>,
    problems: Vec<String>,
}

/// The parts of a [`ServedRepository`].
#[derive(Default)]
struct Collected {
    tags: Vec<(Box<str>, u32)>,
    contents: Vec<u32>,
    incomplete: Vec<Box<str>>,
    referrers: Referrers,
}

/// All images of an archive.
pub(super) struct Built {
    pub(super) repositories: BTreeMap<Box<str>, ServedRepository>,
    pub(super) original: OriginalRepositories,
    pub(super) contents: Box<[ServedContent]>,
    /// Images that are not served, each with the reason.
    pub(super) problems: Vec<String>,
}

impl Builder {
    /// A builder for an archive whose images have these original names.
    pub(super) fn new(names: OriginalNames) -> Self {
        Self { names, ..Self::default() }
    }

    /// Records what is not served, and why.
    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Adds an image, unless something it needs is missing: a manifest is served only if all its blobs exist.
    pub(super) fn add(&mut self, tree: &Tree, image: &image::ArchiveImage) {
        let place = Place { name: image.name.clone(), tag: image.tag.clone() };
        let references: Vec<OriginalReference> = self.names.of(&place).cloned().collect();
        let stored = match image.whole().and_then(|()| image.manifest.clone()) {
            Ok(stored) => stored,
            Err(problem) => {
                self.problems.push(format!("{}:{} is not served: {problem}", image.name, image.tag));
                for reference in &references {
                    let incomplete = reference.tag().map(Into::into);
                    self.original_repository(reference).incomplete.extend(incomplete);
                }
                return;
            }
        };
        let folder: Arc<str> = image.folder.as_str().into();
        let place =
            |name, path: &str, entry: &TreeEntry| ContentPosition::new(tree, &folder, name, path, entry);
        let mut contents = Vec::new();
        let mut all_needs = Vec::new();
        for child in image.children.values().flatten() {
            let needs = self.add_blobs(image, &child.manifest, &place);
            contents.extend(&needs);
            all_needs.extend(&needs);
            let at = place(ContentFileName::Child, &child.path, &child.entry);
            let index = self.add_content(child.digest, &child.entry, Some(child.manifest.kind), at, needs);
            all_needs.push(index);
        }
        all_needs.extend(self.add_blobs(image, &stored.manifest, &place));
        contents.extend(&all_needs);
        let at = place(ContentFileName::Top, &stored.path, &stored.entry);
        let top = self.add_content(stored.digest, &stored.entry, Some(stored.manifest.kind), at, all_needs);
        contents.push(top);
        let referrers: Vec<(Digest, u32)> = image
            .stored()
            .filter_map(|stored| Some((stored.manifest.subject?, *self.by_digest.get(&stored.digest)?)))
            .collect();
        for reference in &references {
            let tag = reference.tag();
            self.original_repository(reference).add(tag, top, &contents, &referrers);
        }
        let repository = self.repositories.entry(image.name.as_str().into()).or_default();
        repository.add(Some(&image.tag), top, &contents, &referrers);
    }

    fn original_repository(&mut self, reference: &OriginalReference) -> &mut Collected {
        let host = self.original.entry(reference.host().into()).or_default();
        host.entry(reference.repository().into()).or_default()
    }

    /// The images that were added.
    pub(super) fn finish(self) -> Built {
        let contents = self.contents.into_boxed_slice();
        let repositories = self.repositories.into_iter();
        let repositories = repositories.map(|(name, found)| (name, found.finish(&contents))).collect();
        let finished = |repositories: BTreeMap<Box<str>, Collected>| {
            repositories.into_iter().map(|(name, found)| (name, found.finish(&contents))).collect()
        };
        let original = self.original.into_iter().map(|(host, found)| (host, finished(found))).collect();
        let original = OriginalRepositories::new(original);
        Built { repositories, original, contents, problems: self.problems }
    }

    fn add_blobs(
        &mut self,
        image: &image::ArchiveImage,
        manifest: &image::ManifestSummary,
        place: &dyn Fn(ContentFileName, &str, &TreeEntry) -> ContentPosition,
    ) -> Vec<u32> {
        let mut added = Vec::new();
        for (digest, _) in &manifest.blobs {
            if let Some(blob) = image.blobs.get(digest) {
                let at = place(ContentFileName::Blob, &blob.path, &blob.entry);
                added.push(self.add_content(*digest, &blob.entry, None, at, Vec::new()));
            }
        }
        added
    }

    fn add_content(
        &mut self,
        digest: Digest,
        entry: &TreeEntry,
        kind: Option<MediaKind>,
        place: ContentPosition,
        needs: Vec<u32>,
    ) -> u32 {
        let next = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        let index = *self.by_digest.entry(digest).or_insert(next);
        if index == next {
            self.contents.push(ServedContent::new(digest, entry.size, kind, place, needs));
        }
        index
    }
}

impl Collected {
    /// Adds an image: its manifest, all of its contents, and those of them that refer to other manifests.
    fn add(&mut self, tag: Option<&str>, top: u32, contents: &[u32], referrers: &[(Digest, u32)]) {
        self.tags.extend(tag.map(|tag| (tag.into(), top)));
        self.contents.extend(contents);
        for (subject, index) in referrers {
            self.referrers.entry(*subject).or_default().push(*index);
        }
    }

    fn finish(mut self, contents: &[ServedContent]) -> ServedRepository {
        // A reference names one image in every valid archive. Otherwise, the first folder decides.
        self.tags.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.tags.dedup_by(|(later, _), (first, _)| later == first);
        self.incomplete.sort_unstable();
        let digest = |index: &u32| {
            usize::try_from(*index).ok().and_then(|index| contents.get(index)).map(ServedContent::digest)
        };
        for indices in self.referrers.values_mut().chain([&mut self.contents]) {
            indices.sort_unstable_by_key(digest);
            indices.dedup();
        }
        ServedRepository {
            tags: self.tags.into(),
            incomplete: self.incomplete.into(),
            contents: self.contents.into(),
            referrers: (!self.referrers.is_empty()).then(|| Box::new(self.referrers)),
        }
    }
}
