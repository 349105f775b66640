//! Publishing an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};

use archive::attestation::{self, BUNDLE_SUFFIX};
use archive::{Product, Tree, product};
use content::{Digest, IoError, LinkPolicy};
use images::manifest::{Descriptor, MediaKind};
use images::pull::{self, TransferProgress};
use images::push::{self, BlobSet, BlobTotals, PushRequest};
use images::{Reference, RegistrySession};
use iso::ByteProgress;
use serde::Serialize;
use trust::{ARCHIVE_PREDICATE, ArchiveStatement, BUNDLE_MAX, BUNDLE_MEDIA_TYPE, Bundle, Fault};

use super::{ARCHIVE_TYPE, EMPTY, EMPTY_TYPE, Error, FileName, ISO_TYPE, PREDICATE, TITLE, VERSION};

/// The ISO of an archive, open.
#[derive(Debug)]
pub struct IsoToPublish {
    path: PathBuf,
    /// Where its bundle is.
    beside: PathBuf,
    file: File,
    bytes: u64,
    name: FileName,
    product: Product,
}

impl IsoToPublish {
    /// Opens the ISO file of an archive.
    ///
    /// # Errors
    ///
    /// [`Error`]: it is not an ISO file, or has no name.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let tree = Tree::open(path)?;
        // Also one that a symbolic link leads to; its own name is what counts.
        let real = std::fs::canonicalize(path).map_err(IoError::at("open", path))?;
        if matches!(tree, Tree::Folder(_)) || real.starts_with("/dev") {
            return Err(Error::NotAFile(path.to_owned()));
        }
        let product = product::of(&tree)?.ok_or_else(|| Error::Nameless(path.to_owned()))?;
        let file = content::open(path, LinkPolicy::Follow)?;
        let bytes = file.metadata().map_err(IoError::at("open", path))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = attestation::bundle_path(path);
        Ok(Self { path: real, beside, file, bytes, name: FileName::parse(&name)?, product })
    }

    /// The size of the ISO.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The tag for the version of the archive: with `_` for `+` and `~`, which no tag has.
    #[must_use]
    pub fn tag(&self) -> String {
        self.product.version.replace(['+', '~'], "_")
    }

    /// What is to be published: the ISO, and the bundle in the file `bundle` or else that beside the ISO, if there is one. Reads
    /// the whole ISO, because its digest comes first: the registry may have it.
    ///
    /// # Errors
    ///
    /// [`Error`]: a file cannot be read, or the bundle is of another archive.
    pub fn publication(
        mut self,
        bundle: Option<&Path>,
        progress: &dyn ByteProgress,
    ) -> Result<Publication, Error> {
        let bundle = Self::read_bundle(bundle, &self.beside)?;
        self.file.rewind().map_err(IoError::at("read", &self.path))?;
        let (digest, bytes) = content::hash_reader(&self.file, |chunk| {
            progress.advance(chunk.len() as u64);
            Ok(())
        })
        .map_err(IoError::at("read", &self.path))?;
        let mut blobs = BlobSet::default();
        blobs.add_file(digest, &self.path);
        let manifest = self.manifest(digest, bytes, &mut blobs);
        let subject = descriptor(MediaKind::OciManifest.media_type(), &manifest, &mut blobs);
        let attached = match bundle {
            None => None,
            Some((path, bytes)) => {
                self.check_bundle(&bytes, digest).map_err(|fault| Error::Bundle { bundle: path, fault })?;
                Some(self.attach(bytes, &subject, &mut blobs))
            }
        };
        let name = self.name.clone();
        Ok(Publication { name, digest: subject.digest, iso: digest, bytes, attached, blobs })
    }

    /// The bundle that is named, which must exist, or that beside the ISO.
    fn read_bundle(named: Option<&Path>, beside: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
        let path = named.unwrap_or(beside);
        match content::open_read(path, LinkPolicy::Refuse, BUNDLE_MAX as u64) {
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => Ok(Some((path.to_owned(), read?))),
        }
    }

    /// Refuses a bundle that is not about this ISO. Whether the signature counts is up to those who verify it.
    fn check_bundle(&self, bundle: &[u8], iso: Digest) -> Result<(), Fault> {
        let statement = ArchiveStatement::parse(Bundle::parse(bundle)?.unproven_statement()?)?;
        let Product { name, version, .. } = &self.product;
        if (&statement.name, &statement.version) != (name, version) {
            let signed = format!("{} {}", statement.name, statement.version);
            return Err(Fault::OtherArchive { signed, found: format!("{name} {version}") });
        }
        match statement.iso.as_ref().and_then(|name| statement.digest_of(name)) {
            None => Err(Fault::NoIso),
            Some(signed) if signed != iso => Err(Fault::IsoDiffers { signed, found: iso }),
            Some(_) => Ok(()),
        }
    }

    fn manifest(&self, digest: Digest, bytes: u64, blobs: &mut BlobSet) -> ArtifactManifest {
        let Product { name, version, git, build_timestamp, .. } = &self.product;
        let mut annotations = BTreeMap::from([(TITLE, name.clone()), (VERSION, version.clone())]);
        let optional = [
            ("org.opencontainers.image.created", build_timestamp),
            ("org.opencontainers.image.revision", git),
        ];
        annotations.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
        let layer = titled(ISO_TYPE, digest, bytes, &self.name.to_string());
        ArtifactManifest::of(ARCHIVE_TYPE, layer, None, annotations, blobs)
    }

    /// Attaches a bundle to the manifest `subject`, in cosign's form.
    fn attach(&self, bundle: Vec<u8>, subject: &Descriptor, blobs: &mut BlobSet) -> AttachedBundle {
        let file = format!("{}{BUNDLE_SUFFIX}", self.name);
        let bytes = bundle.len() as u64;
        let layer = titled(BUNDLE_MEDIA_TYPE, blobs.add(bundle), bytes, &file);
        let annotations = BTreeMap::from([
            ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
            (PREDICATE, ARCHIVE_PREDICATE.to_owned()),
        ]);
        let listed = annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into()));
        let listed = listed.collect();
        let manifest =
            ArtifactManifest::of(BUNDLE_MEDIA_TYPE, layer, Some(subject.clone()), annotations, blobs);
        let mut descriptor = descriptor(MediaKind::OciManifest.media_type(), &manifest, blobs);
        descriptor.artifact_type = Some(BUNDLE_MEDIA_TYPE.to_owned());
        descriptor.annotations = Some(listed);
        let digest = descriptor.digest;
        let list = ReferrersList {
            schema_version: 2,
            media_type: MediaKind::OciIndex.media_type(),
            manifests: [descriptor],
        };
        let attachment = Attachment { file, media_type: BUNDLE_MEDIA_TYPE, digest, bytes };
        AttachedBundle { attachment, list: blobs.add(json(&list)) }
    }
}

