//! What one archive or one client may take of the server's memory and time.

use serde_json::json;

use super::MANIFEST;
use super::site::{Running, archive, descriptor, write_image};

#[test]
fn referrers_with_large_annotations_come_in_pages() {
    let (folder, app) = archive("Example");
    let config = b"{}";
    for (tag, kind) in [("a", "application/x-a"), ("b", "application/x-b"), ("c", "application/x-b")] {
        let mut subject = descriptor(MANIFEST, b"");
        subject["digest"] = app.manifest.to_string().into();
        let signature = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "subject": subject, "artifactType": kind,
            "config": descriptor("application/vnd.oci.empty.v1+json", config), "layers": [],
            "annotations": {"note": tag.repeat(3 << 20)},
        });
        write_image(folder.path(), "app", tag, &signature, &[config]);
        // The same under another tag is no other referrer.
        write_image(folder.path(), "app", &format!("{tag}-again"), &signature, &[config]);
    }
    let server = Running::start(&[folder.path()]);
    let first = format!("/v2/app/referrers/{}", app.manifest);
    for (filter, expected) in [("", 3), ("?artifactType=application%2Fx-b", 2)] {
        let (mut next, mut found) = (format!("{first}{filter}"), Vec::new());
        let mut pages = 0;
        while !next.is_empty() {
            let page = server.get(&next);
            assert!(page.status == 200 && page.body.len() < 5 << 20, "{next}: {}", page.status);
            found
                .extend(page.json()["manifests"].as_array().unwrap().iter().map(|m| m["digest"].to_string()));
            let link = page.header("link");
            next =
                link.strip_prefix('<').and_then(|link| link.split_once('>')).map_or("", |link| link.0).into();
            pages += 1;
        }
        found.dedup();
        assert_eq!((found.len(), pages), (expected, 3), "{filter}");
    }
}
