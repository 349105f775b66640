//! The results of tasks in a registry: an artifact for each, tagged with the key of its task.
//!
//! The configuration of its manifest is the record of the result; its layers are the contents of the files, each once. So a
//! registry stores common contents once, and copies results to mirrors and deletes them like images.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use content::Digest;
use graph::{RECORD_MAX, RemoteCache, RemoteError};
use images::manifest::{Descriptor, Manifest, MediaKind};
use images::pull::RegistryFault;
use images::{Reference, RegistrySession, Store, pull, push};

/// The media type of a record, and the type of the artifact.
const RECORD: &str = "application/vnd.sealift.result.v1";

/// The media type of the content of a file.
const CONTENT: &str = "application/octet-stream";

/// The remote cache in `repository`, such as `registry.example:5000/team/cache`, reached through `registries`.
#[must_use]
pub fn remote_cache(registries: &RegistrySession, repository: &Reference) -> Arc<dyn RemoteCache> {
    // A slow cache costs more than it saves.
    let registries = registries.with_patience(2, Duration::from_secs(10));
    Arc::new(RegistryCache { repository: repository.clone(), registries })
}

struct RegistryCache {
    repository: Reference,
    registries: RegistrySession,
}

impl RegistryCache {
    fn reference(&self, key: Digest) -> Result<Reference, RemoteError> {
        self.repository.with_tag(&key.hex()).map_err(unavailable)
    }

    /// The manifest of the result stored under `key`.
    fn manifest(&self, key: Digest) -> Result<Option<(Reference, Manifest)>, RemoteError> {
        let reference = self.reference(key)?;
        let Some(bytes) = pull::manifest(&reference, &self.registries, &()).map_err(pull_error)? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(&bytes).map_err(corrupt)?;
        Ok(Some((reference, manifest)))
    }

    /// Fetches blobs into a new store below `folder`.
    fn fetch(
        &self,
        reference: &Reference,
        blobs: &[Descriptor],
        folder: &Path,
    ) -> Result<Store, RemoteError> {
        let store = Store::open(folder).map_err(unavailable)?;
        pull::blobs(reference, blobs, &store, &self.registries, &()).map_err(pull_error)?;
        Ok(store)
    }
}

impl RemoteCache for RegistryCache {
    fn record(&self, key: Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        let Some((reference, manifest)) = self.manifest(key)? else { return Ok(None) };
        let is_record = |config: &Descriptor| config.media_type == RECORD && config.size <= RECORD_MAX;
        let Some(record) = manifest.config.filter(is_record) else {
            return Err(corrupt(NotAResult { reference: reference.to_string() }));
        };
        let folder = tempfile::tempdir().map_err(unavailable)?;
        let store = self.fetch(&reference, std::slice::from_ref(&record), folder.path())?;
        store.read(&record.digest, RECORD_MAX).map(Some).map_err(corrupt)
    }

    fn contents(&self, key: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError> {
        let Some((reference, manifest)) = self.manifest(key)? else {
            return Err(corrupt(NotAResult { reference: self.reference(key)?.to_string() }));
        };
        let wanted: HashSet<&Digest> = wanted.iter().collect();
        let blobs: Vec<Descriptor> =
            manifest.layers.into_iter().filter(|layer| wanted.contains(&layer.digest)).collect();
        let store = self.fetch(&reference, &blobs, &folder.join("store"))?;
        for blob in blobs {
            let to = folder.join(blob.digest.hex());
            fs::rename(store.blob_path(&blob.digest), to).map_err(unavailable)?;
        }
        Ok(())
    }

    fn store(&self, key: Digest, record: &[u8], contents: &[(Digest, PathBuf)]) -> Result<(), RemoteError> {
        let mut pushed = push::BlobSet::default();
        let mut layers = Vec::new();
        for (digest, path) in contents {
            let size = fs::metadata(path).map_err(unavailable)?.len();
            layers.push(serde_json::json!({"mediaType": CONTENT, "digest": digest, "size": size}));
            pushed.add_file(*digest, path);
        }
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MediaKind::OciManifest.media_type(),
            "artifactType": RECORD,
            "config": {"mediaType": RECORD, "digest": pushed.add(record.to_vec()), "size": record.len()},
            "layers": layers,
        });
        let digest = pushed.add(manifest.to_string().into_bytes());
        let request = push::PushRequest { reference: self.reference(key)?, digest };
        push::push(&[request], pushed, &self.registries, &()).map_err(unavailable).map(drop)
    }
}

/// The tag names something else.
#[derive(Debug, thiserror::Error)]
#[error("{reference} is not the result of a task")]
struct NotAResult {
    reference: String,
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> RemoteError {
    RemoteError::Unavailable(Box::new(error))
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> RemoteError {
    RemoteError::Corrupt(Box::new(error))
}

/// Distinguishes a registry that returns content with other digests from one that returns nothing.
fn pull_error(error: pull::Error) -> RemoteError {
    let is_corrupt = error.failures.iter().any(|failure| {
        matches!(
            failure.fault,
            RegistryFault::DigestMismatch { .. }
                | RegistryFault::SizeMismatch { .. }
                | RegistryFault::Manifest(_)
                | RegistryFault::TooLarge { .. }
        )
    });
    if is_corrupt { corrupt(error) } else { unavailable(error) }
}
