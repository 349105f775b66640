//! Comparing `registry/`, which a web server answers from, with the tree computed from `images/`.
//!
//! The tree is computed again from the manifests below `images/`, by the code that makes it. Names of images that are damaged
//! are passed over: what they should give is not known. So are original repositories with such an image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use content::Digest;
use images::manifest::Manifest;
use images::original_names::{self, OriginalNames, Place};
use images::registry::{self, RegistryEntry, TaggedImage, TaggedManifest};

use super::contents::ArchiveContents;
use super::{Examined, Finding, Findings, Problem, Required};
use crate::image::{self, ArchiveImage, MANIFESTS_MAX, StoredManifest};
use crate::layout;
use crate::tree::Tree;

/// The most bytes of manifests that are attached to others, of one name, which are read again for their annotations.
const ATTACHED_MAX: u64 = 16 << 20;
/// The most bytes of lists for all original repositories. One image can be in any number of them, each with its lists.
const ORIGINAL_LISTS_MAX: usize = 256 << 20;

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
    let original_names = image::original_names(tree, layout::IMAGES)
        .inspect_err(|error| findings.push(super::invalid(layout::ORIGINAL_NAMES, error)))
        .ok();
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
    let mut damaged = BTreeSet::new();
    let mut known = Vec::new();
    for (name, images) in names {
        match check.tagged(&images) {
            Ok(Some(tagged)) => {
                for (path, content) in registry::repository(name, &tagged) {
                    check.entry(below(&path), content);
                }
                let place = |tag: &str| Place { name: name.to_owned(), tag: tag.to_owned() };
                known.extend(tagged.into_iter().map(|image| (place(&image.tag), image)));
                continue;
            }
            Ok(None) => {}
            Err(reason) => check.wrong(&below(&format!("v2/{name}")), reason),
        }
        damaged.insert(name);
        unknown.push(below(&format!("v2/{name}/")));
    }
    match original_names {
        Some(names) => unknown.extend(check.original(&names, &known, &damaged)),
        None => unknown.push(below("hosts/")),
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
    /// Compares the part for original names. Returns the folders whose expected content is unknown.
    fn original(
        &mut self,
        names: &OriginalNames,
        images: &[(Place, TaggedImage)],
        damaged: &BTreeSet<&str>,
    ) -> Vec<String> {
        let below = |folder: &str| format!("{}/{folder}", layout::REGISTRY);
        let images = images.iter().map(|(place, image)| (place, image)).collect();
        let originals = match registry::original_repositories(names, &images) {
            Ok(originals) => originals,
            Err(conflict) => {
                let reason = conflict.to_string();
                self.findings.push(Finding::new(layout::ORIGINAL_NAMES, Problem::Invalid { reason }));
                return vec![below("hosts/")];
            }
        };
        let mut unknown = Vec::new();
        for host in names.hosts() {
            let Some(part) = original_names::host_part(host) else { continue };
            for repository in names.repositories(host) {
                if names.places(host, repository).iter().any(|place| damaged.contains(&*place.name)) {
                    unknown.push(below(&format!("hosts/{part}/{repository}/_")));
                }
            }
        }
        let mut lists = ORIGINAL_LISTS_MAX;
        for original in originals {
            let folder = below(&original.paths().tags());
            if unknown.iter().any(|unknown| folder.starts_with(unknown)) {
                continue;
            }
            let entries = original.entries();
            let bytes = entries.iter().map(|(_, entry)| match entry {
                RegistryEntry::List(bytes) => bytes.len(),
                _ => 0,
            });
            match lists.checked_sub(bytes.sum()) {
                Some(left) => lists = left,
                None => {
                    let reason = "cannot be compared: the lists of original repositories are too large";
                    self.wrong(&below("hosts"), reason.into());
                    unknown.push(below("hosts/"));
                    return unknown;
                }
            }
            for (path, content) in entries {
                self.entry(below(&path), content);
            }
        }
        unknown
    }

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
                if stored.manifest.subject.is_none() {
                    manifests.push(plain);
                    continue;
                }
                if let Some(attached) = read.get(&stored.digest) {
                    manifests.push(TaggedManifest { attached: Option::clone(attached), ..plain });
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
                let manifest = TaggedManifest::of(stored.digest, stored.entry.size, &manifest);
                read.insert(stored.digest, manifest.attached.clone());
                manifests.push(manifest);
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
