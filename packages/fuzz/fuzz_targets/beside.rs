//! Invariant: whatever descriptions of modules hold, reading them ends with a result or a reason. What is put together is as
//! long as what was read, but for a marker for each document.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run beside`.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/repository/header.rs"]
mod header;
#[path = "../../src/repository/modules.rs"]
mod modules;
#[allow(dead_code)]
#[path = "../../src/repository/tag.rs"]
mod tag;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(documents) = modules::documents(text) {
        let joined = modules::join(&documents);
        assert!(joined.len() <= text.len() + 5 * documents.len() + 8, "{}", joined.len());
        assert!(modules::documents(&joined).is_ok());
    }
});
