//! A small archive for tests.

use std::path::Path;

use content::Digest;

/// The layer of the sample's image.
pub(crate) const LAYER: &[u8] = b"not really a layer, but these bytes have a digest all the same";

/// A folder with product information, an image `library/app:1.0`, a package and checksums.
pub(crate) fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "product.txt", b"NAME=Sample\nVERSION=1.0\n");
    put(root, "salt/top.sls", b"{}\n");
    put(root, "packages/redhat/8/sample-scality-el8/x86_64/app-1-1.x86_64.rpm", b"package");
    put(root, "packages/redhat/8/sample-scality-el8/repodata/repomd.xml", b"<repomd/>");
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    image(root, "library/app", "1.0", config, LAYER);
    crate::sums::write(root, &crate::sums::digest_file).expect("checksums");
    folder
}

/// Writes an image of one layer and returns its digest.
pub(crate) fn image(root: &Path, name: &str, tag: &str, config: &[u8], layer: &[u8]) -> Digest {
    let descriptor = |kind: &str, bytes: &[u8]| {
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": Digest::of(bytes).to_string(),
            "size": bytes.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
    .to_string();
    let folder = crate::layout::image_folder(name, tag);
    put(root, &format!("{folder}/manifest.json"), manifest.as_bytes());
    put(root, &format!("{folder}/version"), crate::layout::IMAGE_VERSION_CONTENT.as_bytes());
    for blob in [config, layer] {
        put(root, &format!("{folder}/{}", Digest::of(blob).hex()), blob);
    }
    Digest::of(manifest.as_bytes())
}

pub(crate) fn put(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
    std::fs::write(file, content).expect(path);
}
