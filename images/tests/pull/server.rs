//! What a registry has that can be pulled from.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;

use content::Digest;
use images::MediaKind;

#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use crate::wire::{Answer, Asked, Body, Server, nobody};

/// Content by path: `/v2/<name>/manifests/<reference>` and `/v2/<name>/blobs/<digest>`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content(pub(crate) BTreeMap<String, (String, Vec<u8>)>);

impl Content {
    pub(crate) fn blob(&mut self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{name}/blobs/{digest}");
        self.0.insert(path, ("application/octet-stream".into(), bytes.to_vec()));
        digest
    }

    pub(crate) fn manifest(&mut self, name: &str, tag: &str, kind: MediaKind, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        for reference in [tag, &digest.to_string()] {
            let path = format!("/v2/{name}/manifests/{reference}");
            self.0.insert(path, (kind.media_type().into(), bytes.to_vec()));
        }
        digest
    }

    /// An image with these layers; the digest of its manifest.
    pub(crate) fn image(&mut self, name: &str, tag: &str, kind: MediaKind, layers: &[&[u8]]) -> Digest {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","of":"{name}:{tag}"}}"#).into_bytes();
        let mut describe = |bytes: &[u8]| {
            format!(r#"{{"mediaType":"x/y","digest":"{}","size":{}}}"#, self.blob(name, bytes), bytes.len())
        };
        let config = describe(&config);
        let layers: Vec<String> = layers.iter().map(|layer| describe(layer)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{}]}}"#,
            layers.join(",")
        );
        self.manifest(name, tag, kind, manifest.as_bytes())
    }

    /// Something attached to `subject`, with one layer; the digest of its manifest.
    pub(crate) fn attached(&mut self, name: &str, tag: &str, subject: &Digest, layer: &[u8]) -> Digest {
        let size = self.0[&format!("/v2/{name}/manifests/{subject}")].1.len();
        let config = format!(
            r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}}"#,
            self.blob(name, b"{}")
        );
        let layer =
            format!(r#"{{"mediaType":"x/y","digest":"{}","size":{}}}"#, self.blob(name, layer), layer.len());
        let kind = MediaKind::OciManifest;
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","artifactType":"t/{tag}","config":{config},"layers":[{layer}],"subject":{{"mediaType":"{kind}","digest":"{subject}","size":{size}}}}}"#
        );
        self.manifest(name, tag, kind, manifest.as_bytes())
    }

    /// An index of manifests that are there already, with their platforms.
    pub(crate) fn index(
        &mut self,
        name: &str,
        tag: &str,
        kind: MediaKind,
        entries: &[(Digest, MediaKind, &str)],
    ) -> Digest {
        let entries: Vec<String> = entries
            .iter()
            .map(|(digest, kind, architecture)| {
                let size = self.0[&format!("/v2/{name}/manifests/{digest}")].1.len();
                format!(
                    r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size},"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
                )
            })
            .collect();
        let index =
            format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#, entries.join(","));
        self.manifest(name, tag, kind, index.as_bytes())
    }

    /// The honest answer.
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        match self.0.get(&asked.path) {
            Some((media_type, bytes)) => Answer::new(200, media_type, bytes).ranged(asked),
            None => {
                Answer::new(404, "application/json", br#"{"errors":[{"code":"X","message":"not here"}]}"#)
            }
        }
    }
}
