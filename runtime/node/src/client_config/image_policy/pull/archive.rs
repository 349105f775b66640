//! What the archives of a node say about the names of images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use archive::image::ArchiveImage;
use archive::{Tree, image, product};
use content::Digest;
use images::Reference;
use images::original_names::{NameMeaning, OriginalNames, Place, RequestedRegistry, canonical_host};
use images::pull::is_attached_tag;
use images::reference::DOCKER_HUB;
use images::signatures::{RepositoryPattern, SignatureRules};

use super::super::super::error::Error;
use super::super::signed::rules;
use super::Requirement;

/// The name of a repository as all clients mean it: without the default port, and with one host for Docker Hub.
pub(super) fn canonical(host: &str, repository: &str) -> String {
    let host = without_default_port(host);
    let host = canonical_host(host).unwrap_or_else(|| host.to_owned());
    match host.as_str() {
        DOCKER_HUB if !repository.contains('/') => format!("{host}/library/{repository}"),
        _ => format!("{host}/{repository}"),
    }
}

fn without_default_port(host: &str) -> &str {
    host.strip_suffix(":443").unwrap_or(host)
}

/// An archive with its rules.
pub(super) struct KnownArchive<'a> {
    pub(super) path: &'a Path,
    pub(super) tree: Tree,
    rules: SignatureRules,
    /// The folder of its images.
    folder: &'static str,
    names: OriginalNames,
    /// The images, without signatures, and the repositories that they come from.
    images: Vec<(Place, BTreeSet<String>)>,
    /// What precedes the names of its images at a node; `None` for a folder of images.
    prefix: Option<String>,
    /// Whether a server serves its images also without the prefix.
    is_bare: bool,
}

impl<'a> KnownArchive<'a> {
    /// Opens an archive; `is_alone` is whether the node serves no other one.
    pub(super) fn open(path: &'a Path, is_alone: bool) -> Result<Self, Error> {
        let tree = Tree::open(path).map_err(|error| error.in_archive(path))?;
        let rules = rules(&tree)?.unwrap_or_default();
        let of_archive = |error: archive::Error| error.in_archive(path);
        let folder = image::folder_of(&tree).map_err(of_archive)?.unwrap_or(archive::layout::IMAGES);
        let names = image::original_names(&tree, folder).map_err(of_archive)?;
        let images =
            names.images().filter(|(place, _)| !is_attached_tag(&place.tag)).map(|(place, names)| {
                (place.clone(), names.iter().map(|name| canonical(name.host(), name.repository())).collect())
            });
        let images = images.collect();
        let prefix = product::of(&tree).map_err(of_archive)?.map(|product| product.repository_prefix());
        let is_bare = is_alone || prefix.is_none();
        Ok(Self { path, tree, rules, folder, names, images, prefix, is_bare })
    }

    /// Whether it has an image of a registry.
    pub(super) fn has_host(&self, host: &str) -> bool {
        let manifest =
            |place: &Place| place.folder(Path::new(self.folder)).join(archive::layout::IMAGE_MANIFEST);
        let exists = |place: &Place| {
            manifest(place)
                .to_str()
                .is_some_and(|path| self.tree.resolve(path).is_ok_and(|found| found.is_some()))
        };
        let mut places =
            self.names.repositories(host).flat_map(|repository| self.names.places(host, repository));
        places.any(exists)
    }

    /// The repositories that clients mean by `reference`: by an original name, or by one of the names at a node, whatever the
    /// addresses of the node are.
    pub(super) fn names_of(&self, reference: &Reference) -> BTreeSet<String> {
        let (host, name) = (reference.registry(), reference.repository());
        // The client may find a node where it looks for another registry.
        let other = RequestedRegistry::of(None, None, Some(host), |_| true);
        let meanings = [RequestedRegistry::This, other].map(|registry| registry.meanings(name));
        let is_own =
            |prefix: Option<&str>| prefix.is_none_or(|prefix| self.prefix.as_deref() == Some(prefix));
        let mut found = BTreeSet::new();
        for meaning in meanings.iter().flatten() {
            match meaning {
                NameMeaning::Own { prefix: Some(prefix), name } if is_own(Some(*prefix)) => {
                    found.extend(self.originals_of(name).cloned());
                }
                NameMeaning::Original { prefix, host, repository } if is_own(*prefix) => {
                    let name = format!("{}/{repository}", without_default_port(host));
                    if self.images.iter().any(|(_, originals)| originals.contains(&name)) {
                        found.insert(name);
                    }
                }
                NameMeaning::Own { .. } | NameMeaning::Original { .. } => {}
            }
        }
        found
    }

