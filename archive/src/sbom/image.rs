//! The packages of an image of an archive: from the SBOM that is attached to it, else from its layers.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use content::Digest;
use images::Reference;
use images::manifest::{MANIFEST_MAX, Manifest};
use images::original_names::{OriginalNames, Place};
use iso::ByteProgress;
use packages::metadata::unpacked;
use serde::Deserialize;

use super::attached::{Attached, AttachedSbom};
use super::component::Component;
use super::layers::{InstalledPackages, LayerView};
use super::sources::Distribution;
use crate::image::{ArchiveImage, StoredBlob, StoredManifest};
use crate::{Error, Result, Tree};

/// Bytes of a layer, unpacked.
const LAYER_MAX: u64 = 64 << 30;
/// Bytes of the configuration of an image.
const CONFIG_MAX: u64 = 4 << 20;
/// The label of an image that names who distributes it.
const VENDOR: &str = "org.opencontainers.image.vendor";

/// What an image of an archive holds.
#[derive(Debug)]
pub struct ImageContents {
    /// Its name.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// The repository that it was published in: `docker.io/library/debian`.
    pub repository: Option<String>,
    /// What each of its manifests holds. The only one has the digest of the image if it is not an index.
    pub manifests: Vec<ManifestContents>,
}

/// What one manifest of an image holds.
#[derive(Debug)]
pub struct ManifestContents {
    /// Its digest.
    pub digest: Digest,
    /// Its platform: `linux/amd64`.
    pub platform: Option<String>,
    /// Who distributes it, by its label.
    pub vendor: Option<String>,
    /// When it was created, in Unix seconds.
    pub created: Option<i64>,
    /// The distribution in it.
    pub distribution: Option<Distribution>,
    /// The packages.
    pub components: Vec<Component>,
    /// What could not be read.
    pub notes: Vec<String>,
    /// The SBOM that has the packages, if one is attached.
    pub upstream: Option<Upstream>,
}

/// An SBOM that is attached to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The digest of the blob that it is in.
    pub digest: Digest,
    /// Its namespace, if the blob is the document itself and not a statement about it.
    pub namespace: Option<String>,
}

impl ImageContents {
    /// When the image was created, in Unix seconds: the latest of its manifests.
    #[must_use]
    pub fn created(&self) -> Option<i64> {
        self.manifests.iter().filter_map(|manifest| manifest.created).max()
    }

    /// Who supplies the image: by its label, else the place that it was published in, else `creator`.
    pub(super) fn supplier(&self, creator: &str) -> String {
        let vendor = self.manifests.iter().find_map(|manifest| manifest.vendor.clone());
        let place = || self.repository.as_ref().and_then(|place| Some(place.rsplit_once('/')?.0.to_owned()));
        vendor.or_else(place).unwrap_or_else(|| creator.to_owned())
    }
}

/// Reads the images of an archive.
#[derive(Debug)]
pub struct ImageReader<'a> {
    tree: &'a Tree,
    scratch: &'a Path,
    names: OriginalNames,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    created: Option<String>,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    config: Option<RunConfiguration>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RunConfiguration {
    labels: Option<BTreeMap<String, String>>,
}

impl<'a> ImageReader<'a> {
    /// A reader of the images in `tree`. While it reads one, it creates files without a name in the folder `scratch`.
    ///
    /// # Errors
    ///
    /// The original names of the images cannot be read.
    pub fn new(tree: &'a Tree, scratch: &'a Path) -> Result<Self> {
        let names = crate::image::original_names(tree, crate::layout::IMAGES)?;
        Ok(Self::with_names(tree, scratch, names))
    }

    /// As [`ImageReader::new`], where `names` say under which references the images were published.
    #[must_use]
    pub fn with_names(tree: &'a Tree, scratch: &'a Path, names: OriginalNames) -> Self {
        Self { tree, scratch, names }
    }

