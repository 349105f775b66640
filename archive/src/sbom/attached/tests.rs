//! Tests of the forms in which an SBOM is attached.

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::fixture::{LAYER, image, put, sample};
use crate::sbom::ImageReader;

const TYPE: &str = "application/spdx+json";

fn sbom() -> Value {
    json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "documentNamespace": "https://example.org/x",
        "packages": [
            {"SPDXID": "SPDXRef-image", "name": "image", "primaryPackagePurpose": "CONTAINER"},
            {"SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "1?", "filesAnalyzed": false, "unknown": [1],
             "externalRefs": [{"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "x"}]},
        ],
        "files": [{"fileName": "x"}],
    })
}

fn statement(kind: &str) -> Value {
    json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": kind, "predicate": sbom()})
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// The names of the packages of the image `app:1`, to which `blob` is attached as `media_type`; the notes, and the namespace.
fn found(suffix: &str, media_type: &str, blob: &[u8]) -> (Vec<String>, Vec<String>, Option<String>) {
    let folder = sample();
    let root = folder.path();
    let subject = image(root, "app", "1", b"{}", LAYER);
    let list = format!("images/app/{}", attached_tag(&format!("{subject}{suffix}")).unwrap());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": [descriptor(media_type, blob)],
    })
    .to_string();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())],
    })
    .to_string();
    if suffix.is_empty() {
        put(root, &format!("{list}/manifest.json"), index.as_bytes());
        put(
            root,
            &format!("{list}/{}.manifest.json", Digest::of(manifest.as_bytes()).hex()),
            manifest.as_bytes(),
        );
    } else {
        put(root, &format!("{list}/manifest.json"), manifest.as_bytes());
    }
    put(root, &format!("{list}/{}", Digest::of(blob).hex()), blob);
    let tree = Tree::open(root).unwrap();
    let app = crate::image::find(&tree, "app", "1", "images/app/1").unwrap().unwrap();
    let contents = ImageReader::new(&tree, root).unwrap().read(&app, &()).unwrap().unwrap();
    let [manifest] = &contents.manifests[..] else { panic!("{contents:?}") };
    let names = manifest.components.iter().map(|one| one.name.clone()).collect();
    let upstream = manifest.upstream.as_ref();
    assert!(upstream.is_none_or(|upstream| upstream.digest == Digest::of(blob)));
    let document = crate::sbom::spdx::image_document(&contents, None, "Site");
    assert_eq!(
        document.external_document_refs.len(),
        usize::from(upstream.is_some_and(|one| one.namespace.is_some()))
    );
    (names, manifest.notes.clone(), upstream.and_then(|upstream| upstream.namespace.clone()))
}

#[test]
fn attached_documents_are_preferred_in_all_forms() {
    let text = |value: &Value| value.to_string().into_bytes();
    let spdx = text(&statement("https://spdx.dev/Document"));
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": STANDARD.encode(&spdx), "signatures": []});
    let url_safe = json!({"payload": URL_SAFE_NO_PAD.encode(&spdx)});
    let bundle = json!({"mediaType": "x", "dsseEnvelope": envelope});
    let namespace = Some("https://example.org/x".to_owned());
    for (suffix, media_type, blob, expected) in [
        ("", TYPE, text(&sbom()), namespace.clone()),
        (".sbom", "text/spdx+json", text(&sbom()), namespace),
        ("", "application/vnd.in-toto+json", spdx.clone(), None),
        (".att", "application/vnd.dsse.envelope.v1+json", text(&envelope), None),
        (".att", "application/vnd.dsse.envelope.v1+json", text(&url_safe), None),
        ("", "application/vnd.dev.sigstore.bundle.v0.3+json", text(&bundle), None),
    ] {
        assert_eq!(
            found(suffix, media_type, &blob),
            (vec!["a".to_owned()], Vec::new(), expected),
            "{media_type}"
        );
    }
}

#[test]
fn other_attachments_are_passed_over_and_broken_ones_noted() {
    let text = |value: &Value| value.to_string().into_bytes();
    let provenance = text(&statement("https://slsa.dev/provenance/v1"));
    for (media_type, blob, is_noted) in [
        ("application/vnd.in-toto+json", provenance, false),
        ("application/vnd.cyclonedx+json", text(&sbom()), false),
        (TYPE, b"{".to_vec(), true),
        (TYPE, text(&json!({"spdxVersion": "SPDX-3.0"})), true),
        ("application/vnd.dsse.envelope.v1+json", text(&json!({"payload": "*"})), true),
        ("application/vnd.dsse.envelope.v1+json", text(&json!({"payload": "e30="})), false),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", text(&json!({"messageSignature": {}})), false),
    ] {
        let (names, notes, _) = found("", media_type, &blob);
        // The layer of the sample is not a tar, which is noted, too.
        assert_eq!((names.len(), notes.len()), (0, 1 + usize::from(is_noted)), "{media_type} {notes:?}");
    }
}
