//! Invariant: the manifest of a backup and the record of versions are refused or read, and are the same when they are written and
//! read again. No path of a manifest leads out of its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use node::{backup, change_version};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = backup::parse_manifest(bytes) {
        let written = serde_json::to_vec(&manifest).expect("a manifest is JSON");
        assert_eq!(backup::parse_manifest(&written).ok().as_ref(), Some(&manifest));
        let value: serde_json::Value = serde_json::from_slice(&written).expect("a manifest is JSON");
        for list in ["files", "folders", "links"] {
            for entry in value[list].as_array().into_iter().flatten() {
                let path = entry["path"].as_str().unwrap_or("..");
                assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(versions) = change_version::parse_versions(text)
    {
        assert!(versions.iter().all(|(name, version)| !name.contains('/') && !version.contains('/')));
    }
});
