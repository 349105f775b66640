//! What the images of a folder bring into the tree, read before any of it is written.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use content::Digest;

use super::original::original_repositories;
use super::paths::RepositoryPaths;
use super::plan::{PlannedEntry, PlannedFile, Stage};
use super::{RegistryEntry, TaggedImage, TaggedManifest, answers};
use crate::dir_layout::{self, ImagePlace};
use crate::error::{Error, Result, io};
use crate::manifest::Descriptor;
use crate::original_names::{self, OriginalNames, Place};

/// Parts of a name that mean something in the tree; an image may have them in its name as long as no other image is
/// called what stands before them.
const RESERVED: [&str; 3] = ["manifests", "tags", "referrers"];

/// Two images whose files would be at one place in the tree.
pub(super) fn refuse_collisions(names: &BTreeMap<&str, Vec<&ImagePlace>>) -> Result<()> {
    for (name, places) in names {
        for place in places {
            let bad = |reason| Err(Error::Layout { path: place.folder.clone(), reason });
            if place.tag == "sha256" {
                return bad("the tag `sha256` is where manifests are kept by digest".into());
            }
            for (at, _) in name.match_indices('/') {
                let (before, after) = name.split_at_checked(at).unwrap_or_default();
                let part = after.trim_start_matches('/').split('/').next().unwrap_or_default();
                if RESERVED.contains(&part) && names.contains_key(before) {
                    return bad(format!("`{name}` conflicts with the {part} of the image `{before}`"));
                }
            }
        }
    }
    Ok(())
}

/// Where a blob is, if it exists with the right size.
fn checked_blob(folder: &Path, blob: &Descriptor) -> Result<PathBuf> {
    let path = folder.join(blob.digest.hex());
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => Err(Error::Layout { path, reason: "not a regular file".into() }),
        Ok(found) if found.len() != blob.size => {
            Err(Error::SizeMismatch { path, expected: blob.size, found: found.len() })
        }
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Layout { path, reason: format!("the {} is missing", blob.media_type) })
        }
        Err(error) => Err(io("stat", &path)(error)),
    }
}

/// The plan for one name.
pub(super) struct Repository {
    /// All but the blobs.
    pub(super) entries: Vec<PlannedEntry>,
    /// Where each blob is, and its size in bytes.
    pub(super) blobs: HashMap<Digest, (PathBuf, u64)>,
    /// Where each manifest is.
    manifests: HashMap<Digest, PathBuf>,
    /// The images, without their blobs.
    images: Vec<(Place, TaggedImage)>,
}

impl Repository {
    /// Reads all images of a name.
    pub(super) fn read(name: &str, places: &[&ImagePlace]) -> Result<Self> {
        let mut blobs = HashMap::new();
        let mut manifests = HashMap::new();
        let mut images = Vec::with_capacity(places.len());
        for place in places {
            let image = dir_layout::read(&place.folder)?;
            for blob in &image.blobs {
                let from = checked_blob(&place.folder, blob)?;
                blobs.entry(blob.digest).or_insert((from, blob.size));
            }
            for stored in &image.manifests {
                manifests.entry(stored.digest).or_insert_with(|| place.folder.join(&stored.file));
            }
            let of = |stored: &dir_layout::DirManifest| {
                TaggedManifest::of(stored.digest, stored.size, &stored.manifest)
            };
            let tagged = TaggedImage {
                tag: place.tag.clone(),
                digest: image.digest,
                manifests: image.manifests.iter().map(of).collect(),
                blobs: Vec::new(),
            };
            images.push((Place { name: name.to_owned(), tag: place.tag.clone() }, tagged));
        }
        let own = images.iter().map(|(place, image)| (Some(&*place.tag), image));
        let entries = planned(answers(RepositoryPaths::Named(name), own), &|digest| manifests.get(digest));
        Ok(Self { entries, blobs, manifests, images })
    }
}

/// The plan for the original repositories of all images.
pub(super) fn original_entries(images: &Path, repositories: &[Repository]) -> Result<Vec<PlannedEntry>> {
    let names = OriginalNames::load(images)?;
    let places = repositories.iter().flat_map(|repository| &repository.images);
    let tagged: BTreeMap<&Place, &TaggedImage> = places.map(|(place, image)| (place, image)).collect();
    let originals = original_repositories(&names, &tagged).map_err(|conflict| Error::OriginalNames {
        path: images.join(original_names::FILE),
        reason: conflict.to_string(),
    })?;
    // Every file comes from a folder of its own repository, so that one image is one set of files.
    let sources: HashMap<&str, &Repository> = repositories
        .iter()
        .filter_map(|repository| Some((&*repository.images.first()?.0.name, repository)))
        .collect();
    let mut entries = Vec::new();
    for original in &originals {
        let from = |digest: &Digest| {
            let mut of_images = original.places().filter_map(|place| sources.get(&*place.name));
            of_images.find_map(|repository| repository.manifests.get(digest))
        };
        entries.extend(planned(original.entries(), &from));
    }
    Ok(entries)
}

/// The plan for the answers about a repository; `manifest` returns where a manifest is.
fn planned<'a>(
    answers: Vec<(String, RegistryEntry)>,
    manifest: &dyn Fn(&Digest) -> Option<&'a PathBuf>,
) -> Vec<PlannedEntry> {
    let planned = answers.into_iter().filter_map(|(path, content)| {
        let (stage, item) = match content {
            RegistryEntry::Manifest(digest) => {
                (Stage::Manifests, PlannedFile::Same(manifest(&digest)?.clone(), digest))
            }
            // Blobs are planned for all repositories at once.
            RegistryEntry::Blob(_) => return None,
            RegistryEntry::Link(target) => (Stage::Names, PlannedFile::Link(target)),
            RegistryEntry::List(bytes) => (Stage::Names, PlannedFile::Bytes(bytes)),
        };
        Some(PlannedEntry::new(stage, path, item))
    });
    planned.collect()
}
