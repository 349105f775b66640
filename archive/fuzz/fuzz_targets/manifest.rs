//! Invariant: whatever the text is, it is refused or the manifest of a Solution whose name is fit for a path.
#![no_main]

use archive::Product;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(product) = Product::from_manifest(text) {
        let id = product.id();
        assert!(!id.as_str().contains(['/', '\0']) && !id.as_str().starts_with('.'));
    }
});