    /// What an image holds. `progress` gets the bytes of its layers, and can end the work.
    ///
    /// # Errors
    ///
    /// The archive cannot be read, or the work was cancelled. What is wrong with an image becomes a note.
    pub fn read(&self, image: &ArchiveImage, progress: &dyn ByteProgress) -> Result<Option<ImageContents>> {
        let Ok(root) = &image.manifest else { return Ok(None) };
        let place = Place { name: image.name.clone(), tag: image.tag.clone() };
        let repository = self.names.of(&place).next().map(|name| {
            let text = name.to_string();
            text.parse::<Reference>()
                .map_or(text, |found| format!("{}/{}", found.registry(), found.repository()))
        });
        let mut contents = ImageContents {
            name: image.name.clone(),
            tag: image.tag.clone(),
            digest: root.digest,
            repository,
            manifests: Vec::new(),
        };
        let attached = Attached::of(self.tree, image)?;
        let listed: Vec<&StoredManifest> = if root.manifest.kind.is_index() {
            let children = image.children.values().flatten().map(|child| &**child);
            // Attestations are listed for an unknown platform.
            let is_image = |child: &&StoredManifest| {
                let platforms = root.manifest.listed(child.digest);
                !child.manifest.kind.is_index()
                    && !platforms.flatten().any(|platform| platform.os == "unknown")
            };
            children.filter(is_image).collect()
        } else {
            vec![root]
        };
        let is_only = listed.len() == 1;
        for stored in listed {
            // What is attached to an index is about the only manifest of it.
            let subjects = [Some(stored.digest), is_only.then_some(root.digest)];
            let found = attached.find(subjects.into_iter().flatten());
            contents.manifests.push(self.manifest(image, stored, (found, &attached.notes), progress)?);
        }
        Ok(Some(contents))
    }

    fn manifest(
        &self,
        image: &ArchiveImage,
        stored: &StoredManifest,
        (attached, notes): (Option<&AttachedSbom>, &[String]),
        progress: &dyn ByteProgress,
    ) -> Result<ManifestContents> {
        let manifest = parse(self.tree, stored)?;
        let configuration = manifest.config.as_ref().and_then(|config| image.blobs.get(&config.digest));
        let configuration: Configuration = match configuration {
            Some(blob) if blob.entry.size <= CONFIG_MAX => {
                let bytes = read_blob(self.tree, blob)?;
                serde_json::from_slice(&bytes).unwrap_or_default()
            }
            _ => Configuration::default(),
        };
        let mut contents = ManifestContents {
            digest: stored.digest,
            platform: configuration.platform(),
            vendor: configuration.vendor(),
            created: configuration.created.as_deref().and_then(seconds),
            distribution: None,
            components: Vec::new(),
            notes: notes.to_vec(),
            upstream: None,
        };
        if let Some((upstream, components)) = attached {
            contents.upstream = Some(upstream.clone());
            contents.components.clone_from(components);
            return Ok(contents);
        }
        let installed = self.layers(image, &manifest, progress)?;
        contents.notes.extend(installed.notes);
        contents.components = installed.components;
        contents.distribution = installed.distribution;
        Ok(contents)
    }

    fn layers(
        &self,
        image: &ArchiveImage,
        manifest: &Manifest,
        progress: &dyn ByteProgress,
    ) -> Result<InstalledPackages> {
        let mut view = LayerView::new(self.scratch);
        let mut notes = InstalledPackages::default();
        for layer in &manifest.layers {
            let name = format!("the layer {}", layer.digest);
            // An artifact, such as a chart, has the same form as an image.
            if !layer.media_type.is_empty() && !layer.media_type.contains(".tar") {
                notes.note(&name, &format!("the type {} has no packages", layer.media_type));
                continue;
            }
            let Some(blob) = image.blobs.get(&layer.digest) else {
                notes.note(&name, "it is not in the archive");
                continue;
            };
            let location = self.tree.locate_entry(&blob.path, &blob.entry)?;
            let failure = Mutex::new(None);
            let watched = Watched { inner: location.reader(), failure: &failure, progress };
            let read = unpacked(BufReader::with_capacity(128 << 10, watched), LAYER_MAX)
                .map_err(|error| error.to_string())
                .and_then(|layer| {
                    // Few bytes of a blob can be many of the layer.
                    let mut layer = Stoppable { inner: layer, failure: &failure, progress };
                    view.add(&mut layer).map_err(|error| error.to_string())
                });
            if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(Error::io("read", self.tree.path().join(&blob.path), error));
            }
            if let Err(reason) = read {
                notes.note(&name, &reason);
            }
        }
        let mut installed = view.finish();
        notes.notes.append(&mut installed.notes);
        Ok(InstalledPackages { notes: notes.notes, ..installed })
    }
}