    /// The repositories that clients mean by the name of an image alone, if the image with the digest is served under this name. An
    /// image with another digest has the name at another registry.
    pub(super) fn bare_names_of(
        &self,
        reference: &Reference,
        digest: Digest,
    ) -> Result<BTreeSet<String>, Error> {
        let name = reference.repository();
        let found: BTreeSet<String> = self.originals_of(name).cloned().collect();
        if !self.is_bare || found.is_empty() {
            return Ok(BTreeSet::new());
        }
        // Under any tag: signatures need one, too, if they are pulled like images.
        let is_served = |image: &ArchiveImage| {
            has(image, digest) || image.stored().any(|manifest| manifest.digest == digest)
        };
        let has_digest = self.stored(&BTreeSet::from([name]))?.values().any(is_served);
        Ok(if has_digest { found } else { BTreeSet::new() })
    }

    /// The repositories that its images with this name come from.
    fn originals_of(&self, name: &str) -> impl Iterator<Item = &String> {
        let images = self.images.iter().filter(move |(place, _)| place.name == name);
        images.flat_map(|(_, originals)| originals)
    }

    /// What its rules require of the images of these repositories.
    pub(super) fn requirements(&self, names: &BTreeSet<String>) -> Vec<Requirement<'_>> {
        let requirement = |name: &String| {
            let reference: Reference = name.parse().ok()?;
            let rule = self.rules.deciding(&reference)?.repository();
            let has_image = || self.images.iter().any(|(_, originals)| originals.contains(name));
            // The rule for all other images of a project says nothing about those of other archives.
            if *rule == RepositoryPattern::All && !has_image() {
                return None;
            }
            Some(Requirement {
                archive: self,
                rule,
                name: name.clone(),
                signers: self.rules.required(&reference)?,
            })
        };
        names.iter().filter_map(requirement).collect()
    }

    /// Its images of these repositories with the digest, or that list it.
    pub(super) fn copies(&self, names: &BTreeSet<String>, digest: Digest) -> Result<Copies<'_>, Error> {
        let mut places: Vec<&Place> = Vec::new();
        for (place, originals) in &self.images {
            if !originals.is_disjoint(names) {
                places.push(place);
            }
        }
        let stored = self.stored(&places.iter().map(|place| place.name.as_str()).collect())?;
        places.retain(|place| stored.get(place).is_some_and(|image| has(image, digest)));
        Ok(Copies { archive: self, places, stored })
    }

    /// Its images with these names, and their signatures.
    fn stored(&self, names: &BTreeSet<&str>) -> Result<BTreeMap<Place, ArchiveImage>, Error> {
        let mut stored: BTreeMap<Place, ArchiveImage> = BTreeMap::new();
        if !names.is_empty() {
            let mut keep = |image: ArchiveImage| {
                if names.contains(image.name.as_str()) {
                    stored.insert(Place { name: image.name.clone(), tag: image.tag.clone() }, image);
                }
            };
            image::each(&self.tree, self.folder, &mut keep).map_err(|error| error.in_archive(self.path))?;
        }
        Ok(stored)
    }
}

/// Whether an image has the digest, or lists it.
fn has(image: &ArchiveImage, digest: Digest) -> bool {
    let found = image.manifest.as_ref();
    found.is_ok_and(|found| found.digest == digest || found.manifest.listed(digest).next().is_some())
}

/// The images of an archive that may be the one that is pulled.
pub(super) struct Copies<'a> {
    pub(super) archive: &'a KnownArchive<'a>,
    pub(super) places: Vec<&'a Place>,
    /// All images of their repositories, with their signatures.
    pub(super) stored: BTreeMap<Place, ArchiveImage>,
}
