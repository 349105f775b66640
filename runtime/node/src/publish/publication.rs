//! Publishing an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};

use archive::attestation::{self, BUNDLE_SUFFIX, PROVENANCE_SUFFIX};
use archive::{Product, Tree, layout, product};
use content::{Digest, IoError, LinkPolicy};
use images::manifest::{Descriptor, MediaKind};
use images::pull::{self, TransferProgress};
use images::push::{self, BlobSet, BlobTotals, PushRequest};
use images::{Reference, RegistrySession};
use iso::ByteProgress;
use serde::Serialize;
use trust::{
    ARCHIVE_PREDICATE, ArchiveStatement, BUNDLE_MAX, BUNDLE_MEDIA_TYPE, Bundle, Fault, PROVENANCE_BUNDLE_MAX,
    PROVENANCE_PREDICATE,
};

use super::{ARCHIVE_TYPE, EMPTY, EMPTY_TYPE, Error, FileName, ISO_TYPE, PREDICATE, TITLE, VERSION};

/// The type of an SBOM: the media type of SPDX in JSON.
const SPDX_TYPE: &str = "application/spdx+json";
/// The most bytes of an SBOM that is attached.
const SBOM_MAX: u64 = 64 << 20;

/// The ISO of an archive, open.
#[derive(Debug)]
pub struct IsoToPublish {
    path: PathBuf,
    tree: Tree,
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
        Ok(Self { path: real, tree, beside, file, bytes, name: FileName::parse(&name)?, product })
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

    /// What is to be published: the ISO, the bundle in the file `bundle` or else that beside the ISO, if there is one, with that of the
    /// provenance, and the SBOM of the archive. Reads the whole ISO, because its digest comes first: the registry may have it.
    ///
    /// # Errors
    ///
    /// [`Error`]: a file cannot be read, or a bundle is of another archive.
    pub fn publication(
        mut self,
        bundle: Option<&Path>,
        progress: &dyn ByteProgress,
    ) -> Result<Publication, Error> {
        self.file.rewind().map_err(IoError::at("read", &self.path))?;
        let (digest, bytes) = content::hash_reader(&self.file, |chunk| {
            progress.advance(chunk.len() as u64);
            Ok(())
        })
        .map_err(IoError::at("read", &self.path))?;
        self.bytes = bytes;
        self.publication_of(digest, bundle)
    }

    /// As [`IsoToPublish::publication`], if the digest of the ISO is known. It is compared while the ISO is sent.
    ///
    /// # Errors
    ///
    /// Those of [`IsoToPublish::publication`].
    pub fn publication_of(self, digest: Digest, bundle: Option<&Path>) -> Result<Publication, Error> {
        let path = bundle.unwrap_or(&self.beside);
        let signed = read_bundle(path, BUNDLE_MAX, bundle.is_some())?;
        let beside = attestation::provenance_bundle_path(path);
        let provenance = read_bundle(&beside, PROVENANCE_BUNDLE_MAX, false)?.filter(|_| signed.is_some());
        let (sbom, bytes) = (self.sbom()?, self.bytes);
        let mut blobs = BlobSet::default();
        blobs.add_file(digest, &self.path);
        let manifest = self.manifest(digest, bytes, &mut blobs);
        let subject = descriptor(MediaKind::OciManifest.media_type(), &manifest, &mut blobs);
        let (mut attached, mut listed, mut bundles) = (Vec::new(), Vec::new(), Vec::new());
        let mut attach = |file: AttachedFile| {
            let (attachment, descriptor) = file.attach(&subject, &mut blobs);
            let digest = attachment.digest;
            attached.push(attachment);
            listed.push(descriptor);
            digest
        };
        if let Some(bytes) = signed {
            let refused = |fault| Error::Bundle { bundle: path.to_owned(), fault };
            let bundle = Bundle::parse(&bytes).map_err(refused)?;
            self.check_bundle(&bundle, digest).map_err(refused)?;
            let name = format!("{}{BUNDLE_SUFFIX}", self.name);
            let digest = attach(AttachedFile::bundle(name, ARCHIVE_PREDICATE, bytes));
            bundles.push(OwnBundle { digest, predicate_type: ARCHIVE_PREDICATE, limit: BUNDLE_MAX, bundle });
        }
        if let Some(bytes) = provenance {
            let refused = |fault| Error::Bundle { bundle: beside.clone(), fault };
            let (predicate_type, limit) = (PROVENANCE_PREDICATE, PROVENANCE_BUNDLE_MAX);
            let bundle = Bundle::parse_within(&bytes, limit).map_err(refused)?;
            check_provenance(&bundle, digest).map_err(refused)?;
            let name = format!("{}{PROVENANCE_SUFFIX}", self.name);
            let digest = attach(AttachedFile::bundle(name, predicate_type, bytes));
            bundles.push(OwnBundle { digest, predicate_type, limit, bundle });
        }
        if let Some(bytes) = sbom {
            let (name, annotations) = (format!("{}.spdx.json", self.name), BTreeMap::new());
            attach(AttachedFile { name, artifact_type: SPDX_TYPE, annotations, bytes });
        }
        let name = self.name.clone();
        Ok(Publication { name, digest: subject.digest, iso: digest, bytes, attached, listed, bundles, blobs })
    }