impl Configuration {
    fn platform(&self) -> Option<String> {
        let (os, architecture) = (self.os.as_deref()?, self.architecture.as_deref()?);
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        (!os.is_empty()).then(|| super::component::bounded(&format!("{os}/{architecture}{variant}")))
    }

    fn vendor(&self) -> Option<String> {
        let vendor = self.config.as_ref()?.labels.as_ref()?.get(VENDOR)?;
        Some(super::component::bounded(vendor)).filter(|vendor| !vendor.is_empty())
    }
}

fn seconds(created: &str) -> Option<i64> {
    created.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Reads a manifest that was read before.
pub(super) fn parse(tree: &Tree, stored: &StoredManifest) -> Result<Manifest> {
    let location = tree.locate_entry(&stored.path, &stored.entry)?;
    let read = content::read_bounded(&mut location.reader(), MANIFEST_MAX);
    let bytes = read.map_err(|error| Error::io("read", tree.path().join(&stored.path), error))?;
    Manifest::parse(&bytes)
        .map_err(|error| Error::Content { file: stored.path.clone(), problem: error.to_string() })
}

pub(super) fn read_blob(tree: &Tree, blob: &StoredBlob) -> Result<Vec<u8>> {
    let location = tree.locate_entry(&blob.path, &blob.entry)?;
    location.read_all().map_err(|error| Error::io("read", tree.path().join(&blob.path), error))
}

/// The bytes of a blob. A failure to read them is kept, since it says nothing about the layer.
struct Watched<'a, R> {
    inner: R,
    failure: &'a Mutex<Option<io::Error>>,
    progress: &'a dyn ByteProgress,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(keep(self.failure, error)),
            read => read,
        };
        self.progress.advance(read.as_ref().map_or(0, |count| *count as u64));
        read
    }
}

/// The bytes of a layer, until the work is cancelled.
struct Stoppable<'a, R> {
    inner: R,
    failure: &'a Mutex<Option<io::Error>>,
    progress: &'a dyn ByteProgress,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.cancelled() {
            return Err(keep(self.failure, io::Error::other("the work was cancelled")));
        }
        self.inner.read(buffer)
    }
}

/// Keeps an error, and returns one with the same text.
fn keep(failure: &Mutex<Option<io::Error>>, error: io::Error) -> io::Error {
    let text = error.to_string();
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    io::Error::other(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::fixture::{image, sample};

    /// Cancels the work at the fifth question.
    #[derive(Default)]
    struct Impatient(AtomicU32);

    impl ByteProgress for Impatient {
        fn advance(&self, _: u64) {}

        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) >= 4
        }
    }

    #[test]
    fn a_layer_whose_blob_is_small_can_be_cancelled() {
        let folder = sample();
        let mut header = tar::Header::new_gnu();
        header.set_size(8 << 20);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "zeros", io::repeat(0).take(8 << 20)).unwrap();
        let mut layer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        layer.write_all(&builder.into_inner().unwrap()).unwrap();
        let layer = layer.finish().unwrap();
        assert!(layer.len() < 128 << 10);
        image(folder.path(), "zeros", "1", b"{}", &layer);
        let tree = Tree::open(folder.path()).unwrap();
        let found = crate::image::find(&tree, "zeros", "1", "images/zeros/1").unwrap().unwrap();
        let reader = ImageReader::new(&tree, folder.path()).unwrap();
        assert!(reader.read(&found, &()).unwrap().is_some());
        let error = reader.read(&found, &Impatient::default()).unwrap_err().to_string();
        assert!(error.contains("the work was cancelled"), "{error}");
    }
}
