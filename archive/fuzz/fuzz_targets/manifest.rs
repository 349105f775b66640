//! Invariant: whatever the text is, it is refused, or the manifest of a Solution whose name is fit for a path and that survives
//! being written.
#![no_main]

use archive::solution::SolutionManifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(manifest) = SolutionManifest::parse(text) {
        let id = manifest.id();
        assert!(!id.as_str().contains(['/', '\0']) && !id.as_str().starts_with('.'));
        assert_eq!(manifest.product().id(), id);
        assert_eq!(SolutionManifest::parse(&manifest.render()).ok(), Some(manifest));
    }
});
