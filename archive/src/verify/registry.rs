//! Comparing `registry/`, which a web server answers from, with the tree computed from `images/`.
//!
//! The tree is computed again from the manifests below `images/`, by the code that makes it. Names of images that are damaged
//! are passed over: what they should give is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use content::Digest;
use images::manifest::Manifest;
use images::registry::{self, RegistryEntry, TaggedImage, TaggedManifest};

use super::contents::ArchiveContents;
use super::{Examined, Finding, Findings, Problem, Required};
use crate::image::{ArchiveImage, MANIFESTS_MAX, StoredManifest};
use crate::layout;
use crate::tree::Tree;

/// The most bytes of manifests that are attached to others, of one name, which are read again for their annotations.
const ATTACHED_MAX: u64 = 16 << 20;

/// What is kept of an image to compute its part of the tree.
#[derive(Debug)]
pub(super) struct Indexed {
    digest: Digest,
    manifests: Vec<Arc<StoredManifest>>,
    blobs: Vec<Digest>,
}

impl Indexed {
    /// The part of an image: the tagged manifest, the existing ones below it, and their blobs.
    pub(super) fn of(image: &ArchiveImage) -> Option<Self> {
        let top = image.manifest.as_ref().ok()?;
        let mut found = Self { digest: top.digest, manifests: vec![Arc::clone(top)], blobs: Vec::new() };
        let mut seen = BTreeSet::from([top.digest]);
        let mut blobs = BTreeSet::new();
        let mut next = 0;
        while let Some(stored) = found.manifests.get(next).cloned() {
            blobs.extend(stored.manifest.blobs.iter().map(|(digest, _)| *digest));
            for (digest, _) in &stored.manifest.manifests {
                if let Some(Ok(child)) = image.children.get(digest)
                    && seen.insert(*digest)
                {
                    found.manifests.push(Arc::clone(child));
                }
            }
            next += 1;
        }
        found.blobs = blobs.into_iter().collect();
        Some(found)
    }
}

/// Compares the tree with the images. What files of it must contain is added to `required`.
pub(super) fn check(
    tree: &Tree,
    images: &[Examined],
    contents: &ArchiveContents,
    findings: &mut Findings,
    required: &mut Vec<Required>,
) {
    let below = |folder: &str| format!("{}/{folder}", layout::REGISTRY);
    let is_ours =
        [below("v2"), below("blobs/sha256")].iter().all(|path| matches!(tree.entry(path), Ok(Some(_))));
    if !is_ours {
        return;
    }
    let mut names: BTreeMap<&str, Vec<&Examined>> = BTreeMap::new();
    for image in images {
        names.entry(&image.name).or_default().push(image);
    }
    let mut check = Check { tree, contents, findings, required, seen: BTreeSet::new(), left: MANIFESTS_MAX };
    let mut unknown = Vec::new();
    for (name, images) in names {
        match check.tagged(&images) {
            Ok(Some(tagged)) => {
                for (path, content) in registry::repository(name, &tagged) {
                    check.entry(below(&path), content);
                }
                continue;
            }
            Ok(None) => {}
            Err(reason) => check.wrong(&below(&format!("v2/{name}")), reason),
        }
        unknown.push(below(&format!("v2/{name}/")));
    }
    let blobs = below("blobs/");
    let passed_over = |path: &str| {
        unknown.iter().any(|name| path.starts_with(name)) || (!unknown.is_empty() && path.starts_with(&blobs))
    };
    let files = contents.files.iter().map(|file| &*file.path);
    let inside = below("");
    let all = files.chain(contents.links.iter().map(|link| &*link.path));
    let extra: Vec<&str> = all
        .filter(|path| path.starts_with(&inside) && !check.seen.contains(*path) && !passed_over(path))
        .collect();
    for path in extra {
        check.wrong(path, "no image has it".into());
    }
}

struct Check<'a> {
    tree: &'a Tree,
    contents: &'a ArchiveContents,
    findings: &'a mut Findings,
    required: &'a mut Vec<Required>,
    /// The paths of the archive that the tree is to have and has.
    seen: BTreeSet<Box<str>>,
    /// How many bytes of manifests may still be read again.
    left: u64,
}

impl Check<'_> {
    /// All images of a name, if all are whole; else the images are what is damaged. The error is why it cannot be known.
    fn tagged(&mut self, images: &[&Examined]) -> Result<Option<Vec<TaggedImage>>, String> {
        let mut of_name = ATTACHED_MAX;
        let mut tagged = Vec::with_capacity(images.len());
        let mut read = BTreeMap::new();
        for image in images {
            let Some(indexed) = image.whole.as_ref().ok().and(image.indexed.as_ref()) else {
                return Ok(None);
            };
            let mut manifests = Vec::with_capacity(indexed.manifests.len());
            for stored in &indexed.manifests {
                let plain = TaggedManifest {
                    digest: stored.digest,
                    kind: stored.manifest.kind,
                    size: stored.entry.size,
                    attached: None,
                };
                if stored.manifest.subject.is_none() || read.insert(stored.digest, ()).is_some() {
                    manifests.push(plain);
                    continue;
                }
                let left =
                    of_name.checked_sub(stored.entry.size).zip(self.left.checked_sub(stored.entry.size));
                (of_name, self.left) =
                    left.ok_or("cannot be compared: the manifests attached to its images are too large")?;
                let failed = |error: &dyn std::fmt::Display| format!("cannot be compared: {error}");
                let location = self.tree.locate_entry(&stored.path, &stored.entry);
                let bytes = location.map_err(|error| failed(&error))?.read_all();
                let manifest = Manifest::parse(&bytes.map_err(|error| failed(&error))?);
                let manifest = manifest.map_err(|error| failed(&error))?;
                manifests.push(TaggedManifest::of(stored.digest, stored.entry.size, &manifest));
            }
            let (tag, blobs) = (image.tag.clone(), indexed.blobs.clone());
            tagged.push(TaggedImage { tag, digest: indexed.digest, manifests, blobs });
        }
        Ok(Some(tagged))
    }

    fn entry(&mut self, path: String, content: RegistryEntry) {
        let digest = match content {
            RegistryEntry::Link(target) => return self.link(path, &target),
            RegistryEntry::Blob(digest) | RegistryEntry::Manifest(digest) => digest,
            RegistryEntry::List(bytes) => Digest::of(&bytes),
        };
        // Deduplicated with links instead of hard links: the file it leads to inside the archive.
        let real = match self.contents.link(&path) {
            Some(_) => self.tree.resolve(&path).ok().flatten(),
            None => Some(path.clone()),
        };
        match real.and_then(|real| self.contents.find(&real)) {
            Some(file) => {
                let path: Box<str> = path.into();
                self.required.push(Required { file, digest, path: path.clone() });
                self.seen.insert(path);
            }
            None => self.wrong(&path, "it is missing".into()),
        }
    }

    fn link(&mut self, path: String, target: &str) {
        match self.contents.link(&path) {
            Some(found) => {
                if *found.target != *target {
                    self.wrong(&path, format!("it leads to `{}`, expected `{target}`", found.target));
                }
                self.seen.insert(path.into());
            }
            None => self.wrong(&path, format!("the link to `{target}` is missing")),
        }
    }

    fn wrong(&mut self, path: &str, reason: String) {
        self.findings.push(Finding::new(path, Problem::Misindexed { reason }));
    }
}