    /// The SBOM of the archive, if it has one that is not too large for scanners and registries; it stays in the ISO.
    fn sbom(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.tree.entry(layout::ARCHIVE_SBOM)? {
            None => Ok(None),
            Some(entry) if entry.size > SBOM_MAX => Ok(None),
            Some(_) => Ok(Some(self.tree.read(layout::ARCHIVE_SBOM, SBOM_MAX)?)),
        }
    }

    /// Refuses a bundle that is not about this ISO. Whether the signature counts is up to those who verify it.
    fn check_bundle(&self, bundle: &Bundle, iso: Digest) -> Result<(), Fault> {
        let statement = ArchiveStatement::parse(bundle.unproven_statement()?)?;
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
            // The specification asks for RFC 3339.
            ("org.opencontainers.image.created", build_timestamp.as_deref().and_then(product::time)),
            ("org.opencontainers.image.revision", git.clone()),
        ];
        annotations.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
        let layer = titled(ISO_TYPE, digest, bytes, &self.name.to_string());
        ArtifactManifest::of(ARCHIVE_TYPE, layer, None, annotations, blobs)
    }
}

/// The bundle at `path`; `None` if it is missing and need not exist.
fn read_bundle(path: &Path, limit: usize, must_exist: bool) -> Result<Option<Vec<u8>>, Error> {
    match content::open_read(path, LinkPolicy::Refuse, limit as u64) {
        Err(error) if !must_exist && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// Refuses a bundle that is not about what this ISO was built from.
fn check_provenance(bundle: &Bundle, iso: Digest) -> Result<(), Fault> {
    let statement = bundle.unproven_statement()?;
    if statement.predicate_type != PROVENANCE_PREDICATE {
        let found = statement.predicate_type;
        return Err(Fault::PredicateType { found, expected: PROVENANCE_PREDICATE });
    }
    match statement.subjects.iter().find(|subject| subject.name.ends_with(".iso")) {
        None => Err(Fault::NoIso),
        Some(subject) if subject.digest != iso => {
            Err(Fault::IsoDiffers { signed: subject.digest, found: iso })
        }
        Some(_) => Ok(()),
    }
}

/// A file to attach to an archive.
struct AttachedFile {
    name: String,
    artifact_type: &'static str,
    annotations: BTreeMap<&'static str, String>,
    bytes: Vec<u8>,
}

impl AttachedFile {
    /// A bundle with a statement of this type, in cosign's form.
    fn bundle(name: String, predicate_type: &str, bytes: Vec<u8>) -> Self {
        let annotations = BTreeMap::from([
            ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
            (PREDICATE, predicate_type.to_owned()),
        ]);
        Self { name, artifact_type: BUNDLE_MEDIA_TYPE, annotations, bytes }
    }

    /// Attaches the file to the manifest `subject`.
    fn attach(self, subject: &Descriptor, blobs: &mut BlobSet) -> (Attachment, Descriptor) {
        let Self { name: file, artifact_type: media_type, annotations, bytes } = self;
        let size = bytes.len() as u64;
        let layer = titled(media_type, blobs.add(bytes), size, &file);
        let listed = annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into()));
        let listed: serde_json::Map<_, _> = listed.collect();
        let manifest = ArtifactManifest::of(media_type, layer, Some(subject.clone()), annotations, blobs);
        let mut descriptor = descriptor(MediaKind::OciManifest.media_type(), &manifest, blobs);
        descriptor.artifact_type = Some(media_type.to_owned());
        descriptor.annotations = (!listed.is_empty()).then_some(listed);
        let digest = descriptor.digest;
        (Attachment { file, media_type, digest, bytes: size, is_kept: false }, descriptor)
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
    pub(super) attached: Vec<Attachment>,
    /// The manifests that attach them, for registries that have no interface for referrers.
    listed: Vec<Descriptor>,
    pub(super) bundles: Vec<OwnBundle>,
    blobs: BlobSet,
}

/// A bundle that is to be attached.
#[derive(Debug)]
pub(super) struct OwnBundle {
    /// The digest of the manifest that attaches it.
    pub(super) digest: Digest,
    /// The type of its statement.
    pub(super) predicate_type: &'static str,
    /// The most bytes of such a bundle.
    pub(super) limit: usize,
    pub(super) bundle: Bundle,
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
    /// Whether the registry had this one: a bundle with the same statement by the same key, in place of the one beside the ISO.
    pub is_kept: bool,
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
    /// What is attached to the archive now.
    pub attached: Vec<Attachment>,
}

impl Publication {
    /// What is attached to the archive: its bundle, that of its provenance, its SBOM.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.attached
    }

    /// Whether the archive is signed.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.attached.iter().any(|attachment| attachment.media_type == BUNDLE_MEDIA_TYPE)
    }

    /// Pushes the archive to `reference`, and what is attached to it to the same repository. A tag that names something else is
    /// moved only if `replace`. A bundle stays away if the registry has one with the same statement by the same key.
    ///
    /// # Errors
    ///
    /// [`Error::Tagged`], [`Error::Push`]. What was pushed before stays, and the next call continues from there.
    pub fn push(
        mut self,
        reference: &Reference,
        replace: bool,
        session: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<PublishReport, Error> {
        if !replace {
            self.refuse_another(reference, session, progress)?;
        }
        self.keep_published(reference, session, progress)?;
        let digest = self.digest;
        let mut requests = vec![PushRequest { reference: reference.with_digest(digest), digest }];
        let mut listed = Vec::new();
        for (attachment, descriptor) in self.attached.iter().zip(&self.listed).filter(|(one, _)| !one.is_kept)
        {
            let digest = attachment.digest;
            requests.push(PushRequest { reference: reference.with_digest(digest), digest });
            listed.push(descriptor.clone());
        }
        if !listed.is_empty() {
            let tag = pull::referrers_tag(&self.digest);
            let digest = self.blobs.add(json(&ReferrersList::of(listed)));
            requests.push(PushRequest { reference: reference.with_tag(&tag)?, digest });
        }
        let report = push::push(&requests, self.blobs.clone(), session, progress)?;
        // The tag comes last and alone: who finds it finds the signature, too. Others may have moved it meanwhile.
        if !replace {
            self.refuse_another(reference, session, progress)?;
        }
        let tag = [PushRequest { reference: reference.clone(), digest: self.digest }];
        let tagged = push::push(&tag, self.blobs, session, progress)?;
        let changed = report.images.iter().chain(&tagged.images).any(|image| image.changed);
        Ok(PublishReport { changed, blobs: report.blobs, bytes: report.bytes, attached: self.attached })
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

/// An index of manifests.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferrersList {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl ReferrersList {
    fn of(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: MediaKind::OciIndex.media_type(), manifests }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iso_with_a_known_digest_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, path) = (folder.path().join("tree"), folder.path().join("site.iso"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
        let options = iso::IsoOptions { volume_id: "Site".into(), ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&path, &()).unwrap();
        let open = || IsoToPublish::open(&path).unwrap();
        let (read, bytes) = content::hash_file(&path, LinkPolicy::Refuse).unwrap();
        let known = Digest::of(b"what the build has computed");
        let of = |publication: Publication| (publication.iso, publication.bytes);
        assert_eq!(of(open().publication(None, &()).unwrap()), (read, bytes));
        assert_eq!(of(open().publication_of(known, None).unwrap()), (known, bytes));
    }
}
