//! Building the index of an archive.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use archive::tree::TreeEntry;
use archive::{Tree, image};
use content::Digest;
use images::manifest::MediaKind;

use super::contents::{ContentFileName, ContentPosition, ServedContent};
use super::repository::{Referrers, ServedRepository};

/// Collects the images of an archive.
#[derive(Default)]
pub(super) struct Builder {
    repositories: BTreeMap<Box<str>, Collected>,
    contents: Vec<ServedContent>,
    by_digest: HashMap<Digest, u32>,
    problems: Vec<String>,
}

/// The parts of a [`ServedRepository`].
#[derive(Default)]
struct Collected {
    tags: Vec<(Box<str>, u32)>,
    contents: Vec<u32>,
    referrers: Referrers,
}

/// All images of an archive.
pub(super) struct Built {
    pub(super) repositories: BTreeMap<Box<str>, ServedRepository>,
    pub(super) contents: Box<[ServedContent]>,
    /// Images that are not served, each with the reason.
    pub(super) problems: Vec<String>,
}

impl Builder {
    /// Adds an image, unless something it needs is missing: a manifest is served only if all its blobs exist.
    pub(super) fn add(&mut self, tree: &Tree, image: &image::ArchiveImage) {
        let stored = match image.whole().and_then(|()| image.manifest.clone()) {
            Ok(stored) => stored,
            Err(problem) => {
                self.problems.push(format!("{}:{} is not served: {problem}", image.name, image.tag));
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
        let repository = self.repositories.entry(image.name.as_str().into()).or_default();
        repository.tags.push((image.tag.as_str().into(), top));
        repository.contents.extend(contents);
        for stored in image.stored() {
            if let (Some(subject), Some(index)) =
                (stored.manifest.subject, self.by_digest.get(&stored.digest))
            {
                repository.referrers.entry(subject).or_default().push(*index);
            }
        }
    }

    /// The images that were added.
    pub(super) fn finish(self) -> Built {
        let contents = self.contents.into_boxed_slice();
        let repositories = self.repositories.into_iter();
        let repositories = repositories.map(|(name, found)| (name, found.finish(&contents))).collect();
        Built { repositories, contents, problems: self.problems }
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
    fn finish(mut self, contents: &[ServedContent]) -> ServedRepository {
        self.tags.sort_unstable();
        let digest = |index: &u32| {
            usize::try_from(*index).ok().and_then(|index| contents.get(index)).map(ServedContent::digest)
        };
        for indices in self.referrers.values_mut().chain([&mut self.contents]) {
            indices.sort_unstable_by_key(digest);
            indices.dedup();
        }
        ServedRepository {
            tags: self.tags.into(),
            contents: self.contents.into(),
            referrers: (!self.referrers.is_empty()).then(|| Box::new(self.referrers)),
        }
    }
}