/// An archive as it is published.
#[derive(Debug)]
pub struct Publication {
    /// The file name of the ISO.
    pub name: FileName,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The digest of the ISO.
    pub iso: Digest,
    /// The size of the ISO.
    pub bytes: u64,
    attached: Option<AttachedBundle>,
    blobs: BlobSet,
}

#[derive(Debug)]
struct AttachedBundle {
    attachment: Attachment,
    /// The list of referrers, for registries that have no interface for them.
    list: Digest,
}

/// A file that is attached to an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub file: String,
    /// Its media type, which is also the type of the artifact.
    pub media_type: &'static str,
    /// The digest of the manifest that attaches it.
    pub digest: Digest,
    /// The size of the file.
    pub bytes: u64,
}

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// Whether the tag is new, or named something else.
    pub changed: bool,
    /// Blobs of the archive and of what is attached.
    pub blobs: BlobTotals,
    /// Bytes that were sent.
    pub bytes: u64,
}

impl Publication {
    /// The bundle, if the archive has one.
    #[must_use]
    pub fn attachment(&self) -> Option<&Attachment> {
        self.attached.as_ref().map(|attached| &attached.attachment)
    }

    /// Pushes the archive to `reference`, and what is attached to it to the same repository. A tag that names something else is
    /// moved only if `replace`.
    ///
    /// # Errors
    ///
    /// [`Error::Tagged`], [`Error::Push`]. What was pushed before stays, and the next call continues from there.
    pub fn push(
        self,
        reference: &Reference,
        replace: bool,
        session: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<PublishReport, Error> {
        if !replace {
            self.refuse_another(reference, session, progress)?;
        }
        let digest = self.digest;
        let mut requests = vec![PushRequest { reference: reference.with_digest(digest), digest }];
        if let Some(AttachedBundle { attachment, list }) = &self.attached {
            let digest = attachment.digest;
            requests.push(PushRequest { reference: reference.with_digest(digest), digest });
            let tag = pull::referrers_tag(&self.digest);
            requests.push(PushRequest { reference: reference.with_tag(&tag)?, digest: *list });
        }
        let report = push::push(&requests, self.blobs.clone(), session, progress)?;
        // The tag comes last and alone: who finds it finds the signature, too. Others may have moved it meanwhile.
        if !replace {
            self.refuse_another(reference, session, progress)?;
        }
        let tag = [PushRequest { reference: reference.clone(), digest: self.digest }];
        let tagged = push::push(&tag, self.blobs, session, progress)?;
        let changed = report.images.iter().chain(&tagged.images).any(|image| image.changed);
        Ok(PublishReport { changed, blobs: report.blobs, bytes: report.bytes })
    }

    fn refuse_another(
        &self,
        reference: &Reference,
        session: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<(), Error> {
        let found = pull::manifest(reference, session, progress)?.map(|bytes| Digest::of(&bytes));
        match found.filter(|found| *found != self.digest) {
            None => Ok(()),
            Some(found) => {
                Err(Error::Tagged { reference: reference.to_string(), expected: self.digest, found })
            }
        }
    }
}

/// A manifest of one file. Its fields are in this order, so that equal content gives equal bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest {
    schema_version: u8,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    annotations: BTreeMap<&'static str, String>,
}

/// An index of one manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferrersList {
    schema_version: u8,
    media_type: &'static str,
    manifests: [Descriptor; 1],
}

