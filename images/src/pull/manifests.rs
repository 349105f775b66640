//! Manifests, indexes and lists of referrers from whichever endpoint delivers them.

use content::Digest;
use reqwest::Url;
use reqwest::header::{self, HeaderMap};

use super::fetch::Fetcher;
use super::{Error, RegistryFault};
use crate::Reference;
use crate::client::{
    ACCEPT_MANIFESTS, Encoding, RegistryEndpoint, decoded, media_type, next_page, read_body,
};
use crate::manifest::{Descriptor, MANIFEST_MAX, Manifest, MediaKind};

/// The most pages of one list that are asked for.
const PAGES_MAX: usize = 100;
/// The part of the registry's interface that returns a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Manifests,
    Referrers,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Referrers => "referrers",
        }
    }
}

/// An index of these manifests.
pub(super) fn index(manifests: &[Descriptor]) -> Vec<u8> {
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::OciIndex.media_type(),
        "manifests": manifests,
    });
    index.to_string().into_bytes()
}

impl Fetcher {
    /// Puts a checked manifest into the store, if there is one.
    pub(super) fn keep(&self, image: &str, bytes: &[u8]) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        store.put(bytes).map(drop).map_err(|error| Error::new(image, "manifest", "", error.into()))
    }

    /// The bytes of the manifest a tag names now.
    pub(super) async fn manifest_by_tag(
        &self,
        image: &str,
        reference: &Reference,
        tag: &str,
    ) -> Result<Vec<u8>, Error> {
        self.manifest_from(image, reference, Api::Manifests, tag, None).await
    }

    /// The bytes of a manifest, from the store or else from the registry.
    pub(super) async fn manifest(
        &self,
        image: &str,
        reference: &Reference,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Vec<u8>, Error> {
        let here = |fault| Error::new(image, &format!("manifest {digest}"), "", fault);
        match self.store.as_ref().map(|store| store.read(digest, MANIFEST_MAX)).transpose() {
            Ok(None) | Err(crate::Error::NotInStore { .. }) => {}
            Ok(Some(bytes)) => {
                let found = bytes.len() as u64;
                return match size.filter(|expected| *expected != found) {
                    Some(expected) => Err(here(RegistryFault::SizeMismatch { expected, found })),
                    None => Ok(bytes),
                };
            }
            // A file that is damaged on disk is fetched again.
            Err(crate::Error::DigestMismatch { path, .. } | crate::Error::TooLarge { path, .. }) => {
                crate::store::remove(&path).map_err(|error| here(error.into()))?;
            }
            Err(error) => return Err(here(error.into())),
        }
        let name = digest.to_string();
        self.manifest_from(image, reference, Api::Manifests, &name, Some((*digest, size))).await
    }

    /// What the registry says is attached to a manifest by its own interface. The bytes of an index.
    pub(super) async fn referrers_by_interface(
        &self,
        image: &str,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<Vec<u8>, Error> {
        self.manifest_from(image, reference, Api::Referrers, &digest.to_string(), None).await
    }

    async fn manifest_from(
        &self,
        image: &str,
        reference: &Reference,
        api: Api,
        name: &str,
        expected: Option<(Digest, Option<u64>)>,
    ) -> Result<Vec<u8>, Error> {
        let content = match api {
            Api::Manifests => format!("manifest {name}"),
            Api::Referrers => format!("referrers of {name}"),
        };
        let endpoints = RegistryEndpoint::all(reference, self.options())
            .map_err(|fault| Error::new(image, &content, "", fault))?;
        let mut failures = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let mut attempts = self.attempts(endpoint, position + 1 == endpoints.len());
            let url = endpoint.url(api.path(), name);
            while attempts.next() {
                let answer = match api {
                    Api::Manifests => {
                        self.document(endpoint, url.clone(), expected).await.map(|(bytes, _)| bytes)
                    }
                    Api::Referrers => self.pages(endpoint, name).await,
                };
                match answer {
                    Ok(bytes) => return Ok(bytes),
                    Err(fault) => attempts.failed(&url, fault).await,
                }
            }
            if attempts.into_failures(&url, &mut failures) {
                break;
            }
        }
        Err(Error { image: image.into(), content, failures })
    }

    /// All pages of a list of referrers, as one index.
    async fn pages(&self, endpoint: &RegistryEndpoint, name: &str) -> Result<Vec<u8>, RegistryFault> {
        let mut url = endpoint.url(Api::Referrers.path(), name);
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let (bytes, next) = self.document(endpoint, url, None).await?;
            all.extend(Manifest::parse(&bytes)?.manifests);
            match next {
                Some(next) => url = next,
                None => return Ok(index(&all)),
            }
        }
        Err(RegistryFault::Paged { limit: PAGES_MAX })
    }

    /// One manifest or index, and the URL of the next page of the list that it is part of.
    async fn document(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
        expected: Option<(Digest, Option<u64>)>,
    ) -> Result<(Vec<u8>, Option<Url>), RegistryFault> {
        let _permit = self.options().limits.host(endpoint.host()).await;
        let headers = HeaderMap::from_iter([(header::ACCEPT, ACCEPT_MANIFESTS)]);
        let response = self.get(endpoint, url.clone(), &headers).await?;
        let next = next_page(&url, response.headers())?;
        let announced = media_type(response.headers());
        let claimed: Option<Digest> = response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let encoding = Encoding::of(response.headers());
        let bytes = read_body(response, MANIFEST_MAX, self.options().stall).await?;
        let bytes = decoded(bytes, &encoding, MANIFEST_MAX)?;
        let parsed = Manifest::parse(&bytes);
        let wrong_type =
            |found: &str| RegistryFault::ContentType { expected: "a manifest".into(), found: found.into() };
        let kind = announced.as_deref().and_then(MediaKind::from_media_type);
        if let (Some(fault), Err(_)) = (encoding.fault(), &parsed) {
            return Err(fault);
        }
        if let (Some(found), None, Err(_)) = (&announced, kind, &parsed) {
            return Err(wrong_type(found));
        }
        let found = Digest::of(&bytes);
        if let Some(expected) =
            expected.map(|(digest, _)| digest).or(claimed).filter(|digest| *digest != found)
        {
            return Err(RegistryFault::DigestMismatch { expected, found });
        }
        if let Some(expected) = expected.and_then(|(_, size)| size).filter(|size| *size != bytes.len() as u64)
        {
            return Err(RegistryFault::SizeMismatch { expected, found: bytes.len() as u64 });
        }
        let parsed = parsed?;
        match kind {
            Some(kind) if kind != parsed.kind => {
                Err(RegistryFault::ContentType { expected: parsed.kind.to_string(), found: kind.to_string() })
            }
            _ => Ok((bytes, next)),
        }
    }
}
