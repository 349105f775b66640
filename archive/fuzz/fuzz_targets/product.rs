//! Invariant: whatever the text is, it is refused or a product whose name is fit for a path and that survives being written.
#![no_main]

use archive::Product;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(product) = Product::parse(text) {
        let id = product.id();
        assert!(!id.as_str().contains(['/', '\0']) && !id.as_str().starts_with('.'));
        assert_eq!(Product::parse(&product.render()).ok(), Some(product));
    }
});