impl ArtifactManifest {
    fn of(
        artifact_type: &'static str,
        layer: Descriptor,
        subject: Option<Descriptor>,
        annotations: BTreeMap<&'static str, String>,
        blobs: &mut BlobSet,
    ) -> Self {
        let config = described(EMPTY_TYPE, blobs.add(EMPTY.to_vec()), EMPTY.len() as u64);
        let media_type = MediaKind::OciManifest.media_type();
        Self { schema_version: 2, media_type, artifact_type, config, layers: [layer], subject, annotations }
    }
}

fn json(document: &impl Serialize) -> Vec<u8> {
    // Structures of text and numbers have no value that JSON lacks.
    serde_json::to_vec(document).unwrap_or_default()
}

/// Adds a manifest; returns its descriptor.
fn descriptor(media_type: &str, manifest: &ArtifactManifest, blobs: &mut BlobSet) -> Descriptor {
    let bytes = json(manifest);
    let size = bytes.len() as u64;
    described(media_type, blobs.add(bytes), size)
}

fn described(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    let media_type = media_type.to_owned();
    Descriptor {
        media_type,
        digest,
        size,
        urls: Vec::new(),
        platform: None,
        artifact_type: None,
        annotations: None,
    }
}

fn titled(media_type: &str, digest: Digest, size: u64, title: &str) -> Descriptor {
    let annotations = [(TITLE.to_owned(), title.into())].into_iter().collect();
    Descriptor { annotations: Some(annotations), ..described(media_type, digest, size) }
}
