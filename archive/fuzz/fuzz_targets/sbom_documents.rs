//! Invariant: whatever the bytes are, they are a document or are refused; one that was read is written as one that is equal.
#![no_main]

use archive::sbom::spdx::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (media_type, bytes) = input;
    archive::sbom::fuzz_attached(media_type, bytes);
    if let Ok(document) = Document::read(bytes) {
        document.components().for_each(|(_, component)| assert!(component.purl().starts_with("pkg:")));
        assert_eq!(Document::read(document.write().as_bytes()), Ok(document));
    }
});
